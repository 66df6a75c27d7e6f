"""n_balance of given tokens against the depth of the layer."""

from __future__ import annotations

import math
from typing import Any

from tokenspace.figures.given import OfTokens, against_depth, balance_scale, by_label, legend_below
from tokenspace.registry import register

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
            "Balance against depth, with 95 % intervals\n"
            "(arrows: not bounded; no point: none is seen, or D(n) = 0 at some n)",
        )
        (axes,) = figure.axes
        balance_scale(axes)
        legend_below(figure, by_label(axes))
        return figure


def _balance(result: Any) -> tuple[float, float, float]:
    found = result.n_balance()
    low, high = found.interval
    if found.mean <= -LEAST:
        return math.nan, math.nan, math.nan
    return found.mean, max(low, -LEAST), high
