"""What a user would write instead: the naive way, and the best by hand with the same structure."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import Any

import numpy as np
from scipy.signal import lfilter

from tokenspace.covariance import Branches

torch: Any = importlib.import_module("torch") if find_spec("torch") else None  # optional peer


def _joint_factor(branches: Branches, n: int) -> np.ndarray:
    within, cross = branches.within.dense(n), branches.cross.dense(n)
    joint = np.block([[within, cross], [cross, within]])
    return np.linalg.cholesky(joint + 1e-9 * np.eye(2 * n)).astype(np.float32)


def naive_numpy(branches: Branches, n: int, d: int, grid: np.ndarray) -> Callable[[], int]:
    """Dense Cholesky of the joint 2n x 2n covariance (hoisted), matmul, cumsum, norm."""
    factor = _joint_factor(branches, n)
    rng = np.random.default_rng(0)

    def call() -> int:
        h = factor @ rng.standard_normal((2 * n, d), dtype=np.float32)
        np.linalg.norm(np.cumsum(h[:n] - h[n:], axis=0)[grid - 1], axis=1)
        return 1

    return call


def naive_torch(branches: Branches, n: int, d: int, grid: np.ndarray) -> Callable[[], int] | None:
    """The same in PyTorch, or None without it."""
    if torch is None:
        return None
    factor = torch.from_numpy(_joint_factor(branches, n))
    at = torch.from_numpy(grid - 1)

    def call() -> int:
        h = factor @ torch.randn(2 * n, d)
        torch.linalg.vector_norm(torch.cumsum(h[:n] - h[n:], 0)[at], dim=1)
        return 1

    return call


def naive_jax(branches: Branches, n: int, d: int, grid: np.ndarray) -> Callable[[], int]:
    """The same in jitted JAX."""
    import jax
    import jax.numpy as jnp

    factor, at = jnp.asarray(_joint_factor(branches, n)), jnp.asarray(grid - 1)

    @jax.jit
    def one(key: Any, factor: Any) -> Any:
        h = factor @ jax.random.normal(key, (2 * n, d))
        return jnp.linalg.norm(jnp.cumsum(h[:n] - h[n:], axis=0)[at], axis=1)

    state = [0]

    def call() -> int:
        state[0] += 1
        jax.block_until_ready(one(jax.random.key(state[0]), factor))
        return 1

    return call


def structured_numpy(kind: str, strength: float, n: int, d: int, grid: np.ndarray) -> Any:
    """The best by hand: only the difference is drawn, SFC64 float32 in as many threads as cores.

    kind "equicorrelated": white noise and one factor, whose variance relative to the noise is
    `strength`; kind "ar1": the recursion by scipy.signal.lfilter, with coefficient `strength`.
    """
    threads = os.cpu_count() or 1
    generators = [np.random.Generator(np.random.SFC64(i)) for i in range(threads)]
    pool = ThreadPoolExecutor(threads)
    buffers = [np.empty((n, d), np.float32) for _ in range(threads)]
    starts = np.concatenate([[0], grid[:-1]])

    def one(k: int) -> np.ndarray:
        z, rng = buffers[k], generators[k]
        rng.standard_normal(out=z, dtype=np.float32)
        if kind == "ar1":
            z[1:] *= np.float32(np.sqrt(1 - strength**2))
            x = lfilter([np.float32(1)], np.array([1, -strength], np.float32), z, axis=0)
            prefix = np.cumsum(np.add.reduceat(x, starts, axis=0), axis=0)
        else:
            factor = rng.standard_normal(d, dtype=np.float32) * np.float32(np.sqrt(strength))
            prefix = np.cumsum(np.add.reduceat(z, starts, axis=0), axis=0)
            prefix += grid[:, None].astype(np.float32) * factor
        return np.sqrt(np.einsum("md,md->m", prefix, prefix))

    def call() -> int:
        list(pool.map(one, range(threads)))
        return threads

    return call
