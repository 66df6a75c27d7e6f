"""Tokens by a factor of the whole sequence, one replicate x N x d at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tokenspace.covariance import Covariance
from tokenspace.sampling.factors import WholeFactor
from tokenspace.sampling.plan import TOKEN_BLOCK, Plan, divergence_plan, statistics_plan
from tokenspace.sampling.prefix_sums import root_eigenvalues
from tokenspace.sampling.sampler import Request
from tokenspace_kernels.blocks import lay_out
from tokenspace_kernels.dispatch import sole
from tokenspace_kernels.given_tokens import Reports, measure_block, start
from tokenspace_kernels.random_bits import normals, substream
from tokenspace_kernels.streams import SCALES_A, SCALES_B, TOTAL, numbered

WHAT = "the sampler by factors of the whole sequence"

MakeFactor = Callable[[Covariance, int], WholeFactor]


def prepare(request: Request, make: MakeFactor) -> Plan:
    """D alone from the difference of the branches, or the tokens of both."""
    if request.difference_alone:
        return _prepare_divergence(request, make)
    return _prepare_statistics(request, make)


def _prepare_divergence(request: Request, make: MakeFactor) -> Plan:
    model, n = request.model, request.tokens
    factors = [make(t.branches.difference, n) for t in model.terms]
    scales = np.sqrt(2.0) * root_eigenvalues(model)
    return divergence_plan(
        sole(WHAT, whole_divergence),
        model.law,
        (factors, scales, request.grid - 1),
        method=factors[0].name,
        elements=2 * n * model.dim,
    )


def _prepare_statistics(request: Request, make: MakeFactor) -> Plan:
    model, n = request.model, request.tokens
    layout = lay_out(request.grid, TOKEN_BLOCK)
    totals = [make(t.branches.total, n) for t in model.terms]
    differences = [make(t.branches.difference, n) for t in model.terms]
    return statistics_plan(
        sole(WHAT, whole_statistics),
        model.law,
        root_eigenvalues(model),
        layout,
        (totals, differences),
        request.grid,
        psi=not request.divergence_only,
        method=differences[0].name,
        elements=4 * layout.number * TOKEN_BLOCK * model.dim,
    )


def whole_divergence(keys: jax.Array, factors: Any, scales: Any, last: jax.Array) -> jax.Array:
    """D of Gaussian tokens at tokens `last` (m,), shape (R, m), by a factor for each term."""

    def one(key: jax.Array) -> jax.Array:
        total = jnp.float32(0)
        for q, (factor, scale) in enumerate(zip(factors, scales, strict=True)):
            stream = key if q == 0 else substream(key, numbered(q))
            noise = normals(stream, 0, factor.noise_rows, scale.shape[0])
            total = total + factor(noise) * scale[None, :]
        return jnp.sqrt(jnp.sum(jnp.cumsum(total, axis=0)[last] ** 2, axis=1))

    return jax.vmap(one)(keys)


def whole_statistics(
    keys: jax.Array,
    total: list[Any],
    difference: list[Any],
    scale: jax.Array,
    ends: jax.Array,
    where: jax.Array,
    law: Any,
) -> Reports:
    """As `tokenspace_kernels.sample_statistics`, with factors of the whole sequence, not blocks.

    total, difference: a factor for each term, whose tokens are added; scale: (terms, d).
    """
    blocks, dim = ends.shape[0], scale.shape[1]

    def one(key: jax.Array) -> Reports:
        a, b = jnp.float32(0), jnp.float32(0)
        for q, (of_total, of_difference) in enumerate(zip(total, difference, strict=True)):
            stream = key if q == 0 else substream(key, numbered(q))
            s = of_total(normals(substream(stream, TOTAL), 0, of_total.noise_rows, dim))
            m = of_difference(normals(stream, 0, of_difference.noise_rows, dim))
            share = (scale[q] * np.float32(0.5**0.5))[None, :]
            a, b = a + (s + m) * share, b + (s - m) * share
        padding = ((0, blocks * TOKEN_BLOCK - a.shape[0]), (0, 0))
        slabs = [
            jnp.pad(h, padding, constant_values=1.0).reshape(-1, TOKEN_BLOCK, dim) for h in (a, b)
        ]

        def step(sums: Any, block: Any) -> Any:
            index, a, b, block_ends = block
            a = law.of_tokens(a, substream(substream(key, SCALES_A), index))
            b = law.of_tokens(b, substream(substream(key, SCALES_B), index))
            return measure_block(sums, a, b, block_ends)

        index = jnp.arange(blocks, dtype=jnp.uint32)
        _, reports = jax.lax.scan(step, start(dim), (index, *slabs, ends))
        return jax.tree.map(lambda r: r.reshape(-1)[where], reports)

    return jax.vmap(one)(keys)
