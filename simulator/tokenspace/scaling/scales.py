"""On what scale a law is fitted: log S, or the log odds of a score between chance and a top."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from scipy.special import expit

from tokenspace.errors import InputError


class Scale(Protocol):
    """A rising function y of a score S, in which noise is alike at every n and laws are fitted."""

    @property
    def strays(self) -> float:
        """How far y lies from what laws say, at 95 %, for each factor e of n beyond the data."""

    def forward(self, score: np.ndarray) -> np.ndarray:
        """y of scores that `check` has let through."""

    def backward(self, y: np.ndarray) -> np.ndarray:
        """S of y."""

    def slope(self, score: np.ndarray) -> np.ndarray:
        """dy / d log S."""

    def check(self, score: np.ndarray) -> None:
        """InputError where a score has no y."""

    @property
    def formula(self) -> str:
        """What exp(y) is, of S."""


@dataclass(frozen=True)
class Log:
    """y = log S: a law gives S itself. strays: as in `Scale`, >= 0."""

    strays: float = 0.05

    def __post_init__(self) -> None:
        _check_strays(self.strays)

    def forward(self, score: np.ndarray) -> np.ndarray:
        return np.asarray(np.log(score))

    def backward(self, y: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):
            return np.asarray(np.exp(y))

    def slope(self, score: np.ndarray) -> np.ndarray:
        return np.ones_like(score)

    @property
    def formula(self) -> str:
        return "S(n)"

    def check(self, score: np.ndarray) -> None:
        bad = ~(np.isfinite(score) & (score > 0))
        if bad.any():
            k = int(np.argmax(bad))
            out = ", leave it out" if score[k] == 0 else ""
            raise InputError(
                f"score[{k}] = {score[k]} is not allowed{out}: fits are in logarithms, so every "
                "value must be finite and > 0"
            )


@dataclass(frozen=True)
class Logit:
    """y = log((S - chance) / (top - S)): a law gives the odds of being right beyond chance.

    For accuracies: chance is what guessing scores, top the best score there is; chance < S < top.
    strays: as in `Scale`, >= 0.
    """

    top: float = 100.0
    chance: float = 0.0
    strays: float = 0.075

    def __post_init__(self) -> None:
        _check_strays(self.strays)
        if not 0 <= self.chance < self.top < np.inf:
            raise InputError(
                f"chance = {self.chance:g} and top = {self.top:g} are not allowed: they must be "
                "finite with 0 <= chance < top"
            )

    def forward(self, score: np.ndarray) -> np.ndarray:
        return np.asarray(np.log(score - self.chance) - np.log(self.top - score))

    def backward(self, y: np.ndarray) -> np.ndarray:
        return np.asarray(self.chance + (self.top - self.chance) * expit(y))

    def slope(self, score: np.ndarray) -> np.ndarray:
        return np.asarray(score / (score - self.chance) + score / (self.top - score))

    @property
    def formula(self) -> str:
        right = f"(S - {self.chance:g})" if self.chance else "S"
        return f"{right} / ({self.top:g} - S)"

    def check(self, score: np.ndarray) -> None:
        bad = ~((score > self.chance) & (score < self.top))
        if bad.any():
            k = int(np.argmax(bad))
            raise InputError(
                f"score[{k}] = {score[k]} is not allowed: on the logit scale every score must lie "
                f"between chance = {self.chance:g} and top = {self.top:g}; give another --top or "
                "--chance, or fit log S"
            )
        if self.top == 100 and unit(score) == 1:
            raise InputError(
                f"no score is above {score.max():g}, but top = 100: where scores are shares of 1, "
                "give --top 1; where they are percentages below 1, fit log S"
            )


def _check_strays(strays: float) -> None:
    if not 0 <= strays < np.inf:
        raise InputError(f"strays = {strays:g} is not allowed: it must be finite and >= 0")


def error_of_share(score: Any, questions: Any, top: float | None = None) -> np.ndarray:
    """Standard error of a share of right answers, from the number of questions.

    top sqrt(p (1 - p) / m) with p = score / top. All or none right counts as one half of an answer
    wrong or right.

    Args:
        score: between 0 and top.
        questions: m >= 1, of each score or of all.
        top: the best score, 1 or 100; where not given, 100 if a score lies above 1.

    Raises:
        InputError: scores below 0 or above the top, or numbers of questions below 1.
    """
    score, questions = np.asarray(score, np.float64), np.asarray(questions, np.float64)
    if not (questions >= 1).all():
        raise InputError("questions must be at least 1: it is how many a score is the share of")
    top = unit(score) if top is None else top
    if (bad := (score < 0) | (score > top)).any():
        raise InputError(
            f"a score of {score[np.argmax(bad)]:g} is no percentage, so the number of questions "
            "says nothing of its error; give standard_error instead"
        )
    share = np.clip(score / top, 0.5 / questions, 1 - 0.5 / questions)
    return np.asarray(top * np.sqrt(share * (1 - share) / questions))


def unit(score: np.ndarray) -> float:
    """What the best of shares would be: 100 where a score lies above 1, else 1."""
    return 100.0 if (score > 1).any() else 1.0
