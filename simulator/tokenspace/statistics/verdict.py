"""Whether an experiment agrees with the theory: z-scores, an equivalence test and a plain verdict.

PASS: every amplitude and exponent lies within the tolerance of the theory, and the data are good
enough to exclude a larger deviation (two one-sided tests at level 5 % each, which need no
correction because all must pass). FAIL: some deviation exceeds the tolerance (level 5 % over all
tests together). UNDECIDED: neither can be said; more replicates are needed. A single n has no
exponent: its amplitude alone is judged.

All quantiles are Student's t with the degrees of freedom of the errors. Amplitudes are compared in
logarithms, where their distribution leans less to the right.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from scipy import special

from tokenspace import theory
from tokenspace.errors import InputError, NoExactResult
from tokenspace.printable import counted
from tokenspace.statistics.amplitude import MEAN, RMS, theoretical_amplitude
from tokenspace.statistics.enough import least_for_squares
from tokenspace.statistics.estimate import Moments, t_quantile
from tokenspace.statistics.exponent import Exponent, adjacent_slopes, no_exponent, require_points

LEVEL = 0.05
ANY = "any"  # of the regimes
MOST_REPLICATES = 2**32  # that an experiment can have


@dataclass(frozen=True)
class Comparison:
    """One quantity at several n: empirical against theoretical, and the tests of it.

    deviation is log(empirical / theoretical) for amplitudes, the relative deviation where that is
    small, and the difference for exponents; z is deviation over its standard error; verdicts are
    "PASS", "FAIL" or "UNDECIDED" at each n. NaN and UNDECIDED where no theory is known.
    """

    name: str
    n: np.ndarray
    empirical: np.ndarray
    standard_error: np.ndarray
    theoretical: np.ndarray
    deviation: np.ndarray
    deviation_error: np.ndarray
    verdicts: np.ndarray

    @property
    def z(self) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.deviation / self.deviation_error


@dataclass(frozen=True)
class Check:
    """Outcome of `Result.check`.

    verdict: "PASS", "FAIL" or "UNDECIDED"; reason: in words; amplitude, exponent: the comparisons;
    regimes_empirical, regimes_theoretical: names at each mid-point of the grid (an undecided
    empirical regime lists what it may be, joined by "/", or is "any"); p_value: smallest two-sided
    p-value over all tests, Bonferroni-corrected, NaN where none was made; replicates_needed: how
    many would decide, or None; judged: False where there was nothing to compare, and only what was
    measured is shown.
    """

    verdict: str
    reason: str
    tolerance: float
    replicates: int
    replicates_needed: int | None
    amplitude: Comparison
    exponent: Comparison
    regimes_empirical: np.ndarray
    regimes_theoretical: np.ndarray
    p_value: float
    judged: bool = True

    @property
    def passed(self) -> bool:
        return self.verdict == "PASS"

    def __str__(self) -> str:
        a, e = self.amplitude, self.exponent
        lines = [
            f"{'n':>9} {a.name:>12} {'± s.e.':>9} {'theory':>12} {'z':>6}"
            f" | {'n':>9} {'exponent':>9} {'± s.e.':>8} {'theory':>8} {'z':>6}  regime"
        ]
        for k in range(len(a.n)):
            left = (
                f"{a.n[k]:>9.0f} {a.empirical[k]:>12.6g} {a.standard_error[k]:>9.2g} "
                f"{a.theoretical[k]:>12.6g} {a.z[k]:>6.2f}"
            )
            right = ""
            if k < len(e.n):
                right = (
                    f" | {e.n[k]:>9.1f} {e.empirical[k]:>9.4f} {e.standard_error[k]:>8.2g} "
                    f"{e.theoretical[k]:>8.4f} {e.z[k]:>6.2f}  {self.regimes_empirical[k]}"
                )
            lines.append(left + right)
        lines.append(f"{self.verdict}: {self.reason}")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain lists and numbers, for JSON."""

        def table(c: Comparison) -> dict[str, Any]:
            names = ("n", "empirical", "standard_error", "theoretical", "z")
            return {k: np.asarray(getattr(c, k)).tolist() for k in names} | {"name": c.name}

        return {
            "verdict": self.verdict,
            "reason": self.reason,
            "tolerance": self.tolerance,
            "replicates": self.replicates,
            "replicates_needed": self.replicates_needed,
            "p_value": self.p_value,
            "amplitude": table(self.amplitude),
            "exponent": table(self.exponent),
            "regimes_empirical": self.regimes_empirical.tolist(),
            "regimes_theoretical": self.regimes_theoretical.tolist(),
        }


@dataclass(frozen=True)
class Expected:
    """What the theory of a model says, computed once for all results on it.

    n: token counts (m,); amplitude: the exact `theoretical_amplitude` at each (m,), NaN where none
    is known; unknown: why not.
    """

    n: np.ndarray
    amplitude: np.ndarray
    unknown: str = ""


def expected_of(model: Any, n: np.ndarray) -> Expected:
    """The theory of a model at n (m,), which `check` takes."""
    try:
        return Expected(n, theoretical_amplitude(model, n))
    except NoExactResult as error:
        return Expected(n, np.full(len(n), np.nan), str(error))


def check(result: Any, tolerance: float = 0.02, expected: Expected | None = None) -> Check:
    """Compare a Result with the theory of its model. See the module for what a verdict means.

    Args:
        result: the outcome of `simulate`.
        tolerance: largest deviation that counts as agreement: relative for the amplitude, absolute
            for the exponent; > 0.
        expected: the theory, from `expected_of`; when left out, that of the result's model.

    Raises:
        InputError: the result has no model, fewer than two replicates, or D(n) = 0 at some n; the
            theory is that of other n, or not from `expected_of`.
    """
    if result.model is None:
        raise InputError("check needs a model; these results were measured on given tokens")
    require_tolerance(tolerance)
    if result.replicates < 2:
        raise InputError("check needs at least 2 replicates: nothing is known of errors from 1")
    name, amplitude = result.amplitude()
    require_points("check", result.n, amplitude, 1)
    if expected is None:
        expected = expected_of(result.model, result.n)
    if not (isinstance(expected, Expected) and np.array_equal(expected.n, result.n)):
        what = "of other token counts than the result"
        if not isinstance(expected, Expected):
            what = f"a {type(expected).__name__}"
        raise InputError(
            f"check: the theory given is {what}; take "
            "tokenspace.statistics.verdict.expected_of(result.model, result.n)"
        )
    _, to_slopes = adjacent_slopes(result.n)
    slopes = result.local_exponent() if len(result.n) > 1 else no_exponent(amplitude)
    expected_slopes = to_slopes @ np.log(expected.amplitude)
    freedom = amplitude.degrees_of_freedom
    tests = 2 * len(result.n) - 1
    within, beyond = (t_quantile(1 - p, freedom) for p in (LEVEL, LEVEL / (2 * tests)))
    relative = amplitude.standard_error / amplitude.mean

    def verdicts(deviation: np.ndarray, error: np.ndarray, allowed: float) -> np.ndarray:
        size = abs(deviation)
        good = size + within * error < allowed
        bad = size - beyond * error > allowed
        return np.where(good, "PASS", np.where(bad, "FAIL", "UNDECIDED"))

    ratio = np.log(amplitude.mean / expected.amplitude)
    compared = Comparison(
        name,
        result.n,
        amplitude.mean,
        amplitude.standard_error,
        expected.amplitude,
        ratio,
        relative,
        verdicts(ratio, relative, math.log1p(tolerance)),
    )
    difference = slopes.mean - expected_slopes
    exponents = Comparison(
        "exponent",
        slopes.n,
        slopes.mean,
        slopes.standard_error,
        expected_slopes,
        difference,
        slopes.standard_error,
        verdicts(difference, slopes.standard_error, tolerance),
    )
    p_value = 1.0
    unknown = expected.unknown
    found = _unknown(result, name, amplitude) if not unknown else ("UNDECIDED", unknown, None)
    if found is None:
        z = np.nanmax(abs(np.concatenate([compared.z, exponents.z])))
        p_value = float(min(1.0, 2 * tests * special.stdtr(freedom, -z)))
        found = _overall(compared, exponents, tolerance, amplitude.count, p_value)
    verdict, reason, needed = found
    return Check(
        verdict,
        reason,
        tolerance,
        result.replicates,
        needed,
        compared,
        exponents,
        _empirical_regimes(slopes),
        theory.regime(expected_slopes),
        p_value,
    )


def require_tolerance(tolerance: float) -> None:
    """Raise `InputError` unless the tolerance is a number > 0."""
    if not (isinstance(tolerance, (int, float)) and 0 < tolerance < math.inf):
        raise InputError(f"tolerance = {tolerance!r} is not allowed; it must be a number > 0")


def unjudged(result: Any, tolerance: float, reason: str) -> Check:
    """The check of a result that `check` refuses, for tables: what was measured, without theory.

    Args:
        result: the outcome of `simulate`.
        tolerance: that it would have been judged by.
        reason: why it cannot be.
    """

    def alone(name: str, n: np.ndarray, mean: np.ndarray, error: np.ndarray) -> Comparison:
        nan = np.full(len(n), np.nan)
        return Comparison(name, n, mean, error, nan, nan, nan, np.full(len(n), "UNDECIDED"))

    try:
        name, amplitude = result.amplitude()
        seen = alone(name, result.n, amplitude.mean, amplitude.standard_error)
    except InputError:  # of a file that lacks the median
        seen = alone(MEAN, result.n, result.mean, result.standard_error)
    middle, _ = adjacent_slopes(result.n)
    none = np.full(len(middle), "-")
    try:
        slopes = result.local_exponent()
        exponents = alone("exponent", slopes.n, slopes.mean, slopes.standard_error)
        regimes = _empirical_regimes(slopes)
    except InputError:  # one n, or D = 0 at some
        nan = np.full(len(middle), np.nan)
        exponents, regimes = alone("exponent", middle, nan, nan), none
    return Check(
        "UNDECIDED",
        reason,
        tolerance,
        result.replicates,
        None,
        seen,
        exponents,
        regimes,
        none,
        math.nan,
        judged=False,
    )


def _unknown(result: Any, name: str, amplitude: Moments) -> tuple[str, str, int | None] | None:
    """The verdict where too little is known of the errors to judge by them, or None."""
    reason, needed = "", None
    if not np.all(np.isfinite(amplitude.standard_error)):
        reason = "these results, of an earlier format, hold no error of the median"
    elif name == RMS and amplitude.count < (least := least_for_squares(result.model)):
        reason = f"of this law the error of E[D^2] takes {least:,} replicates to be known"
        needed = least
    elif not np.all(result.divergence.covariance.diagonal()):
        reason = "D(n) is the same in every replicate at some n, so nothing is known of its error"
    return ("UNDECIDED", reason, needed) if reason else None


def _overall(
    amplitude: Comparison, exponent: Comparison, tolerance: float, replicates: int, p_value: float
) -> tuple[str, str, int | None]:
    verdicts = np.concatenate([amplitude.verdicts, exponent.verdicts])
    total = len(verdicts)
    if np.any(verdicts == "FAIL"):
        count = int(np.sum(verdicts == "FAIL"))
        lie = "lies" if count == 1 else "lie"
        reason = (
            f"{count} of {counted(total, 'value')} {lie} more than {tolerance:g} off the theory"
        )
        return "FAIL", reason, None
    if np.all(verdicts == "PASS"):
        named = f"all {total} values" if total > 1 else "the one value is"
        reason = f"{named} within {tolerance:g} of the theory"
        if p_value < 1e-3:
            reason += f" (though the difference is significant, p = {p_value:.1g})"
        return "PASS", reason, None
    undecided = int(np.sum(verdicts == "UNDECIDED"))
    reason = f"too few replicates to tell for {undecided} of {counted(total, 'value')}; "
    worst = max(
        float(np.max(amplitude.deviation_error)) / math.log1p(tolerance),
        float(np.max(exponent.deviation_error, initial=0)) / tolerance,
    )
    needed = _replicates_needed(worst, replicates)
    if needed is None:
        return "UNDECIDED", reason + f"a tolerance of {tolerance:g} is beyond any run", None
    return "UNDECIDED", reason + f"about {needed:,} replicates would do", needed


def _replicates_needed(error: float, replicates: int) -> int | None:
    """How many would let a true theory pass although it came out two standard errors off.

    Args:
        error: the largest standard error now, over the tolerance.
        replicates: how many there are now.
    """

    def asked(count: int) -> float:
        """How many, were the errors known as they are from that count: falls with it."""
        reach = float(t_quantile(1 - LEVEL, count - 1)) + 2
        return replicates * (error * reach) ** 2

    low, high = 2 * replicates, MOST_REPLICATES
    if low > high or not asked(high) <= high:  # NaN too
        return None
    for _ in range(2):  # the first count that is enough lies between what its bounds ask for
        low = max(low, math.ceil(asked(high)))
        high = max(low, math.ceil(asked(low)))
    return low + bisect_left(range(low, high), True, key=lambda count: asked(count) <= count)


def _empirical_regimes(slopes: Exponent) -> np.ndarray:
    """The regime at each n, or those that a 95 % interval allows; "-" without errors."""
    low, high = (theory.regime(end).tolist() for end in slopes.interval(1 - LEVEL))
    return np.array([_between(a, b) for a, b in zip(low, high, strict=True)])


@cache
def _between(low: str, high: str) -> str:
    """The regimes from one to another, "any" where those are all."""
    order = ["-", *theory.REGIMES]
    if (low, high) == (order[1], order[-1]):
        return ANY
    return "/".join(order[order.index(low) : order.index(high) + 1])
