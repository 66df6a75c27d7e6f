"""psi's and Upsilon(n): averages of the correlations between tokens."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tokenspace.covariance import Branches, Covariance, SumModel, TokenModel, UnitNorm
from tokenspace.covariance.cosine import expected_cosine_of_sum
from tokenspace.errors import InputError, NoExactResult
from tokenspace.parameters import holds_tracers, is_traced
from tokenspace.theory.transformed import Together, Transformed

Model = TokenModel | SumModel | Branches
CORRELATION_ROUNDING = 1e-12  # relative, of means of up to 33^2 correlations in float64
PROBED = 33  # tokens of which constant correlations are believed where no structure says so
NOT_CONSTANT = (
    "n_balance is one number only for correlations that are constant over positions "
    "(equicorrelated); use theory.balance_curve(model, n) for this model"
)


class Psi(NamedTuple):
    """Average correlations of tokens at each n; the averages over pairs are NaN at n = 1."""

    equal: np.ndarray
    within: np.ndarray
    cross: np.ndarray


class Term(NamedTuple):
    """One separable term: covariances of positions, and its share of the variance."""

    within: Covariance
    cross: Covariance
    weight: float


def as_counts(n: Any) -> np.ndarray:
    """n as an integer array; refuses what is not a number of tokens."""
    array = np.asarray(n)
    whole = array.dtype.kind in "iuf" and array.size and np.all(np.equal(np.mod(array, 1), 0))
    if not whole or array.min() < 1:
        raise InputError(f"n = {n!r} is not a number of tokens: whole numbers >= 1 are")
    return array.astype(np.int64)


def second_moment_terms(model: Model) -> list[Term]:
    """Separable terms whose second moments are those of the tokens after their law.

    A law that works token by token changes correlations, and says how.
    """
    if isinstance(model, Branches):
        return [Term(model.within, model.cross, 1.0)]
    if isinstance(model, SumModel):
        total = sum(t.features.total_variance for t in model.terms)
        return [
            Term(t.branches.within, t.branches.cross, t.features.total_variance / total)
            for t in model.terms
        ]
    law, branches, features = model.law, model.branches, model.features
    if law.joint_scale:
        return [Term(branches.within, branches.cross, 1.0)]

    def after(rho: np.ndarray) -> np.ndarray:
        return law.correlation(rho, features)

    within = Transformed(branches.within, after, same_vector=True)
    return [Term(within, Transformed(branches.cross, after, same_vector=False), 1.0)]


def _require(model: Model, n: np.ndarray) -> None:
    model.require_valid(int(n.max()))


def upsilon(model: Model, n: Any) -> np.ndarray:
    """Upsilon(n) = n (1 - psi_equal) + n (n - 1) (psi_within - psi_cross).

    Equal to 1' (within - cross)[:n, :n] 1, which is how it is computed: O(max n) for stationary
    covariances.

    Args:
        model: a TokenModel, a SumModel (variance-weighted mean of its terms) or Branches.
        n: numbers of tokens >= 1.

    Returns:
        Array shaped like n, float64, >= 0.

    Raises:
        NotPositiveSemidefinite, TooManyTokens: the model does not exist at n tokens.

    Source: Li et al. 2025.
    """
    n = as_counts(n)
    _require(model, n)
    return _upsilon_of(second_moment_terms(model), n)


def _upsilon_of(terms: list[Term], n: np.ndarray) -> np.ndarray:
    return sum(t.weight * (t.within - t.cross).totals(n) for t in terms)  # type: ignore[return-value]


def upsilon_slope(model: Model, n: Any) -> np.ndarray:
    """dUpsilon/dn, exact for constant correlations and a centred difference otherwise."""
    n = as_counts(n)
    _require(model, n)
    terms = second_moment_terms(model)
    return sum(t.weight * (t.within - t.cross).total_slope(n) for t in terms)  # type: ignore[return-value]


def psi(model: Model, n: Any, kind: str = "correlation") -> Psi:
    """psi_equal, psi_within and psi_cross at each n.

    psi_equal is the mean of cross(i, i); psi_within and psi_cross are means over ordered pairs
    i != j of within(i, j) and cross(i, j).

    Args:
        model: a TokenModel, a SumModel or Branches.
        n: numbers of tokens >= 1.
        kind: "correlation" for second moments of the tokens, E[h_i . h_j] / E||h||^2, or "cosine"
            for the expected cosine, which is what realised tokens show; they differ at finite d.

    Returns:
        Psi of arrays shaped like n; within and cross are NaN (undefined) at n = 1.

    Raises:
        InputError: kind is not one of the two.
        NoExactResult: a cosine is asked of Branches, which have no features, or of a sum whose
            expected cosines take too many integrals.

    Source: Li et al. 2025.
    """
    n = as_counts(n)
    _require(model, n)
    if kind == "correlation":
        terms = second_moment_terms(model)
    elif kind == "cosine":
        terms = _cosine_terms(model)
    else:
        raise InputError(
            f"psi: kind = {kind!r} is not allowed; it must be 'correlation' or 'cosine'"
        )
    equal = np.zeros(n.shape)
    within = np.zeros(n.shape)
    cross = np.zeros(n.shape)
    pairs = np.where(n > 1, n * (n - 1.0), np.nan)
    for term in terms:
        diagonal = np.cumsum(term.cross.diagonal(int(n.max())))[n - 1]
        equal += term.weight * diagonal / n
        within += term.weight * (term.within.totals(n) - n) / pairs
        cross += term.weight * (term.cross.totals(n) - diagonal) / pairs
    return Psi(equal, within, cross)


def _cosine_terms(model: Model) -> list[Term]:
    """One term, whose covariances are the expected cosines."""
    if isinstance(model, Branches):
        raise NoExactResult("the expected cosine depends on features, which Branches do not have")
    if isinstance(model, TokenModel):
        return second_moment_terms(TokenModel(model.branches, model.features, UnitNorm()))
    eigenvalues = np.array([t.features.eigenvalues for t in model.terms])

    def cosine(correlations: np.ndarray) -> np.ndarray:
        return expected_cosine_of_sum(correlations, eigenvalues)

    within = Together([t.branches.within for t in model.terms], cosine, same_vector=True)
    cross = Together([t.branches.cross for t in model.terms], cosine, same_vector=False)
    return [Term(within, cross, 1.0)]


def balance_curve(model: Model, n: Any) -> np.ndarray:
    """(1 - psi_equal) / (psi_within - psi_cross) - 1 at each n >= 2; infinite where Delta is 0.

    The tokens are in balance where the curve crosses n. NaN at n = 1, where psi's of pairs are
    undefined.

    Args:
        model: a TokenModel, SumModel or Branches.
        n: numbers of tokens >= 1.

    Returns:
        Array shaped like n, float64.

    Source: Li et al. 2025.
    """
    p = psi(model, n)
    with np.errstate(divide="ignore", invalid="ignore"):
        return (1 - p.equal) / (p.within - p.cross) - 1


def n_balance(model: Model) -> float:
    """Number of tokens at which the linear and quadratic parts of Upsilon are equal.

    (1 - psi_equal) / Delta - 1 for constant correlations, Delta = psi_within - psi_cross; infinite
    when Delta = 0, and below -1 when Delta < 0. A value between -1 and 0 can be measured on tokens,
    but no constant-correlation model has it: 1 - psi_equal < Delta is not positive semi-definite.

    Args:
        model: a TokenModel, SumModel or Branches.

    Raises:
        NoExactResult: correlations are not constant over positions; use `balance_curve`.

    Source: Li et al. 2025, rho(n) = 1.
    """
    terms = second_moment_terms(model)
    alike = [(t.within.structure.exchangeable, t.cross.structure.exchangeable) for t in terms]
    if any(within is None or cross is None for within, cross in alike):
        if holds_tracers(model):
            raise NoExactResult(NOT_CONSTANT)
        equal, delta = _probed(model)
    else:
        pairs = list(zip(terms, alike, strict=True))
        equal = sum(t.weight * cross.variance for t, (_, cross) in pairs)  # type: ignore[union-attr]
        delta = sum(t.weight * (w.covariance - c.covariance) for t, (w, c) in pairs)  # type: ignore[union-attr]
    if is_traced(delta) or is_traced(equal):
        return (1 - equal) / delta - 1
    if abs(delta) <= CORRELATION_ROUNDING * max(1.0, abs(1 - equal)):
        return float("inf")
    return float((1 - equal) / delta - 1)


def _probed(model: Model) -> tuple[float, float]:
    """psi_equal and Delta of a model whose correlations turn out to be constant.

    Raises:
        NoExactResult: they are not.
    """
    p = psi(model, np.arange(2, min(PROBED, model.max_tokens) + 1))
    delta = p.within - p.cross
    scale = CORRELATION_ROUNDING * max(1.0, float(abs(1 - p.equal).max()))
    if np.ptp(delta) > scale or np.ptp(p.equal) > scale:
        raise NoExactResult(NOT_CONSTANT)
    return float(p.equal.mean()), float(delta.mean())
