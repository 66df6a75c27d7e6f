"""Which covariance made given tokens: families fitted, ranked on held-out pictures, with errors."""

from tokenspace.tokens.fit.fit import fit_tokens
from tokenspace.tokens.fit.held_out import Ranked
from tokenspace.tokens.fit.result import TokenFit

__all__ = ["Ranked", "TokenFit", "fit_tokens"]
