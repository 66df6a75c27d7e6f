"""`ts.kernels`: the compiled loops, which live in the package `tokenspace_kernels`."""

from tokenspace_kernels import *  # noqa: F403
from tokenspace_kernels import __all__ as __all__
