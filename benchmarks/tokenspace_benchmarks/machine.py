"""Probes of the machine: rates of arithmetic, copy bandwidth, and matrix products.

On a CPU loops of integers and floats compiled by Numba, in all cores (`arithmetic_loops`); where
Numba is missing, and on accelerators, long chains of elementwise operations compiled by XLA.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tokenspace_benchmarks.operations import on_accelerator
from tokenspace_kernels.workers import cores, share

CHAIN = 256  # operations of a chain on an accelerator
SHORT_CHAIN = 32  # and under XLA on a CPU, which is slower for longer ones


@dataclass(frozen=True)
class Probe:
    """A call that does nothing but reach for one limit; amount: what it does, in the limit's unit.

    Probes run in turn with the contestants, since the limits of a shared machine wander.
    """

    limit: str
    call: Callable[[], Any]
    amount: float


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of a call until its result is ready, and the result."""
    started = time.perf_counter()
    result = jax.block_until_ready(call())
    return time.perf_counter() - started, result


def fastest(probes: list[Probe], repeats: int = 9) -> Probe:
    """The probe of the highest rate, by the median of some calls after one to warm up."""

    def rate(probe: Probe) -> float:
        timed(probe.call)
        return probe.amount / float(np.median([timed(probe.call)[0] for _ in range(repeats)]))

    return max(probes, key=rate)


def copy_probe(size: int) -> Probe:
    """GB/s read and written by the best copy of float32 numbers that we know of."""
    amount = 8 * size / 1e9
    x = jnp.zeros(size, jnp.float32)
    copy = jax.jit(lambda v: v + 1)
    found = [Probe("copy_gb_per_s", lambda: copy(x), amount)]
    if not on_accelerator():
        # XLA allocates its result anew each time, which costs more than the copy itself. Ones:
        # zeros never written are one page of the system's, read from cache again and again.
        source, target = np.ones(size, np.float32), np.ones(size, np.float32)
        rows = 64, size // 64
        source, target = source.reshape(rows), target.reshape(rows)

        def in_threads() -> None:
            share(rows[0], lambda s: np.copyto(target[s], source[s]))

        found.append(Probe("copy_gb_per_s", in_threads, amount))
    return fastest(found)


def matrix_probe(size: int) -> Probe:
    """GFLOP/s of a float32 matrix product at full precision."""
    matrix = jnp.ones((size, size), jnp.float32)
    multiply = jax.jit(lambda m: jnp.matmul(m, m, precision=jax.lax.Precision.HIGHEST))
    return Probe("matrix_gflop_per_s", lambda: multiply(matrix), 2 * size**3 / 1e9)


def loop_probe(limit: str, what: str, rounds: int, width: int = 512) -> Probe:
    """One of `arithmetic_loops` in every core."""
    from tokenspace_benchmarks.arithmetic_loops import LOOPS  # Numba need not be there

    loop, operations = LOOPS[what]
    threads = cores()
    integers = np.arange(threads * 4 * width, dtype=np.uint32).reshape(threads, 4, width)
    floats = np.ones((threads, 4, width), np.float32)

    def some(mine: slice) -> None:
        for k in range(mine.start, mine.stop):
            loop(integers[k], floats[k], rounds, np.uint32(13), np.float32(0.5))

    amount = threads * rounds * width * operations / 1e9
    return Probe(limit, lambda: share(threads, some), amount)


def rotate(x: jax.Array, bits: int) -> jax.Array:
    return (x << np.uint32(bits)) | (x >> np.uint32(32 - bits))


STEPS: dict[str, tuple[Callable[[Any, Any, Any, Any], tuple[Any, Any]], int]] = {
    # a step of a chain from integers x and floats u, with y and v as its constants; what counts
    "integers": (lambda x, u, y, v: ((x + y) ^ y, u), 2),
    "mixed": (lambda x, u, y, v: ((x + y) ^ y, (u * v) * v), 4),
    "rotations": (lambda x, u, y, v: (rotate(x, 13) ^ y, u), 1),
    "multiplications": (lambda x, u, y, v: (x, u * v), 1),
}


def chain(what: str, length: int) -> Callable[..., tuple[Any, Any]]:
    """Elementwise steps one after another, of which `length` operations a number count.

    Multiplications alone stand for those fused with an addition, which take the same unit; XLA does
    not fuse them on every device.
    """
    step, count = STEPS[what]

    def run(x: Any, u: Any, y: Any, v: Any) -> tuple[Any, Any]:
        for _ in range(length // count):
            x, u = step(x, u, y, v)
        return x, u

    return run


def chain_probe(limit: str, what: str, size: int, length: int) -> Probe:
    """A chain over `size` numbers."""
    integers = jnp.arange(size, dtype=jnp.uint32)
    floats = jnp.ones(size, jnp.float32)
    compiled = jax.jit(chain(what, length))

    def call() -> Any:
        return compiled(integers, floats, integers, floats)

    return Probe(limit, call, size * length / 1e9)


def arithmetic_probes(quick: bool) -> list[Probe]:
    """All operations together, rotations, multiplications."""
    if compiled_loops():
        probe: Callable[[str, str], Probe] = partial(loop_probe, rounds=200 if quick else 40_000)
    else:
        probe = partial(
            chain_probe,
            size=1 << (16 if quick else 24 if on_accelerator() else 21),
            length=CHAIN if on_accelerator() else SHORT_CHAIN,
        )
    return [
        fastest([probe("giga_operations_per_s", what) for what in ("integers", "mixed")]),
        probe("giga_rotations_per_s", "rotations"),
        probe("giga_multiplications_per_s", "multiplications"),
    ]


def compiled_loops() -> bool:
    """Whether the arithmetic of this device is measured by loops that Numba compiles."""
    return not on_accelerator() and find_spec("numba") is not None


def probes(quick: bool) -> list[Probe]:
    """One probe a limit of the device that JAX computes on."""
    accelerator = on_accelerator()
    found = [
        copy_probe(1 << (20 if quick else 28 if accelerator else 25)),
        *arithmetic_probes(quick),
    ]
    if accelerator:
        found.append(matrix_probe(256 if quick else 8192))
    return found
