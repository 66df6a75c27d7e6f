"""Moments of D(n) = ||sum_{i<=n} (h_i^A - h_i^B)||."""

from __future__ import annotations

import math
from typing import Any

import jax
import numpy as np
from scipy import special

from tokenspace.covariance import SumModel, TokenModel
from tokenspace.errors import NoExactResult
from tokenspace.parameters import array_namespace, is_traced
from tokenspace.theory.correlation import as_counts, upsilon

# Trapezoidal rule in u = log t; its error falls like exp(-2 pi^2 / step), and the integrands decay
# like exp(-|u| / 2) on either side.
STEP = 0.25
LOG_T = np.arange(-62.0, 62.0, STEP)


def mean_norm(eigenvalues: Any) -> np.ndarray:
    """E||Sigma^(1/2) z|| for standard normal z and Sigma of the given eigenvalues.

    mu = 1/(2 sqrt(pi)) int_0^inf (1 - prod_k (1 + 2 t lambda_k)^(-1/2)) t^(-3/2) dt; for equal
    eigenvalues sqrt(2 lambda) Gamma((d+1)/2) / Gamma(d/2).

    Args:
        eigenvalues: shape (..., d), >= 0.

    Returns:
        Shape (...), float64, relative error below 1e-10.

    Source: derived for this project.
    """
    if is_traced(eigenvalues):
        if eigenvalues.ndim > 1:
            return jax.numpy.stack([mean_norm(row) for row in eigenvalues])  # type: ignore[return-value]
        return _mean_norm_integral(eigenvalues, np.ones(eigenvalues.shape[-1]))
    lam = np.atleast_1d(np.asarray(eigenvalues, np.float64))
    if lam.ndim > 1:
        return np.stack([mean_norm(row) for row in lam])
    values, counts = np.unique(lam[lam > 0], return_counts=True)
    if not values.size:
        return np.array(0.0)
    if len(values) == 1:
        d = counts[0]
        log_ratio = special.gammaln((d + 1) / 2) - special.gammaln(d / 2)
        return np.array(math.sqrt(2 * values[0]) * math.exp(log_ratio))
    return np.asarray(_mean_norm_integral(values, counts))


def _mean_norm_integral(values: Any, counts: np.ndarray) -> Any:
    """mu of eigenvalues (k,) that occur counts times, by the trapezoidal rule in log t."""
    xp = array_namespace(values)
    total = values @ counts
    t = np.exp(LOG_T)
    log_product = -0.5 * xp.log1p(2 * t[:, None] * (values / total)[None, :]) @ counts
    integral = xp.sum(-xp.expm1(log_product) * np.exp(-LOG_T / 2)) * STEP
    return xp.sqrt(total) * integral / (2 * math.sqrt(math.pi))


def mean_norm_slope(eigenvalues: np.ndarray, slopes: np.ndarray) -> float:
    """d mu when the eigenvalues change by `slopes`: the derivative under the integral."""
    total = float(eigenvalues.sum())
    lam, change = eigenvalues / total, slopes / total
    t = np.exp(LOG_T)
    grown = 1 + 2 * np.outer(t, lam)
    product = np.exp(-0.5 * np.log(grown).sum(axis=1))
    integral = np.sum(product * (change / grown).sum(axis=1) * np.exp(LOG_T / 2)) * STEP
    return math.sqrt(total) * integral / (2 * math.sqrt(math.pi))


def prefix_eigenvalues(model: SumModel, n: np.ndarray) -> np.ndarray:
    """Eigenvalues of Cov P(n) = 2 sum_q Upsilon_q(n) Sigma_q, shape (len(n), d)."""
    terms = (
        2 * upsilon(t.branches, n)[:, None] * t.features.eigenvalues[None] for t in model.terms
    )
    return sum(terms)  # type: ignore[return-value]


def expected_divergence(model: TokenModel | SumModel, n: Any) -> np.ndarray:
    """E[D(n)], exact.

    Gaussian: sqrt(2 Upsilon(n)) mu(Sigma), with mu = `mean_norm`. Student-t with one scale a pair:
    times E[w]. Sum of terms: mu of 2 sum_q Upsilon_q(n) Sigma_q.

    Args:
        model: a TokenModel whose law scales the whole pair, or a SumModel.
        n: numbers of tokens >= 1.

    Returns:
        Array shaped like n, float64, in the units of the tokens.

    Raises:
        NoExactResult: the law works token by token; `rms_divergence` is exact there.

    Source: derived for this project, checked against sampling.
    """
    n = as_counts(n)
    if isinstance(model, SumModel):
        flat = mean_norm(prefix_eigenvalues(model, np.atleast_1d(n).ravel()))
        return flat.reshape(n.shape)
    if not model.law.joint_scale:
        raise NoExactResult(
            f"no exact E[D(n)] is known for the token law {model.law!r}, which changes tokens one "
            "by one; theory.rms_divergence (the root of E[D^2]) is exact"
        )
    norm = mean_norm(model.features.eigenvalues)
    twice = 2 * upsilon(model, n)
    return array_namespace(twice).sqrt(twice) * norm * model.law.mean_scale()


def second_moment(model: TokenModel | SumModel, n: Any) -> np.ndarray:
    """E[D(n)^2] = 2 s^2 Upsilon(n) with s^2 = E||h||^2, exact for every law.

    Infinite for Student-t tokens with df <= 2.

    Args:
        model: a TokenModel or SumModel.
        n: numbers of tokens >= 1.

    Returns:
        Array shaped like n, float64.

    Source: derived for this project, checked against sampling.
    """
    n = as_counts(n)
    s2 = sum(t.law.mean_square(t.features) for t in model.terms)
    if not is_traced(s2) and math.isinf(s2):
        return np.full(n.shape, math.inf)
    return 2 * s2 * upsilon(model, n)


def rms_divergence(model: TokenModel | SumModel, n: Any) -> np.ndarray:
    """sqrt(E[D(n)^2]), exact for every law; at least E[D(n)] (Jensen).

    Args:
        model: a TokenModel or SumModel.
        n: numbers of tokens >= 1.

    Returns:
        Array shaped like n, float64.

    Source: derived for this project, checked against sampling.
    """
    return np.sqrt(second_moment(model, n))


def divergence_std(model: TokenModel | SumModel, n: Any) -> np.ndarray:
    """Standard deviation of D(n): sqrt(E[D^2] - E[D]^2); infinite where E[D^2] is.

    Args:
        model: a TokenModel or SumModel.
        n: numbers of tokens >= 1.

    Returns:
        Array shaped like n, float64.

    Source: derived for this project, checked against sampling.

    Raises:
        NoExactResult: as `expected_divergence`.
    """
    mean = expected_divergence(model, n)
    return np.sqrt(np.maximum(second_moment(model, n) - mean**2, 0.0))


def divergence_covariance(model: TokenModel | SumModel, grid: Any) -> np.ndarray:
    """C[a, b] = 2 * 1' (within - cross)[:grid[a], :grid[b]] 1 of each term, shape (terms, m, m).

    Prefix sums on the grid have covariance C in n and Sigma over features; with Gaussian tokens
    the joint law of D on the grid depends on nothing else. grid must ascend.

    Args:
        model: a TokenModel or SumModel.
        grid: ascending numbers of tokens, (m,).

    Source: derived for this project, checked against sampling.
    """
    grid = as_counts(grid)
    model.require_valid(int(grid.max()))
    return np.stack([2 * t.branches.difference.prefix_covariance(grid) for t in model.terms])
