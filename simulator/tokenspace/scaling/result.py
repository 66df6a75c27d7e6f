"""What a fit found: one law on one curve, and the laws of one curve side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tokenspace.registry import ROOMS


@dataclass(frozen=True)
class LawFit:
    """One law fitted to one curve.

    parameters: name -> value; intervals: name -> (low, high) at `level`, an end that the data do
    not bound being the end of the parameter's range, and no entry where `too_few` says why;
    degrees_of_freedom: points less parameters; residual_std: of log S, not a number where no degree
    of freedom is left; aicc: Akaike's criterion corrected for few points, smaller is better,
    infinite when there are too few points for the law.
    """

    law: str
    parameters: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    level: float
    degrees_of_freedom: int
    residual_std: float
    aicc: float
    n: np.ndarray
    score: np.ndarray

    def predict(self, n: Any) -> np.ndarray:
        """S(n) of the fitted law."""
        return ROOMS["scaling"].find(self.law)().score(self.parameters, n)

    @property
    def too_few(self) -> str:
        """Why there are no intervals, empty where there are."""
        if self.degrees_of_freedom > 0:
            return ""
        return (
            f"{len(self.n)} points do not bound the {len(self.parameters)} parameters and the "
            f"noise of the {self.law} law"
        )

    def bounds(self, name: str, digits: int = 4) -> str:
        """The interval of a parameter in words: "12 to 80", "at least 12", "not bounded"."""
        if name not in self.intervals:
            return "no interval"
        low, high = self.intervals[name]
        least, most = ROOMS["scaling"].find(self.law)().ranges()[name]
        if low <= least and high >= most:
            return "not bounded"
        if high >= most:
            return f"at least {low:.{digits}g}"
        if low <= least:
            return f"at most {high:.{digits}g}"
        return f"{low:.{digits}g} to {high:.{digits}g}"


@dataclass(frozen=True)
class ScalingFit:
    """Fits of one or several laws to one curve; `winner` has the smallest AICc.

    `evidence` is AICc of the runner-up less that of the winner: below 2 the data do not tell them
    apart. `why` says why the preference is not decisive, and is empty where it is.
    """

    fits: dict[str, LawFit]
    winner: str
    evidence: float
    why: str

    @property
    def best(self) -> LawFit:
        return self.fits[self.winner]

    @property
    def decisive(self) -> bool:
        """Whether the data clearly ask for the winner."""
        return not self.why

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain numbers, for JSON."""
        return {
            "winner": self.winner,
            "evidence": self.evidence,
            "decisive": self.decisive,
            "why": self.why,
            "laws": {
                name: {
                    "parameters": f.parameters,
                    "intervals": {k: list(v) for k, v in f.intervals.items()},
                    "bounds": {k: f.bounds(k) for k in f.parameters},
                    "level": f.level,
                    "degrees_of_freedom": f.degrees_of_freedom,
                    "too_few": f.too_few,
                    "residual_std": f.residual_std,
                    "aicc": f.aicc,
                }
                for name, f in self.fits.items()
            },
        }
