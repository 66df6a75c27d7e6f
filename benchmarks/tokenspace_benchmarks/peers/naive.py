"""The naive way: dense Cholesky of the joint 2N x 2N covariance, hoisted; matmul, cumsum, norm."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tokenspace.covariance import Branches

torch: Any = importlib.import_module("torch") if find_spec("torch") else None  # optional peer

Draw = Callable[[], np.ndarray]  # D of some replicates, (r, m)


def joint_factor(branches: Branches, n: int, d: int) -> np.ndarray:
    """Factor of the tokens of both branches with isotropic features of variance 1/d."""
    within, cross = branches.within.dense(n), branches.cross.dense(n)
    joint = np.block([[within, cross], [cross, within]])
    factor = np.linalg.cholesky(joint + 1e-9 * np.eye(2 * n))
    return (factor / np.sqrt(d)).astype(np.float32)


def numpy_dense(branches: Branches, n: int, d: int, grid: np.ndarray) -> Draw:
    """In NumPy."""
    factor, rng = joint_factor(branches, n, d), np.random.default_rng(0)

    def draw() -> np.ndarray:
        h = factor @ rng.standard_normal((2 * n, d), dtype=np.float32)
        return np.linalg.norm(np.cumsum(h[:n] - h[n:], axis=0)[grid - 1], axis=1)[None]

    return draw


def torch_dense(branches: Branches, n: int, d: int, grid: np.ndarray, device: str) -> Draw:
    """In PyTorch, eager."""
    factor = torch.from_numpy(joint_factor(branches, n, d)).to(device)
    at = torch.from_numpy(grid - 1).to(device)

    def draw() -> np.ndarray:
        h = factor @ torch.randn(2 * n, d, device=device)
        norms = torch.linalg.vector_norm(torch.cumsum(h[:n] - h[n:], 0)[at], dim=1)
        return norms.cpu().numpy()[None]

    return draw


def jax_dense(branches: Branches, n: int, d: int, grid: np.ndarray) -> Draw:
    """In jitted JAX."""
    factor, at = jnp.asarray(joint_factor(branches, n, d)), jnp.asarray(grid - 1)

    @jax.jit
    def one(key: Any, factor: Any) -> Any:
        h = factor @ jax.random.normal(key, (2 * n, d), jnp.float32)
        return jnp.linalg.norm(jnp.cumsum(h[:n] - h[n:], axis=0)[at], axis=1)

    keys = itertools.count()
    return lambda: np.asarray(one(jax.random.key(next(keys)), factor))[None]
