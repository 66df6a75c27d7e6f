"""Fit a covariance model to given tokens: which correlations would make such hidden states."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import least_squares

from tokenspace.covariance import Branches, Constant, Exponential, Spectrum, TokenModel, White
from tokenspace.covariance.base import combine
from tokenspace.covariance.branches import equicorrelated
from tokenspace.errors import InputError
from tokenspace.grids import log_grid
from tokenspace.statistics.estimate import Estimate
from tokenspace.statistics.jackknife import deviations, freedom_of
from tokenspace.tokens.moments import PairMoments, difference_moment, pair_moments
from tokenspace.tokens.pairs import pairs_of

FAMILIES = ("constant", "exponential")
POINTS = 25  # token counts at which an exponential family is fitted
ROUNDING = 1e-12  # of sums of squares in float64
MOST_REFITS = 20  # of an exponential family, for its errors
LENGTHS = (0.2, 4.0)  # shortest, and the longest as a multiple of N
INSIDE = 1e-4  # relative distance from an end of a range that counts as inside
DECAY = ("length", "weight_constant", "weight_exponential", "weight_white")


@dataclass(frozen=True)
class TokenFit:
    """A model of given tokens, and its parameters with errors.

    parameters: name -> Estimate. psi_equal, psi_within, psi_cross and psi_delta = psi_within -
    psi_cross over all N tokens; mean_square, of ||h||^2; effective_dimension of the features, too
    low unless pairs (or pictures) are many times d, so that no error is given; "exponential":
    length, and weight_constant, weight_exponential and weight_white of what remains when the
    branches are subtracted, which sum to 1.
    """

    model: TokenModel
    parameters: dict[str, Estimate]
    family: str

    def __repr__(self) -> str:
        lines = [f"{name} = {value!r}" for name, value in self.parameters.items()]
        return "\n  ".join([f"TokenFit({self.family}):", *lines])


def fit_tokens(
    a: Any,
    b: Any = None,
    family: str = "constant",
    *,
    pairs: str | None = None,
    groups: Any = None,
) -> TokenFit:
    """A Gaussian model whose second moments are those of the tokens, averaged over pairs.

    "constant": psi_equal, psi_within and psi_cross, measured over all N tokens, do not depend on
    the distance of two tokens (Branches by `equicorrelated`). "exponential": what remains when the
    branches are subtracted is a constant, one that decays as exp(-l / length) along the order of
    the tokens, and white noise, fitted by least squares to log Upsilon(n). Features: eigenvalues of
    the second moment of h^A - h^B, scaled so that they sum to the mean of ||h||^2.

    The psi's here are ratios of second moments, <h_i . h_j> / <||h||^2>, not realised cosines: they
    are what E[D^2] = 2 s^2 Upsilon needs when norms vary.

    Errors are the jackknife's: everything is fitted again without each pair, or without each
    picture or group where pairs share some; length and weights without each of 20 sets of them, if
    there are more. NaN from one pair, for length and weights at the end of their range, and for the
    effective dimension, which leans low. n_balance with its interval is `measure(...).n_balance()`.

    Args:
        a, b: tokens, (pairs, N, d) or (N, d) for one pair; N >= 2.
        family: one of FAMILIES.
        pairs: "all" for all pairs of the pictures in a, (K, N, d), without b; as in `measure`.
        groups: what the pairs a, b share; as in `measure`.

    Raises:
        InputError: as `measure`, an unknown family, or fewer than 2 tokens.
        NotPositiveSemidefinite: the measured correlations belong to no valid model.

    Source: Li et al. 2025 for the constant family; the rest derived for this project.
    """
    if family not in FAMILIES:
        raise InputError(f"family = {family!r} is not allowed; it must be one of {FAMILIES}")
    given = pairs_of(a, b, pairs, groups).checked()
    tokens = given.a.shape[1]
    if tokens < 2:
        raise InputError("a fit needs at least 2 tokens a sequence")
    moments = pair_moments(given, log_grid(tokens, POINTS))
    second = difference_moment(given)
    trace = float(np.trace(second))
    if trace <= ROUNDING * moments.values[:, 0].sum():
        raise InputError("both branches are the same, so D(n) = 0 and there is nothing to fit")
    found = _correlations(moments.rows(), tokens)
    found["effective_dimension"] = np.array([trace**2 / np.sum(second**2)])
    equal, within, cross, size = (
        float(found[k][0]) for k in ("psi_equal", "psi_within", "psi_cross", "mean_square")
    )
    if family == "constant":
        branches = equicorrelated(equal, within, cross)
    else:
        decays = _decays(moments, tokens)
        moves = _inside(decays[0], tokens)
        for name, rows, inside in zip(DECAY, decays.T, moves, strict=True):
            found[name] = rows if inside else rows[:1]
        across = combine([(cross, Constant()), (equal - cross, White())])
        difference = _difference(decays[0], 1 - equal)
        branches = Branches(combine([(1.0, difference), (1.0, across)]), across)
    eigenvalues = np.linalg.eigvalsh(second)[::-1].clip(0.0)
    features = Spectrum(size * eigenvalues / eigenvalues.sum())
    count = len(moments.values)
    freedom = freedom_of(moments.members)
    parameters = {name: _estimate(rows, count, freedom) for name, rows in found.items()}
    return TokenFit(TokenModel(branches, features), parameters, family)


def _estimate(rows: np.ndarray, count: int, freedom: float) -> Estimate:
    """From the value with all pairs, and those without each group; unbounded if one of them is."""
    left = rows[1:]
    error = np.asarray(np.nan)
    if len(left):
        finite = np.isfinite(left).all()
        error = np.sqrt(np.sum(deviations(left) ** 2)) if finite else np.asarray(np.inf)
    return Estimate(rows[0], error, count, max(min(len(left) - 1.0, freedom), 0.0))


def _correlations(rows: np.ndarray, tokens: int) -> dict[str, np.ndarray]:
    """psi's over all tokens and the mean of ||h||^2, of each row of `PairMoments.rows`."""
    square, product, within, cross = rows.T[:4]
    size = square / (2 * tokens)
    ordered = tokens * (tokens - 1.0) * size
    psi = {
        "psi_equal": product / (tokens * size),
        "psi_within": within / (2 * ordered),
        "psi_cross": cross / ordered,
    }
    return psi | {"psi_delta": psi["psi_within"] - psi["psi_cross"], "mean_square": size}


def _decays(moments: PairMoments, tokens: int) -> np.ndarray:
    """The parameters DECAY, fitted to each row of `PairMoments.rows`, (1 + K, 4)."""
    rows = moments.rows(MOST_REFITS)
    found = _correlations(rows, tokens)
    upsilon = rows[:, 4:] / (2 * found["mean_square"][:, None])
    at_zero = 1 - found["psi_equal"]
    n = moments.n
    differ = upsilon > ROUNDING * n**2
    if not differ[0].all():
        raise InputError(
            f"D(n) = 0 at n = {n[~differ[0]][0]}, where both branches have the same sum: an "
            "exponential family is fitted to log Upsilon(n); leave tokens that the branches share "
            "out, or take the constant family"
        )
    low, high = LENGTHS[0], LENGTHS[1] * tokens
    bounds = ([1e-9, 1e-9, np.log(low)], [1 - 1e-9, 1 - 1e-9, np.log(high)])

    def fitted(k: int, start: Any) -> Any:
        def residual(p: np.ndarray) -> np.ndarray:
            return np.log(_difference(_named(p), at_zero[k]).totals(n) / upsilon[k])

        return least_squares(residual, start, bounds=bounds)

    starts = [[0.1, 0.5, np.log(1 + n[-1] * share)] for share in (0.01, 0.05, 0.3)]
    best = min((fitted(0, start) for start in starts), key=lambda fit: fit.cost).x
    warm = [*best[:2].clip(0.01, 0.99), best[2]]  # from an end of the range it would hardly move
    left = [
        _named(fitted(k, warm).x) if differ[k].all() else np.full(len(DECAY), np.nan)
        for k in range(1, len(rows))
    ]
    return np.array([_named(best), *left])


def _inside(decay: np.ndarray, tokens: int) -> list[bool]:
    """Whether each of DECAY lies inside its range; at an end it says nothing of its error."""
    length, weights = decay[0], decay[1:]
    inside = list((weights > INSIDE) & (weights < 1 - INSIDE))
    low, high = LENGTHS[0] * (1 + INSIDE), LENGTHS[1] * tokens * (1 - INSIDE)
    return [bool(weights[1] > INSIDE and low < length < high), *inside]


def _named(p: np.ndarray) -> np.ndarray:
    """The parameters DECAY of the fitted p = (u, v, log length), 0 <= u, v <= 1."""
    u, v, log_length = p
    return np.array([np.exp(log_length), u, (1 - u) * v, (1 - u) * (1 - v)])


def _difference(decay: np.ndarray, at_zero: float) -> Any:
    """at_zero (w_1 + w_2 exp(-l / length) + w_3 1[l = 0]), decay = (length, w_1, w_2, w_3)."""
    parts = (Constant(), Exponential(float(decay[0])), White())
    return combine([(at_zero * w, part) for w, part in zip(decay[1:], parts, strict=True)])
