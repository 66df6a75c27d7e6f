"""The paper's lambda: one constant between E[D(n)] and sqrt(Upsilon(n))."""

from __future__ import annotations

from typing import Any

import numpy as np

from tokenspace.errors import InputError
from tokenspace.printable import between, number, percent
from tokenspace.statistics.estimate import LEVEL, FittedNumber, Moments, two_sided

LOG, PLAIN = "log", "plain"


class Scale(FittedNumber):
    """lambda with its error: Student's t in log lambda.

    lack_of_fit: of E[D]; large means that one lambda does not describe these data.
    """

    def __repr__(self) -> str:
        bounds = f"{percent(self.level)} interval {between(self.interval, self.standard_error)}"
        if not np.isfinite(self.standard_error):
            bounds = "its error is unknown"
        return (
            f"lambda = {number(self.mean, self.standard_error)} ({bounds}; E[D] off lambda "
            f"sqrt(Upsilon) by at most {percent(self.lack_of_fit, '.1f')})"
        )


def fit_scale(
    joint: Moments, level: float = LEVEL, n: np.ndarray | None = None, by: str = LOG
) -> Scale:
    """lambda by least squares, of logarithms or of distances.

    "log": log lambda = mean over the grid of log(E[D(n)] / sqrt(Upsilon(n))).
    "plain": lambda = sum w E[D] sqrt(Upsilon) / sum w Upsilon, the least sum over n = 1..N of
    (E[D(n)] - lambda sqrt(Upsilon(n)))^2, where a grid point stands for the w(n) numbers n that
    are nearest to it; 1 each where the grid has every n. Large n decide it.

    Args:
        joint: moments of D and Upsilon at all n one after the other, (2 m,), means > 0.
        level: confidence of the interval, in (0, 1).
        n: token counts (m,), which "plain" needs.
        by: "log" or "plain".

    Raises:
        InputError: another `by`.

    Source: Li et al. 2025 for the law and for "plain"; errors by the delta method.
    """
    m = len(joint.mean) // 2
    d, root = joint.mean[:m], np.sqrt(joint.mean[m:])
    if by == LOG:
        weight = np.full(m, 1 / m)
        log_lambda = float(weight @ np.log(d / root))
        slope = np.concatenate([weight / d, -weight / (2 * root**2)])
    elif by == PLAIN and n is not None:
        weight = stands_for(n) / (stands_for(n) @ root**2)
        mean = weight @ (d * root)
        log_lambda = float(np.log(mean))
        slope = np.concatenate([weight * root, weight * (d / (2 * root) - mean)]) / mean
    else:
        raise InputError(f"by = {by!r} is not allowed; it must be {LOG!r} or {PLAIN!r}")
    error = float(np.sqrt(slope @ joint.covariance @ slope))
    mean = float(np.exp(log_lambda))
    many = joint.least_freedom
    with np.errstate(over="ignore"):  # so little may be known that there is no upper bound
        reach = np.exp(two_sided(level, many) * error)
    return Scale(
        mean,
        mean * error,
        (float(mean / reach), float(mean * reach)),
        level,
        float(np.max(abs(d / (mean * root) - 1))),
        joint.count,
        many,
    )


def stands_for(n: Any) -> np.ndarray:
    """How many of the numbers 1..N each point of an ascending grid up to N is nearest to, (m,).

    A number halfway between two points belongs to both by half.
    """
    edges = np.concatenate([[0.5], (n[1:] + n[:-1]) / 2, [n[-1] + 0.5]])
    return np.diff(edges)
