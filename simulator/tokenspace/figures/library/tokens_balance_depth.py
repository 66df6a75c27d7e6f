"""n_balance of given tokens against the depth of the layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from tokenspace.figures.token_depth import AtLayer, against_depth
from tokenspace.figures.token_panels import OfTokens, balance_scale, by_label, legend_below
from tokenspace.registry import register
from tokenspace.statistics.result import Result


@register
class TokensBalanceDepth(OfTokens):
    meaning = "n_balance of given tokens against the depth of the layer, with 95 % intervals."
    order = 260

    def draw(self, loaded: list[Any]) -> Any:
        """A line a part of a model; gaps where no n_balance is seen."""
        figure = against_depth(
            loaded,
            _balance,
            "$n_{balance}$",
            "Balance against depth",
            "(arrows: not bounded; no point: none is seen, or $D(n) = 0$ at some $n$;\n"
            "hollow: correlations are not constant, so it depends on the token counts)",
            r"no $n_{balance}$ is seen in any layer: $\Delta$ is not above 0",
        )
        (axes,) = figure.axes
        if axes.lines and np.isfinite(axes.dataLim.get_points()).all():
            balance_scale(axes)
        legend_below(figure, by_label(axes))
        return figure


def _balance(result: Result) -> AtLayer:
    found = result.n_balance()
    return AtLayer(found.mean, *found.interval, not found.constant)
