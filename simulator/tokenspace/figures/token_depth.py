"""Numbers of given tokens against the depth of their layer."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MaxNLocator

from tokenspace.errors import InputError
from tokenspace.figures.labelled import Shown
from tokenspace.figures.style import distinct, words
from tokenspace.figures.token_choice import LONGEST_TITLE
from tokenspace.figures.token_panels import INTERVALS, errors_in_title
from tokenspace.statistics.result import Result

BESIDE = 0.6  # of a layer: lines lie beside each other


@dataclass(frozen=True)
class AtLayer:
    """A number of a layer with its interval; an end is infinite if not bounded, NaN if unknown.

    hollow: how its point is drawn.
    """

    value: float
    low: float
    high: float
    hollow: bool = False


def against_depth(
    loaded: list[Shown],
    take: Callable[[Result], AtLayer],
    ylabel: str,
    title: str,
    foot: str,
    none: str,
) -> Any:
    """A number of each layer with its interval, a line for each part of each model.

    An end that is not bounded is drawn to the edge, with an arrow.

    Args:
        loaded: (group, result) pairs.
        take: the number of a result; raises InputError where there is none.
        ylabel, title, foot: of the figure, above and below what is said of intervals.
        none: why no layer may have a point, unless `take` said so.
    """
    lines: dict[tuple[str, str], list[tuple[int, AtLayer]]] = {}
    for group, result in loaded:
        if group.layer is None:  # of no folder of tokens: it is in none
            continue
        try:
            found = take(result)
        except InputError as error:
            found, none = AtLayer(math.nan, math.nan, math.nan), str(error)
        lines.setdefault((group.model, group.part), []).append((group.layer, found))
    figure, axes = plt.subplots(figsize=(8.5, 5.4), layout="constrained")
    several = len({model for model, _ in lines}) > 1
    known = []
    for k, (((model, part), rows), colour) in enumerate(
        zip(lines.items(), distinct(len(lines)), strict=True)
    ):
        rows = sorted(rows, key=lambda row: row[0])
        layer, value, low, high = np.array([(n, r.value, r.low, r.high) for n, r in rows]).T
        hollow = np.array([r.hollow for _, r in rows])
        value = np.where(np.isfinite(value), value, np.nan)
        place = layer + BESIDE / len(lines) * (k - (len(lines) - 1) / 2)
        ends = [np.where(np.isfinite(end), end, value) for end in (low, high)]
        axes.errorbar(
            place,
            value,
            [value - ends[0], ends[1] - value],
            fmt="o-",
            color=colour,
            markersize=4,
            linewidth=1.2,
            elinewidth=0.8,
            capsize=2 if len(lines) < 4 else 0,
            label=f"{words(model, LONGEST_TITLE)}, {words(part)}" if several else words(part),
        )
        white: Any = {"markersize": 4, "markerfacecolor": "white", "zorder": 3}  # above the others
        axes.plot(place[hollow], value[hollow], "o", color=colour, **white)
        known += [not np.isnan(low[i]) for i in np.flatnonzero(np.isfinite(value))]
        for side, unbounded in ((0, low == -np.inf), (1, high == np.inf)):
            for x, y in zip(place[unbounded], value[unbounded], strict=True):
                _to_the_edge(axes, x, y, side, colour)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    layers = [row[0] for rows in lines.values() for row in rows]
    if layers:  # those without a point too
        axes.set_xlim(min(layers) - 0.5, max(layers) + 0.5)
    if not known:
        why = "\n".join(wrap(none if lines else "no group says its layer", 60))
        axes.text(0.5, 0.5, why, ha="center", va="center", transform=axes.transAxes)
        axes.set_yticks([])
    axes.set(xlabel="layer (0: what enters the first)", ylabel=ylabel)
    title = f"{title}, {errors_in_title(known, INTERVALS)}\n{foot}" if known else title
    models = {model for model, _ in lines}
    if len(models) == 1:
        title = f"{title}\n{words(models.pop())}"
    figure.suptitle(title, fontsize=12)
    return figure


def _to_the_edge(axes: Any, x: float, y: float, side: int, colour: Any) -> None:
    """An arrow from a point down to the edge of its axes (side 0), or up (1)."""
    if math.isfinite(y):
        arrow = {"arrowstyle": "->", "color": colour, "linewidth": 0.8, "shrinkA": 0, "shrinkB": 0}
        axes.annotate("", (x, side), (x, y), ("data", "axes fraction"), "data", arrowprops=arrow)
