"""Write the tables of standard errors into fits.md, of simulated curves whose law is known.

`python docs/fits.py errors parameters rules told`: which law is preferred (8 min), what intervals
of parameters hold (seconds), what other rules prefer (1 min), and what errors tell forecasts (half
a minute); a name left out is not made.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tokenspace.scaling import fit, stated
from tokenspace.scaling.curves import Curve, fit_curves
from tokenspace.scaling.fit import chosen_method
from tokenspace.scaling.forecast import Task, cases
from tokenspace.scaling.intervals import raw_intervals
from tokenspace.scaling.laws import ScalingLaw, known_laws
from tokenspace.scaling.points import Points
from tokenspace.scaling.preference import aicc
from tokenspace.scaling.result import LawFit
from tokenspace.scaling.scales import Log

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


def penalty_of_scatter(one: LawFit) -> float:
    """chi^2 with the penalty of AICc for one parameter fewer, as if the noise were estimated."""
    points, size = len(one.n), len(one.parameters)
    left = points - size - 1
    return one.chi_squared + 2 * size * points / left if left > 0 else np.inf


RULES: dict[str, Callable[[LawFit], float]] = {
    "AIC, s at least 1": lambda one: one.aicc,
    "AIC, s = 1": lambda one: one.chi_squared + 2 * len(one.parameters),
    "penalty of AICc": penalty_of_scatter,
    "BIC": lambda one: one.bic,
    "AICc of the scatter": lambda one: aicc(
        len(one.n), len(one.parameters), one.mean_squares * len(one.n)
    ),
}


def chosen(law: str, points: int) -> list[str]:
    """Shares (%) of curves with right errors of which each rule prefers the true law."""
    found = [one.fits.values() for _, one in fit_curves(curves_of(law, points, 1.0, RUNS))]
    known = [[one for one in fits if np.isfinite(one.aicc)] for fits in found]
    return [
        f"{100 * np.mean([min(fits, key=rule).law == law for fits in known]):.0f}"
        for rule in RULES.values()
    ]


def rules_table() -> str:
    """`chosen` of every law and number of points."""
    head = ["true law", "points", *RULES]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for law in TRUE:
        for points in COUNTS if law != "constant" else ():
            lines.append("| " + " | ".join([law, str(points), *chosen(law, points)]) + " |")
    return "\n".join(lines)


def told(law: str, points: int) -> list[str]:
    """Log score of the last score by the law itself, and intervals of 95 % (%) that hold it.

    By the scatter, by right errors where chi^2 agrees (p >= 0.5), and by them whatever it says.
    """
    curves = curves_of(law, points, 1.0, RUNS)
    logs, variance = [c.logs(Log()) for c in curves], [c.stated(Log()) for c in curves]
    tasks = [Task(k, points - 1, 1) for k in range(RUNS)]
    cells, doubt = [], stated.DOUBT
    for known, least in ((None, doubt), (variance, doubt), (variance, -1.0)):
        stated.DOUBT = least
        table = cases(logs, tasks, chosen_method(law, 0.95), known)
        own = table[table["law"] == law]
        cells.append(f"{own['log score'].mean():.2f} ({100 * own['held'].mean():.0f})")
    stated.DOUBT = doubt
    return cells


def told_table() -> str:
    """`told` of the laws of two parameters."""
    head = ["law", "points", "scatter", "errors where chi^2 agrees", "errors always"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for law in ("power", "logarithm"):
        lines += ["| " + " | ".join([law, str(m), *told(law, m)]) + " |" for m in COUNTS]
    return "\n".join(lines)


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
    wanted = sys.argv[1:] or ["errors", "parameters", "rules", "told"]
    made = {}
    if "told" in wanted:
        made["told"] = told_table()
    if "parameters" in wanted:
        made["parameters"] = parameters_table()
    alone()
    if "rules" in wanted:
        made["rules"] = rules_table()
    if "errors" in wanted:
        made["errors"] = table()
    for name, text in made.items():
        before, start, rest = PAGE.read_text().partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition("<!-- / -->")
        PAGE.write_text(f"{before}{start}\n{text}\n\n{end}{after}")
