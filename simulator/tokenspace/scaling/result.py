"""What a fit found: one law on one curve, and the laws of one curve side by side."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tokenspace.errors import InputError
from tokenspace.printable import bounded, counted, percent
from tokenspace.registry import ROOMS
from tokenspace.scaling.points import Points
from tokenspace.scaling.predictive import on_grid
from tokenspace.scaling.robust import robust
from tokenspace.scaling.scales import Log, Scale
from tokenspace.scaling.stated import weight_ahead, with_noise
from tokenspace.shares import require_share

ZERO = 1e-12  # an exponent that is not to be told from 0


@dataclass(frozen=True)
class LawFit:
    """One law fitted to one curve.

    parameters: name -> value; intervals: name -> (low, high) at `level`, an end that the data do
    not bound being the end of the parameter's range, and no entry where `too_few` says why;
    degrees_of_freedom: points less parameters; residual_std: of log S, not a number where no degree
    of freedom is left; aicc: Akaike's criterion for few points, bic: Schwarz's; smaller is better,
    infinite when there are too few points for the law; left_out: mean log density of a point given
    those at all other n, larger is better, not a number with too few points; mean_squares: of the
    residuals, all points counted; weight: of the points, those that the loss ("squares" or "huber")
    gives them; scale: what the law is fitted to; chi_squared: of the residuals by the standard
    errors, p_value: how often it is as large by chance, not numbers without errors or freedom;
    by_errors: whether intervals take the standard errors as given, else the scatter; stated:
    variance of a point of weight 1 by the errors; noise: by which aicc, bic and left_out judge all
    laws of the curve, not a number where they go by the scatter, see `preference.birge`.
    """

    law: str
    parameters: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    level: float
    degrees_of_freedom: int
    residual_std: float
    aicc: float
    bic: float
    left_out: float
    mean_squares: float
    n: np.ndarray
    score: np.ndarray
    weight: np.ndarray
    scale: Scale = field(default_factory=Log)
    loss: str = "squares"
    chi_squared: float = float("nan")
    p_value: float = float("nan")
    by_errors: bool = False
    stated: float = float("nan")
    noise: float = float("nan")

    def predict(self, n: Any) -> np.ndarray:
        """S(n) of the fitted law."""
        with np.errstate(divide="ignore"):
            y = np.log(ROOMS["scaling"].find(self.law)().score(self.parameters, n))
        return self.scale.backward(y)

    def predict_interval(self, n: Any, level: float | None = None) -> tuple[np.ndarray, np.ndarray]:
        """(low, high) of a score that is newly measured at n, (k,): parameters and scatter.

        The scatter is that of the residuals, or the standard errors where intervals of parameters
        take these as given (`by_errors`). Errors at other n are those of `stated.weight_ahead`:
        interpolated in log n, and beyond the ends those of the last n.

        level: probability, in (0, 1); that of the fit if not given. See `scaling/predictive.py`.

        Raises:
            InputError: too few points for the law, or a level outside (0, 1).
        """
        if self.too_few:
            raise InputError(f"no interval: {self.too_few}")
        x, y = np.log(self.n), self.scale.forward(self.score)
        ahead = np.log(np.atleast_1d(np.asarray(n, float)))
        points = Points(x[None], y[None], self.weight[None])
        if self.loss == "huber":
            points = robust(points)
        points = with_noise(points, np.array([self.stated if self.by_errors else np.nan]))
        weight = weight_ahead(x, self.weight, ahead, self.loss)
        law = ROOMS["scaling"].find(self.law)()
        found = on_grid(law, points).predict(ahead[None], weight[None])
        level = self.level if level is None else level
        require_share("level", level)
        tail = (1 - level) / 2
        low, high = (self.scale.backward(found.quantile(p)[0]) for p in (tail, 1 - tail))
        return low, high

    @property
    def too_few(self) -> str:
        """Why there are no intervals, empty where there are."""
        size, different = len(self.parameters), len(np.unique(self.n))
        if self.degrees_of_freedom <= 0:
            return (
                f"{len(self.n)} points do not bound the {size} parameters and the noise of the "
                f"{self.law} law"
            )
        if different < size:
            return (
                f"{different} different n do not determine the {size} parameters of the "
                f"{self.law} law"
            )
        return ""

    def __repr__(self) -> str:
        of = f"{self.law} law of {counted(len(self.n), 'point')}"
        return f"LawFit: {of}, {percent(self.level, 'g')} intervals: {self.words}"

    @property
    def words(self) -> str:
        """The parameters with their intervals: "c = 30 (28 to 32), alpha = -0.08 (..)"."""
        shown = self.limits_as_scores()
        return ", ".join(f"{k} = {shown.value(k)} ({shown.bounds(k)})" for k in shown.parameters)

    def limits_as_scores(self) -> LawFit:
        """This fit with limits of the law as scores, where it is of odds: to be shown."""
        limits = ROOMS["scaling"].find(self.law)().limits

        def score(value: float) -> float:
            with np.errstate(divide="ignore"):
                return float(self.scale.backward(np.log(value)))

        as_scores = {k: score(self.parameters[k]) for k in limits}
        ends = {
            k: (score(v[0]), score(v[1]))
            for k in limits
            if (v := self.intervals.get(k)) is not None
        }
        return replace(
            self, parameters=self.parameters | as_scores, intervals=self.intervals | ends
        )

    def value(self, name: str, digits: int = 4) -> str:
        """A parameter in words, to go with its `bounds`."""
        value = self.parameters[name]
        return f"{_no_rounding(value) if self._holds_zero(name) else value:.{digits}g}"

    def _holds_zero(self, name: str) -> bool:
        """Whether 0 is a value like others: not of a scale, which may be as small as any."""
        return ROOMS["scaling"].find(self.law)().ranges()[name] != (0, float("inf"))

    def bounds(self, name: str, digits: int = 4) -> str:
        """The interval of a parameter in words: "12 to 80", "at least 12", "not bounded"."""
        if name not in self.intervals:
            return "no interval"
        low, high = self.intervals[name]
        if self._holds_zero(name):
            low, high = _no_rounding(low), _no_rounding(high)
        return bounded((low, high), ROOMS["scaling"].find(self.law)().ranges()[name], digits)


def _no_rounding(exponent: float) -> float:
    return exponent if abs(exponent) > ZERO else 0.0


@dataclass(frozen=True)
class ScalingFit:
    """Fits of one or several laws to one curve; `winner` has the smallest AICc.

    `evidence` is AICc of the runner-up less that of the winner: below 2 the data do not tell them
    apart. `why` says why the preference is not decisive, and is empty where it is. `flat`: the
    scores have no slope within their scatter, by the power law's alpha, and no law is sure to fit
    better than a constant, so that none is preferred.

    All of this is judged by one noise for all laws: `by_errors` says whether by the standard errors
    (see `preference.birge`), else by the scatter.
    """

    fits: dict[str, LawFit]
    winner: str
    evidence: float
    why: str
    flat: bool = False

    def __repr__(self) -> str:
        if self.preferred:
            said = f"of {len(self.fits)} laws AICc prefers the {self.winner} law"
            said += "" if self.decisive else f", not decisively: {self.why}"
        elif len(self.fits) > 1:
            said = (
                f"none of {len(self.fits)} laws is preferred: {self.why}; of the {self.winner} law:"
            )
        else:
            said = f"the {self.winner} law" + (
                ", but the scores have no slope" if self.flat else ""
            )
        return (
            f"ScalingFit of {counted(len(self.best.n), 'point')}: {said}\n"
            f"{self.best.words} ({percent(self.best.level, 'g')} intervals)"
        )

    @property
    def best(self) -> LawFit:
        return self.fits[self.winner]

    @property
    def decisive(self) -> bool:
        """Whether the data clearly ask for the winner."""
        return not self.why

    @property
    def by_errors(self) -> bool:
        """Whether laws are compared by the standard errors of the scores."""
        return bool(np.isfinite(self.best.noise))

    @property
    def preferred(self) -> str:
        """The law that AICc prefers; "" of a flat curve, of one law, and of too few points."""
        told = len(self.fits) > 1 and not self.flat and np.isfinite(self.best.aicc)
        return self.winner if told else ""

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain numbers, for JSON."""
        return {
            "winner": self.winner,
            "evidence": self.evidence,
            "decisive": self.decisive,
            "why": self.why,
            "flat": self.flat,
            "compared_by": "standard errors" if self.by_errors else "scatter",
            "laws": {
                name: {
                    "parameters": f.parameters,
                    "intervals": {k: list(v) for k, v in f.intervals.items()},
                    "bounds": {k: f.bounds(k) for k in f.parameters},
                    "level": f.level,
                    "degrees_of_freedom": f.degrees_of_freedom,
                    "too_few": f.too_few,
                    "residual_std": f.residual_std,
                    "chi_squared": f.chi_squared,
                    "p_value": f.p_value,
                    "intervals_by": "standard errors" if f.by_errors else "scatter",
                    "aicc": f.aicc,
                    "bic": f.bic,
                    "left_out": f.left_out,
                }
                for name, f in self.fits.items()
            },
        }
