"""The best by hand with the same structure: only the difference of the branches is drawn.

Two models: `equicorrelated`, white noise and one shared factor; `ar1`, uncorrelated branches with
an exponential covariance. Each library does what suits it best; all draw the law of the model.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.signal import lfilter

from tokenspace_benchmarks.peers.naive import Draw, torch

BLOCK = 64  # tokens of an AR(1) that libraries without a recursive filter correlate at once


@dataclass(frozen=True)
class Process:
    """Difference of the branches: sqrt(white) z_i + sqrt(shared) f, or an AR(1) of that decay.

    white, shared: variances of one feature; decay: correlation of neighbours, 0 for none.
    """

    white: float
    shared: float
    decay: float

    @classmethod
    def equicorrelated(cls, psi: tuple[float, float, float], d: int) -> Process:
        """psi_equal, psi_within and psi_cross; isotropic features."""
        delta = psi[1] - psi[2]
        return cls(2 * (1 - psi[0] - delta) / d, 2 * delta / d, 0.0)

    @classmethod
    def ar1(cls, length: float, d: int) -> Process:
        return cls(2 / d, 0.0, float(np.exp(-1 / length)))

    def block_factor(self) -> tuple[np.ndarray, np.ndarray]:
        """Within a block x = L z + c x_before: L (BLOCK, BLOCK) and c (BLOCK, 1)."""
        lag = np.subtract.outer(np.arange(BLOCK), np.arange(BLOCK))
        lower = np.where(lag >= 0, self.decay ** np.maximum(lag, 0.0), 0.0)
        lower *= np.sqrt(1 - self.decay**2)
        carry = self.decay ** np.arange(1.0, BLOCK + 1)[:, None]
        return lower.astype(np.float32), carry.astype(np.float32)


def numpy_structured(process: Process, d: int, grid: np.ndarray) -> Draw:
    """NumPy with SFC64 float32, a replicate a thread; the AR(1) by scipy.signal.lfilter."""
    threads = os.cpu_count() or 1
    generators = [np.random.Generator(np.random.SFC64(i)) for i in range(threads)]
    pool = ThreadPoolExecutor(threads)
    buffers = [np.empty((int(grid[-1]), d), np.float32) for _ in range(threads)]
    starts = np.concatenate([[0], grid[:-1]])
    root = np.float32(np.sqrt(process.white))

    def one(k: int) -> np.ndarray:
        z, rng = buffers[k], generators[k]
        rng.standard_normal(out=z, dtype=np.float32)
        if process.decay:
            z[1:] *= np.float32(np.sqrt(1 - process.decay**2))
            z = lfilter([np.float32(1)], np.array([1, -process.decay], np.float32), z, axis=0)
        prefix = np.cumsum(np.add.reduceat(z, starts, axis=0), axis=0)
        prefix *= root
        if process.shared:
            factor = rng.standard_normal(d, dtype=np.float32) * np.float32(np.sqrt(process.shared))
            prefix += grid[:, None].astype(np.float32) * factor
        return np.sqrt(np.einsum("md,md->m", prefix, prefix))

    return lambda: np.array(list(pool.map(one, range(threads))))


def _replicate(
    xp: Any,
    normal: Callable[[tuple[int, ...]], Any],
    put: Callable[[np.ndarray], Any],
    process: Process,
    d: int,
    grid: np.ndarray,
) -> Callable[[], Any]:
    """One replicate with the operations that PyTorch, CuPy and JAX share, constants hoisted."""
    lower, carry = (put(x) for x in process.block_factor())
    counts = put(grid.astype(np.float32)[:, None])
    cuts = list(zip([0, *grid[:-1].tolist()], grid.tolist(), strict=True))
    n = int(grid[-1])

    def draw() -> Any:
        if process.decay:
            x, before = [], normal((1, d))
            for _ in range(-(-n // BLOCK)):
                x.append(lower @ normal((BLOCK, d)) + carry * before)
                before = x[-1][-1:]
            z = xp.concatenate(x)
        else:
            z = normal((n, d))
        prefix = xp.cumsum(xp.stack([z[s:e].sum(0) for s, e in cuts]), 0)
        prefix = prefix * float(np.sqrt(process.white))
        if process.shared:
            prefix = prefix + counts * (float(np.sqrt(process.shared)) * normal((1, d)))
        return xp.sqrt((prefix * prefix).sum(1))

    return draw


def torch_structured(
    process: Process, d: int, grid: np.ndarray, device: str, compiled: bool = False
) -> Draw:
    """PyTorch, eager or through torch.compile; the AR(1) in blocks by matrix products."""

    def put(x: np.ndarray) -> Any:
        return torch.from_numpy(x).to(device)

    def normal(shape: tuple[int, ...]) -> Any:
        return torch.randn(*shape, device=device)

    one = _replicate(torch, normal, put, process, d, grid)
    run = torch.compile(one) if compiled else one
    return lambda: run().cpu().numpy()[None]


def cupy_structured(process: Process, d: int, grid: np.ndarray) -> Draw:
    """CuPy with its default generator, float32."""
    import cupy

    rng = cupy.random.default_rng(0)

    def normal(shape: tuple[int, ...]) -> Any:
        return rng.standard_normal(shape, dtype=cupy.float32)

    one = _replicate(cupy, normal, cupy.asarray, process, d, grid)
    return lambda: cupy.asnumpy(one())[None]


def jax_unfused(process: Process, d: int, grid: np.ndarray) -> Draw:
    """JAX op by op: what one gets without jit, every intermediate array in memory."""
    keys = itertools.count()

    def normal(shape: tuple[int, ...]) -> jax.Array:
        return jax.random.normal(jax.random.key(next(keys)), shape, jnp.float32)

    one = _replicate(jnp, normal, jnp.asarray, process, d, grid)
    return lambda: np.asarray(one())[None]
