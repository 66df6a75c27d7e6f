"""What a compiled GPU program starts: kernels and copies, in its loops and outside."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from tokenspace_benchmarks.ahead_of_time import hlo
from tokenspace_benchmarks.ahead_of_time.gpu import Launch, cycles, size
from tokenspace_benchmarks.ahead_of_time.record import ONCE

THUNK = re.compile(r"^(\s*)\d+: k(\w+)\s+\[.*?\]\s*(.*)$")
KERNEL = re.compile(r"(\S+) grid: (\[.*?\]) threads: (\[.*?\])")
GROUP = re.compile(r"^\s*(condition|body|branch_\d+):$")
CONTAINERS = ("While", "Conditional", "Sequential", "CommandBuffer", "DynamicSliceFusion")


@dataclass
class Thunk:
    """A step of XLA's launch sequence; inner: those that it holds, by "body", "branch_0", ..."""

    kind: str
    text: str
    inner: dict[str, list[Thunk]] = field(default_factory=dict)


class Work(NamedTuple):
    """Kernels, number of starts (copies too), and what could not be counted."""

    launches: tuple[Launch, ...] = ()
    starts: float = 0.0
    notes: frozenset[str] = frozenset()

    def times(self, number: float) -> Work:
        launches = tuple(k._replace(times=k.times * number) for k in self.launches)
        return self._replace(launches=launches, starts=self.starts * number)

    def plus(self, other: Work) -> Work:
        return Work(
            self.launches + other.launches, self.starts + other.starts, self.notes | other.notes
        )


class Sequence(NamedTuple):
    """All that a call of a program starts, and trips and starts of the loop that starts most."""

    work: Work
    steps: int
    starts_step: float


def parse(text: str) -> list[Thunk]:
    """Read XLA's dump of a launch sequence; indentation says what lies in what."""
    top: list[Thunk] = []
    stack: list[tuple[int, list[Thunk]]] = [(-1, top)]
    group: str | None = None
    for line in text.splitlines():
        if label := GROUP.match(line):
            group = label[1]
            continue
        found = THUNK.match(line)
        if not found:
            continue
        indent, thunk = len(found[1]), Thunk(found[2], found[3])
        while stack[-1][0] >= (indent if group else indent + 1) and len(stack) > 1:
            stack.pop()
        if group or indent > stack[-1][0]:
            siblings = stack[-1][1]
            if len(stack) > 1 or siblings:
                siblings = siblings[-1].inner.setdefault(group or "body", [])
            stack.append((indent, siblings))
            group = None
        stack[-1][1].append(thunk)
    return top


def sequence(
    text: str,
    program: hlo.Program,
    code: Mapping[str, Counter[str]],
    shares: tuple[float, ...] = (),
) -> Sequence:
    """Count a launch sequence, with the trips of loops from the program that it was made from.

    shares: how often each branch is taken, where a choice is among as many; of other choices the
    cheapest branch counts, so that a bound stays one. A loop of unknown trips counts once.
    """
    trips = (loop.trips for loop in hlo.loops(program))
    most: list[tuple[float, int, float]] = []
    work = _work(parse(text), trips, code, most, shares)
    _, steps, starts = max(most, default=(0.0, 1, work.starts))
    return Sequence(work, steps, starts)


def _work(
    thunks: list[Thunk],
    trips: Iterator[int | None],
    code: Mapping[str, Counter[str]],
    most: list[tuple[float, int, float]],
    shares: tuple[float, ...],
) -> Work:
    total = Work()
    for thunk in thunks:
        known = next(trips, None) if thunk.kind == "While" else 1
        inner = {k: _work(v, trips, code, most, shares) for k, v in thunk.inner.items()}
        if thunk.kind == "While":
            number = known or 1
            work = inner["body"].times(number).plus(inner["condition"].times(number + 1))
            if known is None:
                work = work._replace(notes=work.notes | {ONCE})
            starts = inner["body"].starts + inner["condition"].starts
            most.append((starts * number, number, starts))
        elif thunk.kind == "Conditional" and len(inner) == len(shares):
            work = Work()
            for branch, share in zip(inner.values(), shares, strict=True):
                work = work.plus(branch.times(share))
        elif thunk.kind == "Conditional":
            work = min(inner.values(), key=lambda w: _cycles(w, code))
            work = work._replace(notes=work.notes | {"of branches the cheapest counts"})
        elif thunk.kind in CONTAINERS:
            work = inner.get("body", Work())
        else:
            work = _start(thunk, code)
        total = total.plus(work)
    return total


def _start(thunk: Thunk, code: Mapping[str, Counter[str]]) -> Work:
    kernel = KERNEL.match(thunk.text)
    if kernel and kernel[1] in code:
        return Work((Launch(kernel[1], size(kernel[2]), size(kernel[3]), 1.0),), 1.0)
    copies = thunk.kind in ("Copy", "Memset32BitValue", "MemzeroThunk", "Memzero")
    name = kernel[1] if kernel else thunk.kind
    notes = () if copies else (f"instructions of {name} are not counted",)
    return Work((), 1.0, frozenset(notes))


def _cycles(work: Work, code: Mapping[str, Counter[str]]) -> float:
    return sum(k.times * cycles(k, code[k.kernel])[0] for k in work.launches)
