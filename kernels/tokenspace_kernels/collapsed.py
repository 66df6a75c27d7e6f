"""Exact sampling of D on a grid from Wishart factors: cost m^2 a replicate, whatever N and d."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from tokenspace_kernels.chi_square import chi_square
from tokenspace_kernels.random_bits import normals, substream
from tokenspace_kernels.streams import CHI, numbered


def upper_normals(key: jax.Array, m: int) -> jax.Array:
    """White noise above the diagonal of an (m, m) matrix; what lies below is to be masked.

    Half a matrix of noise is drawn and turned by 180 degrees for the lower rows: row r and row
    m - 1 - r use different numbers of the same drawn row.
    """
    # One row more than half, so that both parts differ in shape: where they do not, XLA on a CPU
    # computes the noise anew for each, which takes far longer.
    rows = m // 2 + 1
    half = normals(key, 0, rows, m)
    return jnp.concatenate([half, half[::-1, ::-1][2 * rows - m :]])


def collapsed_divergence(keys: jax.Array, factors: jax.Array, freedom: jax.Array) -> jax.Array:
    """D(grid)^2 = sum_g ||row of L_g A_g||^2, A_g Bartlett's factor of a Wishart(freedom_g).

    Features of equal covariance form a group g: over its freedom_g features the Gram matrix of the
    prefix sums is Wishart, A_g is lower triangular with chi_{freedom - k} on the diagonal and
    normals below (columns k >= freedom are empty).

    Args:
        keys: (R, 2) keys of the replicates.
        factors: (groups, m, m) lower Cholesky factors of the covariance of one feature.
        freedom: (groups,) number of features in each group.

    Returns:
        Shape (R, m), float32.

    Source: Bartlett 1933 (collapsed sampler).
    """
    groups, m, _ = factors.shape
    degrees = freedom[:, None].astype(jnp.float32) - jnp.arange(m, dtype=jnp.float32)[None, :]
    filled = degrees > 0
    safe = jnp.where(filled, degrees, 1.0)

    def one(key: jax.Array) -> jax.Array:
        chi = jnp.sqrt(chi_square(substream(key, CHI), safe))

        def add(squared: jax.Array, group: tuple[jax.Array, ...]) -> tuple[jax.Array, None]:
            number, factor, chi_g, filled_g = group
            above = jnp.triu(upper_normals(substream(key, numbered(1 + number)), m), 1)
            # Transposed, so that all replicates share one product with the same factor.
            bartlett = jnp.where(filled_g[:, None], above + jnp.diag(chi_g), 0.0)
            columns = jnp.matmul(bartlett, factor.T, precision=jax.lax.Precision.HIGHEST)
            return squared + jnp.sum(columns**2, axis=0), None

        each = (jnp.arange(groups, dtype=jnp.uint32), factors, chi, filled)
        squared, _ = jax.lax.scan(add, jnp.zeros(m, jnp.float32), each)
        return jnp.sqrt(squared)

    return jax.vmap(one)(keys)
