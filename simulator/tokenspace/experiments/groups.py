"""Which points of a sweep are drawn by one device program: those of one shape.

A point of the quick samplers keeps an accelerator busy for less time than its launches take. Points
whose samplers, grids, features and blocks are alike differ in numbers only: their factors are
stacked, and one program, compiled once, draws a block of each. On a CPU launches cost nothing and
caches decide, so points are drawn one at a time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import psutil

from tokenspace.experiments.devices import choose_devices, memory_of
from tokenspace.experiments.experiment import Execution, Point
from tokenspace.experiments.hosts import least
from tokenspace.sampling import Plan, plan
from tokenspace.sampling.plan import shape_of
from tokenspace.statistics.streaming import bytes_of

MOST_SLOTS = {"cpu": 1}  # blocks that one program draws
ACCELERATOR_MOST_SLOTS = 64
HOST_SHARE = 0.25  # of the host's free memory, for what waits and is accumulated together


class Group(NamedTuple):
    """Points of one shape and their plans; slots: blocks that a device draws at once.

    A point that is to be drawn alone has no plan here.
    """

    points: list[Point]
    plans: list[Plan]
    slots: int

    def without(self, done: Callable[[Point], bool]) -> Group:
        """The group without the points of which that holds."""
        left = [k for k, point in enumerate(self.points) if not done(point)]
        plans = [self.plans[k] for k in left] if self.plans else []
        return self._replace(points=[self.points[k] for k in left], plans=plans)


def groups(points: Sequence[Point], execution: Execution) -> Iterator[Group]:
    """All points, those of one shape together; plans are made as groups are asked for.

    A group has as many blocks as the devices draw at once, as far as its shape has points.
    """
    most = MOST_SLOTS.get(jax.default_backend(), ACCELERATOR_MOST_SLOTS)
    if most == 1:
        yield from (Group([p], [], 1) for p in points)
        return
    devices = choose_devices(execution.devices)
    room = least(int(HOST_SHARE * psutil.virtual_memory().available))
    waiting: dict[Any, Group] = {}
    held: dict[Any, int] = defaultdict(int)  # bytes on the host
    full: set[Any] = set()
    for point in points:
        e = point.experiment
        prepared = plan(e.model, e.grid, e.sampler, e.statistics)
        if prepared.on_host:
            yield Group([point], [], 1)
            continue
        shape = shape_of(prepared)
        if shape not in waiting:
            waiting[shape] = Group([], [], _slots(prepared, devices, execution, most))
        group = waiting[shape]
        group.points.append(point)
        group.plans.append(prepared)
        held[shape] += _bytes(prepared) + bytes_of(len(e.grid), "correlations" in e.statistics)
        if _blocks(group) >= group.slots * len(devices):
            full.add(shape)
            del held[shape]
            yield _ready(waiting.pop(shape))
        while sum(held.values()) > room:
            largest = max(held, key=held.__getitem__)
            del held[largest]
            yield _ready(waiting.pop(largest))
    for shape, group in waiting.items():  # no slots for points that there are not, in a new program
        wanted = group.slots if shape in full else -(-_blocks(group) // len(devices))
        yield _ready(group._replace(slots=min(group.slots, 1 << (wanted - 1).bit_length())))


def _ready(group: Group) -> Group:
    """A point that fills the devices alone, or has none of its kind, is drawn alone."""
    return group if len(group.points) > 1 and group.slots > 1 else Group(group.points, [], 1)


def _slots(prepared: Plan, devices: list[Any], execution: Execution, most: int) -> int:
    """Blocks of a plan that fit into the memory of each device, a power of two."""
    limit = memory_of(devices, execution.max_memory)
    rows = 1 + len(devices)  # of a slot: what is gathered for it, and its share of all devices'
    fitting = int(limit // (prepared.bytes_of_block + rows * _bytes(prepared)))
    return 1 << (least(max(1, min(most, fitting))).bit_length() - 1)


def _blocks(group: Group) -> int:
    """Blocks that the points of a group take; those that may stop early are begun with one."""
    block = group.plans[0].block
    each = [p.experiment for p in group.points]
    return sum(1 if e.target_relative_error else -(-e.replicates // block) for e in each)


def _bytes(prepared: Plan) -> int:
    return sum(int(x.nbytes) for x in jax.tree.leaves(prepared.arrays))
