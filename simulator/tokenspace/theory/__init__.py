"""Exact theory in float64, without sampling: what a simulation must reproduce.

Source: Li et al., Scaling Capability in Token Space, JMLR 26(253), 2025 (ariv 2412.18387), and
exact results for Gaussian tokens that go beyond it. n may be a number or an array everywhere.

`jax.grad`, `jit` and `vmap` pass through the parameters of models in `upsilon`,
`expected_divergence` and `n_balance`: equicorrelated branches, covariances that depend on the lag
(`Matern` of nu 1/2, 3/2 and 5/2), their sums and scalings, shared contexts, spectra, Gaussian and
Student-t laws, sums of models. Patch grids, blocks in products, empirical matrices and unit norm
are NumPy's alone. While JAX traces nothing is checked, and numbers are float64 where
`jax_enable_x64` is on.
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
from tokenspace.theory.median import median_divergence

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
    "median_divergence",
    "n_balance",
    "psi",
    "regime",
    "rms_divergence",
    "second_moment",
    "upsilon",
]
