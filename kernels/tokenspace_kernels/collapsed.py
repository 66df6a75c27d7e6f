"""Exact sampling of D on a grid from Wishart factors: cost m^2 a replicate, whatever N and d."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tokenspace_kernels.chi_square import chi_square
from tokenspace_kernels.random_bits import even_then_odd, normals, substream
from tokenspace_kernels.streams import CHI, numbered


def in_order(key: jax.Array, m: int) -> tuple[jax.Array, np.ndarray]:
    """White noise of the rows of an (m, m) matrix above its diagonal, and the number of each row.

    What lies below is to be masked: half a matrix of noise is drawn and turned by 180 degrees for
    the lower rows; row r and row m - 1 - r use different numbers of the same drawn row.
    """
    # One row more than half, so that both parts differ in shape: where they do not, XLA on a CPU
    # computes the noise anew for each, which takes far longer.
    rows = m // 2 + 1
    half = normals(key, 0, rows, m)
    return jnp.concatenate([half, half[::-1, ::-1][2 * rows - m :]]), np.arange(m)


def even_first(key: jax.Array, m: int) -> tuple[jax.Array, np.ndarray]:
    """The same rows as a TPU draws them; one that is there twice has number m the second time."""
    rows = m // 2 + 1
    half = even_then_odd(key, 0, rows, m)
    number = np.concatenate([np.arange(0, rows, 2), np.arange(1, rows, 2)])
    turned = np.where(m - 1 - number < rows, m, m - 1 - number)
    return jnp.concatenate([half, half[:, ::-1]]), np.concatenate([number, turned])


def squared_rows(
    key: jax.Array,
    factor: jax.Array,
    chi: jax.Array,
    freedom: jax.Array,
    rows: Callable[[jax.Array, int], tuple[jax.Array, np.ndarray]],
) -> jax.Array:
    """||row of L A||^2, (m,), A lower triangular with chi on the diagonal and noise below it.

    Columns of A from `freedom` on are empty; rows: of A transposed, in any order.
    """
    noise, number = rows(key, len(factor))
    row, column = number[:, None], lax.iota(jnp.int32, len(factor))[None]
    of_row = chi[np.minimum(number, len(factor) - 1), None]
    bartlett = jnp.where(column == row, of_row, jnp.where(column > row, noise, 0.0))
    # Transposed, so that all replicates share one product with the same factor.
    columns = jnp.matmul(
        jnp.where(row < freedom, bartlett, 0.0), factor.T, precision=lax.Precision.HIGHEST
    )
    return jnp.sum(columns**2, axis=0)


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
    safe = jnp.where(degrees > 0, degrees, 1.0)

    def one(key: jax.Array) -> jax.Array:
        chi = jnp.sqrt(chi_square(substream(key, CHI), safe))

        def add(squared: jax.Array, group: tuple[jax.Array, ...]) -> tuple[jax.Array, None]:
            number, factor, chi_g, freedom_g = group
            of_group = lax.platform_dependent(
                substream(key, numbered(1 + number)),
                factor,
                chi_g,
                freedom_g,
                tpu=partial(squared_rows, rows=even_first),
                default=partial(squared_rows, rows=in_order),
            )
            return squared + of_group, None

        each = (jnp.arange(groups, dtype=jnp.uint32), factors, chi, freedom)
        squared, _ = lax.scan(add, jnp.zeros(m, jnp.float32), each)
        return jnp.sqrt(squared)

    return jax.vmap(one)(keys)
