"""Cycles of a program on a TPU, as libtpu estimates them, and of its Pallas kernels by their code.

libtpu writes its own estimate beside every operation that it fuses. A Pallas kernel has none: there
the bundles of its machine code count (`bundles`).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from tokenspace_benchmarks.ahead_of_time import bundles, hlo
from tokenspace_benchmarks.ahead_of_time.record import ONCE

ESTIMATE = re.compile(r'"estimated_cycles":"(\d+)"')


class Cycles(NamedTuple):
    """Cycles of a call, trips and cycles of the loop that takes most, bytes spilt, notes.

    Of what libtpu fuses itself, spills are not known: None.
    """

    run: float
    steps: int
    step: float
    spills: int | None
    notes: tuple[str, ...]


def count(text: str, dump: Path, numbers: float, shares: tuple[float, ...] = ()) -> Cycles:
    """Cycles of a compiled program from its text, and from machine code in `dump`.

    numbers: normals that a core draws in a call; shares: as in `launches.sequence`.
    """
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
                    notes.add(ONCE)
                loops.append((trips * step, trips, step))
                total += trips * step
            elif branches := hlo.branches_of(line):
                costs = [of(name) for name in branches]
                if len(costs) == len(shares):
                    total += sum(c * share for c, share in zip(costs, shares, strict=True))
                else:
                    total += min(costs)
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
        found = bundles.count(files[-1].read_text(), numbers)
        spills.append(found.spills)
        notes.update(found.notes)
        loops.append((found.run, found.steps, found.step))
        return found.run

    run = of(program.entry)
    _, steps, step = max(loops, default=(run, 1, run))
    return Cycles(run, steps, step, sum(spills) if spills else None, tuple(sorted(notes)))
