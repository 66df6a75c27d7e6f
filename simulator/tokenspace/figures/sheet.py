"""How points of a sweep of any size share a page: panels for some axes, colours for one.

One axis of numbers: its curves in one panel, coloured by it, with a colour bar. More: a panel for
each value of the others, of which at most a dozen are kept, evenly spread. No axis of numbers:
lines with a legend.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, LogNorm, Normalize

from tokenspace.experiments.axes import short_names
from tokenspace.figures.style import (
    LONGEST_ENTRY,
    LONGEST_SIDE,
    distinct,
    lines,
    shades,
    shortened,
    some_labels,
    spread,
    words,
)

MOST_PANELS = 12
MOST_CURVES = 40  # of a panel that is alone
MOST_BESIDE = 12  # of a panel among others
LARGEST_DRAWN = 1e100  # beyond, matplotlib's own arithmetic overflows
SMALL = (4.0, 3.0)  # inches of a panel among others
TALL = (4.0, 4.0)  # in one row, where the words at the side need the room
LONGEST_TITLE = 31  # characters of a line above such a panel
TITLE_SIZE = 10
WIDE = 20.0  # ratio of the ends from which an axis of numbers is logarithmic


class Group(NamedTuple):
    """Points that share a panel: what they have in common, in words, and which they are."""

    title: str
    rows: list[int]


def axes_of(loaded: Sequence[Any]) -> dict[str, list[Any]]:
    """Every axis on which these points differ, with its value at each."""
    names = dict.fromkeys(a for point, _ in loaded for a in point.axes)
    columns = {a: [point.axes.get(a) for point, _ in loaded] for a in names}
    return {a: column for a, column in columns.items() if len(set(map(str, column))) > 1}


def numeric_axes(loaded: Sequence[Any]) -> list[str]:
    """Those of numbers that can be drawn; of most values first."""
    columns = axes_of(loaded)
    drawable = [
        a
        for a, column in columns.items()
        if all(type(v) in (int, float) and abs(v) < LARGEST_DRAWN for v in column)
    ]
    return sorted(drawable, key=lambda a: -len(set(columns[a])))


def groups_beside(loaded: Sequence[Any], along: Sequence[str]) -> tuple[list[Group], str]:
    """Points by their values of the axes that are not `along` the panels; and what is left out.

    An axis that follows from those `along`, as in a zipped sweep, makes no panels. Where there are
    more panels than fit, each axis keeps some of its values.
    """
    columns = axes_of(loaded)
    drawn = [tuple(str(columns[a][k]) for a in along) for k in range(len(loaded))]
    others = [
        a
        for a, column in columns.items()
        if a not in along and len(set(zip(drawn, map(str, column), strict=True))) > len(set(drawn))
    ]
    values = {a: list(dict.fromkeys(map(str, columns[a]))) for a in others}
    kept, room = dict(values), MOST_PANELS
    for left, axis in enumerate(sorted(others, key=lambda a: len(values[a]))):
        share = max(1, int(room ** (1 / (len(others) - left)) + 1e-9))
        kept[axis] = spread(values[axis], share)
        room //= len(kept[axis])
    names = short_names(columns)
    said = {a: [written(v) for v in columns[a]] for a in others}
    found: dict[str, list[int]] = {}
    for k in range(len(loaded)):
        if all(str(columns[a][k]) in kept[a] for a in others):
            title = ", ".join(f"{words(names[a])} = {said[a][k]}" for a in others)
            found.setdefault(title, []).append(k)
    cut = [
        f"{len(kept[a])} of {len(values[a])} values of {words(names[a], LONGEST_SIDE)}"
        for a in others
        if len(kept[a]) < len(values[a])
    ]
    return [Group(*item) for item in found.items()], ", ".join(cut)


def written(value: Any) -> str:
    """A value of an axis as titles have room for it."""
    if isinstance(value, dict):
        return words(value.get("model", value))
    return f"{value:.4g}" if isinstance(value, float) else words(value)


def panels_of(count: int, size: tuple[float, float], columns: int, shared: bool) -> Any:
    """A figure of `count` panels of that size each; those of small multiples share their scales.

    Returns:
        The figure and its panels; of small multiples only outer ones have numbers at their sides.
    """
    columns = min(columns, count)
    rows = -(-count // columns)
    size = TALL if rows == 1 and size == SMALL else size
    figure, grid = plt.subplots(
        rows,
        columns,
        figsize=(size[0] * columns, size[1] * rows),
        squeeze=False,
        sharex=shared,
        sharey=shared,
        layout="constrained",
    )
    used = list(grid.flat[:count])
    for axes in grid.flat[count:]:
        axes.set_axis_off()
    if shared:
        for axes in used[-columns:]:  # above a place that is empty too
            axes.tick_params(labelbottom=True)
    return figure, used


def titled(axes: Any, title: str) -> None:
    """Name a panel among others, in its own width."""
    axes.set_title(lines(title, LONGEST_TITLE), fontsize=TITLE_SIZE)


def wide(values: Any) -> bool:
    """Whether numbers span so much that an axis of them is logarithmic."""
    return bool(np.min(values) > 0 and np.max(values) > WIDE * np.min(values))


class Panel(NamedTuple):
    """Axes of matplotlib, and the points that are drawn there."""

    axes: Any
    rows: list[int]


class Sheet:
    """A page of panels of curves; `colours` and `labels` say how each point is drawn.

    axis: by which curves are coloured; None: they have a legend.
    """

    def __init__(
        self,
        loaded: Sequence[Any],
        split: Sequence[Group] = (),
        size: tuple[float, float] = (9, 5.2),
        labels: Sequence[str] = (),
    ) -> None:
        """split: groups instead of those by axes; labels: of the legend, instead of the points'."""
        self.axis = next(iter(numeric_axes(loaded)), None)
        groups, self.cut = [Group("", list(range(len(loaded))))], ""
        if split:
            groups = list(split)
        elif self.axis is not None:
            groups, self.cut = groups_beside(loaded, [self.axis])
        many = len(groups) > 1
        if many and not split:
            size = SMALL
        columns = 1 if split else 2 if len(groups) <= 4 else 4
        self.figure, used = panels_of(len(groups), size, columns, many and not split)
        self.titles: list[str | None] = []
        self.panels: list[Panel] = []
        self.colours: dict[int, Any] = {}
        self.labels: dict[int, str] = {}
        values = self._coloured(loaded)
        for axes, group in zip(used, groups, strict=True):
            rows = group.rows
            if self.axis is not None:
                most = MOST_BESIDE if many else MOST_CURVES
                rows = spread(sorted(rows, key=values.__getitem__), most)
            shown, title = some_labels(
                [shortened((labels or _labels(loaded))[k], LONGEST_ENTRY) for k in rows]
            )
            colours = distinct(len(rows))
            for k, label, colour in zip(rows, shown, colours, strict=True):
                self.labels[k] = label
                self.colours.setdefault(k, colour)
            titled(axes, group.title) if many and not split else axes.set_title(group.title)
            self.titles.append(title)
            self.panels.append(Panel(axes, rows))
        if any(len(p.rows) < len(g.rows) for p, g in zip(self.panels, groups, strict=True)):
            shares = [
                f"{len(p.rows)} of {len(g.rows)}" for p, g in zip(self.panels, groups, strict=True)
            ]
            least = f"{shares[0]} curves" + (" a panel" if many else "")
            self.cut = f"{self.cut}, {least}".lstrip(", ")

    def _coloured(self, loaded: Sequence[Any]) -> list[Any]:
        """The values of the axis that colours, after each point has its colour."""
        if self.axis is None:
            return []
        values = axes_of(loaded)[self.axis]
        norm = (LogNorm if wide(values) else Normalize)(min(values), max(values))
        self.scale = ScalarMappable(norm, ListedColormap(shades(256)))
        self.colours = dict(enumerate(self.scale.to_rgba(np.array(values, float))))
        self.name = words(short_names(axes_of(loaded))[self.axis], LONGEST_SIDE)
        return values

    def finish(self, title: str, xlabel: str, ylabel: str) -> Any:
        """The figure, with its words and its colour bar or legends."""
        if self.axis is None:
            for panel, said in zip(self.panels, self.titles, strict=True):
                if panel.axes.get_legend_handles_labels()[0]:
                    panel.axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), title=said)
        else:
            self.figure.colorbar(
                self.scale, ax=[p.axes for p in self.panels], label=self.name, aspect=35
            )
            if self.panels[0].axes.get_legend_handles_labels()[0]:
                self.panels[0].axes.legend()
        words = f"{title}; shown: {self.cut}" if self.cut else title
        if len(self.panels) > 1:
            for panel in self.panels:
                panel.axes.minorticks_off()  # small, and most of the time to draw them
            self.figure.suptitle(words)
            self.figure.supxlabel(xlabel)
            self.figure.supylabel(ylabel)
        else:
            said = self.panels[0].axes.get_title()
            self.panels[0].axes.set(title=said or words, xlabel=xlabel, ylabel=ylabel)
            if said:
                self.figure.suptitle(words)
        return self.figure

    def label(self, row: int) -> str:
        """What a legend calls a curve; a colour bar needs none."""
        return self.labels[row] if self.axis is None else "_nolegend_"


def _labels(loaded: Sequence[Any]) -> list[str]:
    return [point.label for point, _ in loaded]
