"""Tokens as they are given: read as arrays that kernels take, and refused in words.

Arrays of JAX on the device that computes stay there; all others are read as NumPy's, without a copy
where they lie in this machine's memory.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import jax
import numpy as np

from tokenspace.errors import InputError

Array: TypeAlias = np.ndarray | jax.Array
FORMATS = ("float32", "bfloat16", "float16")  # others are read as float32


def both_branches(a: Any, b: Any) -> tuple[Array, Array]:
    """Both arrays in one of the formats that kernels read, of one shape (..., N, d).

    Raises:
        InputError: no arrays of real numbers, or of two shapes.
    """
    both = [_array(name, h) for name, h in (("a", a), ("b", b))]
    if not all(isinstance(h, jax.Array) for h in both):
        both = [np.asarray(h) for h in both]
    a, b = both
    if a.shape != b.shape:
        raise InputError(f"both branches need one shape, but a is {a.shape} and b is {b.shape}")
    if a.dtype == b.dtype and _is_read(a):
        return a, b
    return _float32(a), _float32(b)


def one_branch(a: Any) -> Array:
    """One array in one of the formats that kernels read, (..., N, d).

    Raises:
        InputError: no array of real numbers.
    """
    a = _array("a", a)
    return a if _is_read(a) else _float32(a)


def _is_read(h: Array) -> bool:
    """Whether kernels read it as it is: one of the formats, in this machine's order of bytes."""
    return h.dtype.name in FORMATS and h.dtype.isnative


def require_sound(a: Array, b: Array, unit: bool) -> None:
    """All values finite, and with `unit` no token zero; else an error that says where."""
    for name, h in (("a", a),) if a is b else (("a", a), ("b", b)):
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


def _float32(h: Array) -> Array:
    with np.errstate(over="ignore"):  # infinity is reported with its place
        return h.astype(np.float32)


def _first(bad: Array) -> tuple[tuple[int, ...], int]:
    """Place of the first true value, and how many there are."""
    places = np.argwhere(np.asarray(bad))
    return tuple(int(i) for i in places[0]), len(places)
