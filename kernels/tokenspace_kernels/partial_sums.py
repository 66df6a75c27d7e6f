"""Exact sampling of D on a grid from the joint law of its prefix sums: cost m d a replicate."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from tokenspace_kernels.random_bits import substream
from tokenspace_kernels.streams import numbered
from tokenspace_kernels.weighted_noise import weighted_noise, whole


def partial_sum_divergence(keys: jax.Array, factors: jax.Array, scales: jax.Array) -> jax.Array:
    """D(grid) = row norms of sum_q L_q Z_q diag(scale_q), Z_q white (m, d).

    Args:
        keys: (R, 2) keys of the replicates.
        factors: (terms, m, m) lower Cholesky factors of the covariance of prefix sums.
        scales: (terms, d) square roots of the feature eigenvalues.

    Returns:
        Shape (R, m), float32.

    Source: derived for this project (partial-sum sampler), checked against sampling.
    """
    terms, m, _ = factors.shape
    dim = scales.shape[1]

    def one(key: jax.Array) -> jax.Array:
        total = jnp.zeros((m, dim), jnp.float32)
        for q in range(terms):
            stream = key if q == 0 else substream(key, numbered(q))
            rows = weighted_noise(factors[q], stream, 0, dim, gpu=whole)
            total = total + rows * scales[q][None, :]
        return jnp.sqrt(jnp.sum(total**2, axis=1))

    return jax.vmap(one)(keys)
