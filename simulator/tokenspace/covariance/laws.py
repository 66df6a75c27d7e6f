"""Token laws: what is done to Gaussian tokens before distances are taken."""

from __future__ import annotations

import math

from scipy import special

from tokenspace.parameters import model, parameter


class TokenLaw:
    """How a token is made from its Gaussian vector g.

    `joint_scale` says that the whole pair of sequences is scaled by one random number (1 for
    Gaussian tokens), so that D(n) is a Gaussian divergence times that number and its exact law is
    known. Otherwise tokens are changed one by one and the exact E[D(n)^2] remains.
    """

    joint_scale: bool = False

    @property
    def name(self) -> str:
        return type(self).__name__


@model
class Gaussian(TokenLaw):
    """h = g."""

    @property
    def joint_scale(self) -> bool:  # type: ignore[override]
        return True


@model
class StudentT(TokenLaw):
    """h = g w with w = sqrt(df / chi2_df): heavy tails.

    scale = "pair": one w for both sequences of a replicate. E[D] gains E[w], the exponent stays.
    scale = "token": an independent w for every token of every branch. Correlations of different
    tokens shrink by (E[w])^2 / E[w^2], so n_balance moves.
    """

    df: float = parameter("degrees of freedom; E[D] exists for df > 1, E[D^2] for df > 2", above=1)
    scale: str = parameter("what shares one scale", default="pair", choices=("pair", "token"))

    @property
    def joint_scale(self) -> bool:  # type: ignore[override]
        return self.scale == "pair"

    def mean_scale(self) -> float:
        """E[w] = sqrt(df/2) Gamma((df-1)/2) / Gamma(df/2)."""
        log_ratio = special.gammaln((self.df - 1) / 2) - special.gammaln(self.df / 2)
        return math.sqrt(self.df / 2) * math.exp(log_ratio)

    def mean_square_scale(self) -> float:
        """E[w^2] = df / (df - 2), infinite for df <= 2."""
        return self.df / (self.df - 2) if self.df > 2 else math.inf


@model
class UnitNorm(TokenLaw):
    """h = g / ||g||: tokens on the unit sphere, as after RMS normalisation."""
