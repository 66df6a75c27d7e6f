"""One experiment from beginning to end: draw until there is enough, and say what was found."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tokenspace.covariance import SumModel, TokenModel
from tokenspace.errors import Interrupted
from tokenspace.experiments.devices import require_memory
from tokenspace.experiments.draw import Chunk, Samples, draw
from tokenspace.experiments.experiment import DEFAULT, Execution, Experiment, sample_names
from tokenspace.experiments.hosts import any_host
from tokenspace.provenance import versions
from tokenspace.statistics.result import Result, summarise

SECONDS_BETWEEN_KEEPING = 30.0

Progress = Callable[[int, int], Any]
Stop = Callable[[], bool]
Keep = Callable[[Samples], Any]


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
    stop: Stop | None = None,
    keep: Keep | None = None,
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
    experiment = Experiment(
        model,
        grid,
        replicates,
        seed,
        sampler,
        statistics,
        target_relative_error,
    )
    execution = Execution(devices, batch_size, max_memory)
    return run_experiment(
        experiment, execution, progress=progress, stop=stop, keep=keep, begun=begun
    )


def run_experiment(
    experiment: Experiment,
    execution: Execution = DEFAULT,
    *,
    progress: Progress | None = None,
    stop: Stop | None = None,
    keep: Keep | None = None,
    begun: Samples | None = None,
) -> Result:
    """Draw an experiment and summarise it; the hooks are those of `simulate`."""
    started = kept_at = time.perf_counter()
    replicates, target = experiment.replicates, experiment.target_relative_error
    m, kinds = len(experiment.grid), len(sample_names(experiment.statistics))
    require_memory(4 * replicates * m * kinds, f"{replicates:,} replicates at {m} n")
    drawn: list[Samples] = []
    reached = float("nan")
    last: Chunk | None = None
    for chunk in draw(experiment, execution, begun):
        last = chunk
        drawn.append(chunk.samples)
        if chunk.samples is begun:  # told, kept and judged before it was interrupted
            continue
        if progress is not None:
            progress(chunk.done, replicates)
        if target is not None and chunk.done >= 2:
            reached = _relative_error(drawn)
            if reached < target:
                break
        if keep is not None and time.perf_counter() - kept_at > SECONDS_BETWEEN_KEEPING:
            keep(_joined(drawn))
            kept_at = time.perf_counter()
        if stop is not None and chunk.done < replicates and any_host(stop()):
            raise Interrupted.within(_joined(drawn), replicates)
    assert last is not None  # replicates >= 1
    if target is not None and np.isnan(reached) and last.done > 1:  # all begun, none drawn
        reached = _relative_error(drawn)
    return summarise(
        experiment.grid,
        _joined(drawn),
        model=experiment.model,
        sampler=last.plan.name,
        method=last.plan.method,
        reason=last.plan.reason,
        kernels=last.plan.kernels,
        device=last.device,
        seed=experiment.seed,
        seconds=time.perf_counter() - started,
        versions=versions(),
        notes=(*last.notes, *_on_target(target, reached, last.done)),
    )


def _on_target(target: float | None, reached: float, done: int) -> tuple[str, ...]:
    if target is None:
        return ()
    if reached < target:
        return (f"stopped after {done} replicates: relative error below {target:g}",)
    return (f"relative error {reached:.2g} after all {done} replicates, above {target:g}",)


def _joined(drawn: list[Samples]) -> Samples:
    return {k: np.concatenate([c[k] for c in drawn]) for k in drawn[0]}


def _relative_error(drawn: list[Samples]) -> float:
    d = np.concatenate([c["divergence"] for c in drawn])
    mean = d.mean(axis=0, dtype=np.float64)
    return float(np.max(d.std(axis=0, ddof=1, dtype=np.float64) / mean) / np.sqrt(len(d)))
