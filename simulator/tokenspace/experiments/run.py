"""What is known of one experiment while it is drawn: state in, samples in, state out.

Who draws the samples (alone, or many experiments in one device program) makes no difference.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from tokenspace import theory
from tokenspace.experiments.devices import require_memory
from tokenspace.experiments.experiment import Experiment
from tokenspace.experiments.placement import Samples
from tokenspace.provenance import versions
from tokenspace.sampling import Plan
from tokenspace.statistics.amplitude import wants_logs
from tokenspace.statistics.control import LEAST
from tokenspace.statistics.result import Result, summarise
from tokenspace.statistics.stopping import enough, next_look, relative_error
from tokenspace.statistics.streaming import Accumulator, begin, bytes_of, summary, update


@dataclass(frozen=True)
class Run:
    """An experiment and what was seen of it.

    exact: E[D^2] where the target is judged by it; met: whether the target is reached.
    """

    experiment: Experiment
    seen: Accumulator
    exact: np.ndarray | None
    met: bool = False

    @property
    def left(self) -> int:
        """Replicates that are still to be drawn at most."""
        return 0 if self.met else max(0, self.experiment.replicates - self.seen.count)

    def after(self, samples: Samples) -> Run:
        """The state after more replicates, each name (R, m); those after a target is met are not
        looked at."""
        seen, met, target = self.seen, self.met, self.experiment.target_relative_error
        for part in _up_to_looks(samples, seen.count, target):
            seen = update(seen, part)
            met = target is not None and enough(seen, target, self.exact)
            if met:
                break
        return replace(self, seen=seen, met=met)

    def result(self, plan: Plan, device: str, notes: tuple[str, ...], seconds: float) -> Result:
        """What was found, and how it was drawn."""
        experiment, target = self.experiment, self.experiment.target_relative_error
        if target is not None:
            reached = relative_error(self.seen, self.exact)
            notes = (*notes, _on_target(target, self.met, reached, self.seen.count))
        found = summarise(
            summary(self.seen),
            experiment.model,
            experiment.estimator,
            sampler=plan.name,
            method=plan.method,
            reason=plan.reason,
            kernels=plan.kernels,
            device=device,
            seed=experiment.seed,
            seconds=seconds,
            versions=versions(),
            notes=notes,
        )
        return replace(found, notes=(*found.notes, *_on_estimator(experiment, found)))


def begin_run(experiment: Experiment, begun: Accumulator | None = None) -> Run:
    """Nothing seen yet, or what an interrupted run of the same experiment had seen.

    Raises:
        InputError: what is to be accumulated does not fit into memory.
    """
    m, psi = len(experiment.grid), "correlations" in experiment.statistics
    require_memory(bytes_of(m, psi), f"covariances across {m:,} n")
    seen = begin(experiment.grid, psi, wants_logs(experiment.model)) if begun is None else begun
    exact = None
    if experiment.target_relative_error is not None and experiment.estimator == "control":
        exact = theory.second_moment(experiment.model, experiment.grid)
    return Run(experiment, seen, exact)


def on_begun(count: int) -> tuple[str, ...]:
    """What is said of a run that goes on from so many replicates."""
    return (f"{count} of the replicates were drawn before an interruption",) if count else ()


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
