"""Figures of given tokens: a panel for each model and layer, from what was measured."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from tokenspace.errors import InputError
from tokenspace.figures.base import Figure
from tokenspace.figures.sheet import MOST_PANELS, panels_of
from tokenspace.figures.style import distinct, spread, words
from tokenspace.registry import ROOMS

COLUMNS = 4
FEWER = "beyond, fewer than half of the pairs"


class OfTokens(Figure):
    """A figure of (group, result) pairs, where `group` says label, model, part and layer."""

    @classmethod
    def suits(cls, loaded: list[Any]) -> bool:
        """Whether all of them are of given tokens."""
        return bool(loaded) and all(result.unit is not None for _, result in loaded)


def of_tokens() -> tuple[str, ...]:
    """The names of these figures, in the order in which they are shown."""
    from tokenspace.figures import names

    return tuple(name for name in names() if issubclass(ROOMS["figure"].find(name), OfTokens))


def panels(
    loaded: list[Any], draw: Callable[[Any, Any], None], ylabel: str, title: str, **axis: Any
) -> Any:
    """A panel for each of up to 12 groups, spread evenly over all of them, with one legend.

    Args:
        loaded: (group, result) pairs.
        draw: draws a result on the axes of its panel.
        ylabel, title: of the figure.
        axis: what is set of every panel.
    """
    if not loaded:
        raise InputError("this figure shows measured tokens, but none are given")
    shown = spread(loaded, MOST_PANELS)
    size = (3.3, 3.2) if len(shown) > 1 else (5.5, 3.8)
    figure, used = panels_of(len(shown), size, COLUMNS, shared=False)
    for axes, (group, result) in zip(used, shown, strict=True):
        draw(axes, result)
        last = result.reached().n[-1]
        if last < result.n[-1]:
            axes.axvline(last, color="0.4", linestyle=":", linewidth=1, label=FEWER)
        axes.set(**axis)
        axes.set_title(group.label, fontsize=10)
        _plain_numbers(axes)
    for axes in used[::COLUMNS]:
        axes.set_ylabel(ylabel)
    for axes in used[-COLUMNS:]:
        axes.set_xlabel("number of tokens $n$")
    left_out = len(loaded) - len(shown)
    figure.suptitle(title + (f" ({left_out} more are not shown)" if left_out else ""), fontsize=12)
    entries: dict[str, Any] = {}
    for axes in used:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    _legend_below(figure, entries)
    return figure


def _legend_below(figure: Any, entries: dict[str, Any]) -> None:
    """One legend of handles by label, in as many columns as the figure is wide enough for."""
    for columns in range(len(entries), 0, -1):
        legend = figure.legend(
            entries.values(), entries.keys(), loc="outside lower center", ncols=columns
        )
        if columns == 1 or legend.get_window_extent().width <= figure.bbox.width:
            return
        legend.remove()


def _plain_numbers(axes: Any) -> None:
    """Few numbers on logarithmic axes, written out."""
    for axis in (axes.xaxis, axes.yaxis):
        if axis.get_scale() == "log":
            axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.set_minor_formatter(NullFormatter())


def with_errors(axes: Any, n: Any, estimate: Any, label: str, colour: str) -> None:
    """Means against n with bars of 2 standard errors, where these are known."""
    axes.errorbar(
        n,
        estimate.mean,
        2 * np.nan_to_num(estimate.standard_error),
        fmt="o-",
        color=colour,
        markersize=3,
        linewidth=1,
        capsize=2,
        label=label,
    )


def psi_panels(loaded: list[Any], names: dict[str, str], title: str) -> Any:
    """Panels of psi's against n; names: of the psi's, with their labels.

    Raises:
        InputError: a result has not all of them.
    """
    for group, result in loaded:
        if lacking := [name for name in names if name not in (result.correlations or {})]:
            raise InputError(
                f"{group.label or 'this result'} has no {lacking[0]}: this figure shows psi's of "
                "given tokens, see tokenspace measure; the figure 'correlations' is for all results"
            )

    def draw(axes: Any, result: Any) -> None:
        for k, (name, label) in enumerate(names.items()):
            with_errors(axes, result.n, result.correlations[name], label, f"C{k}")

    return panels(loaded, draw, "average cosine", f"{title} (± 2 s.e.)", xscale="log")


def against_depth(
    loaded: list[Any], take: Callable[[Any], tuple[float, float, float]], ylabel: str, title: str
) -> Any:
    """A number of each layer with its interval, a line for each part of each model.

    take: (value, low, high) of a result; raises InputError where there is none.
    """
    lines: dict[str, list[tuple[float, ...]]] = {}
    for group, result in loaded:
        if getattr(group, "layer", None) is None:  # of no folder of tokens: it is in none
            continue
        try:
            row = (group.layer, *take(result))
        except InputError:
            row = (group.layer, math.nan, math.nan, math.nan)
        lines.setdefault(words(f"{group.model}, {group.part}"), []).append(row)
    figure, axes = plt.subplots(figsize=(8.5, 5.0))
    if not lines:
        axes.text(0.5, 0.5, "no group says its layer", ha="center", transform=axes.transAxes)
    width = 0.12
    for k, ((label, rows), colour) in enumerate(
        zip(lines.items(), distinct(len(lines)), strict=True)
    ):
        layer, value, low, high = np.array(sorted(rows)).T
        value = np.where(np.isfinite(value), value, np.nan)
        place = layer + width * (k - (len(lines) - 1) / 2) if len(lines) > 1 else layer
        ends = [abs(np.where(np.isfinite(e), e, value) - value) for e in (low, high)]
        axes.errorbar(
            place,
            value,
            ends,
            fmt="o-",
            color=colour,
            markersize=4,
            linewidth=1.2,
            capsize=3,
            label=label,
        )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="layer (0: what enters the first)", ylabel=ylabel, title=title)
    if lines:
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure
