"""The phase diagram: what a sweep over two axes found at the largest n, cell by cell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from matplotlib.colors import BoundaryNorm, ListedColormap, LogNorm, Normalize

from tokenspace import theory
from tokenspace.errors import InputError
from tokenspace.experiments.axes import short_names
from tokenspace.experiments.layout import as_grid
from tokenspace.figures.base import Figure, NothingToShow
from tokenspace.figures.sheet import (
    SMALL,
    axes_of,
    groups_beside,
    numeric_axes,
    panels_of,
    titled,
    wide,
)
from tokenspace.figures.style import LONGEST_SIDE, words
from tokenspace.registry import register
from tokenspace.statistics.derived import Derived, derive, over_balance

WIDEST = 1000.0  # factor to either side of the median that colours of a log scale reach
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
        return len(numeric_axes(loaded)) >= 2

    def draw(self, loaded: list[Any]) -> Any:
        """Four panels for two axes; with more, the exponent in a panel for each of their values.

        Solid line: gamma = 3/4, where n = n_balance, by the exact theory at the points. Between
        them 1 / (n_balance + 1) is taken as linear, as it is in the psi's of equicorrelated tokens.
        Cells without a point are white.
        """
        x, y = self._sides(loaded)
        names = {a: words(s, LONGEST_SIDE) for a, s in short_names(axes_of(loaded)).items()}
        groups, cut = groups_beside(loaded, [x, y])
        several = len(groups) > 1
        if all(_together([loaded[k][0].axes for k in g.rows], x, y) for g in groups):
            raise NothingToShow(
                f"the phase diagram needs points beside each other, but {names[x]} and {names[y]} "
                "go together, one value of each a point; choose other axes"
            )
        rows = sorted({k for g in groups for k in g.rows})
        found = {k: derive(loaded[k][1], TOLERANCE) for k in rows}
        panels = [p for p in PANELS if not np.isnan([p.value(d) for d in found.values()]).all()]
        if not panels:
            raise NothingToShow(
                "the phase diagram shows exponents, n_balance and deviations from the theory, but "
                "no point has any; they take 2 token counts with D > 0, or an exact theory"
            )
        only = GAMMA if GAMMA in panels else panels[0]  # of small multiples
        shown = [(p, g) for g in groups for p in ((only,) if several else panels)]
        limits = _limits([only.value(d) for d in found.values()]) if several else None
        crossed = theory_known = False
        size = SMALL if several else (5.2, 4.2)
        figure, used = panels_of(len(shown), size, 2 if len(shown) <= 4 else 4, shared=several)
        for axes, (panel, group) in zip(used, shown, strict=True):
            grid = as_grid(
                {a: np.array([loaded[k][0].axes[a] for k in group.rows], float) for a in (x, y)}
            )
            if grid is None:
                raise InputError(
                    f"the phase diagram needs one point at each {names[x]} and {names[y]}; "
                    "choose other axes"
                )
            sides = [grid.values[x], grid.values[y]]
            values = grid.place(np.array([panel.value(found[k]) for k in group.rows]))
            ends = limits if several or panel is not GAMMA else _limits(values.ravel())
            drawn, extend = _coloured(axes, panel, sides, values, ends)
            if not several:
                _bar(figure, drawn, axes, panel, extend)
            share = grid.place(np.array([over_balance(loaded[k][1]) for k in group.rows]))
            known = share[np.isfinite(share)]
            theory_known |= len(known) > 0
            if min(share.shape) > 1 and len(known) and known.min() < 1 < known.max():
                crossed = True
                axes.contour(*sides, share.T, [1.0], colors="black", linewidths=1.5)
            titled(axes, group.title) if several else axes.set_title(panel.title)
            if not several:
                axes.set(xlabel=names[x], ylabel=names[y])
        if several:
            _bar(figure, drawn, used, only, extend)
            figure.supxlabel(names[x])
            figure.supylabel(names[y])
        line = r"line: $n = n_{balance}$ by the exact theory"
        other = (
            r"$n = n_{balance}$ is not crossed here" if theory_known else "no theory is known here"
        )
        said = [line if crossed else other]
        if several:
            said.insert(0, only.title)
        if cut:
            said.append(f"shown: {cut}")
        figure.suptitle("; ".join(said))
        return figure

    def _sides(self, loaded: list[Any]) -> tuple[str, str]:
        """The axes along the sides."""
        numeric = numeric_axes(loaded)
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
        return x, y


def _together(points: list[Any], x: str, y: str) -> bool:
    """Whether points lie on a line, and none beside another, as where axes are zipped."""
    pairs = {(p[x], p[y]) for p in points}
    return 1 < len(pairs) == max(len({p[a] for p in points}) for a in (x, y))


def _last(values: np.ndarray) -> float:
    return float(values[-1]) if len(values) else np.nan


def _regime(gamma: float) -> float:
    name = str(theory.regime(np.array([gamma]))[0])
    return float(theory.REGIMES.index(name)) if name in theory.REGIMES else np.nan


def _limits(values: Any) -> tuple[float, float] | None:
    """Ends of the colours of exponents: from 0, where D stands still, since some fall far below."""
    known = [v for v in values if np.isfinite(v)]
    return (max(0.0, min(known)), max(0.0, *known)) if known else None


def _coloured(
    axes: Any,
    panel: Panel,
    sides: list[Any],
    values: np.ndarray,
    limits: tuple[float, float] | None,
) -> tuple[Any, str]:
    """Cells in the colours of their values; and beyond which ends of the colours values lie."""
    known = values[np.isfinite(values) & (values > 0)]
    kind: dict[str, Any] = {"cmap": "viridis"}
    extend = "neither"
    if limits is not None:
        kind["norm"] = Normalize(*limits)
        extend = "min" if np.nanmin(values, initial=np.inf) < limits[0] else extend
    elif panel.scale == "regimes":
        edges = np.arange(len(COLOURS) + 1) - 0.5
        kind = {"cmap": ListedColormap(COLOURS), "norm": BoundaryNorm(edges, len(COLOURS))}
    elif panel.scale == "log" and len(known) and known.max() > 3 * known.min():
        middle = np.median(known)  # n_balance is infinite, or noise, where few cells would hide all
        low, high = max(known.min(), middle / WIDEST), min(known.max(), middle * WIDEST)
        if low > known.min() or high < known.max():
            extend = "both"
        values = np.clip(np.where(values > 0, values, np.nan), low, high)
        kind["norm"] = LogNorm(low, high)
    drawn = axes.pcolormesh(*sides, np.ma.masked_invalid(values.T), shading="nearest", **kind)
    axes.grid(False)
    for side, set_scale in zip(sides, (axes.set_xscale, axes.set_yscale), strict=True):
        if wide(side):
            set_scale("log")
    return drawn, extend


def _bar(figure: Any, drawn: Any, axes: Any, panel: Panel, extend: str) -> None:
    """A bar that says what colours mean."""
    bar = figure.colorbar(drawn, ax=axes, extend=extend)
    if panel.scale == "regimes":
        bar.set_ticks(range(len(theory.REGIMES)), labels=theory.REGIMES)
