"""n_balance of given tokens against the depth of the layer."""

from __future__ import annotations

from typing import Any

from tokenspace.figures.given import OfTokens, against_depth
from tokenspace.registry import register


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
            "Balance against depth, with 95 % intervals (an end that is not bounded is left out)",
        )
        figure.axes[0].set_yscale("symlog", linthresh=1)
        return figure


def _balance(result: Any) -> tuple[float, float, float]:
    found = result.n_balance()
    return found.mean, *found.interval
