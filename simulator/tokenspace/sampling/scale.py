"""Random scales that a Student-t law puts on a whole pair of sequences."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from tokenspace_kernels.chi_square import chi_square
from tokenspace_kernels.random_bits import substream

STREAM_PAIR = 2000


def pair_scales(keys: jax.Array, df: jax.Array) -> jax.Array:
    """sqrt(df / chi2_df), one number a replicate, shape (R, 1)."""
    chi2 = jax.vmap(lambda key: chi_square(substream(key, STREAM_PAIR), df))(keys)
    return jnp.sqrt(df / chi2)[:, None]
