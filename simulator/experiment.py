"""One experiment: draw replicates of a model, chunk by chunk, until there are enough."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tokenspace.covariance import SumModel, TokenModel
from tokenspace.errors import InputError
from tokenspace.grids import as_grid
from tokenspace.provenance import device_name, versions
from tokenspace.result import Result, summarise
from tokenspace.sampling import plan

SECONDS_PER_CALL = 0.5  # device calls grow until they take about this long, so progress is live

Progress = Callable[[int, int], Any]


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
    progress: Progress | None = None,
) -> Result:
    """Sample D(n) = ||sum_{i<=n} (h_i^A - h_i^B)|| under a model, exactly in distribution.

    Args:
        model: what the tokens are.
        grid: token counts n at which D is reported, or one N for a logarithmic grid 1..N.
        replicates: number of Monte Carlo draws (the most, when a target is given), 1..2^32.
        seed: 0 <= seed < 2^64. The same seed gives the same result for every batch size.
        sampler: "dense" | "tokens" | "partial_sums" | "collapsed" | "auto" (the cheapest that gives
            the statistics; the result says which and why).
        statistics: "divergence", and "correlations" for the realised psi's.
        target_relative_error: stop once the standard error of every E[D(n)] is below this
            fraction of it.
        batch_size: replicates per device call; by default as many as take about half a second.
        progress: called with (replicates done, replicates asked for) after each chunk.

    Returns:
        A `Result`.

    Raises:
        ParameterError, NotPositiveSemidefinite, UnsupportedSampler, InputError: see each.
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
    started = time.perf_counter()
    prepared = plan(model, n, sampler, tuple(statistics))
    drawn: list[dict[str, np.ndarray]] = []
    done, blocks = 0, 1
    note: tuple[str, ...] = ()
    if batch_size is not None:
        blocks = max(1, batch_size // prepared.block)
    while done < replicates:
        left = -(-(replicates - done) // prepared.block)
        call_started = time.perf_counter()
        chunk = prepared.draw(seed, done, min(blocks, left))
        drawn.append({k: v[: replicates - done] for k, v in chunk.items()})
        done += len(drawn[-1]["divergence"])
        if progress is not None:
            progress(done, replicates)
        if target is not None and done >= 2 and _relative_error(drawn) < target:
            note = (f"stopped after {done} replicates: relative error below {target:g}",)
            break
        if batch_size is None and time.perf_counter() - call_started < SECONDS_PER_CALL / 2:
            blocks *= 2
    if target is not None and not note:
        reached = _relative_error(drawn) if done > 1 else float("nan")
        note = (f"relative error {reached:.2g} after all {done} replicates, above {target:g}",)
    samples = {k: np.concatenate([c[k] for c in drawn]) for k in drawn[0]}
    return summarise(
        n,
        samples,
        model=model,
        sampler=prepared.name,
        method=prepared.method,
        reason=prepared.reason,
        kernels=prepared.kernels,
        device=device_name(),
        seed=int(seed),
        seconds=time.perf_counter() - started,
        versions=versions(),
        notes=note,
    )


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
