"""Timing: warm-up first, compile time apart, contestants interleaved, medians and spread."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tokenspace.errors import InputError
from tokenspace.provenance import device_name, versions
from tokenspace_benchmarks.limits import Work
from tokenspace_benchmarks.machine import Probe, timed

FORMAT = 3  # of a result file; 1 had the speed of our own generator as a limit, 2 that of all shifts


@dataclass(frozen=True)
class Contestant:
    """One way to do a case.

    build: prepares it and returns a call that gives an array whose first axis counts what was done
    (replicates, or passes over given tokens), on the host or on the device; work: of one of those.
    """

    name: str
    ours: bool
    build: Callable[[], Callable[[], Any]]
    work: Work | None = None


@dataclass(frozen=True)
class Case:
    """Contestants that do the same thing; one call of each in turn, `repeats` times."""

    name: str
    contestants: list[Contestant]
    repeats: int = 9


@dataclass(frozen=True)
class Timing:
    """Seconds per replicate (or per pass) of one contestant in one case.

    low and high are the quartiles; first_call is in seconds, compilation included; floor is the
    least time at the machine's limits during the case and floor_by the resource that sets it;
    peak_mib is what a process of its own needs above an idle one.
    """

    case: str
    contestant: str
    ours: bool
    median: float
    low: float
    high: float
    first_call: float
    repeats: int
    floor: float | None = None
    floor_by: str | None = None
    peak_mib: float | None = None

    @property
    def fraction(self) -> float | None:
        """Share of the machine's limit that is reached."""
        return None if self.floor is None else self.floor / self.median


def race(case: Case, probes: list[Probe]) -> tuple[list[Timing], dict[str, float]]:
    """Time all contestants of a case and the machine's limits, one call of each in turn."""
    calls = {c.name: c.build() for c in case.contestants}
    first = {name: timed(call)[0] for name, call in calls.items()}
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    reached: dict[str, list[float]] = {p.limit: [] for p in probes}
    for _ in range(case.repeats):
        for p in probes:
            reached[p.limit].append(p.amount / timed(p.call)[0])
        for name, call in calls.items():
            took, result = timed(call)
            seconds[name].append(took / len(result))
    limits = {name: float(np.median(rates)) for name, rates in reached.items()}
    out = []
    for c in case.contestants:
        low, median, high = (float(q) for q in np.quantile(seconds[c.name], [0.25, 0.5, 0.75]))
        floor, by = c.work.floor(limits) if c.work is not None else (None, None)
        out.append(
            Timing(
                case.name,
                c.name,
                c.ours,
                median,
                low,
                high,
                first[c.name],
                case.repeats,
                floor,
                by,
            )
        )
    return out, limits


def commit() -> str:
    """The commit that runs, with "+" when files differ from it."""
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty=+"], capture_output=True, text=True, check=True
        )
        return described.stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def device_folder(folder: Path) -> Path:
    """The sub-folder of the device that JAX computes on, created when missing."""
    safe = "".join(c if c.isalnum() else "-" for c in device_name()).strip("-").lower()
    try:
        (folder / safe).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror or error})") from None
    return folder / safe


def save(timings: list[Timing], folder: Path, finished: bool = True, **more: Any) -> Path:
    """Write a result file with device, versions and commit; returns its path.

    It is latest.json, or of a run that goes on unfinished.json, which the finished one replaces.
    """
    unfinished = device_folder(folder) / "unfinished.json"
    path = unfinished.with_name("latest.json") if finished else unfinished
    document = {
        "format": FORMAT,
        "device": device_name(),
        "versions": versions(),
        "commit": commit(),
        **more,
        "timings": [asdict(t) for t in timings],
    }
    try:
        path.write_text(json.dumps(document, indent=1) + "\n")
        if finished:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from None
    return path


def load(path: Path) -> dict[str, Any]:
    """Read a result file.

    One of an earlier format keeps its times. Its limits are left out, since they are those of other
    things, and shares of them mean something else; "skipped" says so.

    Raises:
        InputError: missing, not one of ours, or of a later format.
    """
    try:
        document = dict(json.loads(path.read_text()))
        if not {"device", "limits", "timings"} <= set(document):
            raise ValueError("no timings in it")
        for t in document["timings"]:
            Timing(**t)
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path}: not a benchmark result ({error})") from None
    known = document.get("format", 1)
    if known == FORMAT:
        return document
    if known not in range(1, FORMAT):
        raise InputError(
            f"{path}: a benchmark result of format {known!r}; this version reads 1 to {FORMAT}. "
            "Run `tokenspace bench` again, or a newer version"
        )
    said = "measured against other limits than today's: its shares of them are left out"
    blank = {"floor": None, "floor_by": None}
    return document | {
        "limits": {},
        "timings": [t | blank for t in document["timings"]],
        "skipped": [*document.get("skipped", []), said],
    }


def results_folder() -> Path:
    """Where the result files are that come with the package."""
    package = Path(__file__).parent
    installed = package / "results"  # in a wheel; a checkout has them in benchmarks/results/
    return installed if installed.exists() else package.parent / "results"


def recorded() -> dict[str, dict[str, Any]]:
    """The result files that come with the package, by device; not those of compiled programs."""
    found = sorted(results_folder().glob("*/latest.json"))
    return {p.parent.name: load(p) for p in found if not p.parent.name.endswith("-compiled")}


def slowdowns(old: dict[str, Any], new: list[Timing]) -> list[str]:
    """Our contestants whose lower quartile is above the old upper quartile, in words."""
    known = {(t["case"], t["contestant"]): t for t in old["timings"]}
    out = []
    for t in new:
        before = known.get((t.case, t.contestant))
        if t.ours and before and t.low > before["high"]:
            ratio = t.median / before["median"]
            out.append(f"{t.case}: {t.contestant} takes {ratio:.2f} times as long as before")
    return out
