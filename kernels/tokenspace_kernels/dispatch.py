"""Which implementation of a kernel runs.

"xla", plain JAX that XLA fuses, runs on every platform, and where nothing else does; a GPU has
programs of its own for some kernels. "reference" is NumPy in float64. An implementation for one
kind of device is one more entry, kept only where it measures faster, and is then the default there:
"numba" samples and reads given tokens on a CPU, where the extra `cpu` is installed; "pallas" draws
or reads them in registers on an NVIDIA GPU or a TPU, where `choice` measures it to be the fastest.
The environment variable TOKENSPACE_KERNELS names another than the default; a kernel that lacks it,
or does not run on this device, falls back to the default with a warning, and so to plain JAX where
it does not suit what is asked for (`limits`).
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple, cast

import jax

from tokenspace_kernels import (
    choice,
    limits,
    reference,
    sample_divergence_unrolled,
    sample_statistics_unrolled,
    trial,
)
from tokenspace_kernels.collapsed import collapsed_divergence
from tokenspace_kernels.given_tokens import measure
from tokenspace_kernels.limits import Work
from tokenspace_kernels.pair_walk import PAIR
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
# Plain JAX as XLA runs it best on a GPU; the second forms tokens, for laws that `limits` names.
XLA_GPU: dict[str, Callable[..., Any]] = {
    "sample_divergence": sample_divergence_unrolled.sample_divergence,
    "sample_statistics": sample_statistics_unrolled.sample_statistics,
}
BLOCKS = {  # tokens of a block, where a kernel in plain JAX does not take any number
    sample_divergence_unrolled.sample_divergence: sample_divergence_unrolled.BLOCK,
    sample_statistics_unrolled.sample_statistics: PAIR,
}
AT_ONCE = {sample_statistics_unrolled.sample_statistics: sample_statistics_unrolled.PAIRS * PAIR}

# Where the kernels lie that Pallas compiles, by platform, and the tokens of a block they take.
PALLAS = {
    kernel: {device: f"{kernel}_{device}" for device in ("gpu", "tpu")}
    for kernel in ("sample_divergence", "sample_statistics")
} | {"measure": {device: f"given_tokens_{device}" for device in ("gpu", "tpu")}}
PALLAS_BLOCK = PAIR
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
        return PALLAS_BLOCK if self.implementation == "pallas" else BLOCKS.get(self.call)

    @property
    def at_once(self) -> int | None:
        """How many tokens are drawn together, None where that is a block of any number."""
        return AT_ONCE.get(self.call, self.token_block)

    @property
    def on_host(self) -> bool:
        """Whether it is called from the host with arrays, not traced by JAX."""
        return self.implementation in ON_HOST

    @property
    def as_they_lie(self) -> bool:
        """Whether it reads given tokens in any format, takes their `order`, and says when read."""
        return self.implementation == "numba"


_elsewhere: ContextVar[str | None] = ContextVar("platform", default=None)


@contextmanager
def as_on(platform: str) -> Iterator[None]:
    """Choose as on devices of a platform, "gpu" or "tpu", that need not be here: to compile."""
    token = _elsewhere.set(platform)
    try:
        yield
    finally:
        _elsewhere.reset(token)


def _platform() -> str:
    return _elsewhere.get() or jax.default_backend()


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


def _has_cuda() -> bool:
    """Whether a GPU is NVIDIA's, as one that is not here is."""
    elsewhere = _elsewhere.get() is not None
    return elsewhere or "cuda" in jax.devices()[0].client.platform_version.lower()


def _of_pallas(name: str) -> Callable[..., Any] | None:
    """A kernel in Pallas for this device, None where there is none or Pallas is not as expected."""
    platform = _platform()
    if platform not in PALLAS.get(name, {}):
        return None
    if platform == "gpu" and not _has_cuda():
        return None  # the arithmetic is written in NVIDIA's assembly
    return _imported(name, platform)


@cache
def _imported(name: str, platform: str) -> Callable[..., Any] | None:
    try:
        module = import_module(f"tokenspace_kernels.{PALLAS[name][platform]}")
    except (ImportError, AttributeError) as error:  # what another version of JAX has moved
        warnings.warn(f"Pallas cannot be used ({error}); {DEFAULT!r} runs instead", stacklevel=4)
        return None
    return cast(Callable[..., Any], getattr(module, name))


def implementations(name: str) -> dict[str, Callable[..., Any]]:
    """The implementations of a kernel that run here, the one that runs unless told first."""
    platform = _platform()
    known = KERNELS[name]
    if platform == "gpu" and name in XLA_GPU:
        known = {**known, DEFAULT: XLA_GPU[name]}
    numba = _of_numba(name) if platform == "cpu" else None
    pallas = _of_pallas(name)
    known = {**known, "pallas": pallas} if pallas else known
    return {"numba": numba, **known} if numba else known


def default(name: str) -> str:
    """The implementation of a kernel that runs unless told; measured where several might."""
    known = implementations(name)
    if "pallas" not in known:
        return next(iter(known))
    candidates = [Kernel(k, known[k]) for k in (DEFAULT, "pallas")]
    trials = {
        k.implementation: trial.of(name, k.call, k.token_block or TRIAL_BLOCK) for k in candidates
    }
    return choice.fastest(name, trials)


def settle(first: bool, agree: Callable[[bytes | None], bytes | None]) -> None:
    """Let processes that run together use the same implementations; all call this at once.

    Args:
        first: whether this is the process that decides.
        agree: gives every process the bytes that the first one gives; the others give None.
    """
    chosen = {name: default(name) for name in KERNELS if _of_pallas(name)} if first else None
    choice.settle(json.loads(agree(json.dumps(chosen).encode() if first else None) or b"{}"))


def asked_for() -> str | None:
    """The implementation that TOKENSPACE_KERNELS names, None where it names none."""
    return os.environ.get(VARIABLE, "").strip() or None


def sole(what: str, call: Callable[..., Any]) -> Kernel:
    """A device program that has one implementation; warns where another is asked for."""
    wanted = asked_for() or DEFAULT
    if wanted != DEFAULT:
        warnings.warn(
            f"{what} has no implementation {wanted!r}, which {VARIABLE} asks for; "
            f"{DEFAULT!r} runs instead",
            stacklevel=2,
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
    named = implementation or asked_for()
    wanted = named or default(name)
    if wanted not in known:
        instead = default(name)
        source = "" if implementation else f", which {VARIABLE} asks for"
        warnings.warn(
            f"kernel {name} has no implementation {wanted!r} here{source} (it has "
            f"{', '.join(known)}); {instead!r} runs instead",
            stacklevel=2,
        )
        wanted = instead
    if work and (why := limits.unfit(name, wanted, _platform(), work)):
        if named == wanted:
            warnings.warn(f"{wanted!r} {why}: {DEFAULT!r} runs instead", stacklevel=2)
        wanted = DEFAULT
    if work and wanted == DEFAULT and limits.forms_other(name, work.change):
        return Kernel(DEFAULT, KERNELS[name][DEFAULT])
    return Kernel(wanted, known[wanted])
