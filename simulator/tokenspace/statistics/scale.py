"""The paper's lambda: one constant between E[D(n)] and sqrt(Upsilon(n))."""

from __future__ import annotations

import numpy as np

from tokenspace.statistics.estimate import LEVEL, Fitted, Moments, two_sided


class Scale(Fitted):
    """lambda with its error: Student's t in log lambda.

    lack_of_fit: of E[D]; large means that one lambda does not describe these data.
    """

    def __repr__(self) -> str:
        low, high = self.interval
        errors = f" ± {self.standard_error:.2g} ({self.level:.0%} interval {low:.5g} to {high:.5g}"
        if not np.isfinite(self.standard_error):
            errors = " (its error is unknown"
        return (
            f"lambda = {self.mean:.5g}{errors}; E[D] off lambda sqrt(Upsilon) by at most "
            f"{self.lack_of_fit:.1%})"
        )


def fit_scale(joint: Moments, level: float = LEVEL) -> Scale:
    """log lambda = mean over n of log(E[D(n)] / sqrt(Upsilon(n))): least squares in logarithms.

    Args:
        joint: moments of D and Upsilon at all n one after the other, (2 m,), means > 0.
        level: confidence of the interval, in (0, 1).

    Source: Li et al. 2025 for the law; errors by the delta method.
    """
    m = len(joint.mean) // 2
    ratio = np.log(joint.mean[:m]) - np.log(joint.mean[m:]) / 2
    log_lambda = float(ratio.mean())
    slope = np.concatenate([np.ones(m), np.full(m, -0.5)]) / (m * joint.mean)
    error = float(np.sqrt(slope @ joint.covariance @ slope))
    mean = float(np.exp(log_lambda))
    with np.errstate(over="ignore"):  # so little may be known that there is no upper bound
        reach = np.exp(two_sided(level, joint.degrees_of_freedom) * error)
    return Scale(
        mean,
        mean * error,
        (float(mean / reach), float(mean * reach)),
        level,
        float(np.max(abs(np.expm1(ratio - log_lambda)))),
        joint.count,
        joint.degrees_of_freedom,
    )
