"""All three correlations of given tokens."""

from __future__ import annotations

from typing import Any

from tokenspace.figures.token_panels import OfTokens, psi_panels
from tokenspace.registry import register

NAMES = {
    "psi_within": r"$\psi_{within}$",
    "psi_cross": r"$\psi^{AB}_{cross}$",
    "psi_equal": r"$\psi_{equal}$",
}


@register
class TokensCorrelations(OfTokens):
    meaning = "psi_within, psi_cross and psi_equal together, of given tokens."
    order = 220

    def draw(self, loaded: list[Any]) -> Any:
        """A panel a group."""
        return psi_panels(loaded, NAMES, "Correlations of given tokens")
