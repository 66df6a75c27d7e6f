"""Cycles of a program on a TPU, as libtpu estimates them, and of its Pallas kernels by their code.

libtpu writes its own estimate beside every operation that it fuses. A Pallas kernel has none: there
the bundles of its machine code count, one a cycle, loops by the constants of their exit tests and
only one pass through whatever branches; waiting for memory or for a result is not in it, so that
count is a lower bound.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from tokenspace_benchmarks.ahead_of_time import hlo

ESTIMATE = re.compile(r'"estimated_cycles":"(\d+)"')
BUNDLE = re.compile(r"^\s*(?:0x)?[0-9a-f]+\s*(L[HBE]|P[BF]|CT)?:\s*(>(?: ?>)*)?\s*\{(.*)$")
EXIT = re.compile(r"scmp\.(ge|eq|lt|ne)\.s32\.totalorder %\S+, (\d+) /\* loop exit test \*/")


class Cycles(NamedTuple):
    """Cycles of a call, trips and cycles of the loop that takes most, bytes spilt, notes."""

    run: float
    steps: int
    step: float
    spills: int
    notes: tuple[str, ...]


class Bundles(NamedTuple):
    """Cycles of a Pallas kernel, trips and cycles of its outer loop, and registers spilt."""

    run: float
    steps: int
    step: float
    spills: int


def count(text: str, dump: Path) -> Cycles:
    """Cycles of a compiled program from its text, and from machine code in `dump`."""
    program = hlo.parse(text)
    loops: list[tuple[float, int, float]] = []
    notes: set[str] = set()
    spills: list[int] = []

    def of(computation: str) -> float:
        total = 0.0
        for line in program.computations[computation]:
            if loop := hlo.loop_of(program, line):
                step = of(loop.body) + of(loop.condition)
                trips = loop.trips or 1
                if loop.trips is None:
                    notes.add("a loop of unknown trips counts once")
                loops.append((trips * step, trips, step))
                total += trips * step
            elif branches := hlo.branches_of(line):
                total += min(of(name) for name in branches)
                notes.add("of branches the cheapest counts")
            elif "tpu_custom_call" in line:
                total += kernel(line)
            elif estimate := ESTIMATE.search(line):
                total += int(estimate[1])
            total += sum(of(name) for name in hlo.called_of(line))
        return total

    def kernel(line: str) -> float:
        name = hlo.NAME.match(line)
        files = sorted(dump.glob(f"*-{name[1]}-*-final_bundles.txt")) if name else []
        if not files:
            notes.add("a Pallas kernel without machine code is not counted")
            return 0.0
        found = bundles(files[-1].read_text())
        spills.append(found.spills)
        loops.append((found.run, found.steps, found.step))
        return found.run

    run = of(program.entry)
    _, steps, step = max(loops, default=(run, 1, run))
    return Cycles(run, steps, step, sum(spills), tuple(sorted(notes)))


def bundles(text: str) -> Bundles:
    """Count the bundles of a kernel: those at depth k run as often as the k loops around them."""
    stack: list[list[float]] = [[0.0, 0.0]]  # cycles at each depth, and trips of its loop
    steps, step = 1, 0.0
    for line in text.splitlines():
        found = BUNDLE.match(line)
        if not found:
            continue
        depth = (found[2] or "").count(">")
        if not found[2] and found[3].startswith("}"):
            depth = len(stack) - 1  # an empty bundle is printed without its depth
        while len(stack) - 1 > depth:
            cycles, trips = stack.pop()
            inner = cycles * (trips or 1)
            stack[-1][0] += inner
            if len(stack) == 1 and inner > steps * step:
                steps, step = int(trips or 1), cycles
        while len(stack) - 1 < depth:
            stack.append([0.0, 0.0])
        stack[-1][0] += 1
        if exits := EXIT.search(line):
            stack[-1][1] = int(exits[2])
    while len(stack) > 1:
        cycles, trips = stack.pop()
        stack[-1][0] += cycles * (trips or 1)
    run = stack[0][0]
    return Bundles(run, steps, step or run, 4096 * len(set(re.findall(r"\w+_spill", text))))
