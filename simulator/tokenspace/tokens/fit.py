"""Fit a covariance model to given tokens: which correlations would make such hidden states."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import least_squares

from tokenspace.covariance import Branches, Constant, Exponential, Spectrum, TokenModel, White
from tokenspace.covariance.base import combine
from tokenspace.covariance.branches import equicorrelated
from tokenspace.errors import InputError
from tokenspace.grids import log_grid
from tokenspace.tokens.measure import checked_pairs

FAMILIES = ("constant", "exponential")
POINTS = 25  # token counts at which an exponential family is fitted


def fit_tokens(a: Any, b: Any, family: str = "constant") -> TokenModel:
    """A Gaussian model whose second moments are those of the tokens, averaged over pairs.

    "constant": psi_equal, psi_within and psi_cross, measured over all N tokens, do not depend on
    the distance of two tokens (Branches by `equicorrelated`). "exponential": what remains when the
    branches are subtracted is a constant, one that decays as exp(-l / length) along the order of
    the tokens, and white noise, fitted by least squares to log Upsilon(n). Features: eigenvalues of
    the second moment of h^A - h^B, scaled so that they sum to the mean of ||h||^2.

    The psi's here are ratios of second moments, <h_i . h_j> / <||h||^2>, not realised cosines: they
    are what E[D^2] = 2 s^2 Upsilon needs when norms vary.

    Args:
        a, b: tokens, (pairs, N, d) or (N, d) for one pair; N >= 2.
        family: one of FAMILIES.

    Raises:
        InputError: as `measure`, an unknown family, or fewer than 2 tokens.
        NotPositiveSemidefinite: the measured correlations belong to no valid model.

    Source: Li et al. 2025 for the constant family; the rest derived for this project.
    """
    if family not in FAMILIES:
        raise InputError(f"family = {family!r} is not allowed; it must be one of {FAMILIES}")
    a, b = (np.asarray(h, np.float64) for h in checked_pairs(a, b))
    tokens = a.shape[1]
    if tokens < 2:
        raise InputError("a fit needs at least 2 tokens a sequence")
    variance = float(np.mean([np.mean(np.sum(h**2, axis=-1)) for h in (a, b)]))
    features = Spectrum(_spectrum(a, b, variance))
    equal, within, cross = _correlations(a, b, variance)
    if family == "constant":
        return TokenModel(equicorrelated(equal, within, cross), features)
    n = log_grid(tokens, POINTS)
    prefix = np.cumsum(a - b, axis=1)[:, n - 1]
    upsilon = np.mean(np.sum(prefix**2, axis=-1), axis=0) / (2 * variance)
    difference = _decaying(n, upsilon, 1 - equal)
    across = combine([(cross, Constant()), (equal - cross, White())])
    return TokenModel(Branches(combine([(1.0, difference), (1.0, across)]), across), features)


def _spectrum(a: np.ndarray, b: np.ndarray, variance: float) -> np.ndarray:
    difference = (a - b).reshape(-1, a.shape[-1])
    eigenvalues = np.linalg.eigvalsh(difference.T @ difference)[::-1].clip(0.0)
    if not eigenvalues.sum():
        raise InputError("both branches are the same, so D(n) = 0 and there is nothing to fit")
    return variance * eigenvalues / eigenvalues.sum()


def _correlations(a: np.ndarray, b: np.ndarray, variance: float) -> tuple[float, float, float]:
    """psi_equal, psi_within and psi_cross over all tokens, averaged over pairs."""
    n = a.shape[1]
    sum_a, sum_b = a.sum(axis=1), b.sum(axis=1)
    square, product = np.sum(a * a + b * b, axis=(1, 2)), np.sum(a * b, axis=(1, 2))
    pairs = n * (n - 1.0) * variance
    within = (np.sum(sum_a**2 + sum_b**2, axis=-1) - square) / (2 * pairs)
    cross = (np.sum(sum_a * sum_b, axis=-1) - product) / pairs
    return float(product.mean()) / (n * variance), float(within.mean()), float(cross.mean())


def _decaying(n: np.ndarray, upsilon: np.ndarray, at_zero: float) -> Any:
    """at_zero * (u + (1 - u) v exp(-l / length) + (1 - u) (1 - v) 1[l = 0]), 0 <= u, v <= 1."""

    def model(p: np.ndarray) -> Any:
        u, v, length = p[0], p[1], float(np.exp(p[2]))
        parts = ((u, Constant()), ((1 - u) * v, Exponential(length)), ((1 - u) * (1 - v), White()))
        return combine([(at_zero * weight, part) for weight, part in parts])

    def residual(p: np.ndarray) -> np.ndarray:
        return np.log(model(p).totals(n) / upsilon)

    bounds = ([1e-9, 1e-9, np.log(0.2)], [1 - 1e-9, 1 - 1e-9, np.log(4.0 * n[-1])])
    starts = [[0.1, 0.5, np.log(1 + n[-1] * share)] for share in (0.01, 0.05, 0.3)]
    fits = [least_squares(residual, start, bounds=bounds) for start in starts]
    return model(min(fits, key=lambda fit: fit.cost).x)
