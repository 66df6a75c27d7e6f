"""Fit scaling laws S(n) to measured scores, by least squares in log S, with bootstrap intervals.

The laws are those of `scaling/laws/`; no law is known here by name. Optimisation: L-BFGS of optax
in float64, jitted; starts and bootstrap samples under vmap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from tokenspace.errors import InputError
from tokenspace.precision import float64
from tokenspace.registry import ROOMS
from tokenspace.scaling.laws import ScalingLaw, known_laws

STEPS = 200
BOOTSTRAP_STEPS = 60
GRADIENT = 1e-9


@dataclass(frozen=True)
class LawFit:
    """One law fitted to one curve.

    parameters: name -> value; intervals: name -> (low, high) at `level` from the bootstrap;
    residual_std: of log S; aicc: Akaike's criterion corrected for few points, smaller is better,
    infinite when there are too few points for the law.
    """

    law: str
    parameters: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    level: float
    residual_std: float
    aicc: float
    n: np.ndarray
    score: np.ndarray

    def predict(self, n: Any) -> np.ndarray:
        """S(n) of the fitted law."""
        return ROOMS["scaling"].find(self.law)().score(self.parameters, n)


@dataclass(frozen=True)
class ScalingFit:
    """Fits of one or several laws to one curve; `winner` has the smallest AICc.

    `evidence` is how decisive that is: AICc of the runner-up less that of the winner (below 2 the
    data do not tell them apart, above 10 they clearly do).
    """

    fits: dict[str, LawFit]
    winner: str
    evidence: float

    @property
    def best(self) -> LawFit:
        return self.fits[self.winner]

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain numbers, for JSON."""
        return {
            "winner": self.winner,
            "evidence": self.evidence,
            "laws": {
                name: {
                    "parameters": f.parameters,
                    "intervals": {k: list(v) for k, v in f.intervals.items()},
                    "level": f.level,
                    "residual_std": f.residual_std,
                    "aicc": f.aicc,
                }
                for name, f in self.fits.items()
            },
        }


@partial(jax.jit, static_argnames=("law", "steps"))
def _minimise(
    law: ScalingLaw, steps: int, starts: jax.Array, x: jax.Array, y: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Best parameters of each row of y (B, n) over all starts (k, p): ((B, p), (B,) loss)."""
    solver = optax.lbfgs()

    def fit(start: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
        scale = jnp.sum((y - jnp.mean(y)) ** 2) + 1e-300

        def loss(p: jax.Array) -> jax.Array:
            value = jnp.sum((law.log_score(p, x, jnp) - y) ** 2) / scale
            # A weak pull (1e-9) keeps directions that the data do not determine finite.
            return value + 1e-9 * jnp.sum((p[2:] / 30) ** 2)

        value_and_grad = optax.value_and_grad_from_state(loss)

        def step(carry: Any) -> Any:
            p, state = carry
            value, gradient = value_and_grad(p, state=state)
            update, state = solver.update(
                gradient, state, p, value=value, grad=gradient, value_fn=loss
            )
            return optax.apply_updates(p, update), state

        def unfinished(carry: Any) -> jax.Array:
            _, state = carry
            count = optax.tree.get(state, "count")
            gradient = optax.tree.get(state, "grad")
            return (count == 0) | ((count < steps) & (optax.tree.norm(gradient) > GRADIENT))

        p, _ = jax.lax.while_loop(unfinished, step, (start, solver.init(start)))
        return p, jnp.where(jnp.isfinite(loss(p)), loss(p), jnp.inf)

    def best(y: jax.Array) -> tuple[jax.Array, jax.Array]:
        p, loss = jax.vmap(lambda s: fit(s, y))(starts)
        k = jnp.argmin(loss)
        return p[k], loss[k]

    return jax.vmap(best)(y)


def fit_scaling(
    n: Sequence[float] | np.ndarray,
    score: Sequence[float] | np.ndarray,
    law: str = "auto",
    bootstrap: int = 1000,
    *,
    level: float = 0.95,
    seed: int = 0,
) -> ScalingFit:
    """Fit scaling laws to scores at several token counts.

    Least squares in log S. Intervals are percentiles over a residual bootstrap: residuals,
    inflated for the degrees of freedom used, are resampled onto the fitted curve and refitted.

    Args:
        n: numbers of tokens, at least 3 distinct, > 0.
        score: scores > 0, same length.
        law: name of a law, "power", "crossover", "saturating" or one of your own that is registered
            in the room "scaling"; or "auto" for all of them.
        bootstrap: number of resamples, 0 for no intervals.
        level: confidence level of the intervals, in (0, 1).
        seed: of the resampling.

    Returns:
        A `ScalingFit`.

    Raises:
        InputError: lengths differ, values are not positive and finite, or an unknown law.

    Source: S(n) = c / n^alpha, Li et al. 2025; crossover law derived from it.
    """
    x, y = _checked(n, score)
    laws = known_laws()
    if law != "auto" and law not in laws:
        allowed = ", ".join(repr(k) for k in (*laws, "auto"))
        raise InputError(f"law = {law!r} is not allowed; it must be one of {allowed}")
    if not isinstance(bootstrap, int) or bootstrap < 0:
        raise InputError(f"bootstrap = {bootstrap!r} is not allowed; it must be an integer >= 0")
    if not 0 < level < 1:
        raise InputError(f"level = {level!r} is not allowed; it must lie between 0 and 1")
    chosen = laws if law == "auto" else {law: laws[law]}
    fits = {k: _fit_law(k, made, x, y, bootstrap, level, seed) for k, made in chosen.items()}
    ranked = sorted(fits.values(), key=lambda f: f.aicc)
    evidence = ranked[1].aicc - ranked[0].aicc if len(ranked) > 1 else float("nan")
    return ScalingFit(fits, ranked[0].law, float(evidence))


def _fit_law(
    name: str,
    law: ScalingLaw,
    x: np.ndarray,
    y: np.ndarray,
    bootstrap: int,
    level: float,
    seed: int,
) -> LawFit:
    points = len(x)
    with float64():
        starts = jnp.asarray(law.starts(x, y))
        raw, _ = _minimise(law, STEPS, starts, jnp.asarray(x), jnp.asarray(y)[None])
        raw = np.asarray(raw)[0]
        fitted = np.asarray(law.log_score(jnp.asarray(raw), jnp.asarray(x), jnp))
        residual = y - fitted
        size = len(raw)
        intervals: dict[str, tuple[float, float]] = {}
        if bootstrap and points > size:
            rng = np.random.default_rng(seed)
            centred = (residual - residual.mean()) * np.sqrt(points / (points - size))
            resampled = fitted + rng.choice(centred, (bootstrap, points))
            draws, _ = _minimise(
                law, BOOTSTRAP_STEPS, jnp.asarray(raw)[None], jnp.asarray(x), jnp.asarray(resampled)
            )
            tails = [(1 - level) / 2, (1 + level) / 2]
            intervals = {
                k: tuple(float(q) for q in np.quantile(v, tails))  # type: ignore[misc]
                for k, v in law.named(np.asarray(draws).T).items()
            }
    rss = float(residual @ residual)
    k = size + 1  # the variance of the residuals is a parameter too
    aicc = float("inf")
    if points > k + 1:
        rss_floor = max(rss, 1e-300)
        aicc = points * np.log(rss_floor / points) + 2 * k + 2 * k * (k + 1) / (points - k - 1)
    freedom = max(points - size, 1)
    return LawFit(
        name,
        {k: float(v) for k, v in law.named(raw).items()},
        intervals,
        level,
        float(np.sqrt(rss / freedom)),
        float(aicc),
        np.exp(x),
        np.exp(y),
    )


def _checked(n: Any, score: Any) -> tuple[np.ndarray, np.ndarray]:
    arrays = []
    for name, values in (("n", n), ("score", score)):
        try:
            array = np.asarray(values, np.float64)
        except (TypeError, ValueError):
            raise InputError(f"{name} must be a list of numbers") from None
        if array.ndim != 1:
            raise InputError(f"{name} must be one list, but its shape is {array.shape}")
        bad = ~(np.isfinite(array) & (array > 0))
        if bad.any():
            k = int(np.argmax(bad))
            raise InputError(
                f"{name}[{k}] = {array[k]} is not allowed: fits are in logarithms, so every value "
                "must be finite and > 0"
            )
        arrays.append(array)
    if len(arrays[0]) != len(arrays[1]):
        raise InputError(f"n has {len(arrays[0])} values but score has {len(arrays[1])}")
    if len(np.unique(arrays[0])) < 3:
        raise InputError("a fit needs at least 3 different token counts")
    order = np.argsort(arrays[0], kind="stable")
    return np.log(arrays[0][order]), np.log(arrays[1][order])
