"""What follows from a result, as plain numbers: exponents, balance, regime, z-scores, verdict."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from tokenspace import theory
from tokenspace.errors import InputError, NoExactResult
from tokenspace.statistics.verdict import Check, check, unjudged


class Derived(NamedTuple):
    """Numbers of one point; NaN where there is none.

    n_middle: (m - 1,) geometric means of adjacent n, at which gamma is; z: (m,); regime: in words,
    "-" where it is not known; verdict: empty without its model; the rest are single numbers.
    """

    n_middle: np.ndarray
    gamma: np.ndarray
    gamma_error: np.ndarray
    gamma_theory: np.ndarray
    z: np.ndarray
    regime: str
    n_balance: float
    n_balance_error: float
    n_balance_low: float
    n_balance_high: float
    verdict: str
    largest_deviation: float


def derive(result: Any, tolerance: float) -> Derived:
    """What follows from a result.

    Args:
        result: the outcome of `simulate`, or read back.
        tolerance: of the verdict, see `verdict.check`.
    """
    try:
        checked = check(result, tolerance)
    except InputError as error:
        checked = unjudged(result, tolerance, str(error))
    try:
        found = result.n_balance()
        balance = (found.mean, found.standard_error, *found.interval)
    except InputError:
        balance = (math.nan,) * 4
    return _of(checked, checked.verdict if result.known_model is not None else "", balance)


def over_balance(result: Any) -> float:
    """(n + 1) / (n_balance + 1) by the exact gamma at the largest n: 1 where n = n_balance.

    gamma = (1 + f) / 2 with f = n / (n + n_balance), of equicorrelated tokens, in whose psi's this
    is linear; of others it is what orders them as gamma does. NaN where no theory is known.
    """
    if (model := result.known_model) is None:
        return math.nan
    try:
        f = min(2 * float(theory.local_exponent(model, result.n[-1:])[0]) - 1, 1.0)
    except NoExactResult:
        return math.nan
    n = float(result.n[-1])
    return (n + 1) * f / (n * (1 - f) + f)


def _of(checked: Check, verdict: str, balance: tuple[float, ...]) -> Derived:
    e, off = checked.exponent, checked.amplitude.deviation
    known = off[~np.isnan(off)]
    mean, error, low, high = map(float, balance)
    with_error = ~np.isnan(e.standard_error)  # of one replicate nothing is known
    return Derived(
        n_middle=e.n,
        gamma=np.where(with_error, e.empirical, np.nan),
        gamma_error=e.standard_error,
        gamma_theory=e.theoretical,
        z=checked.amplitude.z,
        regime=str(checked.regimes_empirical[-1]) if len(e.n) else "-",
        n_balance=mean,
        n_balance_error=error,
        n_balance_low=low,
        n_balance_high=high,
        verdict=verdict,
        largest_deviation=float(np.max(abs(known))) if len(known) else math.nan,
    )
