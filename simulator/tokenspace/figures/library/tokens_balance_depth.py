"""n_balance of given tokens against the depth of the layer."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tokenspace.figures.token_depth import AtLayer, against_depth
from tokenspace.figures.token_panels import OfTokens, balance_scale, by_label, legend_below
from tokenspace.registry import register
from tokenspace.statistics.result import Result

LEAST = 1.0  # less this, any n_balance of tokens with Delta > 0 lies above


@register
class TokensBalanceDepth(OfTokens):
    meaning = "n_balance of given tokens against the depth of the layer, with 95 % intervals."
    order = 260

    def draw(self, loaded: list[Any]) -> Any:
        """A line a part of a model; gaps where no n_balance is seen, or Delta < 0."""
        figure = against_depth(
            loaded,
            _balance,
            "$n_{balance}$",
            "Balance against depth",
            "(arrows: not bounded; no point: none is seen, or $D(n) = 0$ at some $n$;\n"
            "hollow: correlations are not constant, so it depends on the token counts)",
            r"no $n_{balance}$ in any layer: none is seen, or $\Delta < 0$",
        )
        (axes,) = figure.axes
        if axes.lines and np.isfinite(axes.dataLim.get_points()).all():
            balance_scale(axes)
        legend_below(figure, by_label(axes))
        return figure


def _balance(result: Result) -> AtLayer:
    found = result.n_balance()
    low, high = found.interval
    if np.isnan(found.standard_error):  # of which an interval without ends says nothing
        low = high = math.nan
    if found.mean <= -LEAST:
        return AtLayer(math.nan, math.nan, math.nan)
    return AtLayer(found.mean, max(low, -LEAST), high, not found.constant)
