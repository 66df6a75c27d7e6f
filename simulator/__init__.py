"""tokenspace: Monte Carlo simulation of token correlation structure, and its exact theory.

Start with `simulate(TokenModel(equicorrelated(0.2, 0.3, 0.1), Isotropic(1024)), 4096, 4096)` and
`.check()` on what it returns. Theory: `tokenspace.theory`; compiled loops: `tokenspace.kernels`.
"""

from tokenspace import errors, kernels, theory
from tokenspace.covariance import (
    Block,
    Branches,
    Combination,
    Constant,
    Covariance,
    Empirical,
    Exponential,
    Features,
    FractionalGaussianNoise,
    Gaussian,
    Isotropic,
    Markov,
    Matern,
    PatchGrid,
    PowerLaw,
    PowerLawSpectrum,
    Product,
    RationalQuadratic,
    Spectrum,
    Spiked,
    SquaredExponential,
    Stationary,
    StudentT,
    SumModel,
    TokenLaw,
    TokenModel,
    UnitNorm,
    White,
    equicorrelated,
    shared_context,
)
from tokenspace.errors import TokenspaceError
from tokenspace.estimate import Estimate
from tokenspace.experiment import simulate
from tokenspace.fit import fit_scaling
from tokenspace.given_tokens import correlations, divergence, measure
from tokenspace.grids import log_grid
from tokenspace.parameters import model, parameter
from tokenspace.result import Result
from tokenspace.store import load_results, open_results
from tokenspace.sweep import run_sweep
from tokenspace.token_fit import fit_tokens

__all__ = [
    "Block",
    "Branches",
    "Combination",
    "Constant",
    "Covariance",
    "Empirical",
    "Estimate",
    "Exponential",
    "Features",
    "FractionalGaussianNoise",
    "Gaussian",
    "Isotropic",
    "Markov",
    "Matern",
    "PatchGrid",
    "PowerLaw",
    "PowerLawSpectrum",
    "Product",
    "RationalQuadratic",
    "Result",
    "Spectrum",
    "Spiked",
    "SquaredExponential",
    "Stationary",
    "StudentT",
    "SumModel",
    "TokenLaw",
    "TokenModel",
    "TokenspaceError",
    "UnitNorm",
    "White",
    "correlations",
    "divergence",
    "equicorrelated",
    "errors",
    "fit_scaling",
    "fit_tokens",
    "kernels",
    "load_results",
    "log_grid",
    "measure",
    "model",
    "open_results",
    "parameter",
    "run_sweep",
    "shared_context",
    "simulate",
    "theory",
]
