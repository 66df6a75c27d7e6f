"""Token-level samplers for what needs the tokens: psi's, laws that act on tokens, whole factors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tokenspace.covariance import StudentT, SumModel, TokenModel
from tokenspace.kernels.blocks import lay_out
from tokenspace.kernels.given_tokens import Reports, measure_block, psi_from_reports, start
from tokenspace.kernels.random_bits import normals, substream
from tokenspace.kernels.sample_divergence import (
    STREAM_A,
    STREAM_B,
    STREAM_TOTAL,
    law_of_tokens,
    sample_statistics,
)
from tokenspace.sampling.innovations import token_blocks
from tokenspace.sampling.whole import dense_factor, whole_factor


def whole_divergence_sampler(
    model: TokenModel | SumModel, grid: np.ndarray, dense: bool
) -> tuple[Callable[..., jax.Array], Any, str]:
    """D of Gaussian tokens by factors of the whole sequence: (draw, arrays, method)."""
    n, dim = int(grid[-1]), model.dim
    make = dense_factor if dense else whole_factor
    factors = [make(t.branches.difference, n) for t in model.terms]
    scales = [jnp.asarray(np.sqrt(2 * t.features.eigenvalues), jnp.float32) for t in model.terms]
    last = jnp.asarray(grid - 1)

    def draw(keys: jax.Array, factors: Any, scales: Any) -> jax.Array:
        def one(key: jax.Array) -> jax.Array:
            total = jnp.zeros((n, dim), jnp.float32)
            for q, (factor, scale) in enumerate(zip(factors, scales, strict=True)):
                stream = key if q == 0 else substream(key, q)
                total = total + factor(normals(stream, 0, factor.noise_rows, dim)) * scale[None, :]
            return jnp.sqrt(jnp.sum(jnp.cumsum(total, axis=0)[last] ** 2, axis=1))

        return jax.vmap(one)(keys)

    return draw, (factors, scales), factors[0].name


def reports_sampler(
    model: TokenModel, grid: np.ndarray, law: str, dense: bool, size: int
) -> tuple[Callable[[jax.Array, Any], dict[str, jax.Array]], Any, str, int]:
    """D and realised psi's: (draw, arrays, method, random numbers of one replicate in flight)."""
    n, dim = int(grid[-1]), model.dim
    layout = lay_out(grid, size)
    ends = jnp.asarray(layout.ends)
    branches = model.branches
    scale = jnp.asarray(np.sqrt(model.features.eigenvalues), jnp.float32)
    df = jnp.float32(model.law.df if isinstance(model.law, StudentT) else 1.0)
    where = layout.where

    def named(reports: Reports) -> dict[str, jax.Array]:
        at_grid = jax.tree.map(lambda r: r[:, where], reports)
        return {
            "divergence": jnp.sqrt(at_grid.squared_divergence),
            **psi_from_reports(at_grid, jnp.asarray(grid)),
        }

    parts = (branches.total, branches.difference)
    if not dense and all(p.markov() is not None for p in parts):
        blocks = [jax.tree.map(jnp.asarray, token_blocks(p, layout)) for p in parts]

        def draw_blocks(keys: jax.Array, arrays: Any) -> dict[str, jax.Array]:
            return named(sample_statistics(keys, arrays[0], arrays[1], scale, ends, df, law))

        return draw_blocks, blocks, "block innovations", 2 * size * dim

    make = dense_factor if dense else whole_factor
    factors = tuple(make(p, n) for p in parts)
    padded = layout.number * size

    def draw(keys: jax.Array, arrays: Any) -> dict[str, jax.Array]:
        factor_s, factor_m = arrays

        def one(key: jax.Array) -> Reports:
            s = factor_s(normals(substream(key, STREAM_TOTAL), 0, factor_s.noise_rows, dim))
            m = factor_m(normals(key, 0, factor_m.noise_rows, dim))
            share = (scale * np.float32(0.5**0.5))[None, :]
            tokens = [(s + m) * share, (s - m) * share]
            slabs = [
                jnp.pad(h, ((0, padded - n), (0, 0)), constant_values=1.0).reshape(-1, size, dim)
                for h in tokens
            ]

            def step(sums: Any, block: Any) -> Any:
                index, a, b, block_ends = block
                a = law_of_tokens(a, law, df, substream(substream(key, STREAM_A), index))
                b = law_of_tokens(b, law, df, substream(substream(key, STREAM_B), index))
                return measure_block(sums, a, b, block_ends)

            index = jnp.arange(layout.number, dtype=jnp.uint32)
            _, reports = jax.lax.scan(step, start(dim), (index, *slabs, ends))
            return jax.tree.map(lambda r: r.reshape(-1), reports)

        return named(jax.vmap(one)(keys))

    return draw, factors, factors[1].name, 4 * padded * dim
