"""Exact theory in float64, without sampling: what a simulation must reproduce.

Source: Li et al., Scaling Capability in Token Space, JMLR 26(253), 2025 (ariv 2412.18387), and
exact results for Gaussian tokens that go beyond it. n may be a number or an array everywhere.
"""

from tokenspace.covariance.cosine import expected_cosine
from tokenspace.theory.correlation import Psi, balance_curve, n_balance, psi, upsilon
from tokenspace.theory.divergence import (
    divergence_covariance,
    divergence_std,
    expected_divergence,
    mean_norm,
    rms_divergence,
    second_moment,
)
from tokenspace.theory.exponents import (
    REGIMES,
    alpha,
    alpha_local,
    asymptotic_exponent,
    local_exponent,
    regime,
)

__all__ = [
    "REGIMES",
    "Psi",
    "alpha",
    "alpha_local",
    "asymptotic_exponent",
    "balance_curve",
    "divergence_covariance",
    "divergence_std",
    "expected_cosine",
    "expected_divergence",
    "local_exponent",
    "mean_norm",
    "n_balance",
    "psi",
    "regime",
    "rms_divergence",
    "second_moment",
    "upsilon",
]
