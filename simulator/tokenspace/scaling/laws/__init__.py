"""The scaling laws S(n), one a file; a new file here is found by itself."""

from tokenspace.scaling.laws.base import ScalingLaw, known_laws

__all__ = ["ScalingLaw", "known_laws"]
