"""How far the n_balance of given tokens depends on the token counts that it is fitted to.

n_balance is (1 - psi_equal)/Delta - 1 of correlations that are constant. Where they are not, the
fit of D(n) is a compromise, and another grid gives another: its halves say how far. The same ratio
of the psi's over all tokens needs no grid, and no order of the tokens.
"""

from __future__ import annotations

import numpy as np

from tokenspace.printable import between, to_error
from tokenspace.statistics.balance import LEAST_POINTS, balance_curve, fit_balance
from tokenspace.statistics.result import Result
from tokenspace.tokens.rounding import psi_rounding

NOT_CONSTANT = "*"  # after an n_balance in a table
NORMAL = 1.96  # errors to either end of an interval, by which it has digits


def curve_of(result: Result) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`balance_curve` of the psi's of given tokens: value, low and high, (m,).

    NaN also where psi_equal is 1 but for float32's rounding, as of answers that begin alike: Delta,
    which no correlations have above 1 - psi_equal, is rounding too, and so is their ratio.
    """
    psi = result.correlations or {}
    equal = psi["psi_equal"]
    curve = balance_curve(result.n, equal, psi["psi_delta"], result.cosine_upsilon())
    known = 1 - equal.mean > [psi_rounding(n) for n in result.n]
    value, low, high = (np.where(known, x, np.nan) for x in curve)
    return value, low, high


def said_of_grid(result: Result) -> str:
    """The n_balance of either half of the grid and of the psi's over all tokens, in words."""
    part = result.reached()
    said, middle = "", len(part.n) // 2
    halves = [slice(middle + 1), slice(middle, None)]
    if all(len(part.n[half]) >= LEAST_POINTS for half in halves):
        fits = [fit_balance(part.n[half], part.divergence.select(half)) for half in halves]
        lower, upper = (to_error(fit.mean, fit.standard_error) for fit in fits)
        said = f" (up to n = {part.n[middle]} it is {lower}, from there on {upper})"
    said = f"correlations are not constant, so n_balance depends on the token counts{said}"
    value, low, high = (x[-1] for x in curve_of(part))
    if not np.isfinite(value):
        return f"{said}; psi_within - psi_cross of all {part.n[-1]} tokens is not above 0"
    error = (high - low) / (2 * NORMAL)
    interval = "" if np.isnan(low) else f" (95 % interval {between((low, high), error)})"
    return (
        f"{said}; by the psi's of all {part.n[-1]} tokens it is {to_error(value, error)}{interval}"
    )
