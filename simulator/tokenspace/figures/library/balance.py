"""The balance curve."""

from __future__ import annotations

from typing import Any

import numpy as np

from tokenspace import theory
from tokenspace.figures.base import Figure, NothingToShow
from tokenspace.figures.sheet import Sheet
from tokenspace.figures.style import HIDDEN
from tokenspace.grids import log_grid
from tokenspace.registry import register


@register
class Balance(Figure):
    meaning = (
        "The balance curve (1 - psi_equal)/(psi_within - psi_cross) - 1: balance is where it meets "
        "n."
    )
    order = 60

    def draw(self, loaded: list[Any]) -> Any:
        """Exact lines for every model; points from the realised psi's where they were measured."""
        sheet, found = Sheet(loaded), False
        top = max([2.0, *(float(result.n[-1]) for _, result in loaded)])
        for axes, rows in sheet.panels:
            for k in rows:
                found |= _draw_point(axes, loaded[k][1], sheet.colours[k], sheet.label(k))
            line = np.array([2, top])
            axes.loglog(line, line, "k--", linewidth=1, label="$n$ (balance)")
            axes.set(ylim=(0.03, 1e5))
        if not found:
            raise NothingToShow(
                "the figure balance shows (1 - psi_equal)/(psi_within - psi_cross) - 1 from 2 "
                "tokens on, but at no point is it a number > 0"
            )
        return sheet.finish(
            "Balance curve: lines exact, points from simulated tokens",
            "number of vision tokens $n$",
            r"$(1-\psi_{equal})/(\psi_{within}-\psi_{cross}) - 1$",
        )


def _draw_point(axes: Any, result: Any, colour: Any, label: str) -> bool:
    """Whether there was something to draw."""
    found = False
    n = log_grid(int(result.n[-1]), 120)[1:]
    if not len(n):  # one token: no pair has a correlation
        return found
    if result.known_model is not None:
        curve = theory.balance_curve(result.known_model, n)
        curve = np.where(np.isfinite(curve) & (curve > 0), curve, np.nan)
        axes.loglog(n, curve, color=colour, label=label)
        found = bool(np.isfinite(curve).any())
        label = HIDDEN
    if result.correlations:
        psi = {k: e.mean for k, e in result.correlations.items()}
        with np.errstate(divide="ignore", invalid="ignore"):
            measured = (1 - psi["psi_equal"]) / (psi["psi_within"] - psi["psi_cross"]) - 1
        keep = (result.n > 1) & (measured > 0)
        axes.loglog(result.n[keep], measured[keep], "o", color=colour, markersize=4, label=label)
        found |= bool(keep.any())
    return found
