"""Which implementation of a kernel runs.

"xla", plain JAX that XLA fuses, runs on every platform, and where nothing else does. "reference" is
NumPy in float64. An implementation for one kind of device is one more entry, kept only where it
measures faster, and is then the default there: "numba" samples and reads given tokens on a CPU,
where the extra `cpu` is installed; "pallas" draws or reads them in registers on an NVIDIA GPU or a
TPU, where `choice` measures it to be the fastest. The environment variable TOKENSPACE_KERNELS names
another than the default; a kernel that lacks it, or does not run on this device, falls back to the
default with a warning, and so to plain JAX where it does not suit what is asked for (`limits`).
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple, cast

import jax

from tokenspace_kernels import choice, limits, reference, trial
from tokenspace_kernels.collapsed import collapsed_divergence
from tokenspace_kernels.given_tokens import measure
from tokenspace_kernels.limits import Work
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


# Where the kernels lie that Pallas compiles, by platform, and the tokens of a block they take.
PALLAS = {
    kernel: {device: f"{kernel}_{device}" for device in ("gpu", "tpu")}
    for kernel in ("sample_divergence", "sample_statistics")
} | {"measure": {device: f"given_tokens_{device}" for device in ("gpu", "tpu")}}
PALLAS_BLOCK = 2
TRIAL_BLOCK = 64  # of other implementations, which take any
ON_HOST = ("numba", "reference")  # called with arrays, not traced by JAX
NUMBA = {  # where the kernels lie that Numba compiles
    "collapsed_divergence": "collapsed_cpu",
    "partial_sum_divergence": "partial_sums_cpu",
    "measure": "given_tokens_cpu",
    "sample_divergence": "sample_divergence_cpu",
    "sample_statistics": "sample_statistics_cpu",
}


class Kernel(NamedTuple):
    """A kernel and the implementation that was chosen."""

    implementation: str
    call: Callable[..., Any]

    @property
    def token_block(self) -> int | None:
        """How many tokens a block must have, None where it may have any number."""
        return PALLAS_BLOCK if self.implementation == "pallas" else None

    @property
    def on_host(self) -> bool:
        """Whether it is called from the host with arrays, not traced by JAX."""
        return self.implementation in ON_HOST

    @property
    def as_they_lie(self) -> bool:
        """Whether it reads given tokens in any format, takes their `order`, and says when read."""
        return self.implementation == "numba"


@cache
def _of_numba(name: str) -> Callable[..., Any] | None:
    """A kernel compiled by Numba, None where that is not installed or does not work."""
    if name not in NUMBA or not find_spec("numba"):
        return None
    try:
        module = import_module(f"tokenspace_kernels.{NUMBA[name]}")
    except (ImportError, AttributeError, OSError) as error:  # another Numba, NumPy or LLVM
        warnings.warn(f"Numba cannot be used ({error}); {DEFAULT!r} runs instead", stacklevel=4)
        return None
    return cast(Callable[..., Any], getattr(module, name))


@cache
def _of_pallas(name: str) -> Callable[..., Any] | None:
    """A kernel in Pallas for this device, None where there is none or Pallas is not as expected."""
    platform = jax.default_backend()
    if platform not in PALLAS.get(name, {}):
        return None
    if platform == "gpu" and "cuda" not in jax.devices()[0].client.platform_version.lower():
        return None  # the arithmetic is written in NVIDIA's assembly
    try:
        module = import_module(f"tokenspace_kernels.{PALLAS[name][platform]}")
    except (ImportError, AttributeError) as error:  # what another version of JAX has moved
        warnings.warn(f"Pallas cannot be used ({error}); {DEFAULT!r} runs instead", stacklevel=4)
        return None
    return cast(Callable[..., Any], getattr(module, name))


def implementations(name: str) -> dict[str, Callable[..., Any]]:
    """The implementations of a kernel that run here, the one that runs unless told first."""
    known = KERNELS[name]
    numba = _of_numba(name) if jax.default_backend() == "cpu" else None
    pallas = _of_pallas(name)
    known = {**known, "pallas": pallas} if pallas else known
    return {"numba": numba, **known} if numba else known


def default(name: str) -> str:
    """The implementation of a kernel that runs unless told; measured where several might."""
    known = implementations(name)
    if "pallas" not in known:
        return next(iter(known))
    blocks = {"xla": TRIAL_BLOCK, "pallas": PALLAS_BLOCK}
    return choice.fastest(name, {k: trial.of(name, known[k], size) for k, size in blocks.items()})


def settle(first: bool, agree: Callable[[bytes | None], bytes | None]) -> None:
    """Let processes that run together use the same implementations; all call this at once.

    Args:
        first: whether this is the process that decides.
        agree: gives every process the bytes that the first one gives; the others give None.
    """
    chosen = {name: default(name) for name in KERNELS if _of_pallas(name)} if first else None
    choice.settle(json.loads(agree(json.dumps(chosen).encode() if first else None) or b"{}"))


def sole(what: str, call: Callable[..., Any]) -> Kernel:
    """A device program that has one implementation; warns where another is asked for."""
    wanted = os.environ.get(VARIABLE) or DEFAULT
    if wanted != DEFAULT:
        warnings.warn(
            f"{what} has no implementation {wanted!r}; {DEFAULT!r} runs instead", stacklevel=2
        )
    return Kernel(DEFAULT, call)


def kernel(name: str, implementation: str | None = None, work: Work | None = None) -> Kernel:
    """The implementation of a kernel that runs here.

    Warns where another runs than was asked for.

    Args:
        name: a key of KERNELS.
        implementation: "xla", "numba", "pallas", "reference" or None, which asks
            TOKENSPACE_KERNELS, else the default.
        work: what is asked for; plain JAX runs where the implementation does not suit it.
    """
    known = implementations(name)
    named = implementation or os.environ.get(VARIABLE)
    wanted = named or default(name)
    if wanted not in known:
        instead = default(name)
        warnings.warn(
            f"kernel {name} has no implementation {wanted!r} here (it has {', '.join(known)}); "
            f"{instead!r} runs instead",
            stacklevel=2,
        )
        wanted = instead
    if work and (why := limits.unfit(name, wanted, jax.default_backend(), work)):
        if named == wanted:
            warnings.warn(f"{wanted!r} {why}: {DEFAULT!r} runs instead", stacklevel=2)
        wanted = DEFAULT
    return Kernel(wanted, known[wanted])
