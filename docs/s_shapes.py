"""Write into forecasts.md how often tests would name S-shaped curves. `python docs/s_shapes.py`.

Some minutes of CPU time; every draw has a fixed seed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from fits import alone
from forecasts import COUNTS, STUDIED, TRUTHS, UNSEEN, of_law, put

from tokenspace.scaling.curves import Curve, fit_curves
from tokenspace.scaling.laws import known_laws
from tokenspace.scaling.plan import plan_curves

RUNS, NOISE, ALARM = 200, 0.02, 0.05
MIDDLES = np.geomspace(1, 1000, 31)  # of S-shaped curves, and
STEEPNESS = np.array([0.5, 0.75, 1, 1.25, 1.5, 2, 3])
Score = Callable[[np.ndarray], np.ndarray]
LAWS: dict[str, Score] = {
    **{k: v for k, v in STUDIED.items() if k.partition(":")[0] in known_laws()},
    **{f"{name}, other": of_law(name, *values) for name, values in TRUTHS.items()},
}
S_SHAPED: dict[str, Score] = {
    **{k: v for k, v in STUDIED.items() if k.startswith("S:")},
    **{k: v for k, v in UNSEEN.items() if k.startswith(("Hill", "Gompertz", "logistic"))},
}


def drawn(curves: dict[str, Score], name: str, count: int) -> np.ndarray:
    """Scores with noise, (`RUNS`, count)."""
    n = COUNTS[count]
    rng = np.random.default_rng([19, len(curves), list(curves).index(name), count])
    return curves[name](n) * np.exp(NOISE * rng.standard_normal((RUNS, count)))


def cubic(n: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """-t of the cubic term of log S in log n, (curves,): large where a slope rises and falls."""
    design = np.polynomial.chebyshev.chebvander(np.log(n), 3)
    found, _, _, _ = np.linalg.lstsq(design, np.log(scores).T, rcond=None)
    rest = np.log(scores).T - design @ found
    error = np.linalg.inv(design.T @ design)[3, 3] * (rest**2).sum(axis=0) / (len(n) - 4)
    return np.asarray(-found[3] / np.sqrt(error))


def steps(n: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Log ratio of the least squares of six laws to those of a + b / (1 + (m / n)^k), (curves,).

    Relative residuals of S stand for those of log S, so that a and b are a linear problem.
    """
    of_s = np.full(len(scores), np.inf)
    for middle in MIDDLES:
        for steep in STEEPNESS:
            shape = np.stack([np.ones_like(n), 1 / (1 + (middle / n) ** steep)], axis=1)
            design = shape / scores[:, :, None]
            found = np.linalg.pinv(design) @ np.ones((*scores.shape, 1))
            rest = ((design @ found)[..., 0] - 1) ** 2
            of_s = np.minimum(of_s, rest.sum(axis=1))
    fits = [one for _, one in fit_curves([Curve(str(k), n, s) for k, s in enumerate(scores)])]
    of_laws = np.array([min(f.mean_squares for f in one.fits.values()) for one in fits])
    return np.asarray(np.log(of_laws * len(n) / of_s))


TESTS = {"cubic term": cubic, "likelihood ratio": steps}


@cache
def limit(test: str, count: int) -> float:
    """The largest over laws of what 5 % of a law's curves exceed."""
    found = [TESTS[test](COUNTS[count], drawn(LAWS, law, count)) for law in LAWS]
    return float(max(np.quantile(values, 1 - ALARM) for values in found))


def named(test: str, curve: str, count: int) -> str:
    """The share (%) of curves that a test names."""
    values = TESTS[test](COUNTS[count], drawn(S_SHAPED, curve, count))
    return f"{100 * np.mean(values > limit(test, count)):.0f}"


def lawless(curve: str, count: int) -> str:
    """The share (%) of curves that follow none of the laws by `plan-tokens`."""
    scores = drawn(S_SHAPED, curve, count)
    plans = plan_curves([Curve(str(k), COUNTS[count], s) for k, s in enumerate(scores)])
    return f"{100 * np.mean([p.follows_no_law for _, p in plans]):.0f}"


def table() -> str:
    """A row for each S: what each test and `plan-tokens` name, by the number of counts."""
    heads = ["truth", *(f"{count}: {name}" for count in COUNTS for name in (*TESTS, "no law"))]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for curve in S_SHAPED:
        cells = []
        for count in COUNTS:
            cells += [named(test, curve, count) for test in TESTS] + [lawless(curve, count)]
        lines.append("| " + " | ".join([curve, *cells]) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    alone()
    put("s-shaped", table())
