"""The divergence of every point of a sweep."""

from __future__ import annotations

from typing import Any

import numpy as np

from tokenspace.errors import NoExactResult
from tokenspace.figures.base import Figure, NothingToShow
from tokenspace.figures.sheet import Sheet, numeric_axes
from tokenspace.figures.style import HIDDEN
from tokenspace.registry import register
from tokenspace.statistics.amplitude import theoretical_amplitude


@register
class Growth(Figure):
    meaning = "D(n) against n along the axes of a sweep: points simulated, lines exact."
    order = 15

    @classmethod
    def suits(cls, loaded: list[Any]) -> bool:
        return bool(numeric_axes(loaded))

    def draw(self, loaded: list[Any]) -> Any:
        """The amplitude of D that has an exact theory: its mean, root mean square or median."""
        sheet = Sheet(loaded)
        few, empty = len(sheet.panels) <= 2, True
        for axes, rows in sheet.panels:
            axes.set(xscale="log", yscale="log")
            for k in rows:
                result, label = loaded[k][1], sheet.label(k)
                colour = sheet.colours[k]
                found = result.amplitude()[1].mean
                keep = found > 0
                try:
                    exact = result.known_model and theoretical_amplitude(
                        result.known_model, result.n
                    )
                except NoExactResult:
                    exact = None
                if exact is not None:
                    exact = np.where(exact > 0, exact, np.nan)
                    kind = "-" if len(exact) > 1 else "_"  # one n has no line: a stroke
                    width = 1.3 if few else 0.8
                    axes.plot(result.n, exact, kind, color=colour, lw=width, ms=14, label=label)
                    label = HIDDEN
                size = 3.5 if few else 1.5
                axes.plot(result.n[keep], found[keep], "o", color=colour, ms=size, label=label)
                empty &= not keep.any()
        if empty:
            raise NothingToShow("the figure growth shows D(n), but D(n) = 0 at every point and n")
        return sheet.finish(
            "D(n): points simulated, lines exact",
            "number of tokens $n$",
            "$D(n)$ (norm of a token = 1)",
        )
