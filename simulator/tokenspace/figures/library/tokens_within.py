"""The correlations within each branch of given tokens."""

from __future__ import annotations

from typing import Any

from tokenspace.figures.token_panels import OfTokens, psi_panels
from tokenspace.registry import register

NAMES = {
    "psi_cross_AA": r"$\psi^{AA}_{cross}$",
    "psi_cross_BB": r"$\psi^{BB}_{cross}$",
    "psi_within": r"their mean, $\psi_{within}$",
}


@register
class TokensWithin(OfTokens):
    meaning = "psi_cross within branch A, within branch B, and their mean, of given tokens."
    order = 200

    def draw(self, loaded: list[Any]) -> Any:
        """A panel a group."""
        return psi_panels(loaded, NAMES, "Correlations within a branch")
