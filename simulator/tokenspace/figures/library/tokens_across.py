"""The correlations within and across the branches of given tokens."""

from __future__ import annotations

from typing import Any

from tokenspace.figures.token_panels import OfTokens, psi_panels
from tokenspace.registry import register

NAMES = {"psi_within": r"$\psi_{within}$", "psi_cross": r"$\psi^{AB}_{cross}$"}


@register
class TokensAcross(OfTokens):
    meaning = "psi_within against psi_cross between the branches, of given tokens."
    order = 210

    def draw(self, loaded: list[Any]) -> Any:
        """A panel a group."""
        return psi_panels(loaded, NAMES, "Correlations within and across branches")
