"""The joint law of two branches, one way to make it a file: a new file here is found by itself."""

from tokenspace.covariance.branches.branches import Branches
from tokenspace.covariance.branches.equicorrelated import equicorrelated
from tokenspace.covariance.branches.shared_context import shared_context

__all__ = ["Branches", "equicorrelated", "shared_context"]
