"""Cycles of a Pallas kernel on a TPU, from its machine code: one bundle of instructions a cycle.

Loops count by the constants of their exit tests. One without such a constant counts once, or, where
it draws normals, as often as it must to draw them all: each takes one logarithm, 1,024 at a time.
All sides of branches count. Waiting for memory or for a result is not in it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from tokenspace_benchmarks.ahead_of_time.record import ONCE, WALKS

BUNDLE = re.compile(r"^\s*(?:0x)?[0-9a-f]+\s*(L[HBE]|P[BF]|CT)?\s*:\s*(>(?: ?>)*)?\s*\{(.*)$")
EXIT = re.compile(r"scmp\.\w+\.s32\.totalorder %\S+, (\d+) /\* loop exit test \*/")
VECTOR_SPILT = re.compile(r"vmem:\[#(\w+_spill)")  # scalars have a memory of their own for that
LOGARITHM = "vlog2.f32"
VECTOR = 8 * 128  # numbers, 4 bytes each


class Bundles(NamedTuple):
    """Cycles of a call, trips and cycles of its outer loop, bytes spilt, and notes."""

    run: float
    steps: int
    step: float
    spills: int
    notes: tuple[str, ...]


@dataclass
class Loop:
    """Own bundles, logarithms and uses of spilt vectors of a loop, its trips if they are known, and
    loops inside.
    """

    own: int = 0
    logarithms: int = 0
    spilt: int = 0
    trips: int | None = None
    inner: list[Loop] = field(default_factory=list)

    @property
    def once(self) -> float:
        """Cycles of one trip, without walks."""
        return self.own + sum(loop.cycles for loop in self.inner)

    @property
    def cycles(self) -> float:
        """Cycles of all trips; of a walk, none."""
        return 0.0 if self.walks else (self.trips or 1) * self.once

    @property
    def walks(self) -> bool:
        """Whether this loop draws normals as often as only a run knows."""
        return self.trips is None and self.logarithms > 0

    def all(self) -> list[Loop]:
        """This loop and all inside."""
        return [self, *(x for loop in self.inner for x in loop.all())]


def parse(text: str) -> Loop:
    """The loops of libtpu's listing of a kernel; the whole kernel is the outermost, run once."""
    stack = [Loop(trips=1)]
    for line in text.splitlines():
        found = BUNDLE.match(line)
        if not found:
            continue
        depth = (found[2] or "").count(">")
        if not found[2] and found[3].startswith("}"):
            depth = len(stack) - 1  # an empty bundle is printed without its depth
        begins = found[1] == "LB" and depth < len(stack)
        del stack[depth + (not begins) :]
        while len(stack) - 1 < depth:
            stack[-1].inner.append(Loop())
            stack.append(stack[-1].inner[-1])
        stack[-1].own += 1
        stack[-1].logarithms += found[3].count(LOGARITHM)
        stack[-1].spilt += len(VECTOR_SPILT.findall(found[3]))
        if exits := EXIT.search(line):
            stack[-1].trips = int(exits[1])
    return stack[0]


def count(text: str, numbers: float) -> Bundles:
    """Cycles of a kernel that draws so many normals on a core."""
    kernel = parse(text)
    walks = [loop for loop in kernel.all() if loop.walks]
    each = min((loop.once / loop.logarithms for loop in walks), default=0.0)
    drawn = numbers / VECTOR * each
    outer = max(kernel.inner, key=lambda loop: loop.cycles, default=kernel)
    steps = outer.trips or 1
    spills = 4 * VECTOR * len(set(VECTOR_SPILT.findall(text)))
    once = any(loop.trips is None and not loop.walks for loop in kernel.all())
    notes = (WALKS,) * bool(walks) + (ONCE,) * once
    return Bundles(kernel.once + drawn, steps, outer.once + drawn / steps, spills, notes)
