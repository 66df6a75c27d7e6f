"""Tokens as they are drawn."""

from __future__ import annotations

from tokenspace.covariance.laws.base import TokenLaw
from tokenspace.parameters import model
from tokenspace.registry import register


@register
@model
class Gaussian(TokenLaw):
    """h = g."""

    token_change = "none"

    @property
    def joint_scale(self) -> bool:  # type: ignore[override]
        return True
