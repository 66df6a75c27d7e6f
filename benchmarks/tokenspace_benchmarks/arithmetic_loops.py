"""Loops that do arithmetic only, at the limit of a CPU; Numba compiles them, threads share them.

Four numbers at a time, independent of each other, stay in registers for 16 operations each, so that
every unit is busy whatever the latency and memory is read and written once in 16. Each operation
depends on the last in a way that no compiler can shorten. All take a (4, width) array for each
thread, that fits the fastest cache.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

OPTIONS: Any = {"nogil": True, "error_model": "numpy", "fastmath": {"contract"}}
U32 = np.uint32


@njit(**OPTIONS)
def integers(a: Any, b: Any, rounds: int, r: Any, c: Any) -> None:
    """Additions and xors."""
    for _ in range(rounds):
        for k in range(a.shape[1]):
            x, y, z, w = a[0, k], a[1, k], a[2, k], a[3, k]
            for _ in range(8):
                x = U32(x + r) ^ r
                y = U32(y + r) ^ r
                z = U32(z + r) ^ r
                w = U32(w + r) ^ r
            a[0, k], a[1, k], a[2, k], a[3, k] = x, y, z, w


@njit(**OPTIONS)
def rotations(a: Any, b: Any, rounds: int, r: Any, c: Any) -> None:
    """Rotations by r bits; without the inner U32 no compiler sees that they are some."""
    left, right = r & U32(31), U32(-r) & U32(31)
    for _ in range(rounds):
        for k in range(a.shape[1]):
            x, y, z, w = a[0, k], a[1, k], a[2, k], a[3, k]
            for _ in range(8):
                x = U32(U32(x << left) | U32(x >> right))
                y = U32(U32(y << left) | U32(y >> right))
                z = U32(U32(z << left) | U32(z >> right))
                w = U32(U32(w << left) | U32(w >> right))
            a[0, k], a[1, k], a[2, k], a[3, k] = x, y, z, w


@njit(**OPTIONS)
def multiply_adds(a: Any, b: Any, rounds: int, r: Any, c: Any) -> None:
    """Fused multiply-adds of floats."""
    for _ in range(rounds):
        for k in range(b.shape[1]):
            x, y, z, w = b[0, k], b[1, k], b[2, k], b[3, k]
            for _ in range(16):
                x = x * c + c
                y = y * c + c
                z = z * c + c
                w = w * c + c
            b[0, k], b[1, k], b[2, k], b[3, k] = x, y, z, w


@njit(**OPTIONS)
def mixed(a: Any, b: Any, rounds: int, r: Any, c: Any) -> None:
    """Half integers, half multiply-adds, for processors with units of their own for each."""
    for _ in range(rounds):
        for k in range(a.shape[1]):
            x, y, z, w = a[0, k], a[1, k], b[0, k], b[1, k]
            for _ in range(8):
                x = U32(x + r) ^ r
                z = (z * c + c) * c + c
                y = U32(y + r) ^ r
                w = (w * c + c) * c + c
            a[0, k], a[1, k], b[0, k], b[1, k] = x, y, z, w


LOOPS = {  # and the operations of each for a column and a round
    "integers": (integers, 64),
    "rotations": (rotations, 32),
    "multiplications": (multiply_adds, 64),
    "mixed": (mixed, 64),
}
