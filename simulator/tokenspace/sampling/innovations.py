"""Markov covariances in blocks of tokens, as the fused kernels take them."""

from __future__ import annotations

import numpy as np

from tokenspace.covariance import Covariance
from tokenspace.covariance.innovations import innovations
from tokenspace_kernels.blocks import Blocks
from tokenspace_kernels.sample_divergence import LinearBlocks, TokenBlocks


def linear_blocks(covariance: Covariance, layout: Blocks, scale: np.ndarray) -> LinearBlocks:
    """Rows that turn white noise into prefix sums of a process with covariance 2 * `covariance`."""
    size, slots = layout.size, layout.slots
    noise_rows, state_rows = [], []
    for block, inn in enumerate(innovations(covariance, layout.number, size)):
        mask = np.vstack([np.arange(size) < layout.ends[block][:, None], np.ones((1, size))])
        root_two = np.sqrt(2.0)
        noise_rows.append(np.vstack([root_two * mask @ inn.factor, inn.gain]))
        state_rows.append(np.vstack([root_two * mask @ inn.observe, inn.transition]))
    noise = np.array(noise_rows, np.float32).reshape(layout.number, -1, size)
    state = np.array(state_rows, np.float32).reshape(layout.number, noise.shape[1], -1)
    assert noise.shape[1] == slots + 1 + state.shape[2]
    return LinearBlocks(noise, state, np.sqrt(scale).astype(np.float32))  # type: ignore[arg-type]


def token_blocks(covariance: Covariance, layout: Blocks) -> TokenBlocks:
    """The innovations form in float32, for tokens with covariance `covariance`."""
    blocks = list(innovations(covariance, layout.number, layout.size))
    return TokenBlocks(*[np.array(part, np.float32) for part in zip(*blocks, strict=True)])  # type: ignore[arg-type]
