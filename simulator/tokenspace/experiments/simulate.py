"""One experiment from beginning to end: draw until there is enough, and say what was found."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tokenspace.covariance import SumModel, TokenModel
from tokenspace.errors import Interrupted
from tokenspace.experiments.draw import Chunk, draw
from tokenspace.experiments.experiment import DEFAULT, Execution, Experiment
from tokenspace.experiments.hosts import any_host
from tokenspace.experiments.run import begin_run
from tokenspace.statistics.result import Result
from tokenspace.statistics.streaming import Accumulator

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
    run = begin_run(experiment, begun)
    last: Chunk | None = None
    for chunk in draw(experiment, execution, run.seen.count):
        last, run = chunk, run.after(chunk.samples)
        if progress is not None and chunk.samples:
            progress(chunk.done, experiment.replicates)
        if run.met:
            break
        late = time.perf_counter() - kept_at > SECONDS_BETWEEN_KEEPING
        if keep is not None and run.left and late:
            keep(run.seen)
            kept_at = time.perf_counter()
        if stop is not None and run.left and any_host(stop()):
            raise Interrupted.within(run.seen, experiment.replicates)
    assert last is not None  # replicates >= 1
    return run.result(last.plan, last.device, last.notes, time.perf_counter() - started)
