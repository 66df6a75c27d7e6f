"""The same quantities on token arrays that are given: hidden states of a model."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from tokenspace.errors import InputError
from tokenspace.grids import as_grid, log_grid
from tokenspace.kernels.dispatch import kernel
from tokenspace.provenance import device_name, versions
from tokenspace.result import Result, summarise, with_psi_within

ORDERS = ("raster", "random")


def divergence(a: Any, b: Any, grid: int | Sequence[int] | np.ndarray) -> np.ndarray:
    """D(n) = ||sum_{i<=n} (a_i - b_i)||_2 of given tokens.

    Args:
        a, b: arrays of shape (..., N, d).
        grid: token counts, or one N for a logarithmic grid.

    Returns:
        Shape (..., m), float32.

    Raises:
        InputError: shapes differ, values are not finite, or the grid goes beyond N.
    """
    a, b = _checked(a, b, unit=False)
    n = _checked_grid(grid, a.shape[-2])
    return np.asarray(kernel("measure").call(a, b, n, psi=False)[0])


def correlations(a: Any, b: Any, grid: int | Sequence[int] | np.ndarray) -> dict[str, np.ndarray]:
    """Realised psi's of given tokens: psi_equal, psi_within, psi_cross, psi_cross_AA, psi_cross_BB.

    Args:
        a, b: arrays of shape (..., N, d), no token zero.
        grid: token counts, or one N for a logarithmic grid.

    Returns:
        Name -> (..., m), float32; averages over pairs are NaN at n = 1, where they are undefined.

    Raises:
        InputError: shapes differ, values are not finite, a token is zero, or the grid exceeds N.
    """
    a, b = _checked(a, b, unit=True)
    n = _checked_grid(grid, a.shape[-2])
    psi = {k: np.asarray(v) for k, v in kernel("measure").call(a, b, n)[1].items()}
    return with_psi_within(psi)


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
    a, b = checked_pairs(a, b)
    n = _checked_grid(a.shape[1] if grid is None else grid, a.shape[1])
    a, b = _reordered(a, b, order, seed)
    measured = kernel("measure")
    d, psi = measured.call(a, b, n)
    samples = {"divergence": np.asarray(d), **{k: np.asarray(v) for k, v in psi.items()}}
    named = order if isinstance(order, str) else "given"
    return summarise(
        n,
        samples,
        model=None,
        sampler="given tokens",
        method="one pass over the tokens",
        reason=f"{named} order",
        kernels=measured.implementation,
        device=device_name(),
        seed=seed if named == "random" else None,
        seconds=time.perf_counter() - started,
        versions=versions(),
    )


def _reordered(
    a: np.ndarray, b: np.ndarray, order: str | np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    tokens = a.shape[1]
    if isinstance(order, str):
        if order == "raster":
            return a, b
        if order == "random":
            rng = np.random.default_rng(seed)
            orders = np.stack([rng.permutation(tokens) for _ in range(len(a))])[:, :, None]
            return np.take_along_axis(a, orders, 1), np.take_along_axis(b, orders, 1)
        raise InputError(
            f"order = {order!r} is not allowed; it must be one of {', '.join(ORDERS)} or an array"
        )
    permutation = np.asarray(order)
    if permutation.shape != (tokens,) or not np.array_equal(
        np.sort(permutation), np.arange(tokens)
    ):
        raise InputError(f"order must hold each of 0..{tokens - 1} once, shape ({tokens},)")
    return a[:, permutation], b[:, permutation]


def checked_pairs(a: Any, b: Any) -> tuple[np.ndarray, np.ndarray]:
    """Tokens of both branches as (pairs, N, d), real, finite and without empty tokens.

    Raises:
        InputError: naming the array, the place and the value.
    """
    a, b = np.asarray(a), np.asarray(b)
    if a.ndim == 2 and b.ndim == 2:
        a, b = a[None], b[None]
    if a.ndim != 3:
        raise InputError(f"tokens must be (pairs, N, d) or (N, d), but their shape is {a.shape}")
    return _checked(a, b, unit=True)


def _checked(a: Any, b: Any, unit: bool) -> tuple[np.ndarray, np.ndarray]:
    arrays = []
    for name, h in (("a", np.asarray(a)), ("b", np.asarray(b))):
        real = h.dtype.kind in "fiu" or h.dtype.name in ("bfloat16", "float16")
        if not real:
            raise InputError(f"tokens {name} have dtype {h.dtype}; real numbers are needed")
        if h.ndim < 2 or 0 in h.shape:
            raise InputError(f"tokens {name} must be (..., N, d), but their shape is {h.shape}")
        wide = h.dtype.kind in "iu" or h.dtype.itemsize > 4
        h = h.astype(np.float32) if wide else h
        finite = np.isfinite(h.astype(np.float32) if h.dtype.itemsize < 4 else h)
        if not finite.all():
            where = tuple(int(i) for i in np.argwhere(~finite)[0])
            raise InputError(
                f"tokens {name}[{', '.join(map(str, where))}] = {h[where]} is not finite "
                f"({int((~finite).sum())} such values)"
            )
        if unit:
            empty = ~np.any(h != 0, axis=-1)
            if empty.any():
                where = tuple(int(i) for i in np.argwhere(empty)[0])
                raise InputError(
                    f"tokens {name}[{', '.join(map(str, where))}] is all zero "
                    f"({int(empty.sum())} such tokens), so its cosine is undefined; "
                    "remove padding first"
                )
        arrays.append(h)
    if arrays[0].shape != arrays[1].shape:
        raise InputError(
            f"both branches need one shape, but a is {arrays[0].shape} and b is {arrays[1].shape}"
        )
    return arrays[0], arrays[1]


def _checked_grid(grid: Any, tokens: int) -> np.ndarray:
    n = log_grid(int(grid)) if np.ndim(grid) == 0 and grid == tokens else as_grid(grid)
    if n[-1] > tokens:
        raise InputError(f"grid goes up to n = {n[-1]}, but there are {tokens} tokens")
    return n
