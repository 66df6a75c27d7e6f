"""The phase diagram: what a sweep over two axes found at the largest n, cell by cell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import BoundaryNorm, ListedColormap, LogNorm

from tokenspace import theory
from tokenspace.errors import InputError, NoExactResult
from tokenspace.experiments.axes import short_names
from tokenspace.experiments.layout import as_grid
from tokenspace.figures.base import Figure
from tokenspace.registry import register
from tokenspace.statistics.derived import Derived, derive

MOST_PANELS = 12
LARGEST_DRAWN = 1e100  # beyond, matplotlib's own arithmetic overflows
WIDEST = 1000.0  # factor to either side of the median that colours of a log scale reach
BOUNDARY = 0.75  # gamma where n = n_balance: (1 + n / (n + n_balance)) / 2
TOLERANCE = 0.02  # of verdicts, which are not shown
COLOURS = ("#7b3294", "#2c7bb6", "#fdbe6f", "#d7191c", "#5e0b0b")  # of theory.REGIMES


class Panel(NamedTuple):
    """What is shown of each point as a colour."""

    title: str
    value: Callable[[Derived], float]
    scale: str  # "regimes", "log" or "linear"


GAMMA = Panel(r"exponent $\gamma$ at the largest $n$", lambda d: _last(d.gamma), "linear")
PANELS = (
    Panel("regime at the largest $n$", lambda d: _regime(_last(d.gamma)), "regimes"),
    GAMMA,
    Panel(r"$n_{balance}$", lambda d: d.n_balance, "log"),
    Panel("largest deviation from the theory", lambda d: d.largest_deviation, "log"),
)


@register
class PhaseDiagram(Figure):
    meaning = (
        "The phase diagram: regime, exponent, n_balance and deviation over the axes of a sweep."
    )
    order = 5

    def __init__(self, x: str | None = None, y: str | None = None) -> None:
        """x, y: which axes lie along the sides; the two with the most values when left out."""
        self.x, self.y = x, y

    @classmethod
    def suits(cls, loaded: list[Any]) -> bool:
        return len(_numeric_axes(loaded)) >= 2

    def draw(self, loaded: list[Any]) -> Any:
        """Four panels for two axes; with more, the exponent in a panel for each of their values.

        Solid line: gamma = 3/4, where n = n_balance; exact at the points, linear between them.
        Cells without a point are white.
        """
        x, y, others = self._sides(loaded)
        found = [derive(result, TOLERANCE) for _, result in loaded]
        exact = [_exact_gamma(result) for _, result in loaded]
        groups: dict[tuple[Any, ...], list[int]] = {}
        for k, (point, _) in enumerate(loaded):
            groups.setdefault(tuple(str(point.axes.get(o)) for o in others), []).append(k)
        shown: list[tuple[Panel, list[int], tuple[Any, ...]]]
        shown = [(panel, rows, ()) for rows in groups.values() for panel in PANELS]
        if len(groups) > 1:
            shown = [(GAMMA, rows, key) for key, rows in list(groups.items())[:MOST_PANELS]]
        names = short_names([x, y, *others])
        crossed = False
        columns = 2 if len(shown) <= 4 else 4
        lines = -(-len(shown) // columns)
        figure, panels = plt.subplots(
            lines,
            columns,
            figsize=(5.2 * columns, 4.2 * lines),
            squeeze=False,
            layout="constrained",
        )
        for axes in panels.flat[len(shown) :]:
            axes.set_axis_off()
        for axes, (panel, rows, key) in zip(panels.flat, shown, strict=False):
            grid = as_grid(
                {a: np.array([loaded[k][0].axes[a] for k in rows], float) for a in (x, y)}
            )
            if grid is None:
                raise InputError(
                    f"the phase diagram needs one point at each {names[x]} and {names[y]}; "
                    "choose other axes"
                )
            sides = [grid.values[x], grid.values[y]]
            _coloured(
                axes, panel, sides, grid.place(np.array([panel.value(found[k]) for k in rows]))
            )
            gamma = grid.place(np.array([exact[k] for k in rows]))
            known = gamma[np.isfinite(gamma)]
            if min(gamma.shape) > 1 and len(known) and known.min() < BOUNDARY < known.max():
                crossed = True
                axes.contour(*sides, gamma.T, [BOUNDARY], colors="black", linewidths=1.5)
            said = ", ".join(f"{names[o]} = {k}" for o, k in zip(others, key, strict=False))
            axes.set(xlabel=names[x], ylabel=names[y], title=said or panel.title)
        line = r"line: $n = n_{balance}$, exact at the points"
        words = [line if crossed else r"$n = n_{balance}$ is not crossed here"]
        if len(groups) > 1:
            words.insert(0, GAMMA.title)
        if len(groups) > MOST_PANELS:
            words.append(f"{len(groups) - MOST_PANELS} more are not shown")
        figure.suptitle("; ".join(words))
        return figure

    def _sides(self, loaded: list[Any]) -> tuple[str, str, list[str]]:
        """The axes along the sides, and all others that vary."""
        numeric = _numeric_axes(loaded)
        names = {short: axis for axis, short in short_names(numeric).items()}
        names |= {axis: axis for axis in numeric}
        chosen = []
        for option, asked in (("--x", self.x), ("--y", self.y)):
            if asked is not None and asked not in names:
                raise InputError(
                    f"{option} {asked!r} is no axis of this sweep that has several numbers; "
                    f"they are: {', '.join(numeric) or 'none'}"
                )
            chosen.append(None if asked is None else names[asked])
        rest = [a for a in numeric if a not in chosen]
        x, y = (rest.pop(0) if c is None and rest else c for c in chosen)
        if x is None or y is None or x == y:
            raise InputError(
                "the phase diagram needs two different axes that have several numbers; this sweep "
                f"has: {', '.join(numeric) or 'none'}"
            )
        every = dict.fromkeys(a for point, _ in loaded for a in point.axes)
        return x, y, [a for a in every if a not in (x, y)]


def _numeric_axes(loaded: list[Any]) -> list[str]:
    """Axes of numbers that can be drawn, and not one number; those of most values first."""
    sizes = {}
    for axis in dict.fromkeys(a for point, _ in loaded for a in getattr(point, "axes", {})):
        values = [point.axes.get(axis) for point, _ in loaded]
        drawable = all(type(v) in (int, float) and abs(v) < LARGEST_DRAWN for v in values)
        if drawable and len(set(values)) > 1:
            sizes[axis] = len(set(values))
    return sorted(sizes, key=lambda axis: -sizes[axis])


def _last(values: np.ndarray) -> float:
    return float(values[-1]) if len(values) else np.nan


def _regime(gamma: float) -> float:
    name = str(theory.regime(np.array([gamma]))[0])
    return float(theory.REGIMES.index(name)) if name in theory.REGIMES else np.nan


def _exact_gamma(result: Any) -> float:
    try:
        return float(theory.local_exponent(result.model, result.n[-1:])[0])
    except NoExactResult:
        return np.nan


def _coloured(axes: Any, panel: Panel, sides: list[Any], values: np.ndarray) -> None:
    """Cells in the colours of their values, with a bar that says what those mean."""
    known = values[np.isfinite(values) & (values > 0)]
    kind: dict[str, Any] = {"cmap": "viridis"}
    extend = "neither"
    if panel.scale == "regimes":
        edges = np.arange(len(COLOURS) + 1) - 0.5
        kind = {"cmap": ListedColormap(COLOURS), "norm": BoundaryNorm(edges, len(COLOURS))}
    elif panel.scale == "log" and len(known) and known.max() > 3 * known.min():
        middle = np.median(known)  # n_balance is infinite, or noise, where few cells would hide all
        low, high = max(known.min(), middle / WIDEST), min(known.max(), middle * WIDEST)
        values = np.clip(np.where(values > 0, values, np.nan), low, high)
        kind["norm"], extend = LogNorm(low, high), "both"
    drawn = axes.pcolormesh(*sides, np.ma.masked_invalid(values.T), shading="nearest", **kind)
    axes.grid(False)
    bar = axes.figure.colorbar(drawn, ax=axes, extend=extend)
    if panel.scale == "regimes":
        bar.set_ticks(range(len(theory.REGIMES)), labels=theory.REGIMES)
    for side, set_scale in zip(sides, (axes.set_xscale, axes.set_yscale), strict=True):
        if min(side) > 0 and max(side) > 20 * min(side):
            set_scale("log")
