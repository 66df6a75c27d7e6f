"""Parts of a sweep for jobs that know nothing of each other, of about the same work each."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from tokenspace.errors import InputError
from tokenspace.experiments.experiment import Experiment, Point
from tokenspace.sampling import Choice, choose

A_NORMAL = 60.0  # multiply-adds that take as long as a normal: the operations that it is made of
A_POINT = 3e7  # as many as take as long as planning, summarising and storing a point; measured
WORK_OF_A_BATCH = 1e10  # some tenths of a second
BATCHES_OF_A_WORKER = 8  # at least, so that none waits long for the last


def parse_shard(text: str) -> tuple[int, int]:
    """ "i/N" as (i, N), 1 <= i <= N.

    Raises:
        InputError: anything else.
    """
    first, slash, second = text.partition("/")
    if slash and first.isdecimal() and second.isdecimal() and 1 <= int(first) <= int(second):
        return int(first), int(second)
    raise InputError(f"--shard {text!r} is not allowed; it must be i/N with 1 <= i <= N, e.g. 2/8")


def work_of_replicate(chosen: Choice) -> float:
    """What a replicate takes, in multiply-adds, by what its sampler counts."""
    normals, multiply_adds = chosen.cost
    return A_NORMAL * normals + multiply_adds


def work_of(experiment: Experiment) -> float:
    """What an experiment takes, in multiply-adds."""
    e = experiment
    chosen = choose(e.model, e.grid, e.statistics, e.sampler)
    return A_POINT + e.replicates * work_of_replicate(chosen)


def batches(points: Sequence[Point], workers: int) -> list[list[Point]]:
    """The points in parts to be sent to workers, one after the other as they are free.

    Long enough that sending one costs little, and short enough that all workers end together.

    Args:
        points: all of them, kept in their order.
        workers: how many share them.
    """
    work = [work_of(p.experiment) for p in points]
    most = min(WORK_OF_A_BATCH, sum(work) / (BATCHES_OF_A_WORKER * workers))
    parts: list[list[Point]] = []
    load = most
    for point, of_point in zip(points, work, strict=True):
        if load + of_point > most:
            parts.append([])
            load = 0.0
        parts[-1].append(point)
        load += of_point
    return parts


def shard_of(points: Sequence[Point], number: int, parts: int) -> list[Point]:
    """The points of one of several parts: each goes to the part with the least work, dearest first.

    Every job that is given the same points finds the same parts.

    Args:
        points: all of them.
        number: which part, 1..parts.
        parts: how many.
    """
    work = [work_of(p.experiment) for p in points]
    loads = [(0.0, part) for part in range(1, parts + 1)]
    own = []
    for k in sorted(range(len(points)), key=lambda k: (-work[k], k)):
        load, part = heapq.heappop(loads)
        heapq.heappush(loads, (load + work[k], part))
        if part == number:
            own.append(k)
    return [points[k] for k in sorted(own)]
