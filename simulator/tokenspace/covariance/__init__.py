"""What the correlation of tokens is: positions, branches, features and token laws."""

from tokenspace.covariance.base import Combination, Covariance, Product, Stationary
from tokenspace.covariance.branches import Branches, equicorrelated, shared_context
from tokenspace.covariance.features import (
    Features,
    Isotropic,
    PowerLawSpectrum,
    Spectrum,
    Spiked,
)
from tokenspace.covariance.laws import Gaussian, Laplace, StudentT, TokenLaw, UnitNorm
from tokenspace.covariance.model import SumModel, TokenModel
from tokenspace.covariance.positions import (
    Block,
    Constant,
    Empirical,
    Exponential,
    FractionalGaussianNoise,
    Matern,
    PatchDistance,
    PatchGrid,
    PowerLaw,
    RationalQuadratic,
    SquaredExponential,
    White,
)
from tokenspace.covariance.structure import Cells, Exchangeable, Kronecker, Markov, Structure

__all__ = [
    "Block",
    "Branches",
    "Cells",
    "Combination",
    "Constant",
    "Covariance",
    "Empirical",
    "Exchangeable",
    "Exponential",
    "Features",
    "FractionalGaussianNoise",
    "Gaussian",
    "Isotropic",
    "Kronecker",
    "Laplace",
    "Markov",
    "Matern",
    "PatchDistance",
    "PatchGrid",
    "PowerLaw",
    "PowerLawSpectrum",
    "Product",
    "RationalQuadratic",
    "Spectrum",
    "Spiked",
    "SquaredExponential",
    "Stationary",
    "Structure",
    "StudentT",
    "SumModel",
    "TokenLaw",
    "TokenModel",
    "UnitNorm",
    "White",
    "equicorrelated",
    "shared_context",
]
