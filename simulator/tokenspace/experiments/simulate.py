"""One experiment from beginning to end: draw until there is enough, and say what was found."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tokenspace import theory
from tokenspace.covariance import SumModel, TokenModel
from tokenspace.errors import Interrupted
from tokenspace.experiments.devices import require_memory
from tokenspace.experiments.draw import Chunk, draw
from tokenspace.experiments.experiment import DEFAULT, Execution, Experiment
from tokenspace.experiments.hosts import any_host
from tokenspace.experiments.placement import Samples
from tokenspace.provenance import versions
from tokenspace.statistics.amplitude import wants_logs
from tokenspace.statistics.control import LEAST
from tokenspace.statistics.result import Result, summarise
from tokenspace.statistics.stopping import enough, next_look, relative_error
from tokenspace.statistics.streaming import Accumulator, begin, bytes_of, summary, update

SECONDS_BETWEEN_KEEPING = 30.0

Progress = Callable[[int, int], Any]
Stop = Callable[[], bool]
Keep = Callable[[Accumulator], Any]


def simulate(
    model: TokenModel | SumModel,
    grid: int | Sequence[int] | np.ndarray,
    replicates: int,
    seed: int | str = 0,
    sampler: str = "auto",
    statistics: Sequence[str] = ("divergence",),
    target_relative_error: float | None = None,
    estimator: str = "auto",
    *,
    batch_size: int | None = None,
    devices: int | None = None,
    max_memory: float | None = None,
    progress: Progress | None = None,
    stop: Stop | None = None,
    keep: Keep | None = None,
    begun: Accumulator | None = None,
) -> Result:
    """Sample D(n) = ||sum_{i<=n} (h_i^A - h_i^B)|| under a model, exactly in distribution.

    Args:
        model: what the tokens are.
        grid: token counts n at which D is reported, or one N for a logarithmic grid 1..N.
        replicates: number of Monte Carlo draws (the most, when a target is given), 1..2^32.
        seed: 0 <= seed < 2^64. The same seed gives the same result for every batch size and, on one
            kind of device, for every number of devices. "independent": derived from all else that
            decides the numbers, so that different experiments are independent.
        sampler: "dense" | "tokens" | "partial_sums" | "collapsed" | "auto" (the cheapest that gives
            the statistics; the result says which and why).
        statistics: "divergence", and "correlations" for the realised psi's.
        target_relative_error: stop once the standard error of every E[D(n)] is below this
            fraction of it; judged from 128 replicates on, at fixed counts.
        estimator: of E[D]: "mean", "control" (uses the exact E[D^2], from 512 replicates on), or
            "auto": "control" for laws without an exact E[D] and without heavy tails. `check` always
            compares plain means.
        batch_size: replicates per device call; by default as many as take about half a second.
        devices: how many devices share the replicates; by default all that JAX sees.
        max_memory: bytes that a device may use for sampling; by default most of what is free. A
            block of replicates that needs more is made smaller, with a note in the result.
        progress: called with (replicates done, replicates asked for) after each chunk.
        stop: asked after each chunk whether to stop, by raising `Interrupted` with what was seen.
        keep: called about every half minute with what was seen so far, to store it.
        begun: what an interrupted run of the same experiment had seen, to go on from.

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
        estimator,
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
    begun: Accumulator | None = None,
) -> Result:
    """Draw an experiment and summarise it; the hooks are those of `simulate`."""
    started = kept_at = time.perf_counter()
    replicates, target = experiment.replicates, experiment.target_relative_error
    m, psi = len(experiment.grid), "correlations" in experiment.statistics
    require_memory(bytes_of(m, psi), f"covariances across {m:,} n")
    seen = begin(experiment.grid, psi, wants_logs(experiment.model)) if begun is None else begun
    exact = None
    if target is not None and experiment.estimator == "control":
        exact = theory.second_moment(experiment.model, experiment.grid)
    done = False
    last: Chunk | None = None
    for chunk in draw(experiment, execution, seen.count):
        last = chunk
        for part in _up_to_looks(chunk.samples, seen.count, target):
            seen = update(seen, part)
            done = target is not None and enough(seen, target, exact)
            if done:
                break
        if progress is not None and chunk.samples:
            progress(chunk.done, replicates)
        if done:
            break
        if keep is not None and time.perf_counter() - kept_at > SECONDS_BETWEEN_KEEPING:
            keep(seen)
            kept_at = time.perf_counter()
        if stop is not None and chunk.done < replicates and any_host(stop()):
            raise Interrupted.within(seen, replicates)
    assert last is not None  # replicates >= 1
    on_target: tuple[str, ...] = ()
    if target is not None:
        on_target = (_on_target(target, done, relative_error(seen, exact), seen.count),)
    result = summarise(
        summary(seen),
        experiment.model,
        experiment.estimator,
        sampler=last.plan.name,
        method=last.plan.method,
        reason=last.plan.reason,
        kernels=last.plan.kernels,
        device=last.device,
        seed=experiment.seed,
        seconds=time.perf_counter() - started,
        versions=versions(),
        notes=(*last.notes, *on_target),
    )
    return replace(result, notes=(*result.notes, *_on_estimator(experiment, result)))


def _up_to_looks(samples: Samples, count: int, target: float | None) -> Iterator[Samples]:
    """The samples, cut where a run with a target is judged."""
    rows, start = len(samples["divergence"]) if samples else 0, 0
    while start < rows:
        end = rows if target is None else min(rows, next_look(count + start) - count)
        yield {k: v[start:end] for k, v in samples.items()}
        start = end


def _on_estimator(experiment: Experiment, result: Result) -> tuple[str, ...]:
    """What is to be said of the estimate of E[D]."""
    if wants_logs(experiment.model):
        return ("D has no variance, so the errors of its mean say nothing: see its median",)
    if experiment.estimator == "control" and result.control is None:
        return (f"E[D] is the plain mean: the control variate needs {LEAST} replicates that vary",)
    return ()


def _on_target(target: float, stopped: bool, reached: float, done: int) -> str:
    if np.isnan(reached):
        return "one replicate says nothing of its error"
    if stopped:
        return f"stopped after {done} replicates: relative error below {target:g}"
    if reached < target:
        return f"relative error {reached:.2g} after all {done} replicates, below {target:g}"
    return f"relative error {reached:.2g} after all {done} replicates, not below {target:g}"
