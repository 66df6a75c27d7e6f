"""A token model: branches, features and a token law; and sums of such models."""

from __future__ import annotations

import numpy as np

from tokenspace.covariance.branches import Branches
from tokenspace.covariance.features import Features
from tokenspace.covariance.laws import Gaussian, TokenLaw
from tokenspace.errors import InputError
from tokenspace.parameters import model, parameter

GAUSSIAN = Gaussian()


@model
class TokenModel:
    """Tokens of two branches: Cov(h_i^X[k], h_j^Y[l]) = R^XY(i, j) Sigma(k, l), then the law.

    Args:
        branches: correlations R of positions within and across branches.
        features: spectrum of Sigma.
        law: what is done to the Gaussian tokens.
    """

    branches: Branches = parameter("correlations of positions", number=False)
    features: Features = parameter("spectrum of the features", number=False)
    law: TokenLaw = parameter("token law", default=GAUSSIAN, number=False)

    def check_parameters(self) -> None:
        _require_kinds(self.branches, self.features, self.law)

    @property
    def terms(self) -> tuple[TokenModel, ...]:
        """The separable terms: this model alone."""
        return (self,)

    @property
    def dim(self) -> int:
        """Number of features d."""
        return self.features.dim

    @property
    def max_tokens(self) -> float:
        """Number of positions that exist."""
        return self.branches.max_tokens

    def require_valid(self, n: int) -> None:
        """Raise unless the model exists at n tokens, naming the largest n at which it does."""
        self.branches.require_valid(n)

    def __add__(self, other: TokenModel | SumModel) -> SumModel:
        return SumModel((*self.terms, *other.terms))


@model
class SumModel:
    """A sum of independent separable Gaussian terms: features with different covariances.

    Cov(h_i^X[k], h_j^Y[k]) = sum_q R_q^XY(i, j) lambda_q[k]; feature k is the same axis in every
    term. Its lambda = E[D] / sqrt(Upsilon) is not constant in n. Built by adding `TokenModel`s.
    """

    terms: tuple[TokenModel, ...] = parameter("the terms", number=False)

    def check_parameters(self) -> None:
        if not self.terms or not all(isinstance(t, TokenModel) for t in self.terms):
            raise InputError("SumModel: terms must be TokenModels, at least one")
        dims = sorted({t.dim for t in self.terms})
        if len(dims) > 1:
            raise InputError(
                f"SumModel: terms differ in dimension, {dims}; give them all the same number of "
                "features (an eigenvalue of 0 in Spectrum switches a feature off)"
            )
        if any(t.law != GAUSSIAN for t in self.terms):
            raise InputError("SumModel: every term must be Gaussian")

    @property
    def law(self) -> TokenLaw:
        return GAUSSIAN

    @property
    def dim(self) -> int:
        """Number of features d."""
        return self.terms[0].dim

    @property
    def max_tokens(self) -> float:
        """Number of positions that every term has."""
        return float(np.min([t.max_tokens for t in self.terms]))

    def require_valid(self, n: int) -> None:
        """Raise unless every term exists at n tokens."""
        for term in self.terms:
            term.require_valid(n)

    def __add__(self, other: TokenModel | SumModel) -> SumModel:
        return SumModel((*self.terms, *other.terms))


def _require_kinds(branches: object, features: object, law: object) -> None:
    for name, value, kind in (
        ("branches", branches, Branches),
        ("features", features, Features),
        ("law", law, TokenLaw),
    ):
        if not isinstance(value, kind):
            raise InputError(
                f"TokenModel: {name} = {value!r} is not allowed; it must be {kind.__name__}"
            )
