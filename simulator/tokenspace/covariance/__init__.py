"""What the correlation of tokens is: positions, branches, features and token laws."""

from tokenspace.covariance.base import Combination, Covariance, Markov, Product, Stationary
from tokenspace.covariance.block import Block
from tokenspace.covariance.branches import Branches, equicorrelated, shared_context
from tokenspace.covariance.empirical import Empirical
from tokenspace.covariance.features import (
    Features,
    Isotropic,
    PowerLawSpectrum,
    Spectrum,
    Spiked,
)
from tokenspace.covariance.grid import PatchGrid
from tokenspace.covariance.laws import Gaussian, StudentT, TokenLaw, UnitNorm
from tokenspace.covariance.model import SumModel, TokenModel
from tokenspace.covariance.stationary import (
    Constant,
    Exponential,
    FractionalGaussianNoise,
    Matern,
    PowerLaw,
    RationalQuadratic,
    SquaredExponential,
    White,
)

__all__ = [
    "Block",
    "Branches",
    "Combination",
    "Constant",
    "Covariance",
    "Empirical",
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
    "Spectrum",
    "Spiked",
    "SquaredExponential",
    "Stationary",
    "StudentT",
    "SumModel",
    "TokenLaw",
    "TokenModel",
    "UnitNorm",
    "White",
    "equicorrelated",
    "shared_context",
]
