"""Token-level sampling by factors of the whole sequence, and what is asked of the tokens."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tokenspace.covariance import StudentT, TokenModel, UnitNorm
from tokenspace.sampling.innovations import token_blocks
from tokenspace.sampling.whole import dense_factor, whole_factor
from tokenspace_kernels.blocks import lay_out
from tokenspace_kernels.dispatch import DEFAULT, Kernel, kernel
from tokenspace_kernels.given_tokens import Reports, measure_block, start
from tokenspace_kernels.random_bits import normals, substream
from tokenspace_kernels.sample_divergence import STREAM_A, STREAM_B, STREAM_TOTAL, law_of_tokens

TOKEN_BLOCK = 64


def whole_divergence(keys: jax.Array, factors: Any, scales: Any, last: jax.Array) -> jax.Array:
    """D of Gaussian tokens at tokens `last` (m,), shape (R, m), by a factor for each term."""

    def one(key: jax.Array) -> jax.Array:
        total = jnp.float32(0)
        for q, (factor, scale) in enumerate(zip(factors, scales, strict=True)):
            stream = key if q == 0 else substream(key, q)
            noise = normals(stream, 0, factor.noise_rows, scale.shape[0])
            total = total + factor(noise) * scale[None, :]
        return jnp.sqrt(jnp.sum(jnp.cumsum(total, axis=0)[last] ** 2, axis=1))

    return jax.vmap(one)(keys)


def whole_statistics(
    keys: jax.Array,
    total: Any,
    difference: Any,
    scale: jax.Array,
    ends: jax.Array,
    where: jax.Array,
    df: jax.Array,
    law: str,
) -> Reports:
    """As `kernels.sample_statistics`, with factors of the whole sequence instead of blocks."""
    blocks, dim = ends.shape[0], scale.shape[0]

    def one(key: jax.Array) -> Reports:
        s = total(normals(substream(key, STREAM_TOTAL), 0, total.noise_rows, dim))
        m = difference(normals(key, 0, difference.noise_rows, dim))
        share = (scale * np.float32(0.5**0.5))[None, :]
        padding = ((0, blocks * TOKEN_BLOCK - s.shape[0]), (0, 0))
        slabs = [
            jnp.pad(h * share, padding, constant_values=1.0).reshape(-1, TOKEN_BLOCK, dim)
            for h in (s + m, s - m)
        ]

        def step(sums: Any, block: Any) -> Any:
            index, a, b, block_ends = block
            a = law_of_tokens(a, law, df, substream(substream(key, STREAM_A), index))
            b = law_of_tokens(b, law, df, substream(substream(key, STREAM_B), index))
            return measure_block(sums, a, b, block_ends)

        index = jnp.arange(blocks, dtype=jnp.uint32)
        _, reports = jax.lax.scan(step, start(dim), (index, *slabs, ends))
        return jax.tree.map(lambda r: r.reshape(-1)[where], reports)

    return jax.vmap(one)(keys)


def prepare_statistics(
    model: TokenModel, grid: np.ndarray, dense: bool
) -> tuple[Kernel, str, dict[str, Any], str, int]:
    """(kernel, law, its arrays, method, random numbers of one replicate in flight)."""
    layout = lay_out(grid, TOKEN_BLOCK)
    law = model.law
    name = "unit" if isinstance(law, UnitNorm) else "gaussian"
    if isinstance(law, StudentT):
        name = "student" if law.scale == "token" else "student pair"
    parts = (model.branches.total, model.branches.difference)
    if not dense and all(p.markov() is not None for p in parts):
        drawer = kernel("sample_statistics")
        factors: list[Any] = [jax.tree.map(jnp.asarray, token_blocks(p, layout)) for p in parts]
        method, elements = "block innovations", 2 * TOKEN_BLOCK * model.dim
    else:
        make = dense_factor if dense else whole_factor
        drawer = Kernel(DEFAULT, whole_statistics)
        factors = [make(p, int(grid[-1])) for p in parts]
        method, elements = factors[1].name, 4 * layout.number * TOKEN_BLOCK * model.dim
    arrays = {
        "total": factors[0],
        "difference": factors[1],
        "scale": jnp.asarray(np.sqrt(model.features.eigenvalues), jnp.float32),
        "ends": jnp.asarray(layout.ends),
        "df": jnp.float32(law.df if isinstance(law, StudentT) else 1.0),
        "where": jnp.asarray(layout.where),
        "grid": jnp.asarray(grid),
    }
    return drawer, name, arrays, method, elements
