"""Rows of weights times white noise that is drawn for the product, and nowhere kept."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp

from tokenspace_kernels.random_bits import normal_pairs, normals

matmul = partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST)


def weighted_noise(weights: jax.Array, key: jax.Array, first: jax.Array, dim: int) -> jax.Array:
    """Rows of weights (rows, size) times the white noise of tokens from an even `first` on.

    A CPU draws the noise as one array. An accelerator keeps the tokens of pairs apart, so that they
    need not be interleaved; on a TPU both are drawn before either is used, at once.
    """
    size = weights.shape[1]

    def whole(weights: jax.Array, key: jax.Array, first: jax.Array) -> jax.Array:
        return matmul(weights, normals(key, first, size, dim))

    def apart(
        weights: jax.Array, key: jax.Array, first: jax.Array, at_once: bool = False
    ) -> jax.Array:
        pair = normal_pairs(key, first // 2, size // 2, dim)
        even, odd = jax.lax.optimization_barrier(pair) if at_once else pair
        return matmul(weights[:, ::2], even) + matmul(weights[:, 1::2], odd)

    return jax.lax.platform_dependent(
        weights, key, first, cpu=whole, tpu=partial(apart, at_once=True), default=apart
    )
