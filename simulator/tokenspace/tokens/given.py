"""Tokens as they are given: read as arrays that kernels take, and refused in words.

Arrays of JAX on the device that computes stay there; all others are read as NumPy's, without a copy
where they lie in this machine's memory. What lies on disk is converted a block at a time, by who
reads it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import numpy as np

from tokenspace.errors import InputError
from tokenspace.printable import counted
from tokenspace.tokens.mapped import forget, is_mapped
from tokenspace_kernels.limits import Work

Array: TypeAlias = np.ndarray | jax.Array
FORMATS = ("float32", "bfloat16", "float16")  # others are read as float32
LOOKED_AT = 1 << 24  # values that are looked at at once


def both_branches(a: Any, b: Any) -> tuple[Array, Array]:
    """Both arrays, of one shape (..., N, d), in a format that kernels read unless on disk.

    Raises:
        InputError: no arrays of real numbers, or of two shapes.
    """
    both = [_array(name, h) for name, h in (("a", a), ("b", b))]
    if not all(isinstance(h, jax.Array) for h in both):
        both = [np.asarray(h) for h in both]
    a, b = both
    if a.shape != b.shape:
        raise InputError(f"both branches need one shape, but a is {a.shape} and b is {b.shape}")
    if is_mapped(a) or is_mapped(b):
        return a, b
    return readable(a, b)


def readable(a: Array, b: Array) -> tuple[Array, Array]:
    """Both in one of the formats that kernels read, as they are where they have one."""
    if a.dtype == b.dtype and _is_read(a):
        return a, b
    return _float32(a), _float32(b)


def work_of(*sequences: Array, tokens: int) -> Work:
    """What a kernel is asked for that reads these, each up to so many tokens."""
    formats = frozenset(h.dtype.name for h in sequences)
    return Work(int(sequences[0].shape[-1]), tokens=tokens, formats=formats)


def one_branch(a: Any) -> Array:
    """One array (..., N, d), in a format that kernels read unless on disk.

    Raises:
        InputError: no array of real numbers.
    """
    a = _array("a", a)
    return a if _is_read(a) or is_mapped(a) else _float32(a)


def _is_read(h: Array) -> bool:
    """Whether kernels read it as it is: one of the formats, in this machine's order of bytes."""
    return h.dtype.name in FORMATS and h.dtype.isnative


def require_sound(a: Array, b: Array, unit: bool) -> None:
    """All values finite, and with `unit` no token zero; else an error that says where."""
    for name, h in (("a", a),) if a is b else (("a", a), ("b", b)):
        require_sound_array(name, h, unit)


def require_sound_array(name: str, h: Array, unit: bool) -> None:
    """The same of one array (..., N, d)."""
    where, count = _first(h, _not_finite)
    if count:
        known = np.isfinite(np.asarray(h[where], np.float64))
        what = "is beyond the range of float32 (3.4e38)" if known else "is not finite"
        raise InputError(
            f"tokens {name}[{', '.join(map(str, where))}] = {h[where]} {what} "
            f"({counted(count, 'such value')})"
        )
    where, count = _first(h, _zero) if unit else ((), 0)
    if count:
        raise InputError(
            f"tokens {name}[{', '.join(map(str, where))}] is all zero "
            f"({counted(count, 'such token')}), so its cosine is undefined; "
            "remove padding first"
        )


def _not_finite(h: Array) -> Array:
    return ~h.__array_namespace__().isfinite(_float32(h))


def _zero(h: Array) -> Array:
    return ~h.__array_namespace__().any(h != 0, axis=-1)


def _array(name: str, h: Any) -> Array:
    """Tokens of one branch as an array of real numbers (..., N, d)."""
    if np.ma.is_masked(h):
        raise InputError(
            f"tokens {name} have masked values, which are no tokens: leave out padding, and save "
            "what is left as plain arrays"
        )
    try:
        if not (isinstance(h, jax.Array) and h.devices() == {jax.devices()[0]}):
            h = np.asarray(h)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"tokens {name} cannot be read as an array: {error}") from None
    if h.dtype.kind not in "fiu" and h.dtype.name != "bfloat16":
        unknown = "; NumPy knows no bfloat16 in a .npy file: use .safetensors, or save float32"
        raise InputError(
            f"tokens {name} have dtype {h.dtype}; real numbers are needed"
            f"{unknown if h.dtype.kind == 'V' else ''}"
        )
    if 0 in h.shape:
        raise InputError(f"tokens {name} are none: their shape is {h.shape}")
    if h.ndim < 2:
        raise InputError(f"tokens {name} must be (..., N, d), but their shape is {h.shape}")
    return h


def _float32(h: Array) -> Array:
    with np.errstate(over="ignore"):  # infinity is reported with its place
        return h.astype(np.float32)


def _first(h: Array, bad: Callable[[Array], Array]) -> tuple[tuple[int, ...], int]:
    """Place of the first bad value of tokens (..., N, d), and how many there are."""
    step = max(1, LOOKED_AT * len(h) // h.size)
    first: tuple[int, ...] = ()
    count = 0
    for start in range(0, len(h), step):
        places = np.argwhere(np.asarray(bad(h[start : start + step])))
        forget(h)
        if len(places) and not count:
            first = (start + int(places[0][0]), *(int(i) for i in places[0][1:]))
        count += len(places)
    return first, count
