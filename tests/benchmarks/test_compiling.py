"""Programs compiled ahead of time, where the compilers are: what is then counted of them."""

from functools import cache

import jax
import jax.numpy as jnp
import pytest

from tokenspace_benchmarks.ahead_of_time import (
    TARGETS,
    compile_for,
    missing,
)
from tokenspace_benchmarks.ahead_of_time.programs import NORMALS
from tokenspace_benchmarks.ahead_of_time.programs import programs as planned_programs

programs = cache(lambda platform: list(planned_programs(platform)))
compiles = {
    name: pytest.param(
        name, marks=pytest.mark.skipif(missing(name) is not None, reason=str(missing(name)))
    )
    for name in TARGETS
}
needs_h100 = pytest.mark.skipif(missing("h100") is not None, reason=str(missing("h100")))


def loop(x):
    """16 steps of 8 multiplications, added."""

    def step(carry, _):
        for _ in range(8):
            carry = carry * carry + x
        return carry, jnp.sum(carry)

    return jax.lax.scan(step, x, None, length=16)


@pytest.mark.parametrize("name", compiles.values())
def test_a_small_program_is_compiled(name):
    x = jax.ShapeDtypeStruct((256, 1024), jnp.float32)
    found = compile_for(name, loop, (x,), 256 * 1024 * 16)
    assert (found.device, found.steps) == (TARGETS[name].device, 16)
    assert found.arguments == 4 * 256 * 1024
    assert found.bound_numbers_per_s > 0
    if name == "h100":
        assert found.spills == 0 and found.launches_run > 16 * found.launches_step
    else:
        assert found.cycles > 16 * found.cycles_step * 0.99


@needs_h100
def test_instructions_of_a_number():
    """Eight more of two multiplications and an addition are 24 more instructions: XLA fuses none."""

    def chain(length):
        def f(x):
            for _ in range(length):
                x = x * x + 1.5 * x
            return x

        x = jax.ShapeDtypeStruct((1 << 20,), jnp.float32)
        kinds = compile_for("h100", f, (x,), 1 << 20).instructions
        return sum(kinds.get(kind, 0) for kind in ("fma", "other float"))

    assert chain(16) - chain(8) == 8 * 3


@needs_h100
def test_bare_normals_take_what_was_counted_once():
    """116 instructions a number, as the result file says: Threefry runs once a pair there."""
    (stored,) = [p for p in programs("gpu") if p.name == "normals: stored"]
    found = compile_for("h100", stored.call, stored.arguments, stored.numbers)
    assert found.numbers == NORMALS[0] * NORMALS[1] * NORMALS[2]
    assert found.instructions_a_number == pytest.approx(116.0, rel=0.02)
    assert found.notes == ()


@pytest.mark.parametrize("name", [compiles["v5e"]])
def test_normals_that_are_stored_are_written_once(name):
    """Pairs are interleaved where they are drawn; a tenth of what is stored would be a copy."""
    (stored,) = (p for p in programs(TARGETS[name].platform) if p.name == "normals: stored")
    found = compile_for(name, stored.call, stored.arguments, stored.numbers)
    assert found.temporaries < 64 << 20 < found.outputs / 10
