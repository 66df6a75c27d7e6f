"""The random numbers of `random_bits.py` as loops that Numba compiles: same bits, same normals.

The inner loop runs over the features of a pair of tokens: one Threefry call gives both numbers, and
sixteen features go through a vector unit at once. The logarithm is taken by the exponent's bits and
a polynomial, since a call to a library would end the vectors.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.polynomial import Chebyshev, Polynomial

from tokenspace_kernels.machine_code import compiled, compiled_in_order
from tokenspace_kernels.random_bits import NORMAL_COEFFICIENTS, NORMAL_HALF, PARITY

u32, i32, f32 = np.uint32, np.int32, np.float32

# log(1 + f) for f in [-1/3, 1/3), powers of f: Chebyshev interpolant of degree 7, to 2.3e-7.
_INTERPOLANT = Chebyshev.interpolate(np.log1p, 7, domain=[-1 / 3, 1 / 3])
# t = -log(x) / NORMAL_HALF - 1 with x = 2^e (1 + f): the constants are in the coefficients.
_OF_T = _INTERPOLANT.convert(kind=Polynomial) * (-1 / NORMAL_HALF) - 1
L0, L1, L2, L3, L4, L5, L6, L7 = map(f32, _OF_T.coef)
OF_EXPONENT = f32(-np.log(2) / NORMAL_HALF)
TWO_THIRDS = i32(np.array(2 / 3, f32).view(i32))  # its bits
C0, C1, C2, C3, C4, C5, C6, C7, C8, C9, C10, C11, C12, C13, C14 = map(f32, NORMAL_COEFFICIENTS)


@compiled
def rotated(x: Any, bits: int) -> Any:
    return u32((x << u32(bits)) | (x >> u32(32 - bits)))


@compiled
def four_rounds(x0: Any, x1: Any, a: int, b: int, c: int, d: int) -> tuple[Any, Any]:
    x0 = u32(x0 + x1)
    x1 = u32(rotated(x1, a) ^ x0)
    x0 = u32(x0 + x1)
    x1 = u32(rotated(x1, b) ^ x0)
    x0 = u32(x0 + x1)
    x1 = u32(rotated(x1, c) ^ x0)
    x0 = u32(x0 + x1)
    x1 = u32(rotated(x1, d) ^ x0)
    return x0, x1


@compiled
def threefry(k0: Any, k1: Any, x0: Any, x1: Any) -> tuple[Any, Any]:
    """`random_bits.threefry2x32`; the sums of keys and numbers leave the loop that calls this."""
    k2 = u32(k0 ^ k1 ^ PARITY)
    x0, x1 = four_rounds(u32(x0 + k0), u32(x1 + k1), 13, 15, 26, 6)
    x0, x1 = four_rounds(u32(x0 + k1), u32(x1 + u32(k2 + u32(1))), 17, 29, 16, 24)
    x0, x1 = four_rounds(u32(x0 + k2), u32(x1 + u32(k0 + u32(2))), 13, 15, 26, 6)
    x0, x1 = four_rounds(u32(x0 + k0), u32(x1 + u32(k1 + u32(3))), 17, 29, 16, 24)
    x0, x1 = four_rounds(u32(x0 + k1), u32(x1 + u32(k2 + u32(4))), 13, 15, 26, 6)
    return u32(x0 + k2), u32(x1 + u32(k0 + u32(5)))


@compiled_in_order
def normal(bits: Any) -> Any:
    """`random_bits.bits_to_normal`, to a relative error below 5e-7."""
    u = (f32(i32(bits) >> i32(8)) + f32(0.5)) * f32(2.0**-23)
    x = (f32(1) - u) * (f32(1) + u)
    of_x = f32(x).view(i32)
    exponent = i32(i32(of_x - TWO_THIRDS) >> i32(23))  # so that 1 + f is in [2/3, 4/3)
    f = i32(of_x - i32(exponent << i32(23))).view(f32) - f32(1)
    t = L7 * f + L6
    t = ((((((t * f + L5) * f + L4) * f + L3) * f + L2) * f + L1) * f + L0) + f32(
        exponent
    ) * OF_EXPONENT
    ratio = (((((C14 * t + C13) * t + C12) * t + C11) * t + C10) * t + C9) * t + C8
    ratio = (((((ratio * t + C7) * t + C6) * t + C5) * t + C4) * t + C3) * t + C2
    return u * ((ratio * t + C1) * t + C0)


@compiled
def draw_pair(key: Any, pair: int, first: int, z: Any) -> None:
    """White noise (2, features) of tokens 2 pair and 2 pair + 1, features from `first` on."""
    k0, k1, token, begin = key[0], key[1], u32(pair), u32(first)
    for k in range(z.shape[1]):
        x0, x1 = threefry(k0, k1, token, u32(begin + u32(k)))
        z[0, k] = normal(x0)
        z[1, k] = normal(x1)
