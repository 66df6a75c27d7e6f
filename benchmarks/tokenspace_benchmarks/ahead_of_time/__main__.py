"""`python -m tokenspace_benchmarks.ahead_of_time [FOLDER] [TARGET ...]`: compile everything.

Writes FOLDER/TARGET-compiled/latest.json and roofline.png for every target, or those named. Needs
no accelerator; nothing is run.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax

from tokenspace.errors import InputError
from tokenspace_benchmarks.ahead_of_time import document
from tokenspace_benchmarks.ahead_of_time.compile import compile_for
from tokenspace_benchmarks.ahead_of_time.programs import programs
from tokenspace_benchmarks.ahead_of_time.record import Record
from tokenspace_benchmarks.ahead_of_time.report import draw, table
from tokenspace_benchmarks.ahead_of_time.sharded import CHIPS, compile_sharded
from tokenspace_benchmarks.ahead_of_time.targets import TARGETS, missing, target

OVER_CHIPS = "D(n), AR(1): tokens"  # its loop has a state, which chips might want to exchange


def compile_all(name: str, folder: Path) -> Path:
    """Compile every program for a target and write its result file; returns its path."""
    known: dict[Any, Record] = {}
    records, scale = [], []
    for p in programs(target(name).platform):
        started = time.perf_counter()
        if p.identity not in known:
            more = (p.name, p.implementation, p.replicates, p.shares)
            known[p.identity] = compile_for(name, p.call, p.arguments, p.numbers, *more)
        records.append(replace(known[p.identity], program=p.name))
        if p.name == OVER_CHIPS:
            of = (p.name, p.implementation, p.call, p.arguments, p.numbers)
            scale += [compile_sharded(name, n, *of) for n in CHIPS]
        seconds = time.perf_counter() - started
        print(f"{name}: {p.name}, {p.implementation}: {seconds:.1f} s", file=sys.stderr, flush=True)
    return document.save(name, records, scale, folder)


def main(arguments: list[str]) -> int:
    """Compile for each target that its compilers are installed for; status 1 where one is not."""
    from rich.console import Console

    names = [a for a in arguments if a in TARGETS] or list(TARGETS)
    folders = [a for a in arguments if a not in TARGETS]
    folder = Path(folders[0] if folders else "benchmarks/results")
    jax.config.update("jax_platforms", "cpu")
    absent = [why for why in map(missing, names) if why]
    for why in absent:
        print(why, file=sys.stderr)
    try:
        for name in names:
            if missing(name):
                continue
            path = compile_all(name, folder)
            found = document.read(path)
            Console(width=200).print(table(found))
            for s in found["scale"]:
                inside = ", ".join(s["collectives_in_loops"]) or "none"
                said = ", ".join(s["collectives"]) or "none"
                print(
                    f"{s['program']}, {s['implementation']}, on {s['chips']} chips: "
                    f"collectives {said}; in loops {inside}"
                )
            print(f"result file: {path}   plot: {draw(found, path.parent)}")
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 1 if absent else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
