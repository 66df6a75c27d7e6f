"""Estimators of E[D]: the plain mean, and one that uses the exact E[D^2] as a control variate.

E[D]^2 = E[D^2] - Var D, and E[D^2] is exact for every law of finite variance: only the variance of
D is left to be estimated, which is small against E[D^2] where features are many. What is held to
the theory never uses it: a check of the sampler is one of plain moments.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tokenspace.errors import InputError
from tokenspace.statistics.estimate import Moments

ESTIMATORS = ("auto", "mean", "control")
LEAST = 512  # replicates: the variance of fewer leans too far for an interval that is symmetric
TAIL = 16  # moments of D, twice those that the error of its variance needs to have an error


@dataclass(frozen=True)
class Control:
    """E[D(n)] by the control variate; gain: the variance of the plain mean over its own (m,)."""

    divergence: Moments
    gain: np.ndarray

    def __repr__(self) -> str:
        first, last = (
            f"{self.divergence.mean[k]:.7g} ± {self.divergence.standard_error[k]:.2g}"
            for k in (0, -1)
        )
        return (
            f"E[D] by the control variate E[D^2], {self.gain.min():.3g} to {self.gain.max():.3g} "
            f"times less variance: {first} at the first n, {last} at the last"
        )


def chosen_estimator(asked: str, model: Any) -> str:
    """ "mean" or "control": what `asked` means for a model.

    "auto" is the control variate for laws that have no exact E[D] and no heavy tails.

    Raises:
        InputError: an unknown name, or a control variate for tokens of heavy tails.
    """
    if asked not in ESTIMATORS:
        raise InputError(
            f"estimator = {asked!r} is not allowed; it must be one of "
            f"{', '.join(map(repr, ESTIMATORS))}"
        )
    usable = model.law.has_moment(TAIL)
    if asked == "control" and not usable:
        raise InputError(
            f"estimator = 'control' needs {TAIL} moments of D, which tokens of the law "
            f"{model.law!r} do not have; use 'mean'"
        )
    if asked == "auto":
        return "control" if usable and not model.law.exact_mean else "mean"
    return asked


def control(joint: Moments, exact: np.ndarray) -> Control | None:
    """sqrt(E[D^2] - s^2) at each n, with s^2 the sample variance of D.

    Errors are those of s^2: with u = D - mean(D) it is the mean of u^2, and u^2 is linear in D and
    D^2, whose covariances are at hand.

    Args:
        joint: moments of D and D^2 at all n one after the other, (2 m,) or more.
        exact: E[D^2] at each n (m,), finite.

    Returns:
        None from fewer than `LEAST` replicates, or where some D does not vary, or varies too much.

    Source: derived for this project.
    """
    m, count = len(exact), joint.count
    if count < LEAST:
        return None
    d, both = slice(0, m), slice(0, 2 * m)
    within = np.diag(joint.covariance[d, d])
    square = exact - count * within
    if not (np.all(within > 0) and np.all(square > 0)):
        return None
    mean = np.sqrt(square)
    # of s^2 on the means of D and D^2, and of its root
    slope = np.hstack([-2 * np.diag(joint.mean[d]), np.eye(m)]) * count / (count - 1)
    slope = slope / (2 * mean[:, None])
    covariance = slope @ joint.covariance[both, both] @ slope.T
    with np.errstate(divide="ignore"):
        gain = within / np.diag(covariance)
    return Control(Moments(mean, covariance, count), gain)
