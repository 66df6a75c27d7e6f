"""Write into fits.md what intervals of the law over sizes hold, of curves whose law is known.

`python docs/sizes_coverage.py`: 4 min of CPU time; every draw has a fixed seed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tokenspace.scaling.curves import Curve
from tokenspace.scaling.sizes import PARAMETERS, SizeFit, fit_sizes

PAGE = Path(__file__).parent / "fits.md"
RUNS, NOISE = 200, 0.02  # noise: standard deviation of log S
N = np.array([1, 4, 16, 64, 256, 576.0])
SIZES = {
    3: 0.5e9 * np.geomspace(1, 16, 3),
    5: 0.5e9 * np.geomspace(1, 16, 5),
    12: 0.5e9 * np.geomspace(1, 64, 12),
}
TRUE = {  # limit, A, b, g
    "limit inside": (0.7, 0.3, 0.2, 0.15),
    "limit hardly told": (0.9, 0.6, 0.1, 0.05),
    "limit at the top": (1.0, 0.8, 0.15, 0.12),
}
# stated errors over the noise of a score, None: none are stated; and what a size has in common
SETTINGS = {
    "none": (None, 0.0),
    "right": (1.0, 0.0),
    "half": (0.5, 0.0),
    "none, sizes scatter": (None, NOISE),
    "right, sizes scatter": (1.0, NOISE),
}
PLACES = ("measured", "between", "beyond")  # of the size of a new score


def score_of(law: str, n: np.ndarray | float, size: float) -> np.ndarray:
    """S(n, size) of a row of `TRUE`."""
    limit, gap, b, g = TRUE[law]
    return np.asarray(limit - gap * (size / SIZES[3][0]) ** -b * np.asarray(n) ** -g)


def drawn(
    law: str, sizes: np.ndarray, setting: str, rng: np.random.Generator
) -> tuple[SizeFit, np.ndarray]:
    """The fit of curves, and what each size and two that were not measured have in common."""
    stated, common = SETTINGS[setting]
    shift = common * rng.standard_normal(len(sizes) + 2)
    curves = []
    for k, size in enumerate(sizes):
        noise = NOISE * rng.standard_normal(len(N)) + shift[k]
        score = score_of(law, N, size) * np.exp(noise)
        error = None if stated is None else stated * NOISE * score
        curves.append(Curve(str(k), N, score, {"model": str(k)}, error=error, size=size))
    return fit_sizes(curves)[0], shift


def held(law: str, count: int, setting: str, runs: int = RUNS) -> tuple[list[float], list[float]]:
    """Shares (%) of 95 % intervals: of new scores by place, and of the true parameters.

    A limit at the top has no interval, and does not count.
    """
    where = list(TRUE).index(law), count, list(SETTINGS).index(setting)
    rng, sizes = np.random.default_rng(where), SIZES[count]
    asked = (100.0, sizes[0], 0), (100.0, 1.5 * sizes[1], -2), (256.0, 4 * sizes[-1], -1)
    new, true = np.zeros((runs, len(asked))), np.full((runs, len(PARAMETERS)), np.nan)
    for run in range(runs):
        fit, shift = drawn(law, sizes, setting, rng)
        for k, (n, size, which) in enumerate(asked):
            noise = NOISE * rng.standard_normal() + shift[which]
            low, high = fit.predict_interval(n, size)
            new[run, k] = low[0] <= score_of(law, n, size) * np.exp(noise) <= high[0]
        for k, (name, value) in enumerate(zip(PARAMETERS, TRUE[law], strict=True)):
            if name in fit.intervals:
                low, high = fit.intervals[name]
                true[run, k] = low <= value <= high
    return list(100 * new.mean(axis=0)), list(100 * np.nanmean(true, axis=0))


def row(law: str, count: int, settings: tuple[str, ...] = tuple(SETTINGS)) -> tuple[str, str]:
    """A line of both tables: of new scores, and of limit, A, b and g."""
    cells = [held(law, count, setting) for setting in settings]
    scores, parameters = (
        " | ".join(" ".join(f"{share:.0f}" for share in cell[part]) for cell in cells)
        for part in (0, 1)
    )
    return f"| {law} | {count} | {scores} |", f"| {law} | {count} | {parameters} |"


def tables() -> tuple[str, str]:
    """All lines."""
    head = " | ".join(["", "law", "sizes", *SETTINGS, ""]).strip()
    rule = "|---" * (2 + len(SETTINGS)) + "|"
    lines = zip(*(row(law, count) for law in TRUE for count in SIZES), strict=True)
    scores, parameters = ("\n".join([head, rule, *part]) for part in lines)
    return scores, parameters


if __name__ == "__main__":
    for name, text in zip(("sizes: scores", "sizes: parameters"), tables(), strict=True):
        before, start, rest = PAGE.read_text().partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition("<!-- / -->")
        PAGE.write_text(f"{before}{start}\n{text}\n\n{end}{after}")
