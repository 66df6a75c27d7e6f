"""Compiled inner loops: random numbers, sampling and distances on a device, in plain JAX, and in
Numba where a CPU is faster with it.

One kernel a file; `reference` has each in a few lines of NumPy, `dispatch` says which one runs.
"""

from tokenspace_kernels.collapsed import collapsed_divergence
from tokenspace_kernels.dispatch import kernel
from tokenspace_kernels.given_tokens import correlations, divergence
from tokenspace_kernels.partial_sums import partial_sum_divergence
from tokenspace_kernels.random_bits import normals, replicate_keys, threefry2x32
from tokenspace_kernels.sample_divergence import sample_divergence, sample_statistics

__all__ = [
    "collapsed_divergence",
    "correlations",
    "divergence",
    "kernel",
    "normals",
    "partial_sum_divergence",
    "replicate_keys",
    "sample_divergence",
    "sample_statistics",
    "threefry2x32",
]
