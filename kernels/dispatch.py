"""Which implementation of a kernel runs.

"xla", plain JAX that XLA fuses, is the default on every platform. "reference" is NumPy in float64.
An implementation for one kind of device would be one more entry here, kept only where it measures
faster there. The environment variable TOKENSPACE_KERNELS names another than the default; a kernel
that lacks it, or does not run on this device, falls back to the default with a warning.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

from tokenspace.kernels import reference
from tokenspace.kernels.collapsed import collapsed_divergence
from tokenspace.kernels.given_tokens import measure
from tokenspace.kernels.partial_sums import partial_sum_divergence
from tokenspace.kernels.sample_divergence import sample_divergence, sample_statistics

VARIABLE = "TOKENSPACE_KERNELS"
DEFAULT = "xla"

XLA = (
    collapsed_divergence,
    partial_sum_divergence,
    sample_divergence,
    sample_statistics,
    measure,
)
KERNELS: dict[str, dict[str, Callable[..., Any]]] = {
    f.__name__: {"xla": f, "reference": getattr(reference, f.__name__)} for f in XLA
}


class Kernel(NamedTuple):
    """A kernel and the implementation that was chosen; `compiled` ones go through `jax.jit`."""

    implementation: str
    call: Callable[..., Any]

    @property
    def compiled(self) -> bool:
        return self.implementation != "reference"


def kernel(name: str, implementation: str | None = None) -> Kernel:
    """The implementation of a kernel that runs here.

    Args:
        name: a key of KERNELS.
        implementation: "xla", "reference" or None, which asks TOKENSPACE_KERNELS, else the default.
    """
    known = KERNELS[name]
    wanted = implementation or os.environ.get(VARIABLE) or DEFAULT
    if wanted not in known:
        warnings.warn(
            f"kernel {name} has no implementation {wanted!r} (it has {', '.join(known)}); "
            f"{DEFAULT!r} runs instead",
            stacklevel=2,
        )
        wanted = DEFAULT
    return Kernel(wanted, known[wanted])
