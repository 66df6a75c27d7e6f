"""The best by hand with the same structure: only the difference of the branches is drawn.

All prefix sums at the grid are one product W z of a matrix (m, N), the rows of the factor of the
covariance added up, with white noise (N, d): a draw is a generator and a product. NumPy and MKL
draw a few tokens at a time, so that noise stays in cache, keep the few sums of them that later
prefix sums need, and run a replicate a thread.
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

TOKENS = 32  # drawn at a time: 128 or 256 KiB of noise for 1,024 features

Noise = Callable[[int], np.ndarray]  # so many tokens of white noise, (tokens, d)


def prefix_rows(branches: Branches, n: int, d: int, grid: np.ndarray) -> np.ndarray:
    """W (m, N): W z are the prefix sums of the difference of the branches, isotropic features."""
    covariance = 2 * (branches.within.dense(n) - branches.cross.dense(n)) / d
    factor = np.linalg.cholesky(covariance + 1e-12 * np.eye(n))
    return np.cumsum(factor, axis=0)[grid - 1]


def pieces(rows: np.ndarray, grid: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """W as lift @ block diagonal: what is kept of each TOKENS tokens, and what is made of that.

    Grid points beyond a piece see it through one or two numbers a feature, where covariances are
    Markov: the rank of that part of W.
    """
    kept, lifts = [], []
    for first in range(0, rows.shape[1], TOKENS):
        part = rows[:, first : first + TOKENS]
        beyond = grid >= first + part.shape[1]
        inside = (grid > first) & ~beyond
        left, size, right = np.linalg.svd(part[beyond], full_matrices=False)
        rank = int(np.sum(size > 1e-9 * size[0])) if len(size) else 0
        kept.append(np.vstack([right[:rank], part[inside]]))
        lift = np.zeros((len(grid), len(kept[-1])))
        lift[beyond, :rank] = left[:, :rank] * size[:rank]
        lift[inside, rank:] = np.eye(inside.sum())
        lifts.append(lift)
    return kept, np.hstack(lifts)


def _in_threads(
    branches: Branches, n: int, d: int, grid: np.ndarray, dtype: Any, maker: Callable[[int], Noise]
) -> Draw:
    """A replicate a thread, each with a generator of its own; no threads inside products."""
    noises = [maker(seed) for seed in range(cores())]
    pool = ThreadPoolExecutor(len(noises))
    kept, lift = pieces(prefix_rows(branches, n, d, grid), grid)
    kept, lift = [k.astype(dtype) for k in kept], lift.astype(dtype)
    tokens = [min(TOKENS, n - first) for first in range(0, n, TOKENS)]
    libraries = ThreadpoolController()

    def one(noise: Noise) -> np.ndarray:
        parts = [k @ noise(number) for k, number in zip(kept, tokens, strict=True)]
        prefix = lift @ np.concatenate(parts)
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

    return _in_threads(branches, n, d, grid, np.float32, maker)


def mkl_structured(branches: Branches, n: int, d: int, grid: np.ndarray) -> Draw:
    """MKL's fastest sound generator (package mkl_random): ARS-5, by inversion, in float64."""
    mkl_random = importlib.import_module("mkl_random")

    def maker(seed: int) -> Noise:
        state = mkl_random.MKLRandomState(seed, brng="ARS5")
        return lambda tokens: state.standard_normal((tokens, d), method="ICDF")

    return _in_threads(branches, n, d, grid, np.float64, maker)


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
