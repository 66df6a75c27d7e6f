"""All benchmarks in one run: limits of the machine, cases with their peers, growth with size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tokenspace_benchmarks.cases import all_cases, left_out
from tokenspace_benchmarks.harness import Timing, race, save
from tokenspace_benchmarks.machine import probes
from tokenspace_benchmarks.memory import peak_mib
from tokenspace_benchmarks.sizes import Size, Slope, measure_sizes, slopes


@dataclass(frozen=True)
class Suite:
    """What a run measured; limits are medians over the cases, skipped says in words what could not
    be compared with.
    """

    limits: dict[str, float]
    timings: list[Timing]
    sizes: list[Size]
    slopes: list[Slope]
    skipped: list[str]


def run_suite(
    quick: bool,
    memory: bool,
    progress: Callable[[str], Any],
    keep: Callable[[Suite], Any] = lambda suite: None,
) -> Suite:
    """Measure everything on the device that JAX computes on.

    Args:
        quick: small shapes only, for a smoke test.
        memory: measure peak memory too, each contestant in a process of its own.
        progress: called with what is being measured.
        keep: called with what there is after every case, so that a run cut short leaves that.
    """
    use = "quick" if quick else "full"
    progress("limits of the machine")
    known, skipped = probes(quick), left_out()
    timings: list[Timing] = []
    of_cases: list[dict[str, float]] = []

    def so_far(sizes: list[Size]) -> Suite:
        limits = {name: float(np.median([c[name] for c in of_cases])) for name in of_cases[0]}
        return Suite(limits, timings, sizes, slopes(sizes), skipped)

    for case in all_cases(use):
        progress(case.name)
        raced, limits = race(case, known)
        timings += raced
        of_cases.append(limits)
        keep(so_far([]))
    if memory:
        for k, t in enumerate(timings):
            progress(f"memory: {t.case}, {t.contestant}")
            timings[k] = replace(t, peak_mib=peak_mib("case", use, t.case, t.contestant))
    return so_far(measure_sizes(quick, memory, progress))


def save_suite(suite: Suite, folder: Path, finished: bool = True) -> Path:
    """Write the result file of a run, see `harness.save`; returns its path."""
    return save(
        suite.timings,
        folder,
        finished,
        limits=suite.limits,
        sizes=[asdict(s) for s in suite.sizes],
        slopes=[asdict(s) for s in suite.slopes],
        skipped=suite.skipped,
    )
