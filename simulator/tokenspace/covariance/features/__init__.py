"""How a token's variance is spread over its features, one spectrum a file: a new file is found."""

from tokenspace.covariance.features.base import Features
from tokenspace.covariance.features.isotropic import Isotropic
from tokenspace.covariance.features.power_law import PowerLawSpectrum
from tokenspace.covariance.features.spectrum import Spectrum
from tokenspace.covariance.features.spiked import Spiked

__all__ = ["Features", "Isotropic", "PowerLawSpectrum", "Spectrum", "Spiked"]
