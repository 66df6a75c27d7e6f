"""The same small problem in the form that each implementation of a kernel takes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from tokenspace_kernels.blocks import lay_out
from tokenspace_kernels.choice import Candidate
from tokenspace_kernels.random_bits import replicate_keys
from tokenspace_kernels.sample_divergence import LinearBlocks, TokenBlocks

REPLICATES, TOKENS, DIM = 128, 256, 512
PAIRS, GIVEN = 4, 4096  # pairs of given tokens, and tokens of each branch
LAW_BLOCK = 64  # tokens of a block by which a law draws, and reports are laid out
PERSISTENCE = 0.9


def autoregressive(grid: np.ndarray, size: int, dim: int) -> tuple[LinearBlocks, np.ndarray]:
    """Rows of x_i = PERSISTENCE x_{i-1} + z_i in blocks of `size` tokens, and where they report."""
    layout = lay_out(grid, size)
    token = np.arange(size)
    lag = token[:, None] - token
    factor = np.where(lag >= 0, PERSISTENCE ** np.maximum(lag, 0.0), 0.0)
    observe = PERSISTENCE ** (token[:, None] + 1.0)
    noise, state = [], []
    for ends in layout.ends:
        mask = np.vstack([token < ends[:, None], np.ones((1, size))])
        noise.append(np.vstack([mask @ factor, factor[-1:]]))
        state.append(np.vstack([mask @ observe, observe[-1:]]))
    scale = np.geomspace(1.0, 0.1, dim)
    return LinearBlocks(*(jnp.asarray(x, jnp.float32) for x in (noise, state, scale))), layout.where


def sample_divergence(size: int) -> tuple[Any, ...]:
    """Arguments of `sample_divergence` in blocks of `size` tokens; the same D for every size."""
    grid = np.unique(np.geomspace(1, TOKENS, 12).astype(int))
    term, where = autoregressive(grid, size, DIM)
    return replicate_keys(0, 0, REPLICATES), (term,), jnp.asarray(where)


class _Gaussian(NamedTuple):
    """The law of tokens that stay as they are."""

    @property
    def token_change(self) -> str:
        return "none"

    def of_tokens(self, g: jax.Array, key: jax.Array) -> jax.Array:
        return g


def sample_statistics(size: int) -> tuple[Any, ...]:
    """Arguments of `sample_statistics` in blocks of `size` tokens; the same tokens for every size.

    Both processes are that of `autoregressive`.
    """
    grid = np.unique(np.geomspace(1, TOKENS, 12).astype(int))
    layout = lay_out(grid, LAW_BLOCK)
    token = np.arange(size)
    lag = token[:, None] - token
    factor = np.where(lag >= 0, PERSISTENCE ** np.maximum(lag, 0.0), 0.0)
    observe = PERSISTENCE ** (token[:, None] + 1.0)
    parts = (observe, factor, observe[-1:], factor[-1:])
    number = layout.number * LAW_BLOCK // size
    process = TokenBlocks(*(jnp.asarray(np.tile(x, (number, 1, 1)), jnp.float32) for x in parts))
    scale = jnp.asarray(np.geomspace(1.0, 0.1, DIM), jnp.float32)
    ends, where = jnp.asarray(layout.ends), jnp.asarray(layout.where)
    return replicate_keys(0, 0, REPLICATES), process, process, scale, ends, where, _Gaussian()


def given_tokens() -> tuple[Any, ...]:
    """Arguments of `measure` but its grid, which is no array that is traced."""
    key = jax.random.key(0)
    a, b = jax.random.normal(key, (2, PAIRS, GIVEN, DIM), jnp.float32)
    return a, 0.5 * a + b


SAMPLING = {f.__name__: f for f in (sample_divergence, sample_statistics)}


def of(kernel: str, call: Callable[..., Any], size: int) -> Candidate:
    """The problem for an implementation of a kernel, which takes blocks of `size` tokens."""
    if kernel == "measure":
        grid = np.unique(np.geomspace(2, GIVEN, 24).astype(int))  # averages over pairs need two
        return Candidate(partial(call, grid=grid), given_tokens)
    return Candidate(call, partial(SAMPLING[kernel], size))
