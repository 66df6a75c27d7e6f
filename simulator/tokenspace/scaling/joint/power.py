"""What it would take: how often curves like these would tell, if the truth were known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from tokenspace.scaling.curves import Curve
from tokenspace.scaling.joint.family import Family, abscissa
from tokenspace.scaling.joint.noise import BLOCKS, Noise
from tokenspace.scaling.joint.ratios import NAMES, deviance, parts, ratios, upper
from tokenspace.scaling.joint.stated import by_errors

BALANCES = (3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
SPREADS = (0.5, 1.0, 2.0)  # standard deviation of log n_balance between benchmarks
MIDDLE = 100.0  # n_balance about which they are spread
SETTINGS = ((1.0, 1), (0.5, 1), (0.25, 1), (1.0, 2), (1.0, 4))  # noise and counts, as multiples
LEVEL = 0.05  # at which a test rejects


@dataclass(frozen=True)
class Case:
    """A truth, and the test that is to notice it.

    test: name of a ratio; words: the truth; null: the n_balance of the null, 0 for none; draw:
    log S of `runs` data sets at counts n, (runs or 1, K, m).
    """

    test: str
    words: str
    null: float
    draw: Callable[[np.random.Generator, np.ndarray, int], np.ndarray]


def power(
    curves: Sequence[Curve],
    *,
    kind: str = BLOCKS,
    runs: int = 400,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """In which share of data sets like these each test rejects at 5 %, for truths that are given.

    Levels, slopes and scatter are those of the curves (slopes refitted at each true n_balance).
    "need": one n_balance for all; no crossover is to be rejected. "sharing": log n_balance differs
    between benchmarks, with a standard deviation, about log 100; a shared one is to be rejected.
    "shape": each curve is its own parabola in log n, as fitted; a shared n_balance is to be
    rejected. Critical values are drawn from the null with the same noise and counts.

    Args:
        curves: of one model, each of at least 4 points.
        kind: of noise, "independent" or "blocks", see `joint.noise`.
        runs: data sets a row.
        seed: of the draws.
        progress: called with the rows done, and how many there are.

    Returns:
        A row a truth: test, truth, noise (a multiple), counts n, and the share that is rejected.
    """
    family, _ = by_errors(curves)
    best = float(family.best_of(deviance(family)))
    measured = Noise.of(family, best)
    cases = list(_cases(family, best))
    rows: list[list[object]] = []
    for factor, times in SETTINGS:
        around = family
        if times > 1:
            around = family.at(np.geomspace(family.n[0], family.n[-1], times * len(family.n)))
        noise = replace(
            measured,
            deviations=factor * measured.deviations,
            columns=factor * measured.columns,
        )
        for case in cases:
            place = NAMES.index(case.test)

            def drawn(
                make: Callable[..., np.ndarray],
                seed: int,
                around: Family = around,
                noise: Noise = noise,
                place: int = place,
            ) -> np.ndarray:
                rng = np.random.default_rng(seed)
                found = []
                for now in parts(runs):
                    scatter = noise.draw(kind, rng, now, around.weight, around.n)
                    found.append(ratios(around, make(rng, around.n, now) + scatter)[place])
                return np.concatenate(found)

            limit = upper(drawn(_shared(family, case.null), seed), 1 - LEVEL)
            share = float((drawn(case.draw, seed + 1) > limit).mean())
            rows.append([case.test, case.words, factor, len(around.n), share])
            if progress is not None:
                progress(len(rows), len(SETTINGS) * len(cases))
    return pd.DataFrame(rows, columns=["test", "truth", "noise", "counts", "rejected"])


def _cases(family: Family, best: float) -> Iterator[Case]:
    for balance in BALANCES:
        yield Case("need", f"n_balance = {balance:g}", 0.0, _shared(family, balance))
    for spread in SPREADS:
        words = f"n_balance about {MIDDLE:g}, log spread {spread:g}"
        yield Case("sharing", words, MIDDLE, _spread(family, spread))
    yield Case("shape", "parabolas as fitted", best, _parabolas(family))


def _shared(family: Family, balance: float) -> Callable[..., np.ndarray]:
    """The best lines at a shared n_balance."""
    log_c, beta = family.lines(balance)

    def draw(rng: np.random.Generator, n: np.ndarray, runs: int) -> np.ndarray:
        return log_c[:, None] + beta[:, None] * abscissa(n, np.array([balance]))

    return draw


def _spread(family: Family, spread: float) -> Callable[..., np.ndarray]:
    """An n_balance for each benchmark of each data set, log-normal about `MIDDLE`."""
    log_c, beta = family.lines(MIDDLE)

    def draw(rng: np.random.Generator, n: np.ndarray, runs: int) -> np.ndarray:
        balance = MIDDLE * np.exp(spread * rng.standard_normal((runs, len(beta))))
        x = abscissa(n, balance.ravel()).reshape(runs, len(beta), len(n))
        return log_c[:, None] + beta[:, None] * x

    return draw


def _parabolas(family: Family) -> Callable[..., np.ndarray]:
    """The best parabola in log n of each curve."""
    log_n = np.log(family.n)
    made = [
        np.polynomial.Polynomial.fit(log_n[have], y[have], 2)
        for y, have in zip(family.log_score, family.present, strict=True)
    ]

    def draw(rng: np.random.Generator, n: np.ndarray, runs: int) -> np.ndarray:
        return np.stack([p(np.log(n)) for p in made])

    return draw
