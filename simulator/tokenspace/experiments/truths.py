"""What a result promises, with the exact value that each promise is held to.

A quantity says at which points of its grid one result kept a promise: an interval has the exact
value inside, a true theory fails, a theory that is off passes. `coverage` counts them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tokenspace import theory
from tokenspace.covariance import TokenModel
from tokenspace.statistics import amplitude, verdict
from tokenspace.statistics.estimate import LEVEL
from tokenspace.statistics.exponent import adjacent_slopes
from tokenspace.statistics.quantiles import QUANTILES
from tokenspace.statistics.result import Result
from tokenspace.statistics.streaming import upsilon_of
from tokenspace.theory.quantiles import isotropic_quantiles

COVERS = (0.93, 0.97)  # goal for intervals of 95 %
RARE = (0.0, 0.05)  # goal for wrong verdicts
STRICT = 1e-6  # a tolerance at which a true theory is judged by the errors alone
TOLERANCE = 0.02  # the default of `check`
REACH = 3  # standard errors that a tolerance has which the data can just pass


@dataclass(frozen=True)
class Quantity:
    """holds(result) is True at the points at which it came true; goal: how often it should."""

    name: str
    goal: tuple[float, float]
    holds: Callable[[Result], Any]


def quantities(model: TokenModel, n: np.ndarray, replicates: int, mean: Any) -> list[Quantity]:
    """What is counted of results on a model.

    Args:
        model: of the tokens, with constant correlations and isotropic features.
        n: token counts from 1 on (m,).
        replicates: of each result.
        mean: E[D(n)] (m,), exact or nearly so; not used where it does not exist.
    """
    size = amplitude.amplitude_of(model)
    exact = amplitude.theoretical_amplitude(model, n)
    gamma = adjacent_slopes(n)[1] @ np.log(exact)
    alpha = theory.alpha(model, n[1:], 1.0)
    found = []
    if size != amplitude.MEDIAN:
        found.append(covered("E[D]", Result.interval, mean))
    if size != amplitude.MEAN:
        found.append(covered(size, lambda r: r.amplitude()[1].interval(), exact))
    found += [
        covered("gamma", lambda r: r.local_exponent().interval(), gamma),
        covered("alpha", lambda r: r.secant_exponent(1.0).interval(), alpha),
        covered("n_balance", lambda r: r.n_balance().interval, theory.n_balance(model)),
    ]
    if model.law.joint_scale:
        found += _quantiles(model, n, replicates)
    if size != amplitude.MEDIAN:
        found += _verdicts(model, n, replicates)
    return found


def scale_quantity(model: TokenModel, n: np.ndarray) -> Quantity:
    """The interval of lambda, whose exact value is exp mean_n log(E[D] / sqrt(Upsilon)).

    Upsilon is of the expected cosines, which are exact for laws that scale a whole pair.
    """
    psi = theory.psi(model, n, "cosine")
    upsilon = upsilon_of(n, psi.equal, psi.within, psi.cross)
    ratio = theory.expected_divergence(model, n) / np.sqrt(upsilon)
    exact = np.exp(np.mean(np.log(ratio)))
    return covered("lambda", lambda r: r.scale_fit().interval, exact)


def covered(name: str, interval: Callable[[Result], Any], exact: Any) -> Quantity:
    """Whether an interval, (low, high) of a result, has the exact value inside."""

    def holds(result: Result) -> Any:
        low, high = interval(result)
        return (low <= exact) & (exact <= high)

    return Quantity(name, COVERS, holds)


def _quantiles(model: TokenModel, n: np.ndarray, replicates: int) -> list[Quantity]:
    """The quantiles that so many replicates bound on both sides."""
    tail = (1 - LEVEL) / 2
    exact = isotropic_quantiles(model, n, QUANTILES)
    bounded = [k for k, p in enumerate(QUANTILES) if max(p, 1 - p) ** replicates < tail]

    def of(k: int) -> Callable[[Result], Any]:
        return lambda r: r.quantile_intervals[:, k]

    return [covered(f"quantile {QUANTILES[k]:g}", of(k), exact[k]) for k in bounded]


def _verdicts(model: TokenModel, n: np.ndarray, replicates: int) -> list[Quantity]:
    """How often a true theory fails, and how often one that is too high or too low passes."""
    true = verdict.expected_of(model, n)

    def passes(tolerance: float, times: int) -> Callable[[Result], list[bool]]:
        factors = [(1 + tolerance) ** (times * sign) for sign in (1, -1)]
        off = [replace(true, amplitude=true.amplitude * f) for f in factors]
        return lambda r: [r.check(tolerance, wrong).passed for wrong in off]

    found = [
        Quantity("FAIL, true theory", RARE, lambda r: r.check(STRICT, true).verdict == "FAIL"),
        Quantity("PASS, theory 2 tolerances off", RARE, passes(TOLERANCE, 2)),
    ]
    if model.law.joint_scale:
        relative = theory.divergence_std(model, n) / theory.expected_divergence(model, n)
        tolerance = REACH * float(np.max(relative)) / np.sqrt(replicates)
        found.append(Quantity("PASS, theory 1 tolerance off", RARE, passes(tolerance, 1)))
    return found
