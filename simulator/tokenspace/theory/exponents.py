"""Exponents of D(n) and of the performance S(n) that is modelled as D(n)^beta, and regimes."""

from __future__ import annotations

from typing import Any

import numpy as np

from tokenspace.covariance import Branches, SumModel
from tokenspace.theory.correlation import Model, as_counts, upsilon, upsilon_slope
from tokenspace.theory.divergence import (
    expected_divergence,
    mean_norm,
    mean_norm_slope,
    prefix_eigenvalues,
)

REGIMES = ("anti-persistent", "sublinear", "crossover", "linear", "super-linear")
REGIME_WIDTH = 0.05


def local_exponent(model: Model, n: Any) -> np.ndarray:
    """gamma(n) = d log E[D] / d log n.

    n Upsilon'(n) / (2 Upsilon(n)) for a separable model: (1 + n / (n + n_balance)) / 2 for constant
    correlations, hurst for fractional Gaussian noise. For a sum of terms E[D] itself is
    differentiated. For laws without an exact E[D] it is the exponent of the root mean square.

    Args:
        model: a TokenModel, a SumModel or Branches.
        n: numbers of tokens >= 1.

    Returns:
        Array shaped like n, float64; Upsilon' is a centred difference where no closed form exists.

    Source: derived for this project, checked against sampling.
    """
    n = as_counts(n)
    if isinstance(model, SumModel):
        flat = np.atleast_1d(n).ravel()
        eigenvalues = prefix_eigenvalues(model, flat)
        slopes = sum(
            2 * upsilon_slope(t.branches, flat)[:, None] * t.features.eigenvalues
            for t in model.terms
        )
        change = [mean_norm_slope(e, s) for e, s in zip(eigenvalues, slopes, strict=True)]
        return (flat * np.array(change) / mean_norm(eigenvalues)).reshape(n.shape)
    return n * upsilon_slope(model, n) / (2 * upsilon(model, n))


def asymptotic_exponent(model: Model) -> float:
    """Exponent of E[D(n)] as n grows without end, set by the slowest-decaying correlation.

    Args:
        model: a TokenModel, SumModel or Branches.

    Source: derived for this project, checked against sampling.

    Raises:
        NoExactResult: the covariance has finitely many positions or states no exponent.
    """
    if isinstance(model, Branches):
        return model.difference.asymptotic_exponent()
    return max(t.branches.difference.asymptotic_exponent() for t in model.terms)


def alpha(model: Model, n: Any, beta: float) -> np.ndarray:
    """Secant exponent of S(n) = S(1) / n^alpha(n) when S is proportional to E[D]^beta.

    alpha(n) = -beta log_n(E[D(n)] / E[D(1)]); for constant correlations
    (beta/2) log_n((1 + n_balance) / (n + n_balance)) - beta/2. At n = 1 its limit, -beta gamma(1).

    Args:
        model: a TokenModel, a SumModel or Branches.
        n: numbers of tokens >= 1.
        beta: exponent that links performance to divergence.

    Source: Li et al. 2025.
    """
    n = as_counts(n)
    if isinstance(model, SumModel):
        growth = 2 * np.log(expected_divergence(model, n) / expected_divergence(model, 1))
    else:
        growth = np.log(upsilon(model, n) / upsilon(model, 1))
    log_n = np.log(n)
    first = -beta * local_exponent(model, 1)
    return np.where(n > 1, -beta / 2 * growth / np.where(n > 1, log_n, 1.0), first)


def alpha_local(model: Model, n: Any, beta: float) -> np.ndarray:
    """Local exponent of S(n): -d log S / d log n = -beta gamma(n).

    Args:
        model: a TokenModel, SumModel or Branches.
        n: numbers of tokens >= 1.
        beta: exponent of S proportional to E[D]^beta.

    Returns:
        Array shaped like n, float64.

    Source: Li et al. 2025.
    """
    return -beta * local_exponent(model, n)


def regime(exponent: Any, width: float = REGIME_WIDTH) -> np.ndarray:
    """Name of the regime of a local exponent of D.

    anti-persistent below 1/2 - width, sublinear within width of 1/2, crossover between, linear
    within width of 1, super-linear above 1 + width.

    Args:
        exponent: local exponents of D, any shape.
        width: half-width of the sublinear and linear regimes, in units of the exponent.

    Returns:
        Array of names shaped like exponent; "-" where it is NaN.

    Source: the two regimes of Li et al. 2025; the names of the others are ours.
    """
    edges = np.array([0.5 - width, 0.5 + width, 1 - width, 1 + width])
    exponent = np.asarray(exponent, np.float64)
    names = np.array(REGIMES)[np.searchsorted(edges, exponent)]
    return np.where(np.isnan(exponent), "-", names)
