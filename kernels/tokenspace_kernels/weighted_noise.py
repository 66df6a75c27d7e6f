"""Rows of weights times white noise that is drawn for the product, and nowhere kept."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from tokenspace_kernels.random_bits import even_then_odd, normal_pairs, normals

matmul = partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST)


def whole(weights: jax.Array, key: jax.Array, first: Any, dim: int) -> jax.Array:
    """Rows of weights (rows, size) times the white noise of tokens from an even `first` on."""
    return matmul(weights, normals(key, first, weights.shape[1], dim))


def apart(weights: jax.Array, key: jax.Array, first: Any, dim: int) -> jax.Array:
    """The same without interleaving the tokens of pairs: a product for either half."""
    size = weights.shape[1]
    even, odd = normal_pairs(key, first // 2, -(-size // 2), dim)
    return matmul(weights[:, ::2], even) + matmul(weights[:, 1::2], odd[: size // 2])


def even_first(weights: jax.Array, key: jax.Array, first: Any, dim: int) -> jax.Array:
    """The same by one product: on a TPU each costs as much, however few the tokens."""
    columns = jnp.concatenate([weights[:, ::2], weights[:, 1::2]], axis=1)
    return matmul(columns, even_then_odd(key, first // 2, weights.shape[1], dim))


def weighted_noise(
    weights: jax.Array, key: jax.Array, first: Any, dim: int, gpu: Any = apart
) -> jax.Array:
    """`whole` as each platform computes it best; `gpu`: as a GPU does."""
    ways = {"cpu": whole, "tpu": even_first, "default": gpu}
    return jax.lax.platform_dependent(
        weights, key, jnp.asarray(first), **{k: partial(f, dim=dim) for k, f in ways.items()}
    )
