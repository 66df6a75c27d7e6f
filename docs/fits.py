"""Write the table of standard errors into fits.md: which law is preferred where the law is known.

`python docs/fits.py` (8 min)
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from tokenspace.scaling import fit
from tokenspace.scaling.curves import Curve, fit_curves
from tokenspace.scaling.intervals import raw_intervals
from tokenspace.scaling.laws import ScalingLaw, known_laws
from tokenspace.scaling.optimise import Points

PAGE = Path(__file__).parent / "fits.md"
RUNS = 400
NOISE = 0.02  # standard error of a score over the score
COUNTS = {
    5: np.array([1, 8, 64, 256, 1024.0]),
    6: np.array([1, 4, 16, 64, 256, 1024.0]),
    10: np.array([1, 8, 16, 32, 64, 128, 256, 384, 512, 768.0]),
}
TRUE: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "power": lambda n: 20 * n**0.12,
    "logarithm": lambda n: 25 + 4 * np.log(n),
    "saturating": lambda n: 50 - 30 * n**-0.4,
    "crossover": lambda n: known_laws()["crossover"].score(
        {"c": 20, "beta": 0.4, "n_balance": 30}, n
    ),
    "broken": lambda n: 20 * n**0.2 / (1 + (n / 40) ** 4) ** 0.0425,
    "constant": lambda n: np.full(len(n), 40.0),
}
# true errors over the stated ones; None: none are stated
ERRORS = {"none stated": None, "2 times too large": 0.5, "right": 1.0, "2 times too small": 2.0}
ERRORS["4 times too small"] = 4.0


def rates(law: str, points: int, factor: float | None, runs: int = RUNS) -> list[float]:
    """Shares of runs: the law is preferred, another one is decisively, the curve is called flat."""
    n, rng = COUNTS[points], np.random.default_rng(points)
    true = TRUE[law](n)
    error = None if factor is None else NOISE * true / factor
    noise = NOISE * true * rng.standard_normal((runs, points))
    curves = [Curve(str(k), n, true + e, error=error) for k, e in enumerate(noise)]
    fits = [found for _, found in fit_curves(curves)]
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
    alone()
    made = table()
    before, _, rest = PAGE.read_text().partition("<!-- errors -->\n")
    _, end, after = rest.partition("<!-- / -->")
    PAGE.write_text(f"{before}<!-- errors -->\n\n{made}\n\n{end}{after}")
