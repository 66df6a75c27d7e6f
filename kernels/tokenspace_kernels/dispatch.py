"""Which implementation of a kernel runs.

"xla", plain JAX that XLA fuses, is the default on every platform. "reference" is NumPy in float64.
An implementation for one kind of device is one more entry, kept only where it measures faster
there: "numba" samples tokens and reads given ones on a CPU, where the extra `cpu` is installed. The
environment variable TOKENSPACE_KERNELS names another than the default; a kernel that lacks it, or
does not run on this device, falls back to the default with a warning.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple, cast

import jax

from tokenspace_kernels import reference
from tokenspace_kernels.collapsed import collapsed_divergence
from tokenspace_kernels.given_tokens import measure
from tokenspace_kernels.partial_sums import partial_sum_divergence
from tokenspace_kernels.sample_divergence import sample_divergence, sample_statistics

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


ON_HOST = ("numba", "reference")  # called with arrays, not traced by JAX
NUMBA = {  # where the kernels lie that Numba compiles
    "measure": "given_tokens_cpu",
    "sample_divergence": "sample_divergence_cpu",
    "sample_statistics": "sample_statistics_cpu",
}


class Kernel(NamedTuple):
    """A kernel and the implementation that was chosen."""

    implementation: str
    call: Callable[..., Any]

    @property
    def on_host(self) -> bool:
        """Whether it is called from the host with arrays, not traced by JAX."""
        return self.implementation in ON_HOST


@cache
def _of_numba(name: str) -> Callable[..., Any] | None:
    """A kernel compiled by Numba, None where that is not installed or does not work."""
    if name not in NUMBA or not find_spec("numba"):
        return None
    try:
        module = import_module(f"tokenspace_kernels.{NUMBA[name]}")
    except ImportError as error:  # a Numba that does not know this NumPy says so here
        warnings.warn(f"Numba cannot be used ({error}); {DEFAULT!r} runs instead", stacklevel=4)
        return None
    return cast(Callable[..., Any], getattr(module, name))


def implementations(name: str) -> dict[str, Callable[..., Any]]:
    """The implementations of a kernel that run here, the one that runs unless told first."""
    known = KERNELS[name]
    numba = _of_numba(name) if jax.default_backend() == "cpu" else None
    return {"numba": numba, **known} if numba else known


def sole(what: str, call: Callable[..., Any]) -> Kernel:
    """A device program that has one implementation; warns where another is asked for."""
    wanted = os.environ.get(VARIABLE, DEFAULT)
    if wanted != DEFAULT:
        warnings.warn(
            f"{what} has no implementation {wanted!r}; {DEFAULT!r} runs instead", stacklevel=2
        )
    return Kernel(DEFAULT, call)


def kernel(name: str, implementation: str | None = None) -> Kernel:
    """The implementation of a kernel that runs here.

    Args:
        name: a key of KERNELS.
        implementation: "xla", "numba", "reference" or None, which asks TOKENSPACE_KERNELS, else
            the default.
    """
    known = implementations(name)
    default = next(iter(known))
    wanted = implementation or os.environ.get(VARIABLE) or default
    if wanted not in known:
        warnings.warn(
            f"kernel {name} has no implementation {wanted!r} here (it has {', '.join(known)}); "
            f"{default!r} runs instead",
            stacklevel=2,
        )
        wanted = default
    return Kernel(wanted, known[wanted])
