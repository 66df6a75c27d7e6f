"""What a sweep will take, before anything runs: samplers, time and bytes on disk.

Points of one kind (sampler, statistics and grid size) differ in cost only: the median one is tried
for a fraction of a second, and the others scale with the work that their sampler counts.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tokenspace.collector import collector_paused
from tokenspace.experiments.draw import draw
from tokenspace.experiments.experiment import Execution, Experiment, Point
from tokenspace.experiments.shards import work_of_replicate
from tokenspace.experiments.simulate import run_experiment
from tokenspace.experiments.store import encode_point
from tokenspace.sampling import choose

SECONDS_PER_TRIAL = 0.3  # of drawing, after what compiles
FEW = 64  # replicates of the trial that is summarised and encoded
MOST_TRIALS = 16  # kinds that are tried, the dearest first; the others scale from the last of them


@dataclass(frozen=True)
class Kind:
    """Points drawn alike: how many, and what they take together on this machine in one process.

    grid: token counts of a point; replicates: of all points; seconds, bytes: of all points.
    """

    sampler: str
    statistics: tuple[str, ...]
    grid: int
    points: int
    replicates: int
    seconds: float
    bytes: float


@dataclass(frozen=True)
class _Trial:
    """What one point took: seconds to begin, a replicate and to summarise; bytes of its file."""

    begin: float
    replicate: float
    summarise: float
    bytes: int


def outlook(points: Sequence[Point], execution: Execution | None = None) -> list[Kind]:
    """What each kind of points takes, the longest first.

    Args:
        points: of a configuration; two that are one experiment are computed once.
        execution: devices and memory, as in `simulate`.

    Raises:
        UnsupportedSampler, InputError: as when the sweep runs.
    """
    groups: dict[tuple, list[tuple[Point, float]]] = defaultdict(list)
    with collector_paused():
        for point in {p.key: p for p in points}.values():
            e = point.experiment
            chosen = choose(e.model, e.grid, e.statistics, e.sampler)
            group = groups[chosen.name, e.statistics, len(e.grid)]
            group.append((point, work_of_replicate(chosen)))
    kinds: list[Kind] = []
    trial, tried = None, 1.0
    for number, ((name, statistics, m), group) in enumerate(
        sorted(groups.items(), key=lambda g: -_work(g[1]))
    ):
        if trial is None or number < MOST_TRIALS:
            middle, tried = sorted(group, key=lambda pair: pair[1])[len(group) // 2]
            trial = _try(middle, execution or Execution())
        drawing = trial.replicate / tried * _work(group)
        seconds = trial.begin + trial.summarise * len(group) + drawing
        size = float(trial.bytes * len(group))
        replicates = sum(p.experiment.replicates for p, _ in group)
        kinds.append(Kind(name, statistics, m, len(group), replicates, seconds, size))
    return sorted(kinds, key=lambda k: -k.seconds)


def _work(group: list[tuple[Point, float]]) -> float:
    """Of all replicates of some points, from that of one of each."""
    return sum(p.experiment.replicates * work for p, work in group)


def _try(point: Point, execution: Execution) -> _Trial:
    experiment = replace(point.experiment, target_relative_error=None)
    begun, _ = _drawn(experiment, execution, 0.0)
    again, count = _drawn(experiment, execution, SECONDS_PER_TRIAL)
    replicate = again / count
    few = replace(experiment, replicates=min(FEW, experiment.replicates))
    run_experiment(few, execution)
    started = time.perf_counter()
    result = run_experiment(few, execution)
    encoded = encode_point(point, result)
    summarised = time.perf_counter() - started - replicate * few.replicates
    return _Trial(begun, replicate, max(summarised, 0.0), len(encoded))


def _drawn(experiment: Experiment, execution: Execution, most: float) -> tuple[float, int]:
    """Seconds until the first chunk after so long, or the last, and replicates drawn until then."""
    started, count, seconds = time.perf_counter(), 0, 0.0
    for chunk in draw(experiment, execution):
        seconds, count = time.perf_counter() - started, chunk.done
        if seconds >= most:
            break
    return seconds, count
