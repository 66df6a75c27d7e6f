"""`collapsed_divergence` as loops that Numba compiles, with replicates as the vector."""

from __future__ import annotations

from typing import Any

import numpy as np

from tokenspace_kernels.machine_code import compiled, compiled_in_order
from tokenspace_kernels.random_bits_loops import normal, substream, threefry
from tokenspace_kernels.streams import CHI
from tokenspace_kernels.triangular_loops import ROWS, four_rows

u32, i32, f32 = np.uint32, np.int32, np.float32

# log(1 + f) / f for f in [-1/3, 1/3), powers of f: Chebyshev interpolant of degree 8, to 1e-8.
_F = np.polynomial.Chebyshev.interpolate(
    lambda f: np.log1p(f) / f, 8, domain=[-1 / 3, 1 / 3 + 1e-9]
)
L0, L1, L2, L3, L4, L5, L6, L7, L8 = map(f32, _F.convert(kind=np.polynomial.Polynomial).coef)
TWO_THIRDS = i32(np.array(2 / 3, f32).view(i32))  # its bits
LOG_2 = f32(np.log(2))
TINY = f32(1e-37)


@compiled_in_order
def logarithm(x: Any) -> Any:
    """log x of a normal number x > 0: a call to a library would end the vectors."""
    bits = f32(x).view(i32)
    exponent = i32(i32(bits - TWO_THIRDS) >> i32(23))  # so that 1 + f is in [2/3, 4/3)
    f = i32(bits - i32(exponent << i32(23))).view(f32) - f32(1)
    ratio = (((L8 * f + L7) * f + L6) * f + L5) * f + L4
    ratio = (((ratio * f + L3) * f + L2) * f + L1) * f + L0
    return f32(exponent) * LOG_2 + f * ratio


@compiled
def draw_replicates(keys: Any, pair: int, feature: int, even: Any, odd: Any) -> None:
    """White noise of tokens 2 pair and 2 pair + 1 at one feature, of each replicate (lanes,)."""
    i, f = u32(pair), u32(feature)
    for r in range(even.size):
        x0, x1 = threefry(keys[0, r], keys[1, r], i, f)
        even[r] = normal(x0)
        odd[r] = normal(x1)


@compiled
def open_uniform(bits: Any) -> Any:
    return (f32(bits >> u32(8)) + f32(0.5)) * f32(2.0**-24)


@compiled
def cube(x: Any, c: Any) -> Any:
    """(1 + c x)^3, where negative so small that it is sure to be rejected."""
    v = (f32(1) + c * x) * (f32(1) + c * x) * (f32(1) + c * x)
    return v if v > TINY else TINY


@compiled
def margin(x: Any, v: Any, d: Any) -> Any:
    """d v is accepted as a gamma variate where the logarithm of a uniform number is below this."""
    return f32(0.5) * x * x + d * (f32(1) - v + logarithm(v))


@compiled
def later_gamma(k0: Any, k1: Any, element: Any, d: Any, c: Any) -> Any:
    """The first that is accepted after the first attempt."""
    number, value = 1, f32(0)
    while value == f32(0):
        bits0, bits1 = threefry(k0, k1, element, u32(number))
        x = normal(bits0)
        v = cube(x, c)
        value = d * v if margin(x, v, d) > logarithm(open_uniform(bits1)) else f32(0)
        number += 1
    return value


@compiled
def root_chi_squares(keys: Any, element: int, degrees: Any, out: Any) -> None:
    """Roots of `chi_square.chi_square` at one element, of each replicate (lanes,)."""
    shape, e = degrees / f32(2), u32(element)
    d = (shape + f32(1) if shape < f32(1) else shape) - f32(1 / 3)
    c = f32(1) / np.sqrt(f32(9) * d)
    for r in range(out.size):
        bits0, bits1 = threefry(keys[0, r], keys[1, r], e, u32(0))
        x = normal(bits0)
        v = cube(x, c)
        out[r] = d * v if margin(x, v, d) > logarithm(open_uniform(bits1)) else f32(0)
    for r in range(out.size):
        if out[r] == f32(0):
            out[r] = later_gamma(keys[0, r], keys[1, r], e, d, c)
    if shape < f32(1):
        for r in range(out.size):
            bits, _ = threefry(keys[0, r], keys[1, r], e, u32(0xFFFFFFFF))
            out[r] *= f32(np.exp(np.log(np.float64(open_uniform(bits))) / shape))
    for r in range(out.size):
        out[r] = np.sqrt(f32(2) * out[r])


@compiled
def add_squares(factor: Any, column: int, z: Any, y: Any, squared: Any) -> None:
    """squared (m, lanes) += squares of factor z for a column of A, which begins at its diagonal."""
    m, lanes = squared.shape
    for row in range(column // ROWS * ROWS, m, ROWS):
        four_rows(factor, row, column, z, y)
        for i in range(row, min(row + ROWS, m)):
            for r in range(lanes):
                squared[i, r] += y[i - row, r] * y[i - row, r]


@compiled
def substreams(keys: Any, number: Any, out: Any) -> None:
    for r in range(out.shape[1]):
        out[0, r], out[1, r] = substream(keys[0, r], keys[1, r], number)


@compiled
def squares(keys: Any, numbers: Any, factors: Any, freedom: Any, squared: Any) -> None:
    """Squared prefix sums at the grid (m, lanes) of as many replicates.

    keys: (2, lanes) words of the replicates; numbers: (groups,) their streams; factors:
    (groups, M, M), padded; freedom: (groups,).

    Drawn row k of the noise gives column k of A right of its diagonal, and column m - 1 - k, turned
    round, left of it, where that is beyond the rows drawn.
    """
    m, lanes = squared.shape
    rows = m // 2 + 1
    z = np.empty((2, 2, factors.shape[2], lanes), f32)  # of two rows: right, and left turned round
    y, chi = np.empty((ROWS, lanes), f32), np.empty((m, lanes), f32)
    of_chi, stream = np.empty_like(keys), np.empty_like(keys)
    substreams(keys, CHI, of_chi)
    squared[:] = 0
    for g in range(len(factors)):
        filled = min(m, freedom[g])
        for k in range(filled):
            root_chi_squares(of_chi, g * m + k, f32(freedom[g] - k), chi[k])
        z[:] = 0
        substreams(keys, numbers[g], stream)
        for first in range(0, min(rows, filled), 2):
            for f in range(m):
                even = z[0, 0, f] if f > first else z[0, 1, m - 1 - f]
                odd = z[1, 0, f] if f > first + 1 else z[1, 1, m - 1 - f]
                draw_replicates(stream, first // 2, f, even, odd)
            for k in range(first, min(first + 2, rows, filled)):
                right, left, mirrored = z[k - first, 0], z[k - first, 1], m - 1 - k
                right[k] = chi[k]
                right[max(0, k - 2) : k] = 0
                add_squares(factors[g], k, right, y, squared)
                if mirrored >= rows and mirrored < filled:
                    left[mirrored] = chi[mirrored]
                    add_squares(factors[g], mirrored, left, y, squared)
