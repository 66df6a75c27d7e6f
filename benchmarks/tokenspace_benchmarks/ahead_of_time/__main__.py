"""`python -m tokenspace_benchmarks.ahead_of_time [FOLDER] [TARGET ...]`: compile everything.

Writes FOLDER/TARGET-compiled/latest.json and roofline.png for every target, or those named. Needs
no accelerator; nothing is run.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import jax

from tokenspace.errors import InputError
from tokenspace_benchmarks.ahead_of_time import document
from tokenspace_benchmarks.ahead_of_time.compile import compile_for
from tokenspace_benchmarks.ahead_of_time.programs import programs
from tokenspace_benchmarks.ahead_of_time.report import draw, table
from tokenspace_benchmarks.ahead_of_time.sharded import CHIPS, compile_sharded
from tokenspace_benchmarks.ahead_of_time.targets import TARGETS, missing, target

OVER_CHIPS = "D(n), AR(1): tokens"  # its loop has a state, which chips might want to exchange


def compile_all(name: str, folder: Path) -> Path:
    """Compile every program for a target and write its result file; returns its path."""
    records, scale = [], []
    for p in programs(target(name).platform):
        started = time.perf_counter()
        records.append(compile_for(name, p.call, p.arguments, p.numbers, p.name, p.implementation))
        if p.name == OVER_CHIPS:
            scale += [compile_sharded(name, n, p.name, p.call, p.arguments) for n in CHIPS]
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
            found = document.load(folder)[name]
            Console(width=200).print(table(found))
            for s in found["scale"]:
                inside = ", ".join(s["collectives_in_loops"]) or "none"
                said = ", ".join(s["collectives"]) or "none"
                print(
                    f"{s['program']} on {s['chips']} chips: collectives {said}; in loops {inside}"
                )
            print(f"result file: {path}   plot: {draw(found, path.parent)}")
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 1 if absent else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
