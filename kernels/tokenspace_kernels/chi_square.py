"""Chi-square and gamma variates by counters: results do not depend on the batch."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from tokenspace_kernels.random_bits import bits_to_normal, threefry2x32

State = tuple[jax.Array, jax.Array, jax.Array]


def _open_uniform(bits: jax.Array) -> jax.Array:
    """Uniform float32 in (0, 1) on 2^24 midpoints."""
    return ((bits >> 8).astype(jnp.float32) + np.float32(0.5)) * np.float32(2.0**-24)


def chi_square(key: jax.Array, degrees: jax.Array) -> jax.Array:
    """Chi-square variates of the given degrees of freedom, any real > 0, shaped like `degrees`.

    Twice a gamma variate of shape degrees / 2 by the squeeze-free method of Marsaglia & Tsang
    (2000), with the boost U^(1/shape) below shape 1. Attempt t of element e uses counter (e, t),
    so an element's value does not depend on how long others are rejected.

    Args:
        key: (2,) words of a Threefry key.
        degrees: degrees of freedom.

    Source: Marsaglia & Tsang 2000, A simple method for generating gamma variables.
    """
    shape = degrees.astype(jnp.float32) / 2
    boosted = shape < 1
    d = jnp.where(boosted, shape + 1, shape) - np.float32(1 / 3)
    c = jax.lax.rsqrt(9 * d)
    element = jnp.arange(shape.size, dtype=jnp.uint32).reshape(shape.shape)
    words = (key[0], key[1])

    def attempt(state: State) -> State:
        number, value, done = state
        bits = threefry2x32(words, (element, jnp.full_like(element, number)))
        x = bits_to_normal(bits[0])
        v = (1 + c * x) ** 3
        log_u = jnp.log(_open_uniform(bits[1]))
        safe_v = jnp.where(v > 0, v, 1.0)
        accepted = (v > 0) & (log_u < 0.5 * x * x + d * (1 - safe_v + jnp.log(safe_v)))
        return number + 1, jnp.where(~done & accepted, d * v, value), done | accepted

    first = (jnp.uint32(0), jnp.ones_like(shape), jnp.zeros(shape.shape, bool))
    _, gamma, _ = jax.lax.while_loop(lambda s: ~jnp.all(s[2]), attempt, first)
    boost_bits = threefry2x32(words, (element, jnp.full_like(element, 0xFFFFFFFF)))[0]
    boost = jnp.exp(jnp.log(_open_uniform(boost_bits)) / shape)
    return 2 * jnp.where(boosted, gamma * boost, gamma)
