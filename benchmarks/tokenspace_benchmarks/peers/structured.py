"""The best by hand with the same structure: only the difference of the branches is drawn.

All prefix sums at the grid are one product W z of a matrix (m, N), the rows of the factor of the
covariance added up, with white noise (N, d): a draw is a generator and a product. NumPy and MKL
draw a few tokens at a time, so that noise stays in cache, and a replicate a thread.
"""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from threadpoolctl import ThreadpoolController

from tokenspace.covariance import Branches
from tokenspace_benchmarks.peers.naive import Draw, torch
from tokenspace_kernels.workers import cores

TOKENS = 64  # drawn at a time: 256 or 512 KiB of noise for 1,024 features

Noise = Callable[[int], np.ndarray]  # so many tokens of white noise, (tokens, d)


def prefix_rows(branches: Branches, n: int, d: int, grid: np.ndarray) -> np.ndarray:
    """W (m, N): W z are the prefix sums of the difference of the branches, isotropic features."""
    covariance = 2 * (branches.within.dense(n) - branches.cross.dense(n)) / d
    factor = np.linalg.cholesky(covariance + 1e-12 * np.eye(n))
    return np.cumsum(factor, axis=0)[grid - 1]


def _in_threads(rows: np.ndarray, d: int, maker: Callable[[int], Noise]) -> Draw:
    """A replicate a thread, each with a generator of its own; no threads inside products."""
    noises = [maker(seed) for seed in range(cores())]
    pool = ThreadPoolExecutor(len(noises))
    pieces = [slice(k, k + TOKENS) for k in range(0, rows.shape[1], TOKENS)]
    parts = [np.ascontiguousarray(rows[:, piece]) for piece in pieces]
    libraries = ThreadpoolController()

    def one(noise: Noise) -> np.ndarray:
        prefix = np.zeros((len(rows), d), rows.dtype)
        for part in parts:
            prefix += part @ noise(part.shape[1])
        return np.sqrt(np.einsum("md,md->m", prefix, prefix))

    def draw() -> np.ndarray:
        with libraries.limit(limits=1):
            return np.array(list(pool.map(one, noises)))

    return draw


def numpy_structured(branches: Branches, n: int, d: int, grid: np.ndarray) -> Draw:
    """NumPy with SFC64, its fastest generator, in float32."""

    def maker(seed: int) -> Noise:
        rng, buffer = np.random.Generator(np.random.SFC64(seed)), np.empty((TOKENS, d), np.float32)
        return lambda tokens: rng.standard_normal(out=buffer[:tokens], dtype=np.float32)

    rows = prefix_rows(branches, n, d, grid).astype(np.float32)
    return _in_threads(rows, d, maker)


def mkl_structured(branches: Branches, n: int, d: int, grid: np.ndarray) -> Draw:
    """MKL's fastest sound generator (package mkl_random): ARS-5, by inversion, in float64."""
    mkl_random = importlib.import_module("mkl_random")

    def maker(seed: int) -> Noise:
        state = mkl_random.MKLRandomState(seed, brng="ARS5")
        return lambda tokens: state.standard_normal((tokens, d), method="ICDF")

    rows = prefix_rows(branches, n, d, grid)
    return _in_threads(rows, d, maker)


def has_mkl() -> bool:
    """Whether the package mkl_random is installed."""
    return find_spec("mkl_random") is not None


def torch_structured(
    branches: Branches, n: int, d: int, grid: np.ndarray, device: str, compiled: bool = False
) -> Draw:
    """PyTorch, eager or through torch.compile."""
    rows = torch.from_numpy(prefix_rows(branches, n, d, grid).astype(np.float32)).to(device)

    def one() -> Any:
        return torch.linalg.vector_norm(rows @ torch.randn(n, d, device=device), dim=1)

    run = torch.compile(one) if compiled else one
    return lambda: run().cpu().numpy()[None]


def cupy_structured(branches: Branches, n: int, d: int, grid: np.ndarray) -> Draw:
    """CuPy with its default generator, float32."""
    import cupy

    rng = cupy.random.default_rng(0)
    rows = cupy.asarray(prefix_rows(branches, n, d, grid), cupy.float32)

    def draw() -> np.ndarray:
        z = rng.standard_normal((n, d), dtype=cupy.float32)
        return cupy.asnumpy(cupy.linalg.norm(rows @ z, axis=1))[None]

    return draw


def jax_structured(branches: Branches, n: int, d: int, grid: np.ndarray) -> Draw:
    """JAX, jitted, with its own generator."""
    rows = jnp.asarray(prefix_rows(branches, n, d, grid), jnp.float32)

    @jax.jit
    def one(key: Any, rows: Any) -> Any:
        z = jax.random.normal(key, (n, d), jnp.float32)
        return jnp.linalg.norm(jnp.matmul(rows, z, precision=jax.lax.Precision.HIGHEST), axis=1)

    keys = itertools.count()
    return lambda: np.asarray(one(jax.random.key(next(keys)), rows))[None]
