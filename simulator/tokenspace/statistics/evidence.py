"""What all points of a sweep say together: whether their z-scores scatter as chance has it.

The z-scores of one point come from the same replicates and are correlated. A few of them that are
independent are made by a step-down regression; those of points with seeds of their own are then
one sample that a true theory and true errors make standard normal, in both directions: errors that
are too large show as well.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import special, stats

from tokenspace.statistics import verdict
from tokenspace.statistics.enough import least_for_scores
from tokenspace.statistics.result import D_ROUNDING

LEVEL = 0.95  # of what chance gives
FLOOR = 50 * D_ROUNDING**2  # variance of log D below which rounding would count
BEYOND = 2.0
WITHOUT_THEORY = "without exact theory"
UNJUDGED = "that cannot be judged"


@dataclass(frozen=True)
class Witness:
    """One experiment of a sweep.

    label, seed, verdict: of the point; z: independent z-scores (k,), from `step_down`; left_out:
    why there are none, in words that follow a number of points.
    """

    label: str
    seed: int | None
    verdict: str
    z: np.ndarray
    left_out: str = ""


@dataclass(frozen=True)
class Evidence:
    """The statement about a sweep: z-scores against the standard normal, FAILs against chance.

    points, fails: how many experiments, and how many of them FAIL; z: independent z-scores of the
    points that have some; left_out: reason -> number of points; shared: (seed, labels) of points
    that share a seed, where `p_value` is NaN, since they are one experiment seen many times.
    """

    points: int
    fails: int
    z: np.ndarray
    left_out: dict[str, int]
    shared: tuple[tuple[int | None, tuple[str, ...]], ...]

    @property
    def mean(self) -> float:
        """Mean of z, 0 in theory."""
        return float(np.mean(self.z)) if len(self.z) else math.nan

    @property
    def std(self) -> float:
        """Standard deviation of z, 1 in theory; below 1 where errors are too large."""
        return float(np.std(self.z, ddof=1)) if len(self.z) > 1 else math.nan

    @property
    def beyond(self) -> float:
        """Share of |z| > 2, 4.6 % in theory."""
        return float(np.mean(abs(self.z) > BEYOND)) if len(self.z) else math.nan

    def chance(self) -> dict[str, tuple[float, float]]:
        """What mean, std and the share beyond 2 are in 95 % of sweeps under a true theory."""
        count, tail = len(self.z), np.array([(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        pair = np.full(2, math.nan)
        mean = std = beyond = pair
        if count:
            mean = stats.norm.ppf(tail) / math.sqrt(count)
            beyond = stats.binom.ppf(tail, count, 2 * stats.norm.sf(BEYOND)) / count
        if count > 1:
            std = np.sqrt(stats.chi2.ppf(tail, count - 1) / (count - 1))
        return {
            k: (float(low), float(high))
            for k, (low, high) in (("mean", mean), ("std", std), ("beyond", beyond))
        }

    @cached_property
    def p_values(self) -> dict[str, float]:
        """Two-sided p-values of mean, spread (chi-square) and shape (Kolmogorov-Smirnov) of z.

        Empty where points share a seed or none has a z-score.
        """
        count = len(self.z)
        if self.shared or not count:
            return {}
        found = {"mean": 2 * stats.norm.sf(abs(self.mean) * math.sqrt(count))}
        if count > 1:
            square = (count - 1) * self.std**2
            tails = stats.chi2.cdf(square, count - 1), stats.chi2.sf(square, count - 1)
            found["spread"] = min(1.0, 2 * min(tails))
            found["shape"] = stats.kstest(self.z, "norm").pvalue
        return {k: float(p) for k, p in found.items()}

    @property
    def p_value(self) -> float:
        """The smallest of `p_values`, Bonferroni-corrected; NaN where there are none."""
        found = self.p_values.values()
        return min(1.0, len(found) * min(found)) if found else math.nan

    @property
    def judged(self) -> int:
        """Points that have a theory to fail, and errors."""
        return self.points - sum(self.left_out.get(k, 0) for k in (WITHOUT_THEORY, UNJUDGED))

    @property
    def most_fails(self) -> int:
        """How many FAILs true theories give at most, in 95 % of sweeps, at 5 % each."""
        return int(stats.binom.ppf(LEVEL, self.judged, verdict.LEVEL))

    @property
    def fail_p_value(self) -> float:
        """Probability of at least so many FAILs when each true theory fails in 5 % of runs.

        NaN where points share a seed.
        """
        if self.shared:
            return math.nan
        return float(stats.binom.sf(self.fails - 1, self.judged, verdict.LEVEL))

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain lists and numbers, for JSON."""
        return {
            "points": self.points,
            "fails": self.fails,
            "most_fails": None if self.shared else self.most_fails,
            "fail_p_value": self.fail_p_value,
            "p_value": self.p_value,
            "p_values": self.p_values,
            "mean": self.mean,
            "std": self.std,
            "beyond": self.beyond,
            "chance": self.chance(),
            "left_out": self.left_out,
            "shared": [{"seed": seed, "points": list(labels)} for seed, labels in self.shared],
            "z": self.z.tolist(),
        }


def evidence(witnesses: Sequence[Witness]) -> Evidence:
    """The statement about a sweep.

    Args:
        witnesses: its experiments, each once.
    """
    seeds: dict[int | None, list[str]] = {}
    left_out: dict[str, int] = {}
    for w in witnesses:
        seeds.setdefault(w.seed, []).append(w.label)
        if w.left_out:
            left_out[w.left_out] = left_out.get(w.left_out, 0) + 1
    return Evidence(
        points=len(witnesses),
        fails=sum(w.verdict == "FAIL" for w in witnesses),
        z=np.concatenate([np.zeros(0), *(w.z for w in witnesses)]),
        left_out=left_out,
        shared=tuple((s, tuple(labels)) for s, labels in seeds.items() if len(labels) > 1),
    )


def scores_of(result: Any, check: Any) -> tuple[np.ndarray, str]:
    """Independent z-scores of one point (k,), or none and why, in words as `Witness.left_out`.

    Args:
        result: the outcome of `simulate`.
        check: its check.
    """
    none = np.zeros(0)
    if not check.judged:
        return none, UNJUDGED
    if np.isnan(check.amplitude.theoretical).any():
        return none, WITHOUT_THEORY
    least = least_for_scores(result.model)
    if result.replicates < least:
        return none, f"with fewer than {least:,} replicates"
    _, found = result.amplitude()
    relative = found.covariance / np.outer(found.mean, found.mean)
    z = step_down(check.amplitude.deviation, relative, found.degrees_of_freedom)
    return z, "" if len(z) else "with errors as small as rounding"


def step_down(deviation: np.ndarray, covariance: np.ndarray, degrees_of_freedom: float) -> Any:
    """Independent z-scores of one point from its deviations at several n, at most four, (k,).

    n are taken in a fixed order: last, first, middle, a quarter. Each deviation is compared with
    its regression on those before, x, by the estimated covariance S (nu degrees of freedom of S):
    t = (y - b'x) / sqrt(s (1 + x' S_xx^-1 x / nu) nu / (nu - q)) with b = S_xx^-1 S_xy,
    s = S_yy - b' S_xy and q of them before: Student's t with nu - q degrees of freedom whatever x
    and S_xx are, hence independent of all before; then made a normal z of the same probability.
    Left out are those whose s is as small as rounding, and those without degrees of freedom.

    Args:
        deviation: log of estimate over theory at each n, (m,).
        covariance: of `deviation`, (m, m).
        degrees_of_freedom: of the covariance.

    Source: Roy 1958, Step-down procedure in multivariate analysis.
    """
    taken: list[int] = []
    out: list[float] = []
    for place in _order(len(deviation)):
        x, cross = deviation[taken], covariance[taken, place]
        both = np.linalg.solve(covariance[np.ix_(taken, taken)], np.stack([x, cross], axis=1))
        left = covariance[place, place] - cross @ both[:, 1]
        freedom = degrees_of_freedom - len(taken)
        if not left > FLOOR or freedom <= 0:
            continue
        widened = (1 + x @ both[:, 0] / degrees_of_freedom) * degrees_of_freedom / freedom
        t = (deviation[place] - x @ both[:, 1]) / math.sqrt(left * widened)
        tail = max(float(special.stdtr(freedom, -abs(t))), np.finfo(float).tiny)
        out.append(math.copysign(float(special.ndtri(tail)), t))
        taken.append(place)
    return np.array(out)


def _order(m: int) -> list[int]:
    """Places of a grid of m in the order in which they are taken, each once."""
    return list(dict.fromkeys([m - 1, 0, m // 2, m // 4]))
