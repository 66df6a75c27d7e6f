"""Which family predicts pictures that it has not seen: errors on held-out halves.

The groups of pictures are halved many times; a family is fitted to one half and predicts the pairs
of the other. Errors over the splits, which overlap, are those of Nadeau & Bengio. Chosen is not
the best, which has many almost as good as it, but the simplest that is one standard
error behind it at most.

Source: Breiman, Friedman, Olshen & Stone 1984, Classification and Regression Trees, for the rule
of one standard error; Nadeau & Bengio 2003, Inference for the generalization error, for the
variance over repeated splits: (1/J + test/training) times the variance over J splits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from tokenspace.statistics.estimate import Estimate, two_sided
from tokenspace.tokens.fit.cells import Cells, Moments
from tokenspace.tokens.fit.search import Shape, Target

HALVINGS = 6  # each used both ways
NO_MODEL = "no model"
LEAST_GROUPS = 4  # two pictures to learn from, two to test
SMALLEST = 1e-300


@dataclass(frozen=True)
class Prediction:
    """What is compared at token counts n: root mean square D (m,), and psi's (3, m)."""

    n: np.ndarray
    rms: np.ndarray
    psi: np.ndarray

    def errors(self, seen: Prediction) -> np.ndarray:
        """Mean squares of what it misses of `seen`, (3,): log D, gamma, and the three psi's."""
        off = np.log(np.maximum(seen.rms, SMALLEST) / np.maximum(self.rms, SMALLEST))
        slope = np.diff(off) / np.diff(np.log(self.n))
        miss = (seen.psi - self.psi)[:, self.n > 1]
        return np.array([np.mean(x**2) for x in (off, slope, miss)])


@dataclass(frozen=True)
class Ranked:
    """How well a family predicts held-out pictures; errors are Nadeau & Bengio's over the splits.

    aim: what it was fitted to, the better of the two; order: in which patches were taken to be read
    ("" where no picture is needed). divergence, gamma, psi: root mean square errors of log D(n) (of
    the root mean square of D), of its slope between token counts, and of psi_equal, psi_within and
    psi_cross. score: of the three together, each relative to that of predicting what was measured
    on the other half, without any model: 1 is as good as no model, less is better. behind: log
    score less that of the best family. ties: whether `behind` may be 0, by its 95 % interval. size:
    how many parameters it has of its own.
    """

    family: str
    order: str
    aim: str
    divergence: Estimate
    gamma: Estimate
    psi: Estimate
    score: Estimate
    behind: Estimate
    ties: bool
    size: int

    @property
    def name(self) -> str:
        return f"{self.family}, {self.order}" if self.order else self.family


def observed(moments: Moments) -> Prediction:
    """What was measured, as a prediction."""
    return Prediction(moments.n, np.sqrt(moments.prefixes[4]), moments.psi)


def predicted(target: Target, shape: Shape, moments: Moments) -> Prediction:
    """Of a fitted family, with psi_equal, psi_cross and ||h||^2 of the moments it was fitted to."""
    n, (equal, _, cross) = moments.n.astype(float), moments.psi[:, -1]
    sums = Target(target.family, target.place, "sums").design(shape.values) @ shape.weights
    upsilon = (1 - equal) * sums
    ordered = np.where(n > 1, n * (n - 1), np.nan)
    within = cross + (upsilon - n * (1 - equal)) / ordered
    psi = np.array([np.full(len(n), equal), within, np.full(len(n), cross)])
    rms = np.sqrt(np.maximum(2 * moments.size[-1] * upsilon, 0))
    return Prediction(moments.n, rms, psi)


def halves(groups: int, seed: int = 0) -> list[np.ndarray]:
    """Masks (groups,) of the halves to learn from, each halving both ways."""
    size = groups // 2
    if groups <= 5:
        chosen = [np.array(c) for c in combinations(range(groups), size)]
    else:
        rng = np.random.default_rng(seed)
        chosen = [rng.permutation(groups)[:size] for _ in range(HALVINGS)]
    masks = [np.isin(np.arange(groups), c) for c in chosen]
    both = {m.tobytes(): m for half in masks for m in (half, ~half)}
    return list(both.values())


@dataclass(frozen=True)
class Splits:
    """Training and test moments of each split, and what no model at all misses, (splits, 3)."""

    train: list[Moments]
    test: list[Moments]
    groups: int

    @staticmethod
    def of(cells: Cells) -> Splits:
        masks = halves(cells.groups)
        found = [(cells.of(m), cells.of(~m)) for m in masks]
        usable = [(a, b) for a, b in found if a.count and b.count]
        return Splits([a for a, _ in usable], [b for _, b in usable], cells.groups)

    def unmodelled(self) -> np.ndarray:
        return np.array(
            [observed(a).errors(observed(b)) for a, b in zip(self.train, self.test, strict=True)]
        )

    def errors(self, target: Target, start: np.ndarray) -> np.ndarray:
        """What a family misses on each split, (splits, 3); its search begins at `start`."""
        rows = []
        for a, b in zip(self.train, self.test, strict=True):
            guess = predicted(target, target.again(a, start), a)
            rows.append(guess.errors(observed(b)))
        return np.array(rows)


def ranking(
    misses: dict[tuple[str, str, str], np.ndarray],
    sizes: dict[str, int],
    unmodelled: np.ndarray,
    groups: int,
) -> tuple[Ranked, ...]:
    """Families and no model from the least error on; of each (family, order) the better aim.

    misses: (family, order, aim) -> mean squares (splits, 3); sizes: family -> its parameters.
    """
    level = unmodelled.mean(axis=0)
    logs = {k: np.log(np.mean(v / level, axis=1)) / 2 for k, v in misses.items()}
    better: dict[tuple[str, str], tuple[str, str, str]] = {}
    for key, values in logs.items():
        known = better.get(key[:2])
        if known is None or values.mean() < logs[known].mean():
            better[key[:2]] = key
    best = min(better.values(), key=lambda k: logs[k].mean())
    none = (NO_MODEL, "", "")
    misses, sizes = misses | {none: unmodelled}, sizes | {NO_MODEL: 0}
    logs[none] = np.log(np.mean(unmodelled / level, axis=1)) / 2
    rows: list[Ranked] = []
    for key in sorted([*better.values(), none], key=lambda k: logs[k].mean()):
        behind = _over_splits(logs[key] - logs[best], groups)
        reach = two_sided(0.95, behind.degrees_of_freedom) * behind.standard_error
        divergence, gamma, psi = (_mapped(_over_splits(x, groups), np.sqrt) for x in misses[key].T)
        score = _mapped(_over_splits(logs[key] - logs[none], groups), np.exp)
        ties = key == best or bool(behind.mean <= reach)
        size = sizes[key[0]]
        rows.append(Ranked(*key, divergence, gamma, psi, score, behind, ties, size))
    return tuple(rows)


def chosen(rows: tuple[Ranked, ...]) -> Ranked:
    """The family with the fewest parameters of those within one standard error of the best."""
    near = [r for r in rows if r.family != NO_MODEL and r.behind.mean <= r.behind.standard_error]
    return min(near, key=lambda r: (r.size, r.behind.mean))


def _over_splits(values: np.ndarray, groups: int) -> Estimate:
    """Mean over splits; a halving used both ways is one, as one half mirrors the other."""
    variance = values.var(ddof=1) if len(values) > 1 else np.nan
    error = np.sqrt(variance * (1 / len(values) + 1))
    freedom = float(max(min(len(values) // 2, groups - 1), 1))
    return Estimate(values.mean(), error, len(values), freedom)


def _mapped(value: Estimate, function: Callable[[np.ndarray], np.ndarray]) -> Estimate:
    """Of a root or an exponential; the error by its slope."""
    mean = function(value.mean)
    slope = mean if function is np.exp else 1 / (2 * mean) if mean > 0 else np.nan
    return Estimate(mean, slope * value.standard_error, value.count, value.degrees_of_freedom)
