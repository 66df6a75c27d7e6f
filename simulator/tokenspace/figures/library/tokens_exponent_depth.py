"""The exponent of given tokens against the depth of the layer."""

from __future__ import annotations

from typing import Any

from tokenspace.errors import InputError
from tokenspace.figures.token_depth import AtLayer, against_depth
from tokenspace.figures.token_panels import OfTokens, by_label, legend_below
from tokenspace.registry import register
from tokenspace.statistics.result import Result

ENDS = "1/2 without correlation, 1 far above balance"


@register
class TokensExponentDepth(OfTokens):
    meaning = (
        "The exponent of E[D], from n = 1 to the largest n that half of the pairs reach, against "
        "the depth of the layer."
    )
    order = 250

    def draw(self, loaded: list[Any]) -> Any:
        """A line a part of a model."""
        figure = against_depth(
            loaded,
            _overall,
            r"log-log slope of $E[D]$",
            "Exponent against depth",
            "(from $n = 1$ to the last $n$ that half of the pairs reach; no point: $E[D(1)]$ is 0)",
            "no exponent is known of any layer",
        )
        (axes,) = figure.axes
        for level in (0.5, 1.0):
            axes.axhline(level, color="black", linestyle=":", linewidth=1, label=ENDS)
        legend_below(figure, by_label(axes))
        return figure


def _overall(result: Result) -> AtLayer:
    part = result.reached()
    if len(part.n) < 2:
        raise InputError("an exponent needs 2 token counts")
    slope = part.secant_exponent(-1.0)  # of E[D] itself
    low, high = slope.interval()
    return AtLayer(float(slope.mean[-1]), float(low[-1]), float(high[-1]))
