"""Tokens of Markov covariances, block after block: only a small state goes from one to the next."""

from __future__ import annotations

import numpy as np

from tokenspace.covariance import Covariance
from tokenspace.covariance.innovations import innovations
from tokenspace.sampling.plan import TOKEN_BLOCK, Plan, divergence_plan, statistics_plan
from tokenspace.sampling.sampler import Request
from tokenspace_kernels.blocks import Blocks, lay_out
from tokenspace_kernels.dispatch import kernel
from tokenspace_kernels.limits import Work
from tokenspace_kernels.sample_divergence import LinearBlocks, TokenBlocks

METHOD = "block innovations"
HOST_BLOCK = 16  # tokens that a loop on the host forms at once: fewer multiply-adds a number
OF_MEASURING = 14  # norms, products and sums of unit vectors, a number of a token


def multiply_adds(request: Request) -> float:
    """Multiply-adds for each normal drawn."""
    if request.difference_alone:
        return lay_out(request.grid, TOKEN_BLOCK).slots + 2.0
    return TOKEN_BLOCK / 2 + OF_MEASURING / 2


def prepare(request: Request) -> Plan:
    """D alone by rows that never form a token, or tokens of both branches."""
    if request.difference_alone:
        return _prepare_divergence(request)
    return _prepare_statistics(request)


def _prepare_divergence(request: Request) -> Plan:
    model = request.model
    drawer = kernel("sample_divergence", work=Work(model.dim))
    size = drawer.token_block or TOKEN_BLOCK
    layout = lay_out(request.grid, size)
    rows = tuple(
        linear_blocks(t.branches.difference, layout, t.features.eigenvalues) for t in model.terms
    )
    return divergence_plan(
        drawer,
        model.law,
        (rows, layout.where),
        method=METHOD,
        elements=size * model.dim,
    )


def _prepare_statistics(request: Request) -> Plan:
    (model,) = request.model.terms
    layout = lay_out(request.grid, TOKEN_BLOCK)
    parts = (model.branches.total, model.branches.difference)
    drawer = kernel("sample_statistics", work=Work(model.dim, model.law.token_change))
    size = HOST_BLOCK if drawer.on_host else drawer.token_block or TOKEN_BLOCK
    return statistics_plan(
        drawer,
        model.law,
        np.sqrt(model.features.eigenvalues),
        layout,
        (token_blocks(parts[0], layout, size), token_blocks(parts[1], layout, size)),
        request.grid,
        psi=not request.divergence_only,
        method=METHOD,
        elements=2 * (drawer.at_once or TOKEN_BLOCK) * model.dim,
    )


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


def token_blocks(covariance: Covariance, layout: Blocks, size: int) -> TokenBlocks:
    """The innovations form in float32, for tokens with covariance `covariance`, `size` at once."""
    blocks = list(innovations(covariance, layout.number * layout.size // size, size))
    return TokenBlocks(*[np.array(part, np.float32) for part in zip(*blocks, strict=True)])  # type: ignore[arg-type]
