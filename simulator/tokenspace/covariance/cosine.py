"""Expected cosine of two correlated Gaussian vectors."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from scipy import special

from tokenspace.covariance.features.base import Features
from tokenspace.errors import NoExactResult

NODES = 24  # of the table in arcsin(rho)
STEP = 0.5  # of the logarithms of s and t
MOST_INTEGRALS = 1_000_000
LARGEST_ARRAY = 1 << 18  # numbers that are worked on together
VANISHED = 80.0  # natural logarithm of what is left out, relative to the largest


def expected_cosine(rho: Any, features: Features) -> np.ndarray:
    """E[cos(x, y)] for Gaussian x, y with covariance Sigma each and rho Sigma between them.

    Isotropic: rho (2/d) (Gamma((d+1)/2)/Gamma(d/2))^2 2F1(1/2, 1/2; d/2 + 1; rho^2). Any other
    spectrum: a double integral over the inverse norms, tabulated in arcsin(rho).

    Args:
        rho: correlations in [-1, 1], any shape.
        features: the spectrum of Sigma.

    Returns:
        Array shaped like rho, in [-1, 1].

    Source: derived for this project; checked against sampling.
    """
    rho = np.clip(np.asarray(rho, np.float64), -1.0, 1.0)
    values, _ = features.distinct()
    if len(values) == 1:
        d = int(np.count_nonzero(features.eigenvalues))
        scale = 2.0 / d * np.exp(2 * (special.gammaln((d + 1) / 2) - special.gammaln(d / 2)))
        return np.asarray(rho * scale * special.hyp2f1(0.5, 0.5, d / 2 + 1, rho**2))
    nodes, table = _cosine_table(tuple(features.eigenvalues))
    theta = np.arcsin(rho) / (np.pi / 2)
    return np.asarray(np.polynomial.chebyshev.Chebyshev.fit(nodes, table, len(nodes) - 1)(theta))


@lru_cache(maxsize=8)
def _cosine_table(eigenvalues: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """E[cos] at Chebyshev nodes of arcsin(rho) / (pi/2): it is smooth there up to |rho| = 1."""
    nodes = np.polynomial.chebyshev.chebpts1(NODES)
    values, counts = np.unique(np.array(eigenvalues)[np.array(eigenvalues) > 0], return_counts=True)
    positive = np.sin(np.pi / 2 * nodes[NODES // 2 :])  # E[cos] is odd, the nodes are symmetric
    half = _cosine_integrals(positive[:, None], values, counts)
    return nodes, np.concatenate([-half[::-1], half])


def expected_cosine_of_sum(correlations: Any, eigenvalues: np.ndarray) -> np.ndarray:
    """E[cos(x, y)] for x = sum_q x_q and y = sum_q y_q, Gaussian, with independent terms.

    Terms x_q and y_q have covariance Sigma_q = diag(eigenvalues[q]) each and r_q Sigma_q between
    them, so that every feature has a correlation of its own.

    Args:
        correlations: r_q of each term along the last axis, (..., terms), in [-1, 1].
        eigenvalues: (terms, d), >= 0.

    Returns:
        Array (...), in [-1, 1].

    Raises:
        NoExactResult: there are more integrals to take than in about half a minute.

    Source: derived for this project; checked against sampling.
    """
    correlations = np.asarray(correlations, np.float64)
    groups, counts = np.unique(eigenvalues.T, axis=0, return_counts=True)
    kept = groups.sum(axis=1) > 0
    groups, counts = groups[kept], counts[kept]
    variances = groups.sum(axis=1)
    flat = correlations.reshape(-1, correlations.shape[-1])
    distinct, where = np.unique(flat, axis=0, return_inverse=True)
    if len(distinct) * len(groups) > MOST_INTEGRALS:
        raise NoExactResult(
            f"the expected cosine of this sum takes an integral for {len(distinct):,} correlations "
            f"and {len(groups):,} distinct features each, more than {MOST_INTEGRALS:,} in all; ask "
            "for fewer tokens or distinct eigenvalues"
        )
    rho = np.clip(distinct @ groups.T / variances, -1.0, 1.0)
    out = _cosine_integrals(rho, variances, counts)
    return out[where.ravel()].reshape(correlations.shape[:-1])


def _cosine_integrals(rho: np.ndarray, values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """(1/pi) int int (s t)^(-1/2) E[x.y exp(-s x.x - t y.y)] ds dt by the trapezoidal rule.

    rho: (P, 1) or (P, values), correlations of the features of each variance. With a = 1 + 2 s
    lambda, b = 1 + 2 t lambda and e = 1 - rho^2 the Gaussian expectation is prod q^(-1/2) sum rho
    lambda / q, q = a b - rho^2 (a - 1)(b - 1). It is symmetric in s and t, so each row s holds the
    t >= s alone; rows whose product has vanished are left out.
    """
    u = np.arange(-44.0, 44.0, STEP) - np.log(2 * np.sum(values * counts))
    above = 2 * np.exp(u)[:, None] * values  # a - 1
    decay = 0.5 * np.log1p(above) @ counts - u / 2
    kept = decay < VANISHED + decay.min()
    u, above = u[kept], above[kept]
    total = np.zeros(len(rho))
    at_once = max(1, LARGEST_ARRAY // above.size)
    for first in range(0, len(rho), at_once):
        part = slice(first, first + at_once)
        x = rho[part, None, :]
        e, weights = 1 - x**2, (counts * values * rho[part])[..., None]
        for k, row in enumerate(above):
            together = row * above[k:]
            alone = 1 + row + above[k:]
            weight = np.exp((u[k] + u[k:]) / 2)
            weight[1:] *= 2  # t < s is the same
            q = alone + e * together
            product = np.exp(-0.5 * np.log(q) @ counts)
            total[part] += (product * ((1 / q) @ weights)[..., 0]) @ weight
    return total * STEP**2 / np.pi
