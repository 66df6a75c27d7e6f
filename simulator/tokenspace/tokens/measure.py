"""The same quantities on token arrays that are given: hidden states of a model.

Arrays of JAX on the device that computes stay there; all others are read as NumPy's, without a copy
where they lie in this machine's memory.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, TypeAlias

import jax
import numpy as np

from tokenspace.errors import InputError
from tokenspace.grids import as_grid, log_grid
from tokenspace.provenance import device_name, versions
from tokenspace.statistics.result import Result, summarise
from tokenspace.statistics.streaming import begin, psi_of, summary, update
from tokenspace_kernels.dispatch import Kernel, kernel

ORDERS = ("raster", "random")
Array: TypeAlias = np.ndarray | jax.Array
FORMATS = ("float32", "bfloat16", "float16")  # others are read as float32


def divergence(a: Any, b: Any, grid: int | Sequence[int] | np.ndarray) -> np.ndarray:
    """D(n) = ||sum_{i<=n} (a_i - b_i)||_2 of given tokens.

    Args:
        a, b: arrays of shape (..., N, d).
        grid: token counts, or one N for a logarithmic grid.

    Returns:
        Shape (..., m), float32.

    Raises:
        InputError: shapes differ, values up to the last n are not finite, or the grid exceeds N.
    """
    a, b = _tokens(a, b)
    n = _checked_grid(grid, a.shape[-2])
    return _measured(kernel("measure"), a, b, n, psi=False)["divergence"]


def correlations(a: Any, b: Any, grid: int | Sequence[int] | np.ndarray) -> dict[str, np.ndarray]:
    """Realised psi's of given tokens: psi_equal, psi_within, psi_cross, and what they are made of.

    psi_within is the mean of psi_cross_AA and psi_cross_BB, psi_delta = psi_within - psi_cross.

    Args:
        a, b: arrays of shape (..., N, d), no token zero.
        grid: token counts, or one N for a logarithmic grid.

    Returns:
        Name -> (..., m), float32; averages over pairs are NaN at n = 1, where they are undefined.

    Raises:
        InputError: as `divergence`, or a token up to the last n is zero.
    """
    a, b = _tokens(a, b)
    n = _checked_grid(grid, a.shape[-2])
    psi = _measured(kernel("measure"), a, b, n, psi=True)
    del psi["divergence"]
    return psi_of(psi)


def measure(
    a: Any,
    b: Any,
    grid: int | Sequence[int] | np.ndarray | None = None,
    order: str | np.ndarray = "raster",
    seed: int = 0,
) -> Result:
    """D(n) and realised psi's of many pairs of sequences, with errors over the pairs.

    Args:
        a, b: tokens, (pairs, N, d) or (N, d) for one pair.
        grid: token counts; by default a logarithmic grid up to N.
        order: "raster" keeps the order given, "random" shuffles positions (one permutation a
            pair, the same in both branches), an integer array (N,) gives the order.
        seed: of the random order.

    Returns:
        A `Result` without a model; each pair counts as a replicate.

    Raises:
        InputError: as `correlations`, and an order that is no permutation.
    """
    started = time.perf_counter()
    a, b = _pairs(a, b)
    n = _checked_grid(a.shape[1] if grid is None else grid, a.shape[1])
    if not (isinstance(order, str) and order == "raster"):
        _require_sound(a, b, unit=True)  # now, while places are those of the caller
        a, b = _reordered(a, b, order, seed)
    kernel_used = kernel("measure")
    samples = _measured(kernel_used, a, b, n, psi=True)
    named = order if isinstance(order, str) else "given"
    return summarise(
        summary(update(begin(n, psi=True), samples)),
        sampler="given tokens",
        method="one pass over the tokens",
        reason=f"{named} order",
        kernels=kernel_used.implementation,
        device=device_name(),
        seed=seed if named == "random" else None,
        seconds=time.perf_counter() - started,
        versions=versions(),
    )


def _reordered(a: Array, b: Array, order: str | np.ndarray, seed: int) -> tuple[Array, Array]:
    tokens = a.shape[1]
    if isinstance(order, str):
        if order == "random":
            rng = np.random.default_rng(seed)
            orders = np.stack([rng.permutation(tokens) for _ in range(len(a))])[:, :, None]
            if isinstance(a, jax.Array):
                orders = orders.astype(np.int32)  # JAX has 64-bit numbers only when told so
            xp = a.__array_namespace__()
            return xp.take_along_axis(a, orders, 1), xp.take_along_axis(b, orders, 1)
        raise InputError(
            f"order = {order!r} is not allowed; it must be one of {', '.join(ORDERS)} or an array"
        )
    permutation = np.asarray(order)
    if permutation.shape != (tokens,) or not np.array_equal(
        np.sort(permutation), np.arange(tokens)
    ):
        raise InputError(f"order must hold each of 0..{tokens - 1} once, shape ({tokens},)")
    return a[:, permutation], b[:, permutation]


def checked_pairs(a: Any, b: Any) -> tuple[Array, Array]:
    """Tokens of both branches as (pairs, N, d), real, finite and without empty tokens.

    Raises:
        InputError: naming the array, the place and the value.
    """
    a, b = _pairs(a, b)
    _require_sound(a, b, unit=True)
    return a, b


def _pairs(a: Any, b: Any) -> tuple[Array, Array]:
    a, b = _tokens(a, b)
    if a.ndim not in (2, 3):
        raise InputError(f"tokens must be (pairs, N, d) or (N, d), but their shape is {a.shape}")
    return (a[None], b[None]) if a.ndim == 2 else (a, b)


def _tokens(a: Any, b: Any) -> tuple[Array, Array]:
    """Both arrays in one of the formats that kernels read, of one shape (..., N, d)."""
    both = [_array(name, h) for name, h in (("a", a), ("b", b))]
    if not all(isinstance(h, jax.Array) for h in both):
        both = [np.asarray(h) for h in both]
    a, b = both
    if a.shape != b.shape:
        raise InputError(f"both branches need one shape, but a is {a.shape} and b is {b.shape}")
    if a.dtype == b.dtype and a.dtype.name in FORMATS:
        return a, b
    with np.errstate(over="ignore"):  # infinity is reported with its place
        return a.astype(np.float32), b.astype(np.float32)


def _array(name: str, h: Any) -> Array:
    """Tokens of one branch as an array of real numbers (..., N, d)."""
    try:
        if not (isinstance(h, jax.Array) and h.devices() == {jax.devices()[0]}):
            h = np.asarray(h)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"tokens {name} cannot be read as an array: {error}") from None
    if h.dtype.kind not in "fiu" and h.dtype.name != "bfloat16":
        raise InputError(f"tokens {name} have dtype {h.dtype}; real numbers are needed")
    if h.ndim < 2 or 0 in h.shape:
        raise InputError(f"tokens {name} must be (..., N, d), but their shape is {h.shape}")
    return h


def _measured(
    kernel_used: Kernel, a: Array, b: Array, n: np.ndarray, psi: bool
) -> dict[str, np.ndarray]:
    """What a kernel measures, or the reason why tokens have no such thing.

    Tokens are looked at one by one only if a result is not finite: looking takes far longer than
    measuring.
    """
    with np.errstate(all="ignore"):
        d, correlations = kernel_used.call(a, b, n, psi=psi)
    out = {k: np.asarray(v) for k, v in {"divergence": d, **correlations}.items()}
    defined = {k: v[..., n > 1] if k.startswith("psi_cross") else v for k, v in out.items()}
    if not all(np.isfinite(v).all() for v in defined.values()):
        _require_sound(a[..., : n[-1], :], b[..., : n[-1], :], unit=psi)
        smallest, largest = (
            float(f([f(np.linalg.norm(np.asarray(h, np.float64), axis=-1)) for h in (a, b)]))
            for f in (np.min, np.max)
        )
        raise InputError(
            f"norms of tokens lie between {smallest:.3g} and {largest:.3g}; their squares, summed, "
            "leave the range of float32 (1e-38 to 3e38): multiply the tokens by a constant first"
        )
    return out


def _require_sound(a: Array, b: Array, unit: bool) -> None:
    """All values finite, and with `unit` no token zero; else an error that says where."""
    for name, h in (("a", a), ("b", b)):
        xp = h.__array_namespace__()
        finite = xp.isfinite(h.astype(np.float32))
        if not finite.all():
            where, count = _first(~finite)
            raise InputError(
                f"tokens {name}[{', '.join(map(str, where))}] = {h[where]} is not finite "
                f"({count} such values)"
            )
        empty = ~xp.any(h != 0, axis=-1)
        if unit and empty.any():
            where, count = _first(empty)
            raise InputError(
                f"tokens {name}[{', '.join(map(str, where))}] is all zero "
                f"({count} such tokens), so its cosine is undefined; "
                "remove padding first"
            )


def _first(bad: Array) -> tuple[tuple[int, ...], int]:
    """Place of the first true value, and how many there are."""
    places = np.argwhere(np.asarray(bad))
    return tuple(int(i) for i in places[0]), len(places)


def _checked_grid(grid: Any, tokens: int) -> np.ndarray:
    n = log_grid(int(grid)) if np.ndim(grid) == 0 and grid == tokens else as_grid(grid)
    if n[-1] > tokens:
        raise InputError(f"grid goes up to n = {n[-1]}, but there are {tokens} tokens")
    return n
