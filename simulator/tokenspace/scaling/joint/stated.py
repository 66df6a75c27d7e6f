"""Whether the size of stated standard errors counts: one variance for all curves that have them.

Errors that are right up to one factor for all curves tell how curves weigh against each other, and
all residuals together tell the factor: Birge's ratio, the scatter over the errors. Without them
each curve's own scatter has to tell, of six counts to a third. The ratio is free, and may be below
1: errors twice as large, all of them, make the same sets. Where the ratios of curves about that fit
differ by more than chance, errors are wrong by different factors: then they only weigh the points
of a curve against each other, and its own scatter tells its noise, as without errors.

Source: R. T. Birge, Phys. Rev. 40, 207, 1932.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import stats

from tokenspace.scaling.curves import Curve
from tokenspace.scaling.joint.family import Family
from tokenspace.scaling.joint.ratios import deviance, refined
from tokenspace.scaling.scales import Log

REFUSED = 0.05  # p-value of Bartlett's test below which errors are wrong by different factors


@dataclass(frozen=True)
class StatedErrors:
    """How large the scatter of curves is beside their standard errors.

    ratios: (K,), of each curve's scatter to its errors, not a number where it states none; ratio:
    of all of them together; p_value: that they differ by chance (Bartlett), not a number of one
    curve; counted: whether the size of the errors is taken for right up to `ratio`.
    """

    ratios: np.ndarray
    ratio: float
    p_value: float
    counted: bool

    @classmethod
    def of(cls, family: Family, factor: float) -> StatedErrors:
        """About the best lines of curves of one variance, weights of which are `factor` / s^2."""
        fine = refined(family)
        best = fine.best_of(deviance(fine)).reshape(1)
        freedom = fine.counts - 2.0
        variances = fine.squares(fine.directions(best))[:, 0] / freedom / factor
        variances = np.where(fine.alone, np.nan, variances)
        own, freedom = variances[~fine.alone], freedom[~fine.alone]
        p = bartlett(own, freedom)
        ratio = np.sqrt(np.average(own, weights=freedom))
        return cls(np.sqrt(variances), float(ratio), p, p >= REFUSED)

    def by_curve(self) -> list[float | None]:
        """`ratios`, None where a curve states no errors."""
        return [float(ratio) if np.isfinite(ratio) else None for ratio in self.ratios]

    def to_dict(self) -> dict[str, Any]:
        """As plain numbers, but for the ratio of each curve."""
        return {
            "curves": int(np.isfinite(self.ratios).sum()),
            "scatter_to_errors": self.ratio,
            "p_of_one_ratio": self.p_value if np.isfinite(self.p_value) else None,
            "size_counts": self.counted,
        }


def by_errors(curves: Sequence[Curve]) -> tuple[Family, StatedErrors | None]:
    """Curves of one model, those of one variance by their errors together; None without errors.

    The weights of these are 1 / s^2, s the standard errors of log S, up to one factor for all.

    Raises:
        InputError: a curve that cannot be fitted, named.
    """
    family = Family.of(curves)
    stated = np.array([curve.stated(Log()) for curve in curves])
    have = np.isfinite(stated)
    if not have.any():
        return family, None
    weight = family.weight / np.where(have, stated, 1.0)[:, None]
    factor = family.counts[have].sum() / weight[have].sum()
    weight[have] *= factor
    one = replace(family, weight=weight, together=have)
    found = StatedErrors.of(one, factor)
    return one if found.counted else family, found


def bartlett(variances: np.ndarray, freedom: np.ndarray) -> float:
    """p-value of variances (K,) > 0, of so many degrees of freedom (K,), to be of one.

    Not a number for one of them. Curves that scatter together have ratios that are more alike than
    chance has it, so that they are refused less often.

    Source: M. S. Bartlett, Proc. R. Soc. A 160, 268, 1937.
    """
    if len(variances) < 2:
        return float("nan")
    whole, more = freedom.sum(), len(variances) - 1
    pooled = np.average(variances, weights=freedom)
    statistic = whole * np.log(pooled) - (freedom * np.log(variances)).sum()
    few = ((1 / freedom).sum() - 1 / whole) / (3 * more)
    return float(stats.chi2.sf(statistic / (1 + few), more))
