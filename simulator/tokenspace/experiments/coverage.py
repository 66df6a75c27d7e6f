"""Whether intervals and verdicts hold what they promise: small experiments, many times over.

Every run goes the way of a user's experiment: drawn, accumulated, summarised, and asked for its
intervals and verdicts. A row says in which share of the runs a quantity came true.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from tokenspace import theory
from tokenspace.covariance import (
    Gaussian,
    Isotropic,
    StudentT,
    TokenModel,
    UnitNorm,
    equicorrelated,
)
from tokenspace.experiments.draw import draw
from tokenspace.experiments.experiment import INDEPENDENT, LARGEST_COUNT, Experiment
from tokenspace.experiments.placement import Samples
from tokenspace.experiments.truths import Quantity, covered, quantities, scale_quantity
from tokenspace.statistics.amplitude import wants_logs
from tokenspace.statistics.result import Result, summarise
from tokenspace.statistics.stopping import PILOT, enough, next_look
from tokenspace.statistics.streaming import Accumulator, begin, summary, update

BRANCHES = equicorrelated(0.2, 0.3, 0.1)
GRID = (1, 2, 4, 8, 16, 32, 64, 128, 256)
SHORT_GRID = (1, 2, 4, 8, 16)  # where every token must be drawn
LAWS = {
    "Gaussian": Gaussian(),
    "Student-t, df 10": StudentT(10.0),
    "Student-t, df 5": StudentT(5.0),
    "Student-t, df 1.5": StudentT(1.5),
    "Student-t by token, df 5": StudentT(5.0, "token"),
    "unit norm": UnitNorm(),
}
DIMENSIONS = (4, 64, 1024)
REPLICATES = (2, 3, 5, 10, 100, 1000)
STOPPED = ("Gaussian", "Student-t, df 5")  # laws, and numbers of features, of runs with a target
STOPPED_DIMENSIONS = (4, 64)
LOOKS = (1, 3, 8)  # at which they stop, more or less
SETTLED = 100_000  # replicates for an E[D] that no formula gives
LEAST_RUNS = 200
VALUES = 200_000_000  # features of tokens that a cell draws, unless that were fewer runs than these
MOST_VALUES = 2_000_000  # of one run: larger ones are left out
UNKNOWN: dict[str, Any] = dict.fromkeys(("sampler", "method", "reason", "kernels", "device"), "")

Progress = Callable[[int, int], Any]


@dataclass(frozen=True)
class Case:
    """A model that is simulated many times; psi: with psi's, for lambda alone."""

    law: str
    d: int
    psi: bool = False

    @cached_property
    def model(self) -> TokenModel:
        return TokenModel(BRANCHES, Isotropic(self.d), LAWS[self.law])

    @property
    def by_token(self) -> bool:
        """Whether every token must be drawn."""
        return self.psi or not LAWS[self.law].joint_scale

    @property
    def values(self) -> int:
        """What a replicate costs, in features of tokens drawn."""
        return int(self.n[-1]) * self.d if self.by_token else len(self.n) ** 2

    @cached_property
    def n(self) -> np.ndarray:
        return np.array(SHORT_GRID if self.by_token else GRID)


@dataclass(frozen=True)
class Row:
    """Of one model, number of replicates and quantity: the share of runs in which it holds.

    lowest, mean, highest: over its points, n's or slopes between them; goal_low, goal_high: what
    the share should be.
    """

    law: str
    d: int
    replicates: int
    quantity: str
    lowest: float
    mean: float
    highest: float
    points: int
    runs: int
    goal_low: float
    goal_high: float

    @property
    def errors(self) -> tuple[float, float]:
        """Binomial standard errors of a share at the lower and at the upper end of the goal."""
        low, high = (math.sqrt(p * (1 - p) / self.runs) for p in (self.goal_low, self.goal_high))
        return low, high

    @property
    def met(self) -> bool:
        """Whether no point is outside the goal by more than two binomial standard errors."""
        return self.within(2)

    def within(self, times: float) -> bool:
        """Whether no point is outside the goal by more than so many binomial standard errors."""
        low, high = (times * e for e in self.errors)
        return self.goal_low - low <= self.lowest and self.highest <= self.goal_high + high


Task = tuple[Callable[[Case, int, int], list[Row]], Case, int]


def study(runs: int, progress: Progress | None = None) -> list[Row]:
    """The whole table.

    Args:
        runs: experiments of each row, >= 1; fewer where every token of many features is drawn.
        progress: called with (tasks done, how many there are).
    """
    work = tasks()
    rows: list[Row] = []
    for k, (make, case, number) in enumerate(work):
        rows += make(case, number, runs)
        if progress is not None:
            progress(k + 1, len(work))
    return rows


def tasks() -> list[Task]:
    """What the study is made of: `cover` of numbers of replicates, `cover_stopped` of looks."""
    found: list[Task] = []
    for law, kind in LAWS.items():
        psis = (False, True) if kind.exact_mean and kind.has_moment(2) else (False,)
        dimensions = DIMENSIONS if kind.joint_scale else DIMENSIONS[:-1]
        for d, psi in itertools.product(dimensions, psis):
            case = Case(law, d, psi)
            found += [(cover, case, r) for r in REPLICATES if r * case.values <= MOST_VALUES]
    for law, d, look in itertools.product(STOPPED, STOPPED_DIMENSIONS, LOOKS):
        found.append((cover_stopped, Case(law, d), look))
    return found


def cover(
    case: Case, replicates: int, runs: int, names: Collection[str] | None = None
) -> list[Row]:
    """Rows of one model: independent experiments of so many replicates each.

    names: of the quantities that are counted; all when left out.
    """
    runs = min(runs, max(LEAST_RUNS, VALUES // (replicates * case.values)))
    if case.psi:
        found = [scale_quantity(case.model, case.n)]
    else:
        found = quantities(case.model, case.n, replicates, _expectation(case))
    if names is not None:
        found = [q for q in found if q.name in names]
    return _counted(case, replicates, found, repeated(case, replicates, runs))


def cover_stopped(case: Case, look: int, runs: int) -> list[Row]:
    """The row of runs with a target that the exact error reaches at that look, the first is 1.

    Its replicates are those of the look; runs stop there or near.
    """
    count = look_count(look)
    exact = theory.expected_divergence(case.model, case.n)
    relative = theory.divergence_std(case.model, case.n) / exact
    target = float(np.max(relative)) / math.sqrt(count - 0.5)
    found = [covered("E[D] after stopping", Result.interval, exact)]
    return _counted(case, count, found, stopped(case, target, runs))


def look_count(look: int) -> int:
    """Replicates at the first, second, ... time that a run is judged."""
    count = PILOT
    for _ in range(look - 1):
        count = next_look(count)
    return count


def repeated(case: Case, replicates: int, runs: int) -> Iterator[Result]:
    """Results of independent experiments on one model."""
    stream = _Stream(case, runs * replicates)
    for _ in range(runs):
        yield _result(case, update(_begin(case), stream.take(replicates)))


def stopped(case: Case, target: float, runs: int) -> Iterator[Result]:
    """Results of independent experiments that each stop at a target relative error."""
    stream = _Stream(case, LARGEST_COUNT)
    for _ in range(runs):
        seen = _begin(case)
        while not enough(seen, target):
            seen = update(seen, stream.take(next_look(seen.count) - seen.count))
        yield _result(case, seen)


class _Stream:
    """The replicates of one long experiment, handed out in portions."""

    def __init__(self, case: Case, replicates: int) -> None:
        statistics = ("divergence", "correlations") if case.psi else ("divergence",)
        experiment = Experiment(case.model, case.n, replicates, INDEPENDENT, statistics=statistics)
        self._chunks = draw(experiment)
        self._left: Samples = {}
        self._start = 0

    def take(self, rows: int) -> Samples:
        """The next replicates, name -> (rows, m)."""
        parts = [{k: v[self._start :] for k, v in self._left.items()}]
        while sum(len(p["divergence"]) for p in parts if p) < rows:
            parts.append(next(self._chunks).samples)
        if len(parts) > 1:
            full = [p for p in parts if p]
            self._left = {k: np.concatenate([p[k] for p in full]) for k in full[-1]}
            self._start = 0
        first, self._start = self._start, self._start + rows
        return {k: v[first : self._start] for k, v in self._left.items()}


def _begin(case: Case) -> Accumulator:
    return begin(case.n, case.psi, wants_logs(case.model))


def _result(case: Case, seen: Accumulator) -> Result:
    return summarise(summary(seen), case.model, "auto", seed=None, seconds=0.0, **UNKNOWN)


@lru_cache(maxsize=32)
def _expectation(case: Case) -> np.ndarray | None:
    """E[D(n)]; where no formula is known, the estimate from very many other replicates."""
    law = LAWS[case.law]
    if law.exact_mean:
        return theory.expected_divergence(case.model, case.n)
    return next(repeated(case, SETTLED, 1)).mean


def _counted(
    case: Case, replicates: int, found: list[Quantity], results: Iterator[Result]
) -> list[Row]:
    held: list[Any] = [0] * len(found)
    runs = 0
    for runs, result in enumerate(results, 1):  # noqa: B007
        held = [h + np.atleast_1d(q.holds(result)) for h, q in zip(held, found, strict=True)]
    rows = []
    for h, q in zip(held, found, strict=True):
        share = h / runs
        rows.append(
            Row(
                case.law,
                case.d,
                replicates,
                q.name,
                float(share.min()),
                float(share.mean()),
                float(share.max()),
                len(share),
                runs,
                *q.goal,
            )
        )
    return rows
