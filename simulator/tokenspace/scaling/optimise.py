"""Least squares in log S of many curves at once: L-BFGS of optax in float64, jitted, under vmap.

A lane is one minimisation: a start, the moves allowed from it, and the points of its curve. Lanes
are worked off in blocks of one size, and curves are padded by points of weight 0, so that a law is
compiled once, for the fits of all curves and for the profiles of their likelihoods.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from tokenspace.precision import float64
from tokenspace.scaling.laws import ScalingLaw

STEPS = 200
LANES = 64
NUMBERS = 1 << 18  # points in a block; long curves come in smaller blocks

Logs = tuple[np.ndarray, np.ndarray]  # log n ascending and log S of a curve


@dataclass(frozen=True)
class Points:
    """Curves as arrays (curves, points): log n, log S, and weights, 0 at the points that pad."""

    x: np.ndarray
    y: np.ndarray
    weight: np.ndarray

    def __getitem__(self, which: np.ndarray) -> Points:
        return Points(self.x[which], self.y[which], self.weight[which])

    @property
    def counts(self) -> np.ndarray:
        """Points of each curve, (curves,)."""
        return self.weight.sum(axis=1).astype(int)


def grouped(curves: Sequence[Logs]) -> Iterator[tuple[np.ndarray, Points]]:
    """(which curves, their points), those padded to the same power of two together.

    The width of a curve follows from the curve alone, so its fit does not depend on its company.
    """
    widths = np.array([1 << (len(x) - 1).bit_length() for x, _ in curves])
    for width in np.unique(widths):
        which = np.flatnonzero(widths == width)
        x, y, weight = (np.zeros((len(which), width)) for _ in range(3))
        for row, (log_n, log_score) in enumerate(curves[int(k)] for k in which):
            x[row], y[row] = log_n[-1], log_score[-1]
            count = len(log_n)
            x[row, :count], y[row, :count], weight[row, :count] = log_n, log_score, 1
        yield which, Points(x, y, weight)


def minimise(
    law: ScalingLaw, starts: np.ndarray, moves: np.ndarray, points: Points, gradient: float = 1e-9
) -> tuple[np.ndarray, np.ndarray]:
    """Raw parameters (lanes, p) that L-BFGS reaches, and their sums of squares (lanes,).

    Args:
        law: the law, frozen.
        starts: (lanes, p).
        moves: (lanes, p, p): L-BFGS seeks q, from 0, in raw = start + moves q. The identity, or
            what makes the problem round; a parameter whose row is 0 stays at its start.
        points: a curve a lane.
        gradient: norm of the gradient to q, of the squares over those about the mean, at which
            L-BFGS stops.

    Returns:
        Raw parameters, and sums of squares in log S, infinite where they are not finite.
    """
    count, width = points.x.shape
    lanes = max(1, min(LANES, NUMBERS // width))
    padded = np.resize(np.arange(count), -(-count // lanes) * lanes).reshape(-1, lanes)
    arrays = (starts, moves, points.x, points.y, points.weight)
    with float64():
        blocks = [_block(law, gradient, *(jnp.asarray(a[k]) for a in arrays)) for k in padded]
        raw, rss = (np.concatenate([np.asarray(b[k]) for b in blocks]) for k in (0, 1))
    return raw[:count], rss[:count]


@partial(jax.jit, static_argnames=("law",))
def _block(
    law: ScalingLaw,
    tolerance: float,
    start: jax.Array,
    move: jax.Array,
    x: jax.Array,
    y: jax.Array,
    w: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    solver = optax.lbfgs()

    def fit(
        start: jax.Array, move: jax.Array, x: jax.Array, y: jax.Array, w: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        mean = jnp.sum(w * y) / jnp.sum(w)
        scale = jnp.sum(w * (y - mean) ** 2) + 1e-300

        def squares(p: jax.Array) -> jax.Array:
            return jnp.sum(w * (law.log_score(p, x, jnp) - y) ** 2)

        def loss(q: jax.Array) -> jax.Array:
            p = start + move @ q
            # A weak pull (1e-9) keeps directions that the data do not determine finite.
            return squares(p) / scale + 1e-9 * jnp.sum((p[2:] / 30) ** 2)

        value_and_grad = optax.value_and_grad_from_state(loss)

        def step(carry: Any) -> Any:
            q, state = carry
            value, gradient = value_and_grad(q, state=state)
            update, state = solver.update(
                gradient, state, q, value=value, grad=gradient, value_fn=loss
            )
            return optax.apply_updates(q, update), state

        def unfinished(carry: Any) -> jax.Array:
            _, state = carry
            count = optax.tree.get(state, "count")
            gradient = optax.tree.get(state, "grad")
            return (count == 0) | ((count < STEPS) & (optax.tree.norm(gradient) > tolerance))

        origin = jnp.zeros_like(start)
        q, _ = jax.lax.while_loop(unfinished, step, (origin, solver.init(origin)))
        p = start + move @ q
        rss = squares(p)
        return p, jnp.where(jnp.isfinite(rss), rss, jnp.inf)

    return jax.vmap(fit)(start, move, x, y, w)
