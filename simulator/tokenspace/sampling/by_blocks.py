"""Tokens of Markov covariances, block after block: only a small state goes from one to the next."""

from __future__ import annotations

import os
import warnings

import numpy as np

from tokenspace.covariance import Covariance, TokenLaw
from tokenspace.covariance.innovations import innovations
from tokenspace.sampling.plan import TOKEN_BLOCK, Plan, divergence_plan, statistics_plan
from tokenspace.sampling.sampler import Request
from tokenspace_kernels.blocks import Blocks, lay_out
from tokenspace_kernels.dispatch import (
    DEFAULT,
    PALLAS_FEATURES,
    VARIABLE,
    WHOLE_CHANGES,
    Kernel,
    kernel,
    of_any_law,
)
from tokenspace_kernels.sample_divergence import LinearBlocks, TokenBlocks

METHOD = "block innovations"
HOST_BLOCK = 16  # tokens that a loop on the host forms at once: fewer multiply-adds a number
LEAST_DIM = 8  # features from which a loop along them beats vectors across replicates
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


def _drawer(name: str, dim: int, law: TokenLaw) -> Kernel:
    """The kernel that draws: others than plain JAX know some laws and numbers of features only."""
    chosen = kernel(name)
    whole = name == "sample_statistics"  # tokens are formed, and changed by the law
    special = whole and law.token_change not in WHOLE_CHANGES
    plain = of_any_law(name) if special else kernel(name, DEFAULT)
    if chosen.implementation == "numba":
        limit = f"fewer than {LEAST_DIM} features"
        suits = dim >= LEAST_DIM and not (whole and law.token_change == "other")
    elif chosen.implementation == "pallas" and whole:
        limit = f"more than {PALLAS_FEATURES} features"
        suits = dim <= PALLAS_FEATURES and not special
    else:
        return plain if chosen.implementation == DEFAULT else chosen
    if suits:
        return chosen
    if os.environ.get(VARIABLE) == chosen.implementation:
        warnings.warn(
            f"{chosen.implementation!r} draws neither {limit} nor {law!r}: {DEFAULT!r} runs",
            stacklevel=2,
        )
    return plain


def _prepare_divergence(request: Request) -> Plan:
    model = request.model
    drawer = _drawer("sample_divergence", model.dim, model.law)
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
    drawer = _drawer("sample_statistics", model.dim, model.law)
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
