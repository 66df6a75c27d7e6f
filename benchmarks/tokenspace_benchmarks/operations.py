"""Operations of the generator and of the normal made of its bits, counted by hand, derived here.

Counted is the least that any program of the same mathematics does: what is the same for all tokens
is free, a rotation is one operation (as on AVX-512 and on GPUs), and so are taking the exponent or
the mantissa of a float and a multiplication fused with an addition. Where a machine needs more, its
floor is lower than it could be, never higher.

Threefry-2x32-20, two words from a counter (token, feature) and a key:

    additions   20 in the rounds, 2 after each of 5 groups of four rounds           30
                (the keys and the number of a group are added up beforehand; token + key is one
                number for all features, feature + key the same for all tokens)
    xors        20                                                                  20
    rotations   20, less that of the first round, the same for all tokens           19
    on accelerators, which may add three numbers at once, 4 additions fewer: after a group the key
    is added to the first word together with the first round of the next group

Normal from 32 bits, z = u p(t), t = -log(1 - u^2) / h - 1:

    u           a shift, a conversion, a multiply-add
    1 - u^2     a multiply-add
    t           a logarithm, its scale and the -1 within the constants of its polynomial
    p(t)        degree 14: 14 multiply-adds
    u p(t)      a multiplication

Logarithm: exponent and mantissa (2), a polynomial on an octave of the least degree that moves a
normal by less than half a unit of its last place (7 multiply-adds), exponent times log 2 added (1).
Accelerators have an instruction for it: 1.

Chi-square after Marsaglia and Tsang, one attempt: two words, a normal, a uniform number (shift,
conversion, multiply-add), (1 + c x)^3 (3 multiplications), the squeeze that makes both logarithms
rare (x^2, its square, a multiply-add, a comparison), the scale and the root.

Together, on a CPU, a normal takes 63.5 operations: 34.5 of its half of two words, 29 of the rest.
"""

from __future__ import annotations

import jax

from tokenspace_benchmarks.limits import Work

POLYNOMIAL, LOGARITHM = 14, 7  # degrees


def on_accelerator() -> bool:
    """Whether JAX computes on something other than a CPU."""
    return jax.default_backend() != "cpu"


def two_words(accelerator: bool) -> Work:
    """Threefry-2x32-20 of one counter."""
    return Work(rotations=19, others=20 + (26 if accelerator else 30))


def logarithm(accelerator: bool) -> Work:
    """Of a float32."""
    return Work(others=1) if accelerator else Work(multiplications=LOGARITHM + 1, others=2)


def from_bits(accelerator: bool) -> Work:
    """A standard normal from 32 random bits."""
    return Work(multiplications=3 + POLYNOMIAL, others=2) + logarithm(accelerator)


def normal(accelerator: bool) -> Work:
    """A standard normal with its half of two random words."""
    return 0.5 * two_words(accelerator) + from_bits(accelerator)


def chi_square(accelerator: bool) -> Work:
    """The root of a chi-square, one attempt."""
    attempt = Work(multiplications=1 + 3 + 3 + 1, others=1 + 1 + 1 + 1)
    return two_words(accelerator) + from_bits(accelerator) + attempt


def multiply_adds(number: float, accelerator: bool) -> Work:
    """Of a matrix product: on a CPU the same units as all else, elsewhere units of their own."""
    return Work(products=2 * number) if accelerator else Work(multiplications=number)


def normals_per_second(limits: dict[str, float], accelerator: bool) -> float:
    """Normals a second at the limit of the machine, each added to a sum."""
    return 1 / (normal(accelerator) + Work(others=1)).floor(limits)[0]
