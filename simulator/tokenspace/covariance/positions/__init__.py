"""Covariances of token positions, one a file: a new file here is found by itself."""

from tokenspace.covariance.positions.block import Block
from tokenspace.covariance.positions.constant import Constant
from tokenspace.covariance.positions.empirical import Empirical
from tokenspace.covariance.positions.exponential import Exponential
from tokenspace.covariance.positions.fractional_gaussian_noise import FractionalGaussianNoise
from tokenspace.covariance.positions.matern import Matern
from tokenspace.covariance.positions.patch_distance import PatchDistance
from tokenspace.covariance.positions.patch_grid import PatchGrid
from tokenspace.covariance.positions.power_law import PowerLaw
from tokenspace.covariance.positions.rational_quadratic import RationalQuadratic
from tokenspace.covariance.positions.squared_exponential import SquaredExponential
from tokenspace.covariance.positions.white import White

__all__ = [
    "Block",
    "Constant",
    "Empirical",
    "Exponential",
    "FractionalGaussianNoise",
    "Matern",
    "PatchDistance",
    "PatchGrid",
    "PowerLaw",
    "RationalQuadratic",
    "SquaredExponential",
    "White",
]
