"""Expected cosine of two correlated Gaussian vectors, and the covariances it turns into."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from scipy import special

from tokenspace.covariance import Covariance, Features, Stationary


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
    nodes = np.polynomial.chebyshev.chebpts1(24)
    values, counts = np.unique(np.array(eigenvalues)[np.array(eigenvalues) > 0], return_counts=True)
    table = np.array([_cosine_integral(np.sin(np.pi / 2 * x), values, counts) for x in nodes])
    return nodes, table


def _cosine_integral(rho: float, values: np.ndarray, counts: np.ndarray) -> float:
    """(1/pi) int int (s t)^(-1/2) E[x.y exp(-s x.x - t y.y)] ds dt by the trapezoidal rule.

    With a = 1 + 2 s lambda, b = 1 + 2 t lambda and e = 1 - rho^2 the Gaussian expectation is
    prod q^(-1/2) sum rho lambda / q, q = a b - rho^2 (a - 1)(b - 1).
    """
    u = np.arange(-44.0, 44.0, 0.5) - np.log(2 * np.sum(values * counts))
    s = np.exp(u)
    a = 1 + 2 * s[:, None, None] * values
    b = 1 + 2 * s[None, :, None] * values
    q = a * b - rho**2 * (a - 1) * (b - 1)
    inside = np.exp(-0.5 * np.sum(counts * np.log(q), axis=-1)) * np.sum(
        counts * rho * values / q, axis=-1
    )
    weight = np.sqrt(s[:, None] * s[None, :])
    return float(np.sum(weight * inside) * 0.5**2 / np.pi)


class Transformed(Covariance):
    """A covariance with every correlation of different vectors replaced by f(correlation).

    `same_vector` says that K(i, i) belongs to a token and itself, so that it stays 1.
    """

    def __init__(self, original: Covariance, f: Any, same_vector: bool) -> None:
        self.original, self.f, self.same_vector = original, f, same_vector
        self.max_tokens = original.max_tokens

    @property
    def valid_by_construction(self) -> bool:
        return True  # the covariance of tokens that exist

    def __call__(self, i: Any, j: Any) -> np.ndarray:
        changed = self.f(np.asarray(self.original(i, j), np.float64))
        return np.where(np.equal(i, j), 1.0, changed) if self.same_vector else changed


class StationaryTransformed(Transformed, Stationary):
    """`Transformed` for a stationary covariance: f is applied lag by lag, so T(n) costs O(n)."""

    def at_lag(self, lag: Any) -> np.ndarray:
        changed = self.f(np.asarray(self.original.at_lag(lag), np.float64))  # type: ignore[attr-defined]
        return np.where(lag == 0, 1.0, changed) if self.same_vector else changed

    def __call__(self, i: Any, j: Any) -> np.ndarray:
        return self.at_lag(abs(i - j))


def transform(covariance: Covariance, f: Any, same_vector: bool) -> Covariance:
    """The covariance with f applied to every correlation of different vectors."""
    kind = StationaryTransformed if covariance.stationary else Transformed
    return kind(covariance, f, same_vector)
