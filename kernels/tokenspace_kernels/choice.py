"""Which implementation of a kernel runs on an accelerator: the fastest that is right, by measuring.

The first use on a device times the implementations on a small problem, in turn. One that fails, or
that does not agree with the default to rounding, is left out with a warning. The answer is kept in
a file of the user's cache folder for this kind of device, version of JAX and source of the kernels;
without such a file the next process measures again.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import jax
import numpy as np

REPEATS = 7
AGREEMENT = 1e-5  # largest difference that is rounding, relative to the largest value

_settled: dict[str, str] = {}  # what this process runs, for each kernel


class Candidate(NamedTuple):
    """An implementation: what is called, and the arguments of the trial in the form it takes."""

    call: Callable[..., Any]
    arguments: Callable[[], tuple[Any, ...]]


def fastest(kernel: str, candidates: Mapping[str, Candidate]) -> str:
    """The name of the implementation to run here; the first candidate is the default."""
    if kernel not in _settled:
        of_device = _read().get(_device(), {})
        known = of_device.get(kernel) if isinstance(of_device, dict) else None
        if known in list(candidates):
            _settled[kernel] = str(known)
        else:
            _settled[kernel], refused = _measured(kernel, candidates)
            if not refused:  # else every process says so anew
                _remember(kernel, _settled[kernel])
    return _settled[kernel]


def settle(chosen: Mapping[str, str]) -> None:
    """Use these implementations in this process, whatever is measured."""
    _settled.update(chosen)


def _measured(kernel: str, candidates: Mapping[str, Candidate]) -> tuple[str, bool]:
    """The fastest of those that are right, and whether one was refused."""
    default = next(iter(candidates))
    ready: dict[str, Callable[[], Any]] = {}
    right: list[np.ndarray] | None = None
    for name, candidate in candidates.items():
        run = _compiled(candidate)
        try:
            values = [np.asarray(x) for x in jax.tree.leaves(run())]
        except Exception as error:
            if name == default:
                raise
            reason = str(error).strip().splitlines() or [""]
            _warn(kernel, name, default, f"fails here ({type(error).__name__}: {reason[0]})")
            continue
        right = values if right is None else right
        apart = np.max(  # NaN where one is, which Python's own `max` may pass over
            [np.max(abs(x - y)) / np.max(abs(y)) for x, y in zip(values, right, strict=True)]
        )
        if name == default or apart <= AGREEMENT:  # NaN is not
            ready[name] = run
        else:
            _warn(kernel, name, default, f"differs from {default!r} by {apart:.1e} of the largest")
    seconds: dict[str, list[float]] = {name: [] for name in ready}
    for _ in range(REPEATS if len(ready) > 1 else 0):
        for name, run in ready.items():
            started = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - started)
    chosen = min(ready, key=lambda name: median(seconds[name] or [0.0]))
    return chosen, len(ready) < len(candidates)


def _compiled(candidate: Candidate) -> Callable[[], Any]:
    call, arguments = jax.jit(candidate.call), jax.device_put(candidate.arguments())
    return lambda: jax.block_until_ready(call(*arguments))


def _warn(kernel: str, name: str, default: str, what: str) -> None:
    warnings.warn(f"kernel {kernel}: {name!r} {what}; {default!r} runs instead", stacklevel=5)


@cache
def _device() -> str:
    """The kind of device, the version of JAX and a digest of the kernels' source."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    digest = hashlib.sha256(b"".join(p.read_bytes() for p in files)).hexdigest()
    return f"{jax.devices()[0].device_kind}, jax {jax.__version__}, {digest[:16]}"


def cache_file() -> Path:
    """Where choices are kept: XDG_CACHE_HOME, which must be absolute to count, else ~/.cache."""
    folder = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (folder if folder.is_absolute() else Path.home() / ".cache") / "tokenspace/kernels.json"


def _read() -> dict[str, Any]:
    """What is kept; nothing where there is no file or it is damaged."""
    with suppress(OSError, ValueError, RuntimeError):
        kept = json.loads(cache_file().read_text())
        if isinstance(kept, dict):
            return kept
    return {}


def _remember(kernel: str, chosen: str) -> None:
    """Keep a choice, in one step for who reads at the same time; no folder is no error."""
    kept = _read()
    of_device = kept.get(_device())
    kept[_device()] = {**(of_device if isinstance(of_device, dict) else {}), kernel: chosen}
    with suppress(OSError, RuntimeError):
        path = cache_file()
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".kernels")
        try:
            with os.fdopen(handle, "w") as file:
                json.dump(kept, file, indent=1)
            os.replace(temporary, path)
        except OSError:  # a full disk, say
            os.unlink(temporary)
            raise
