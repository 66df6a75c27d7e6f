"""Token laws, one a file: a new file here is found by itself."""

from tokenspace.covariance.laws.base import TokenLaw
from tokenspace.covariance.laws.gaussian import Gaussian
from tokenspace.covariance.laws.laplace import Laplace
from tokenspace.covariance.laws.student_t import StudentT
from tokenspace.covariance.laws.unit_norm import UnitNorm

__all__ = ["Gaussian", "Laplace", "StudentT", "TokenLaw", "UnitNorm"]
