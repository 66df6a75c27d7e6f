"""The text of a compiled program: its computations, and which calls which how often."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

HEADER = re.compile(r"^(ENTRY )?%(\S+) \(.*\{$")
NAME = re.compile(r"^\s*(?:ROOT )?%(\S+) = ")
COLLECTIVES = ("all-reduce", "all-gather", "all-to-all", "collective-permute", "reduce-scatter")


class Loop(NamedTuple):
    """A `while`: its two computations, and its trips, None where no constant says them."""

    condition: str
    body: str
    trips: int | None


class Program(NamedTuple):
    """Lines of each computation by name, and the name of the one that is called."""

    computations: dict[str, list[str]]
    entry: str


def parse(text: str) -> Program:
    """Read what `Compiled.as_text()` or a dump of XLA gives."""
    computations: dict[str, list[str]] = {}
    entry = ""
    lines: list[str] = []
    for line in text.splitlines():
        if header := HEADER.match(line):
            lines = computations[header[2]] = []
            if header[1]:
                entry = header[2]
        elif NAME.match(line):
            lines.append(line)
    return Program(computations, entry)


def named(line: str, role: str) -> list[str]:
    """Computations that an instruction names as `role=%name` or `role={%name, %name}`."""
    found = re.search(rf"\b{role}=(\{{[^}}]*\}}|%[^\s,)]+)", line)
    return re.findall(r"%([^\s,}]+)", found[1]) if found else []


def loop_of(program: Program, line: str) -> Loop | None:
    """The loop that an instruction is."""
    if " while(" not in line:
        return None
    (condition,), (body,) = named(line, "condition"), named(line, "body")
    known = re.search(r'"known_trip_count":\{"n":"(\d+)"', line)
    if known:
        return Loop(condition, body, int(known[1]))
    text = "\n".join(program.computations[condition])
    limits = re.findall(r" constant\((\d+)\)", text)
    counted = len(limits) == 1 and "direction=LT" in text  # scans count from 0
    return Loop(condition, body, int(limits[0]) if counted else None)


def branches_of(line: str) -> list[str]:
    """The computations among which an instruction chooses."""
    if " conditional(" not in line:
        return []
    two = named(line, "true_computation") + named(line, "false_computation")
    return two or named(line, "branch_computations")


def called_of(line: str) -> list[str]:
    """Computations that an instruction runs once, instruction by instruction."""
    return named(line, "to_apply") if re.search(r" call\(", line) else []


def loops(program: Program, computation: str | None = None) -> Iterator[Loop]:
    """All loops in the order in which they are written, outer before inner."""
    for line in program.computations[computation or program.entry]:
        loop = loop_of(program, line)
        inner = [loop.condition, loop.body] if loop else branches_of(line) + called_of(line)
        if loop:
            yield loop
        for name in inner:
            yield from loops(program, name)


def collectives(program: Program, in_loops: bool = False) -> list[str]:
    """Kinds of communication between devices in a program, or in the bodies of its loops alone."""
    inside = reachable(program, [loop.body for loop in loops(program)])
    names = inside if in_loops else set(program.computations)
    text = "\n".join(line for name in sorted(names) for line in program.computations[name])
    return [kind for kind in COLLECTIVES if re.search(rf" {kind}(-start)?\(", text)]


def reachable(program: Program, names: list[str]) -> set[str]:
    """Those computations and all that they refer to."""
    found: set[str] = set()
    while names:
        name = names.pop()
        if name in found:
            continue
        found.add(name)
        words = re.findall(r"%([\w.\-]+)", "\n".join(program.computations[name]))
        names += [word for word in words if word in program.computations]
    return found
