"""Write the tables of standard errors into fits.md, of simulated curves whose law is known.

`python docs/fits.py errors parameters`: which law is preferred (8 min), and what intervals of
parameters hold (seconds); a name left out is not made.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tokenspace.scaling import fit
from tokenspace.scaling.curves import Curve, fit_curves
from tokenspace.scaling.intervals import raw_intervals
from tokenspace.scaling.laws import ScalingLaw, known_laws
from tokenspace.scaling.points import Points

PAGE = Path(__file__).parent / "fits.md"
RUNS = 400
NOISE = 0.02  # standard error of a score over the score
LIMIT, EXPONENT = 50, 0.4  # of the law that saturates
COUNTS = {
    5: np.array([1, 8, 64, 256, 1024.0]),
    6: np.array([1, 4, 16, 64, 256, 1024.0]),
    10: np.array([1, 8, 16, 32, 64, 128, 256, 384, 512, 768.0]),
}
TRUE: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "power": lambda n: 20 * n**0.12,
    "logarithm": lambda n: 25 + 4 * np.log(n),
    "saturating": lambda n: LIMIT - 30 * n**-EXPONENT,
    "crossover": lambda n: known_laws()["crossover"].score(
        {"c": 20, "beta": 0.4, "n_balance": 30}, n
    ),
    "broken": lambda n: 20 * n**0.2 / (1 + (n / 40) ** 4) ** 0.0425,
    "constant": lambda n: np.full(len(n), 40.0),
}
# true errors over the stated ones; None: none are stated
ERRORS = {"none stated": None, "2 times too large": 0.5, "right": 1.0, "2 times too small": 2.0}
ERRORS["4 times too small"] = 4.0


def curves_of(law: str, points: int, factor: float | None, runs: int) -> list[Curve]:
    """Curves with noise; factor: true errors over the stated ones."""
    n, rng = COUNTS[points], np.random.default_rng(points)
    true = TRUE[law](n)
    error = None if factor is None else NOISE * true / factor
    noise = NOISE * true * rng.standard_normal((runs, points))
    return [Curve(str(k), n, true + e, error=error) for k, e in enumerate(noise)]


def rates(law: str, points: int, factor: float | None, runs: int = RUNS) -> list[float]:
    """Shares of runs: the law is preferred, another one is decisively, the curve is called flat."""
    fits = [found for _, found in fit_curves(curves_of(law, points, factor, runs))]
    wrong = [f.decisive and f.winner != law for f in fits]
    return [
        float(np.mean(x))
        for x in ([f.preferred == law for f in fits], wrong, [f.flat for f in fits])
    ]


def row(law: str, points: int, runs: int = RUNS) -> str:
    """A line of the table: (prefers it, decisively another) of each error; of a constant, flat."""
    cells = []
    for factor in ERRORS.values():
        right, wrong, flat = (f"{100 * x:.0f}" for x in rates(law, points, factor, runs))
        cells.append(f"{flat if law == 'constant' else right}, {wrong}")
    return f"| {law} | {points} | " + " | ".join(cells) + " |"


def table() -> str:
    """All lines."""
    head = ["true law", "points", *ERRORS]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    return "\n".join([*lines, *(row(law, points) for law in TRUE for points in COUNTS)])


def held(points: int) -> list[str]:
    """Of the law that saturates: intervals that hold, median width over that without errors."""
    law, lines = "saturating", []
    found = [fit_curves(curves_of(law, points, k, RUNS), law) for k in ERRORS.values()]
    for parameter, true in (("limit", LIMIT), ("g", EXPONENT)):
        cells, widths = [], []
        for fits in found:
            low, high = np.transpose([one.fits[law].intervals[parameter] for _, one in fits])
            widths.append(np.median(high - low))
            share = 100 * np.mean((low <= true) & (true <= high))
            cells.append(f"{share:.0f} ({widths[-1] / widths[0]:.1f})")
        lines.append(f"| {parameter} | {points} | " + " | ".join(cells) + " |")
    return lines


def parameters_table() -> str:
    """`held` of few and of many points."""
    head = ["parameter", "points", *ERRORS]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    return "\n".join([*lines, *held(6), *held(10)])


def of_power(
    law: ScalingLaw, found: np.ndarray, squares: np.ndarray, points: Points, above: np.ndarray
) -> np.ndarray:
    """Intervals of the power law alone: those of others decide nothing here, and take long."""
    if law.linear and not law.shapes:
        return raw_intervals(law, found, squares, points, above)
    return np.full((*found.shape[::2], 2), np.nan)


def alone(put: Callable[[object, str, object], None] = setattr) -> None:
    """Leave out of fits what decides nothing here."""
    put(fit, "raw_intervals", of_power)
    put(fit, "leave_one_out", lambda law, points, *_: np.full(points.x.shape, np.nan))


if __name__ == "__main__":
    wanted = sys.argv[1:] or ["errors", "parameters"]
    made = {}
    if "parameters" in wanted:
        made["parameters"] = parameters_table()
    if "errors" in wanted:
        alone()
        made["errors"] = table()
    for name, text in made.items():
        before, start, rest = PAGE.read_text().partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition("<!-- / -->")
        PAGE.write_text(f"{before}{start}\n{text}\n\n{end}{after}")
