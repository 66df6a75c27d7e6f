"""Estimators of E[D]: the plain mean, and one that uses the exact E[D^2] as a control variate.

D is nearly a linear function of D^2 where features are many, and E[D^2] is exact for every law of
finite variance: the regression of D on D^2, read at the exact value, leaves the residuals' variance
alone. What is held to the theory never uses it: a check of the sampler is one of plain moments.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tokenspace.errors import InputError
from tokenspace.statistics.estimate import Moments

ESTIMATORS = ("auto", "mean", "control")
LEAST = 4  # replicates: two coefficients, and errors with two degrees of freedom


@dataclass(frozen=True)
class Control:
    """E[D(n)] by the control variate, and by what the variance of the plain mean was divided (m,).

    The degrees of freedom are R - 2, those of a regression's residuals.
    """

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

    "auto" is the control variate for laws that have no exact E[D] and whose D^2 has a variance.

    Raises:
        InputError: an unknown name, or a control variate for tokens whose D^2 has no variance.
    """
    if asked not in ESTIMATORS:
        raise InputError(
            f"estimator = {asked!r} is not allowed; it must be one of "
            f"{', '.join(map(repr, ESTIMATORS))}"
        )
    usable = model.law.tail > 4
    if asked == "control" and not usable:
        raise InputError(
            f"estimator = 'control' needs a variance of D^2, which tokens of the law {model.law!r} "
            "do not have; use 'mean'"
        )
    if asked == "auto":
        return "control" if usable and not model.law.joint_scale else "mean"
    return asked


def control(joint: Moments, exact: np.ndarray) -> Control | None:
    """mean(D) - b (mean(D^2) - E[D^2]) with b from the regression of D on D^2, at each n.

    The error is that of a regression line read at E[D^2]: variance of the residuals times
    1/R + (mean(D^2) - E[D^2])^2 / sum (D^2 - mean(D^2))^2.

    Args:
        joint: moments of D and D^2 at all n one after the other, (2 m,) or more.
        exact: E[D^2] at each n (m,), finite.

    Returns:
        None from fewer than 4 replicates, or where some D^2 does not vary.

    Source: theory of control variates and of linear regression; the choice is this project's.
    """
    m, count = len(exact), joint.count
    if count < LEAST:
        return None
    d, square = slice(0, m), slice(m, 2 * m)
    within, across = joint.covariance[d, d], joint.covariance[square, d]
    squares = joint.covariance[square, square]
    if not np.all(np.diag(squares) > 0):
        return None
    b = np.diag(across) / np.diag(squares)
    off = joint.mean[square] - exact
    residual = within - b[:, None] * across - (b[:, None] * across).T
    residual = residual + np.outer(b, b) * squares
    # covariances here are those of means, so off^2 / Var(mean) is count off^2 / Var
    read = np.sqrt(1 + off**2 / (np.diag(squares) * (count - 1)))
    covariance = residual * np.outer(read, read) * (count - 1) / (count - 2)
    estimate = Moments(joint.mean[d] - b * off, covariance, count, count - 2.0)
    with np.errstate(divide="ignore"):
        gain = np.diag(within) / np.diag(covariance)
    return Control(estimate, gain)
