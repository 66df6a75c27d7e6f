"""What the machine can do at best, and the floor that this puts under a case.

Floor = the largest of bytes / copy bandwidth, operations / matrix rate, normals / raw rate of
random normals. A case's fraction of its limit is its floor over its time.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tokenspace_kernels.random_bits import normals, replicate_keys

RATES = {  # name of a limit -> what of the work it bounds
    "copy_gb_per_s": ("bytes", 1e9),
    "matrix_gflop_per_s": ("operations", 1e9),
    "normals_per_s": ("normals", 1.0),
}


@dataclass(frozen=True)
class Work:
    """What one replicate (or pass) has to move, compute and draw at least."""

    bytes: float = 0.0
    operations: float = 0.0
    normals: float = 0.0

    def floor(self, limits: dict[str, float]) -> tuple[float, str]:
        """Seconds at the limit of the machine, and the resource that sets them."""
        seconds = {
            what: getattr(self, what) / (limits[name] * unit)
            for name, (what, unit) in RATES.items()
        }
        most = max(seconds, key=lambda what: seconds[what])
        return seconds[most], most


@dataclass(frozen=True)
class Probe:
    """A call that does nothing but reach for one limit; amount: what it does, in the limit's unit.

    Probes run in turn with the contestants, since the limits of a shared machine wander.
    """

    limit: str
    call: Callable[[], Any]
    amount: float


def median_seconds(call: Callable[[], Any], repeats: int = 9) -> float:
    """Median time of a call after one to warm up."""
    jax.block_until_ready(call())
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        jax.block_until_ready(call())
        times.append(time.perf_counter() - started)
    return float(np.median(times))


def fastest(calls: list[Callable[[], Any]]) -> Callable[[], Any]:
    """The call of least median time."""
    return min(calls, key=median_seconds)


def copy_probe(size: int) -> Probe:
    """GB/s read and written by the best copy of float32 numbers that we know of."""
    x = jnp.zeros(size, jnp.float32)
    copy = jax.jit(lambda v: v + 1)
    calls: list[Callable[[], Any]] = [lambda: copy(x)]
    if jax.default_backend() == "cpu":
        # XLA allocates its result anew each time, which costs more than the copy itself. Ones:
        # zeros never written are one page of the system's, read from cache again and again.
        source, target = np.ones(size, np.float32), np.ones(size, np.float32)
        parts = np.array_split(np.arange(size), os.cpu_count() or 1)
        slices = [slice(int(p[0]), int(p[-1]) + 1) for p in parts]
        pool = ThreadPoolExecutor(len(slices))
        calls.append(lambda: list(pool.map(lambda s: np.copyto(target[s], source[s]), slices)))
    return Probe("copy_gb_per_s", fastest(calls), 8 * size / 1e9)


def matrix_probe(size: int) -> Probe:
    """GFLOP/s of a float32 matrix product at full precision."""
    matrix = jnp.ones((size, size), jnp.float32)
    multiply = jax.jit(lambda m: jnp.matmul(m, m, precision=jax.lax.Precision.HIGHEST))
    return Probe("matrix_gflop_per_s", lambda: multiply(matrix), 2 * size**3 / 1e9)


def normals_probe(replicates: int, dim: int) -> Probe:
    """Normals per second of our generator at its best: stored, or summed over 64 tokens."""
    keys = replicate_keys(0, 0, replicates)
    calls = 64  # as many as make a sampler's run: the first ones are slower

    def draw(use: Callable[[jax.Array], jax.Array]) -> Callable[[], Any]:
        compiled = jax.jit(jax.vmap(lambda key: use(normals(key, 0, 64, dim))))

        def call() -> jax.Array:
            for _ in range(calls - 1):
                compiled(keys)
            return compiled(keys)

        return call

    best = fastest([draw(lambda z: z), draw(lambda z: jnp.sum(z, axis=0))])
    return Probe("normals_per_s", best, calls * replicates * 64 * dim)


def probes(quick: bool) -> list[Probe]:
    """One probe a limit of the device that JAX computes on."""
    accelerator = jax.default_backend() != "cpu"
    return [
        copy_probe(1 << (20 if quick else 28 if accelerator else 25)),
        matrix_probe(256 if quick else 8192 if accelerator else 2048),
        normals_probe(8 if quick else 4096 if accelerator else 16, 1024),
    ]
