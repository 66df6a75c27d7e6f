"""The balance curve."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tokenspace import theory
from tokenspace.figures.base import Figure, NothingToShow
from tokenspace.figures.sheet import Sheet
from tokenspace.figures.style import HIDDEN
from tokenspace.grids import log_grid
from tokenspace.registry import register

LOWEST, HIGHEST = 0.03, 1e5  # beyond, curves are cut
INFINITE = 1e12  # from here on rounding alone keeps psi_within - psi_cross from 0
MARGIN = 1.5  # factor above and below what is drawn
NONE = "no number > 0, as where\n$\\psi_{within} \\leq \\psi_{cross}$"


class Drawn(NamedTuple):
    """The numbers of a point that are drawn, of its exact curve and of what was measured."""

    exact: np.ndarray
    measured: np.ndarray


@register
class Balance(Figure):
    meaning = (
        "The balance curve (1 - psi_equal)/(psi_within - psi_cross) - 1: balance is where it meets "
        "n."
    )
    order = 60

    def draw(self, loaded: list[Any]) -> Any:
        """Exact lines for every model; points from the realised psi's where they were measured."""
        sheet = Sheet(loaded)
        top = max([2.0, *(float(result.n[-1]) for _, result in loaded)])
        drawn: list[Drawn] = []
        lacking = 0  # in panels that show others
        for axes, rows in sheet.panels:
            of_panel = [
                _draw_point(axes, loaded[k][1], sheet.colours[k], sheet.label(k)) for k in rows
            ]
            without = sum(not any(map(len, d)) for d in of_panel)
            if without == len(rows):
                axes.text(0.03, 0.85, NONE, ha="left", va="center", transform=axes.transAxes)
            else:
                lacking += without
            drawn += of_panel
            line = np.array([2, top])
            axes.loglog(line, line, "k--", linewidth=1, label="$n$ (balance)")
        exact = np.array([v for d in drawn for v in d.exact])
        measured = np.array([v for d in drawn for v in d.measured])
        if not len(exact) + len(measured):
            raise NothingToShow(
                "the figure balance shows (1 - psi_equal)/(psi_within - psi_cross) - 1 from 2 "
                "tokens on, but at no point is it a number > 0"
            )
        seen = np.concatenate([exact, measured, line])
        for axes, _ in sheet.panels:
            axes.set_ylim(
                max(seen.min() / MARGIN, LOWEST), min(seen.max() * MARGIN, max(HIGHEST, top))
            )
        kinds = ["lines exact"] * (len(exact) > 0)
        if len(measured):
            kinds.append("points from simulated tokens")
        elif not any(result.correlations for _, result in loaded):
            kinds.append("no psi's were measured")
        if lacking:
            kinds.append(f"{lacking} of {len(drawn)} without a number > 0")
        return sheet.finish(
            f"Balance curve: {', '.join(kinds)}",
            "number of vision tokens $n$",
            r"$(1-\psi_{equal})/(\psi_{within}-\psi_{cross}) - 1$",
        )


def _draw_point(axes: Any, result: Any, colour: Any, label: str) -> Drawn:
    """What was drawn."""
    exact = seen = np.zeros(0)
    n = log_grid(int(result.n[-1]), 120)[1:]
    if not len(n):  # one token: no pair has a correlation
        return Drawn(exact, seen)
    if result.known_model is not None:
        curve = theory.balance_curve(result.known_model, n)
        curve = np.where((curve > 0) & (curve < INFINITE), curve, np.nan)
        axes.loglog(n, curve, color=colour, label=label)
        exact = curve[np.isfinite(curve)]
        label = HIDDEN
    if result.correlations:
        psi = {k: e.mean for k, e in result.correlations.items()}
        with np.errstate(divide="ignore", invalid="ignore"):
            measured = (1 - psi["psi_equal"]) / (psi["psi_within"] - psi["psi_cross"]) - 1
        keep = (result.n > 1) & (measured > 0) & (measured < INFINITE)
        axes.loglog(result.n[keep], measured[keep], "o", color=colour, markersize=4, label=label)
        seen = measured[keep]
    return Drawn(exact, seen)
