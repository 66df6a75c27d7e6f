"""The law over sizes in raw parameters, and the search for its least squares.

Raw parameters are where the limit lies in its room, by log odds; log A; b; log g.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
from scipy.special import expit

STEPS = 500
STILL = 1e-10  # norm of the gradient at which L-BFGS stops


def values_of(raw: np.ndarray, room: np.ndarray) -> np.ndarray:
    """limit, A, b and g of raw parameters (4, ..), the limit within its room (2,)."""
    limit = room[0] + (room[1] - room[0]) * expit(raw[0])
    return np.array([limit, np.exp(raw[1]), raw[2], np.exp(raw[3])])


def log_score_of(
    raw: jax.Array, log_n: jax.Array, log_size: jax.Array, room: jax.Array
) -> jax.Array:
    """log S of raw parameters (4,) at log n and log (N / N_1)."""
    limit = room[0] + (room[1] - room[0]) * jax.nn.sigmoid(raw[0])
    gap = jnp.exp(raw[1] - raw[2] * log_size - jnp.exp(raw[3]) * log_n)
    return jnp.log(jnp.maximum(limit - gap, 1e-12 * limit))


@jax.jit
def minimised(
    starts: jax.Array,
    log_n: jax.Array,
    log_size: jax.Array,
    room: jax.Array,
    log_score: jax.Array,
    root: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    """Raw parameters (k, 4) that L-BFGS reaches from each start, and their losses.

    root: square roots of the weights.
    """
    solver = optax.lbfgs()
    spread = jnp.sum((log_score - log_score.mean()) ** 2)

    def loss(raw: jax.Array) -> jax.Array:
        off = root * (log_score_of(raw, log_n, log_size, room) - log_score)
        return jnp.sum(off**2) / spread

    value_and_grad = optax.value_and_grad_from_state(loss)

    def step(carry: tuple[jax.Array, optax.OptState]) -> tuple[jax.Array, optax.OptState]:
        raw, state = carry
        value, gradient = value_and_grad(raw, state=state)
        update, state = solver.update(
            gradient, state, raw, value=value, grad=gradient, value_fn=loss
        )
        return jnp.asarray(optax.apply_updates(raw, update)), state

    def unfinished(carry: tuple[jax.Array, optax.OptState]) -> jax.Array:
        count = optax.tree.get(carry[1], "count")
        gradient = optax.tree.get(carry[1], "grad")
        return jnp.asarray((count == 0) | ((count < STEPS) & (optax.tree.norm(gradient) > STILL)))

    def run(start: jax.Array) -> tuple[jax.Array, jax.Array]:
        raw, _ = jax.lax.while_loop(unfinished, step, (start, solver.init(start)))
        return raw, loss(raw)

    return jax.vmap(run)(starts)
