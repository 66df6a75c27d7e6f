"""Figures of given tokens: a panel for each model and layer, from what was measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from textwrap import wrap
from typing import Any

import numpy as np
from matplotlib.ticker import (
    FuncFormatter,
    LogLocator,
    NullFormatter,
    SymmetricalLogLocator,
)

from tokenspace.errors import InputError
from tokenspace.figures.base import Figure
from tokenspace.figures.labelled import Shown
from tokenspace.figures.sheet import MOST_PANELS, panels_of
from tokenspace.figures.style import words
from tokenspace.figures.token_choice import chosen, models_of, named, title_of
from tokenspace.registry import ROOMS
from tokenspace.statistics.result import Result

COLUMNS = 4
LEAST_SPAN = 0.02  # of cosines
ABOVE = 0.1  # of the height is left above the highest n_balance, for its arrow
BARS, INTERVALS = "± 2 s.e.", "with 95 % intervals"
LETTER = 0.62  # width of a letter by its size, of the widest texts
NO_DIFFERENCE = "D(n) = 0 at every n:\nboth branches have\nthe same sums"
FEWER = "beyond, fewer than half of the pairs"


class OfTokens(Figure):
    """A figure of groups of tokens, which say name, model, part and layer where they are known."""

    @classmethod
    def suits(cls, loaded: list[Any]) -> bool:
        """Whether all of them are of given tokens."""
        return bool(loaded) and all(result.unit is not None for _, result in loaded)


def of_tokens() -> tuple[str, ...]:
    """The names of these figures, in the order in which they are shown."""
    from tokenspace.figures import names

    return tuple(name for name in names() if issubclass(ROOMS["figure"].find(name), OfTokens))


def panels(
    loaded: list[Shown], draw: Callable[[Any, Result], str], ylabel: str, title: str, **axis: Any
) -> Any:
    """A panel for each of up to 12 groups, with one legend; groups without a panel are named.

    Args:
        loaded: (group, result) pairs.
        draw: draws a result on the axes of its panel; returns why there is nothing to draw.
        ylabel, title: of the figure.
        axis: what is set of every panel.
    """
    if not loaded:
        raise InputError("this figure shows measured tokens, but none are given")
    shown, left = chosen(loaded, MOST_PANELS)
    models = models_of(loaded)
    size = (3.3, 3.2) if len(shown) > 1 else (5.5, 3.8)
    figure, used = panels_of(len(shown), size, COLUMNS, shared=False)
    for axes, (group, result) in zip(used, shown, strict=True):
        axes.set_title(title_of(group, len(models) > 1), fontsize=9)
        if why := draw(axes, result):
            axes.text(0.5, 0.5, why, ha="center", va="center", transform=axes.transAxes)
            axes.set(xticks=[], yticks=[])
            continue
        last = result.reached().n[-1]
        if last < result.n[-1]:
            axes.axvline(last, color="0.4", linestyle=":", linewidth=1, label=FEWER)
        axes.set(**axis)
        _plain_numbers(axes)
    for axes in used[::COLUMNS]:
        axes.set_ylabel(ylabel)
    for axes in used[-COLUMNS:]:
        axes.set_xlabel("number of tokens $n$")
    foot = ""
    if len(models) == 1:
        title = f"{title}: {words(models[0])}"
    if left:
        title = f"{title} ({len(shown)} of {len(loaded)} groups)"
        foot = _wrapped(figure, f"Groups without a panel: {named(left, len(models) > 1)}", 9)
    figure.suptitle(_wrapped(figure, title, 12), fontsize=12)
    legend_below(figure, by_label(*used), foot)
    return figure


def _wrapped(figure: Any, text: str, size: float) -> str:
    """Lines of letters of that size that are no wider than the figure."""
    letters = 72 * figure.get_figwidth() / (LETTER * size)
    return "\n".join(wrap(text, int(letters)))


def by_label(*panels: Any) -> dict[str, Any]:
    """What a legend of all of these axes shows: the first handle of each label."""
    entries: dict[str, Any] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    return entries


def legend_below(figure: Any, entries: dict[str, Any], foot: str = "") -> None:
    """One legend of handles by label, in as many columns as the figure is wide enough for."""
    if not entries and not foot:
        return
    for columns in range(max(len(entries), 1), 0, -1):
        legend = figure.legend(
            entries.values(),
            entries.keys(),
            loc="outside lower center",
            ncols=columns,
            title=foot or None,
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


def balance_scale(axes: Any) -> None:
    """The side of an n_balance: logarithmic from 1 on, even below, to -1 at most."""
    axes.set_yscale("symlog", linthresh=1)
    axes.margins(y=ABOVE)
    axes.set_ylim(bottom=min(max(axes.dataLim.y0 - 0.1, -1.0), 0.0))
    axes.yaxis.set_major_locator(SymmetricalLogLocator(base=10, linthresh=1, subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


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


def errors_in_title(known: Sequence[bool], errors: str) -> str:
    """What the title of a figure says of its errors, where they are known of some or none."""
    if all(known):
        return errors
    return f"{errors}, where known" if any(known) else "errors unknown"


def psi_panels(loaded: list[Shown], names: dict[str, str], title: str) -> Any:
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

    def draw(axes: Any, result: Result) -> str:
        found = {name: (result.correlations or {})[name] for name in names}
        if not any(np.isfinite(psi.mean).any() for psi in found.values()):
            return "one token, so no two\nto correlate"
        for k, (name, psi) in enumerate(found.items()):
            with_errors(axes, result.n, psi, names[name], f"C{k}")
        axes.ticklabel_format(axis="y", useOffset=False)
        low, high = axes.get_ylim()
        if high - low < LEAST_SPAN:  # of tokens all alike nothing but rounding would be seen
            middle = (low + high) / 2
            axes.set_ylim(middle - LEAST_SPAN / 2, middle + LEAST_SPAN / 2)
        return ""

    first = next(iter(names))
    errors = [(r.correlations or {})[first].standard_error for _, r in loaded]
    known = [bool(np.isfinite(error).any()) for error in errors]
    return panels(
        loaded, draw, "average cosine", f"{title} ({errors_in_title(known, BARS)})", xscale="log"
    )
