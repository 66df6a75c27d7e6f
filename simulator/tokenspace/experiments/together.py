"""Points of one shape from beginning to end: a call of the devices draws blocks of all of them.

Each point has its own seed, takes its replicates in their order and stops at its own target, so it
gets the replicates that it gets alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax

from tokenspace.errors import Interrupted
from tokenspace.experiments.devices import choose_devices, is_out_of_memory
from tokenspace.experiments.experiment import Execution, Point
from tokenspace.experiments.groups import Group
from tokenspace.experiments.hosts import any_host
from tokenspace.experiments.placement import Samples, Stack, stack
from tokenspace.experiments.run import Run, begin_run, on_begun
from tokenspace.experiments.simulate import SECONDS_BETWEEN_KEEPING
from tokenspace.printable import counted
from tokenspace.provenance import device_name
from tokenspace.statistics.result import Result
from tokenspace.statistics.streaming import Accumulator

Stop = Callable[[], bool]


class Hooks(NamedTuple):
    """What a run of points asks and tells.

    begun: what an interrupted run had seen of a point; keep: stores what was seen of one that is
    not finished, every half minute and when stopped; stop: whether to stop; done: whether a point
    is finished elsewhere, asked before its group is drawn.
    """

    begun: Callable[[Point], Accumulator | None] = lambda point: None
    keep: Callable[[Point, Accumulator], Any] = lambda point, seen: None
    stop: Stop | None = None
    done: Callable[[Point], bool] = lambda point: False


NONE = Hooks()


class OutOfMemory(Exception):
    """The devices cannot draw even one block of each of two points; `seen` of each, by key."""

    def __init__(self, seen: dict[str, Accumulator]) -> None:
        self.seen = seen
        super().__init__("memory ran out")


def run_group(group: Group, execution: Execution, hooks: Hooks) -> Iterator[tuple[Point, Result]]:
    """Each point and its result, as it is finished.

    Raises:
        Interrupted: `stop` said so, after what was seen was kept.
        OutOfMemory: as it says; points that were not given yet are to be drawn alone.
    """
    devices = choose_devices(execution.devices)
    name, slots = device_name(len(devices)), group.slots
    runs = [begin_run(p.experiment, hooks.begun(p)) for p in group.points]
    notes = [on_begun(run.seen.count) for run in runs]
    seconds = [0.0] * len(runs)

    def result_of(k: int) -> tuple[Point, Result]:
        return group.points[k], runs[k].result(group.plans[k], name, notes[k], seconds[k])

    for k, run in enumerate(runs):
        if not run.left:  # it had ended when it was kept
            yield result_of(k)
    waiting, kept_at = [k for k, run in enumerate(runs) if run.left], time.perf_counter()
    placed: Stack | None = None
    while waiting:
        started = time.perf_counter()
        try:
            if placed is None:
                placed = stack(group.plans, [r.experiment.seed for r in runs], devices, slots)
            items = _items(runs, waiting, placed)
            drawn = placed.sample(items)
        except Exception as error:
            if not is_out_of_memory(error) or jax.process_count() > 1:
                raise
            if placed is None or placed.slots == 1:
                raise OutOfMemory({group.points[k].key: runs[k].seen for k in waiting}) from None
            placed = placed.with_slots(placed.slots // 2)
            continue
        share = (time.perf_counter() - started) / len(items)
        for k in dict.fromkeys(k for k, _ in items):
            started = time.perf_counter()
            own = [j for j, (number, _) in enumerate(items) if number == k]
            runs[k] = runs[k].after(_first({n: v[own] for n, v in drawn.items()}, runs[k].left))
            seconds[k] += share * len(own) + time.perf_counter() - started
            if not runs[k].left:
                yield result_of(k)
        waiting = [k for k in waiting if runs[k].left]
        if time.perf_counter() - kept_at > SECONDS_BETWEEN_KEEPING:
            _keep(group, runs, waiting, hooks)
            kept_at = time.perf_counter()
        if hooks.stop is not None and waiting and any_host(hooks.stop()):
            _keep(group, runs, waiting, hooks)
            raise Interrupted(f"stopped with {counted(len(waiting), 'point')} begun")


def _items(runs: list[Run], waiting: list[int], placed: Stack) -> list[tuple[int, int]]:
    """(point, first replicate) of the next blocks: as many of each point as there is room for."""
    room, block = placed.slots * len(placed.devices), placed.plan.block
    each, items = max(1, room // len(waiting)), []
    for k in waiting[:room]:
        first = runs[k].seen.count
        blocks = min(each, -(-runs[k].left // block))
        items += [(k, first + j * block) for j in range(blocks)]
    return items


def _first(blocks: Samples, most: int) -> Samples:
    """The first replicates of blocks (blocks, block, m), one after the other: (R, m)."""
    return {k: v.reshape(-1, v.shape[-1])[:most] for k, v in blocks.items()}


def _keep(group: Group, runs: list[Run], waiting: list[int], hooks: Hooks) -> None:
    for k in waiting:
        if runs[k].seen.count:
            hooks.keep(group.points[k], runs[k].seen)
