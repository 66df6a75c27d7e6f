"""The cases: shapes and models, ours and peers side by side, and the limits of the machine."""

from __future__ import annotations

import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tokenspace.benchmarks import peers
from tokenspace.benchmarks.harness import Contestant, Timing, race
from tokenspace.covariance import Branches, Exponential, Isotropic, TokenModel, equicorrelated
from tokenspace.grids import log_grid
from tokenspace.kernels import given_tokens
from tokenspace.kernels.random_bits import normal_pairs
from tokenspace.sampling import plan

SHAPES = ((1024, 1024),)
QUICK_SHAPES = ((256, 256),)
LENGTH = 32.0


def sampler_call(model: TokenModel, grid: np.ndarray, sampler: str, seconds: float) -> Any:
    """A call that draws for about `seconds` and returns how many replicates it drew."""
    prepared = plan(model, grid, sampler)
    prepared.draw(0, 0, 1)
    started = time.perf_counter()
    prepared.draw(0, 0, 2)
    blocks = max(2, int(2 * seconds / (time.perf_counter() - started)))

    def call() -> int:
        prepared.draw(0, 0, blocks)
        return blocks * prepared.block

    return call


def sampling_cases(quick: bool, say: Any) -> list[Timing]:
    """D(n) only: every sampler against the naive and the best structured peers."""
    out = []
    for n, d in QUICK_SHAPES if quick else SHAPES:
        grid = log_grid(n, 33)
        for kind, branches, strength in (
            ("equicorrelated", equicorrelated(0.2, 0.3, 0.1), 0.2 / 0.6),
            ("ar1", Branches(Exponential(LENGTH)), float(np.exp(-1 / LENGTH))),
        ):
            model = TokenModel(branches, Isotropic(d))
            contestants: list[Contestant] = [
                (s, True, sampler_call(model, grid, s, 0.05 if quick else 0.3))
                for s in ("tokens", "partial_sums", "collapsed")
            ]
            contestants += [
                ("NumPy, dense", False, peers.naive_numpy(branches, n, d, grid)),
                ("JAX, dense", False, peers.naive_jax(branches, n, d, grid)),
                (
                    "NumPy SFC64, structured",
                    False,
                    peers.structured_numpy(kind, strength, n, d, grid),
                ),
            ]
            dense_torch = peers.naive_torch(branches, n, d, grid)
            if dense_torch is None:
                say("PyTorch is not installed: its peers are skipped")
            else:
                contestants.append(("PyTorch, dense", False, dense_torch))
            out += race(f"sampling {kind} N={n} d={d}", contestants, 3 if quick else 9)
    return out


def given_token_cases(quick: bool) -> list[Timing]:
    """Divergence and psi's of given tokens, seconds per pass."""
    n, d = (1024, 64) if quick else (16_384, 1024)
    rng = np.random.default_rng(0)
    a, b = (jnp.asarray(rng.standard_normal((n, d), dtype=np.float32)) for _ in range(2))
    grid = log_grid(n, 33)

    def call() -> int:
        jax.block_until_ready(given_tokens.measure(a, b, grid))
        return 1

    return race(f"given tokens N={n} d={d}", [("divergence and psi", True, call)], 7)


def limits(quick: bool) -> dict[str, float]:
    """Copy bandwidth (GB/s), matrix rate (GFLOP/s) and raw rate of random normals (per second)."""
    size = 1 << (20 if quick else 26)
    x = jnp.zeros(size, jnp.float32)
    matrix = jnp.ones((256 if quick else 2048,) * 2, jnp.float32)
    copy = jax.jit(lambda v: v + 1)
    multiply = jax.jit(lambda m: m @ m)

    @jax.jit
    def draw(key: jax.Array) -> jax.Array:
        even, odd = normal_pairs(key, 0, size // 2048, 1024)
        return jnp.sum(even) + jnp.sum(odd)

    key = jnp.zeros(2, jnp.uint32)

    def best(call: Any) -> float:
        jax.block_until_ready(call())
        times = []
        for _ in range(5):
            started = time.perf_counter()
            jax.block_until_ready(call())
            times.append(time.perf_counter() - started)
        return float(np.median(times))

    return {
        "copy_gb_per_s": 8 * size / best(lambda: copy(x)) / 1e9,
        "matrix_gflop_per_s": 2 * matrix.shape[0] ** 3 / best(lambda: multiply(matrix)) / 1e9,
        "normals_per_s": (size // 2048) * 2048 / best(lambda: draw(key)),
    }
