"""One experiment: draw replicates of a model, chunk by chunk, until there are enough."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from tokenspace.covariance import SumModel, TokenModel
from tokenspace.errors import InputError, Interrupted
from tokenspace.experiments.devices import (
    choose_devices,
    fit_block,
    is_out_of_memory,
    require_memory,
)
from tokenspace.experiments.hosts import any_host
from tokenspace.grids import as_grid
from tokenspace.provenance import device_name, versions
from tokenspace.sampling import Plan, plan
from tokenspace.statistics.result import Result, summarise

SECONDS_PER_CALL = 0.5  # device calls grow until they take about this long, so progress is live
SECONDS_BETWEEN_KEEPING = 30.0
BLOCKS_PER_CALL = 256  # over many hosts, where calls must be alike everywhere

Progress = Callable[[int, int], Any]
Samples = dict[str, np.ndarray]


def simulate(
    model: TokenModel | SumModel,
    grid: int | Sequence[int] | np.ndarray,
    replicates: int,
    seed: int = 0,
    sampler: str = "auto",
    statistics: Sequence[str] = ("divergence",),
    target_relative_error: float | None = None,
    *,
    batch_size: int | None = None,
    devices: int | None = None,
    max_memory: float | None = None,
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
    keep: Callable[[Samples], Any] | None = None,
    begun: Samples | None = None,
) -> Result:
    """Sample D(n) = ||sum_{i<=n} (h_i^A - h_i^B)|| under a model, exactly in distribution.

    Args:
        model: what the tokens are.
        grid: token counts n at which D is reported, or one N for a logarithmic grid 1..N.
        replicates: number of Monte Carlo draws (the most, when a target is given), 1..2^32.
        seed: 0 <= seed < 2^64. The same seed gives the same result for every batch size and, on one
            kind of device, for every number of devices.
        sampler: "dense" | "tokens" | "partial_sums" | "collapsed" | "auto" (the cheapest that gives
            the statistics; the result says which and why).
        statistics: "divergence", and "correlations" for the realised psi's.
        target_relative_error: stop once the standard error of every E[D(n)] is below this
            fraction of it.
        batch_size: replicates per device call; by default as many as take about half a second.
        devices: how many devices share the replicates; by default all that JAX sees.
        max_memory: bytes that a device may use for sampling; by default most of what is free. A
            block of replicates that needs more is made smaller, with a note in the result.
        progress: called with (replicates done, replicates asked for) after each chunk.
        stop: asked after each chunk whether to stop, by raising `Interrupted` with the samples.
        keep: called about every half minute with the samples so far, to store them.
        begun: samples of an interrupted run of the same experiment, to go on from.

    Returns:
        A `Result`.

    Raises:
        ParameterError, NotPositiveSemidefinite, UnsupportedSampler, InputError: see each.
        Interrupted: `stop` said so.
    """
    if not isinstance(model, (TokenModel, SumModel)):
        raise InputError(
            f"model must be a TokenModel, not {type(model).__name__}; "
            "e.g. TokenModel(equicorrelated(0.2, 0.3, 0.1), Isotropic(1024))"
        )
    n = as_grid(grid)
    _require_integer("replicates", replicates, 1, 2**32)
    _require_integer("seed", seed, 0, 2**64 - 1)
    if batch_size is not None:
        _require_integer("batch_size", batch_size, 1, 2**32)
    target = target_relative_error
    if target is not None and not (isinstance(target, (int, float)) and 0 < target < 1):
        raise InputError(
            f"target_relative_error = {target!r} is not allowed; it must lie between 0 and 1"
        )
    used = choose_devices(devices)
    started = time.perf_counter()
    prepared, notes = fit_block(plan(model, n, sampler, tuple(statistics)), used, max_memory)
    kinds = 5 if "correlations" in statistics else 1
    require_memory(4 * replicates * len(n) * kinds, f"{replicates:,} replicates at {len(n)} n")
    samples, more = _collect(
        prepared, used, replicates, seed, target, batch_size, progress, stop, keep, begun
    )
    return summarise(
        n,
        samples,
        model=model,
        sampler=prepared.name,
        method=prepared.method,
        reason=prepared.reason,
        kernels=prepared.kernels,
        device=device_name(len(used)),
        seed=int(seed),
        seconds=time.perf_counter() - started,
        versions=versions(),
        notes=(*notes, *more),
    )


def _collect(
    prepared: Plan,
    devices: list[Any],
    replicates: int,
    seed: int,
    target: float | None,
    batch_size: int | None,
    progress: Progress | None,
    stop: Callable[[], bool] | None,
    keep: Callable[[Samples], Any] | None,
    begun: Samples | None,
) -> tuple[Samples, list[str]]:
    """Draw chunk after chunk; returns samples (R, m) by name, and notes on how it went."""
    many_hosts = jax.process_count() > 1
    drawn: list[Samples] = []
    done = 0
    notes: list[str] = []
    if begun is not None:
        drawn.append(begun)
        done = len(begun["divergence"])
        notes.append(f"{done} of the replicates were drawn before an interruption")
    kept_at = time.perf_counter()
    blocks = len(devices) if batch_size is None else max(1, batch_size // prepared.block)
    while done < replicates:
        left = -(-(replicates - done) // prepared.block)
        call_started = time.perf_counter()
        try:
            chunk = prepared.sample(seed, done, min(blocks, left), devices)
        except Exception as error:
            if not is_out_of_memory(error) or many_hosts:
                raise
            if blocks > len(devices):
                blocks = len(devices)
                continue
            if prepared.block == 1:
                raise InputError(
                    f"sampler {prepared.name!r} runs out of memory on {device_name()} with one "
                    "replicate; use fewer tokens or features, or a sampler that needs neither: "
                    "'partial_sums', 'collapsed'"
                ) from None
            smaller = prepared.with_block(prepared.block // 2)
            notes.append(f"memory ran out: blocks of {smaller.block} replicates from {done} on")
            prepared = smaller
            continue
        drawn.append({k: v[: replicates - done] for k, v in chunk.items()})
        done += len(drawn[-1]["divergence"])
        if progress is not None:
            progress(done, replicates)
        if target is not None and done >= 2 and _relative_error(drawn) < target:
            notes.append(f"stopped after {done} replicates: relative error below {target:g}")
            return _joined(drawn), notes
        if keep is not None and time.perf_counter() - kept_at > SECONDS_BETWEEN_KEEPING:
            keep(_joined(drawn))
            kept_at = time.perf_counter()
        if stop is not None and done < replicates and any_host(stop()):
            raise Interrupted.within(_joined(drawn), replicates)
        if many_hosts:
            blocks = min(2 * blocks, BLOCKS_PER_CALL)
        elif batch_size is None and time.perf_counter() - call_started < SECONDS_PER_CALL / 2:
            blocks *= 2
    if target is not None:
        reached = _relative_error(drawn) if done > 1 else float("nan")
        notes.append(f"relative error {reached:.2g} after all {done} replicates, above {target:g}")
    return _joined(drawn), notes


def _joined(drawn: list[Samples]) -> Samples:
    return {k: np.concatenate([c[k] for c in drawn]) for k in drawn[0]}


def _relative_error(drawn: list[dict[str, np.ndarray]]) -> float:
    d = np.concatenate([c["divergence"] for c in drawn])
    mean = d.mean(axis=0, dtype=np.float64)
    return float(np.max(d.std(axis=0, ddof=1, dtype=np.float64) / mean) / np.sqrt(len(d)))


def _require_integer(name: str, value: Any, low: int, high: int) -> None:
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or not low <= value <= high:
        raise InputError(
            f"{name} = {value!r} is not allowed; it must be an integer from {low} to {high}"
        )
