"""The balance curves of given tokens."""

from __future__ import annotations

from typing import Any

import numpy as np

from tokenspace.figures.token_panels import (
    INTERVALS,
    NO_DIFFERENCE,
    OfTokens,
    balance_scale,
    errors_in_title,
    panels,
)
from tokenspace.registry import register
from tokenspace.tokens.balance import curve_of

HIGHEST = 10.0  # times the largest n: further up intervals are cut


@register
class TokensBalance(OfTokens):
    meaning = (
        "The balance curve (1 - psi_equal)/(psi_within - psi_cross) - 1 of given tokens with 95 % "
        "intervals: above y = n single tokens outweigh pairs of them, below it pairs do; balance "
        "is where it crosses."
    )
    order = 240

    def draw(self, loaded: list[Any]) -> Any:
        """A panel a group; gaps where psi_within - psi_cross is not above 0, or rounding."""
        known = [np.isfinite(r.correlations["psi_delta"].standard_error).any() for _, r in loaded]
        return panels(
            loaded,
            _draw,
            r"$(1-\psi_{equal})/(\psi_{within}-\psi_{cross}) - 1$",
            f"Balance curves of given tokens, {errors_in_title(known, INTERVALS)}",
            xscale="log",
        )


def _draw(axes: Any, result: Any) -> str:
    if not result.mean.any():
        return NO_DIFFERENCE
    later = result.n > 1
    n = result.n[later]
    curve, low, high = (x[later] for x in curve_of(result))
    if not np.isfinite(curve).any():
        return "$\\psi_{within} - \\psi_{cross}$ is\nnot above 0 at any $n$"
    curve = np.where(np.isfinite(curve), curve, np.nan)
    most = HIGHEST * n[-1]
    reach = np.maximum([curve - low, np.minimum(high, 2 * most) - curve], 0)
    axes.errorbar(
        n,
        curve,
        np.nan_to_num(reach),
        fmt="o-",
        color="C0",
        markersize=3,
        linewidth=1,
        capsize=2,
        label="measured at each $n$",
    )
    axes.plot(n, n, "k--", linewidth=1, label="$y = n$")
    balance_scale(axes)
    axes.set_ylim(top=min(axes.get_ylim()[1], most))
    return ""
