"""The normals of the GPU's own arithmetic against float64, by an interpreter of its assembly."""

import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental.pallas import triton
from scipy import special

from tokenspace_kernels.random_bits import (
    bits_to_normal,
    cipher,
    encrypted,
    normals,
    replicate_keys,
    threefry2x32,
)
from tokenspace_kernels.sample_divergence_gpu import FUSED

HALF = 1 << 23
LOGARITHM = 2.0**-22  # absolute error of lg2.approx in (1/2, 2), relative elsewhere: PTX manual


def approximate_log2(x, sign):
    exact = np.log2(np.float64(x))
    size = np.where(x > 0.5, 1.0, np.abs(exact))
    return np.float32(exact + sign * LOGARITHM * size)


def interpreter(sign):
    """Runs assembly of float32 and words; `sign` is that of the logarithm's whole error."""
    # A product of float32 is exact in float64.
    instructions = {
        "fma.rn.f32": lambda a, b, c: np.float32(np.float64(a) * np.float64(b) + np.float64(c)),
        "neg.f32": lambda a: -a,
        "lg2.approx.ftz.f32": lambda a: approximate_log2(a, sign),
        "add.u32": lambda a, b: a + b,
    }

    def value(operand, registers):
        if operand.startswith("0f"):
            return np.uint32(int(operand[2:], 16)).view(np.float32)
        return registers[operand]

    def run(code, args, constraints, pack, result_shape_dtypes):
        registers = {f"${k}": np.asarray(a) for k, a in enumerate(args, 1)}
        for line in code.strip("; ").split(";"):
            opcode, operands = line.strip().split(" ", 1)
            to, *sources = operands.split(", ")
            registers[to] = instructions[opcode](*(value(s, registers) for s in sources))
        (result,) = result_shape_dtypes
        return [jnp.asarray(registers["$0"].view(result.dtype))]

    return run


def worst(k):
    """The largest relative error at u = (k + 1/2) 2^-23 > 0."""
    z = bits_to_normal(jnp.asarray(k << 8, jnp.uint32), FUSED)
    u = (k + 0.5) * 2.0**-23
    return np.max(np.abs(np.float64(z) / (np.sqrt(2) * special.erfinv(u)) - 1))


@pytest.mark.once
@pytest.mark.parametrize("sign", [-1, 0, 1])
def test_all_normals_are_as_exact_as_on_a_cpu(monkeypatch, sign):
    monkeypatch.setattr(triton, "elementwise_inline_asm", interpreter(sign))
    assert max(worst(k) for k in np.arange(HALF).reshape(16, -1)) < 5e-7
    k = np.arange(0, HALF, 4999)
    z, mirrored = (
        bits_to_normal(jnp.asarray(bits << 8, jnp.uint32), FUSED)
        for bits in (k, (-1 - k) % (1 << 24))
    )
    np.testing.assert_array_equal(mirrored, -z)


def test_the_sums_of_words_are_those_of_the_cipher(monkeypatch):
    monkeypatch.setattr(triton, "elementwise_inline_asm", interpreter(0))
    key = tuple(replicate_keys(5, 7, 1)[0])
    second = jnp.arange(64, dtype=jnp.uint32)
    got = encrypted(cipher(key, second), jnp.uint32(9), FUSED.add)
    want = threefry2x32(key, (jnp.full(64, 9, jnp.uint32), second))
    np.testing.assert_array_equal(got, want)
    z = [bits_to_normal(w, FUSED) for w in got]
    drawn = normals(jnp.stack(key), 18, 2, 64)
    np.testing.assert_allclose(z, drawn, rtol=1e-6)
