"""What an experiment found: estimates with errors on a grid of token counts, and how they arose."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace import theory
from tokenspace.deferred import DeferredField
from tokenspace.errors import InputError
from tokenspace.printable import counted
from tokenspace.registry import ROOMS
from tokenspace.statistics import amplitude, balance, exponent, scale, verdict
from tokenspace.statistics.control import Control, chosen_estimator, control
from tokenspace.statistics.estimate import LEVEL, Estimate, Moments
from tokenspace.statistics.quantiles import QUANTILES, median, quantile, quantile_interval
from tokenspace.statistics.streaming import Summary

if TYPE_CHECKING:
    from matplotlib.figure import Figure

D_ROUNDING = 1e-6  # relative, of D from float32 sums


@dataclass(frozen=True)
class Result:
    """Estimates of D(n), and of the realised psi's when they were asked for.

    n: (m,) token counts; divergence, mean_square: moments of D and D^2 with their covariance
    across n; quantiles: (5, m) of D at `quantile_levels`, with 95 % intervals (2, 5, m), low and
    high, NaN where pairs are not independent; correlations: name -> Estimate (m,) of the realised
    cosines (NaN where undefined, at n = 1); joint: moments of D and of Upsilon of the realised
    cosines, (2 m,), where psi's were asked for; control: E[D] by the control variate, where it is
    the estimator; median, geometric: median and geometric mean of D with their covariances, where
    D has no variance; unit: of given tokens, moments of D with every token scaled to norm 1, of
    Upsilon, and of D, (3 m,); counts: of given pairs that differ in length, how many reach each n
    (m,), with D at both ends of each step from n to the next (steps) and from the first n to each
    (spans) of the pairs that reach both, lower ends first (2 (m - 1),), and common, see `reached`;
    norm_ratio: of given tokens, root mean square norm of branch B over that of A, of a sample; NaN
    where the same pictures are in both; the rest says how it was made.
    """

    n: np.ndarray
    divergence: Moments
    mean_square: Moments
    quantiles: np.ndarray
    quantile_intervals: np.ndarray
    correlations: dict[str, Estimate] | None
    joint: Moments | None
    control: Control | None
    median: Moments | None
    geometric: Moments | None
    model: Any
    sampler: str
    method: str
    reason: str
    kernels: str
    device: str
    seed: int | None
    seconds: float
    versions: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    quantile_levels: tuple[float, ...] = QUANTILES
    unit: Moments | None = None
    counts: np.ndarray | None = None
    steps: Moments | None = None
    spans: Moments | None = None
    common: Result | None = None
    norm_ratio: float | None = None

    @property
    def replicates(self) -> int:
        """Number of replicates (or of given pairs of sequences)."""
        return self.divergence.count

    @property
    def known_model(self) -> Any:
        """The model, or None where its class is not here or was edited: what is measured stays."""
        try:
            return self.model
        except InputError:
            return None

    @property
    def estimator(self) -> str:
        """Which estimate of E[D(n)] `mean` is: "mean" of the replicates, or "control"."""
        return "mean" if self.control is None else "control"

    @property
    def expected(self) -> Moments:
        """E[D(n)] with its covariance across n, by the estimator."""
        return self.divergence if self.control is None else self.control.divergence

    @property
    def mean(self) -> np.ndarray:
        """Estimate of E[D(n)]."""
        return self.expected.mean

    @property
    def std(self) -> np.ndarray:
        """Standard deviation of D(n) over replicates; NaN from a single one."""
        count = np.asarray(self.replicates if self.counts is None else self.counts, np.float64)
        variance = self.mean_square.mean - self.divergence.mean**2
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.sqrt(
                np.maximum(variance, 0) * np.where(count > 1, count / (count - 1), np.nan)
            )

    @property
    def standard_error(self) -> np.ndarray:
        """Standard error of `mean`."""
        return self.expected.standard_error

    @property
    def covariance(self) -> np.ndarray:
        """Covariance of `mean` across n, (m, m)."""
        return self.expected.covariance

    def interval(self, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
        """Confidence interval of E[D(n)] at each n, (low, high): Student's t, in log E[D]."""
        return self.expected.interval(level)

    def amplitude(self) -> tuple[str, Moments]:
        """What is compared with the theory: E[D], rms D for laws with no exact E[D], or the median.

        Always of plain replicates, never by the control variate. Its covariance includes the
        rounding of D to float32, which matters where D at two n differs by a fixed factor and
        sampling errors cancel. Where the class of its model is missing: E[D], or the median if
        that is held.
        """
        model = self.known_model
        name = amplitude.amplitude_of(model)
        if model is None and self.median is not None:
            name = amplitude.MEDIAN
        found = self.divergence
        if name == amplitude.RMS:
            mean = np.sqrt(self.mean_square.mean)
            with np.errstate(
                divide="ignore", invalid="ignore"
            ):  # D = 0 in every replicate: said by who needs it
                covariance = self.mean_square.covariance / (4 * np.outer(mean, mean))
            found = Moments(mean, covariance, found.count, found.degrees_of_freedom)
        elif name == amplitude.MEDIAN:
            found = _kept(self.median)
        return name, _rounded(found)

    def _growing(self) -> Moments:
        """What grows with n as the amplitude does: exponents are read from it.

        Where D has no variance that is the geometric mean, whose theory differs by a factor alone:
        medians at two n would not share the scale of each replicate, which cancels here.
        """
        name, found = self.amplitude()
        if name != amplitude.MEDIAN:
            return found
        return _rounded(_kept(self.geometric))

    def reached(self) -> Result:
        """Of the pairs that reach the largest n that half of them do, up to this n.

        What is made of many n is made of these: the same pairs at each of them. Where all pairs are
        of one length, the result itself.
        """
        return self if self.common is None else self.common

    def local_exponent(self) -> exponent.Exponent:
        """gamma between adjacent grid points, with the covariance across n in its errors.

        Of given pairs that differ in length: between two n, of the pairs that reach both; NaN where
        their D(n) is 0 at one of the two.

        Raises:
            InputError: fewer than 2 grid points, or D(n) = 0 at one of them (lengths differ: all).
        """
        ends = None if self.steps is None else _rounded(self.steps)
        return exponent.local_exponent(self.n, self._growing(), ends)

    def secant_exponent(self, beta: float) -> exponent.Exponent:
        """alpha(n) of S proportional to E[D]^beta, from n = 1 to each later grid point.

        Of given pairs that differ in length: alpha(n) of the pairs that reach n.

        Raises:
            InputError: the grid does not start at 1, or as `local_exponent`.
        """
        ends = None if self.spans is None else _rounded(self.spans)
        return exponent.secant_exponent(self.n, self._growing(), beta, ends)

    @property
    def enough_for_balance(self) -> bool:
        """Whether there are the 3 token counts and 2 replicates that `n_balance` needs."""
        part = self.reached()
        return len(part.n) >= balance.LEAST_POINTS and part.replicates >= 2

    def n_balance(self, level: float = LEVEL) -> balance.Balance:
        """n_balance under the law of constant correlations, with a Fieller interval; of `reached`.

        Raises:
            InputError: fewer than 3 grid points or 2 replicates, or D(n) = 0 at a grid point.
        """
        if not self.enough_for_balance:
            raise InputError("n_balance needs at least 3 token counts and 2 replicates")
        part = self.reached()
        return balance.fit_balance(part.n, part._growing(), level)

    def cosine_upsilon(self) -> Moments:
        """Upsilon(n) = n (1 - psi_equal) + n (n - 1) (psi_within - psi_cross), with its errors.

        The psi's are means of realised cosines, so this is not `theory.upsilon`, whose psi's are
        correlations of the model; the two differ where d is finite or norms vary.

        Raises:
            InputError: psi's were not measured; ask for statistics=("divergence", "correlations").
        """
        return self._with_upsilon().select(slice(len(self.n), None))

    def upsilon(self) -> np.ndarray:
        """The old name of `cosine_upsilon().mean`, deprecated."""
        warnings.warn(
            "Result.upsilon() is now called Result.cosine_upsilon(), since it is made of realised "
            "cosines and theory.upsilon of correlations",
            DeprecationWarning,
            stacklevel=2,
        )
        return self.cosine_upsilon().mean

    def _with_upsilon(self) -> Moments:
        if self.joint is None:
            raise InputError(
                'Upsilon needs realised psi\'s: ask for statistics=("divergence", "correlations")'
            )
        return self.joint

    def scale_fit(
        self, level: float = LEVEL, by: str = scale.LOG, unit: bool = False
    ) -> scale.Scale:
        """The paper's one-lambda fit E[D(n)] = lambda sqrt(Upsilon(n)), with errors; of `reached`.

        Upsilon is `cosine_upsilon`.

        Args:
            level: confidence of the interval, in (0, 1).
            by: "log", least squares of logarithms, each n of the grid alike; or "plain", of
                distances, each n from 1 to N alike, as the paper does.
            unit: of given tokens, D of the tokens scaled to norm 1.

        Raises:
            InputError: psi's were not measured, or D(n) or Upsilon(n) is 0 (to the accuracy of
                float32) at some n; another `by`.
        """
        part, of = self.reached(), ""
        if part is not self:
            of = f" of the {counted(part.replicates, 'pair')} with n = {part.n[-1]}"
        exponent.require_points(f"lambda{of}", part.n, part.divergence, 1)
        joint = part._with_unit() if unit else part._with_upsilon()
        psi = {k: e.mean for k, e in (part.correlations or {}).items()}
        n = part.n
        within, cross = (np.where(n > 1, psi[k], 0.0) for k in ("psi_within", "psi_cross"))
        # rounding of Upsilon grows with the sizes of its terms
        size = n * (1 + abs(psi["psi_equal"])) + n * (n - 1.0) * (abs(within) + abs(cross))
        zero = n[~(joint.mean[len(n) :] > D_ROUNDING * size)]
        if len(zero):
            raise InputError(
                f"lambda: Upsilon(n) is 0 to the accuracy of float32 at n = {zero[0]}: the tokens "
                "of both branches point the same way there"
            )
        return scale.fit_scale(joint, level, n, by)

    @property
    def unit_divergence(self) -> Moments:
        """Of given tokens, E[D(n)] with every token scaled to norm 1: sqrt(2 Upsilon) of each pair.

        Raises:
            InputError: not of given tokens.
        """
        return self._with_unit().select(slice(len(self.n)))

    def _with_unit(self) -> Moments:
        if self.unit is None:
            raise InputError("D of tokens scaled to norm 1 is known of given tokens, by `measure`")
        return self.unit.select(slice(2 * len(self.n)))

    def check(
        self, tolerance: float = 0.02, expected: verdict.Expected | None = None
    ) -> verdict.Check:
        """Compare with the theory of the model: PASS, FAIL or UNDECIDED. See `verdict.check`."""
        return verdict.check(self, tolerance, expected)

    def plot(self, figure: str = "divergence", **options: str) -> Figure:
        """A picture of it as a matplotlib Figure; `tokenspace.plot` draws several results at once.

        Args:
            figure: the name of a figure, e.g. "divergence", "exponent_diagram", "correlations".
            options: what that figure may be told.

        Raises:
            InputError: no figure has that name, or it has no such option.
        """
        # by name from the registry, as laws and samplers are: no room below knows the figures
        point = SimpleNamespace(label=counted(self.replicates, "replicate"), axes={})
        return ROOMS["figure"].find(figure).of([(point, self)], **options)

    def __repr__(self) -> str:
        return (
            f"Result({self.replicates} replicates, n = {self.n[0]}..{self.n[-1]} "
            f"({len(self.n)} points), sampler = {self.sampler!r}, device = {self.device!r})"
        )


# A stored result is read without its model, which is built when it is asked for. (Set here: inside
# the class a dataclass would take the descriptor for the field's default.)
Result.model = DeferredField("model")


def summarise(found: Summary, model: Any = None, estimator: str = "mean", **how: Any) -> Result:
    """A Result from what was seen of the replicates.

    Args:
        found: from `streaming.summary`, or of pairs that share pictures.
        model: of the tokens; None for given ones.
        estimator: of E[D], see `control.chosen_estimator`.
        how: the remaining fields of `Result`.

    Raises:
        InputError: see `control.chosen_estimator`.
    """
    n, joint, m = found.n, found.joint, len(found.n)
    levels = np.array(QUANTILES)
    intervals = np.full((2, len(levels), m), np.nan)
    if found.independent:
        intervals = np.stack(quantile_interval(found.sketch, levels))
    both = None
    if found.psi is not None:
        places = np.r_[:m, 2 * m : 3 * m]
        both = joint.take(places)
    controlled = None
    if model is not None and chosen_estimator(estimator, model) == "control":
        controlled = control(joint, theory.second_moment(model, n))
    heavy = amplitude.wants_logs(model)
    return Result(
        n=n,
        divergence=joint.select(slice(m)),
        mean_square=joint.select(slice(m, 2 * m)),
        quantiles=quantile(found.sketch, levels),
        quantile_intervals=intervals,
        correlations=found.psi,
        joint=both,
        control=controlled,
        median=median(found.sketch) if heavy else None,
        geometric=found.geometric,
        unit=found.unit,
        counts=found.counts,
        steps=found.steps,
        spans=found.spans,
        common=None if found.common is None else summarise(found.common, model, estimator, **how),
        model=model,
        **how,
    )


def _kept(found: Moments | None) -> Moments:
    """The median or geometric mean, which every result of a law without a variance has."""
    if found is None:
        raise InputError(
            "D has no variance here, and these results lack its median: they are damaged"
        )
    return found


def _rounded(found: Moments) -> Moments:
    """Moments whose covariance includes the rounding of D to float32."""
    covariance = found.covariance + np.diag((found.mean * D_ROUNDING) ** 2)
    return Moments(found.mean, covariance, found.count, found.degrees_of_freedom)
