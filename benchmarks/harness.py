"""Timing: warm-up first, compile time apart, contestants interleaved, medians and spread."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tokenspace.errors import InputError
from tokenspace.provenance import device_name, versions


@dataclass(frozen=True)
class Timing:
    """Seconds per replicate (or per pass) of one contestant in one case.

    first is the first call, compilation included; low and high are the quartiles.
    """

    case: str
    contestant: str
    ours: bool
    median: float
    low: float
    high: float
    first: float
    repeats: int


Contestant = tuple[str, bool, Callable[[], int]]  # name, ours, call that returns how many it did


def race(case: str, contestants: list[Contestant], repeats: int = 7) -> list[Timing]:
    """Time all contestants of a case, one call of each in turn, `repeats` times."""
    first = {}
    for name, _, call in contestants:
        started = time.perf_counter()
        count = call()
        first[name] = (time.perf_counter() - started) / count
    seconds: dict[str, list[float]] = {name: [] for name, *_ in contestants}
    for _ in range(repeats):
        for name, _, call in contestants:
            started = time.perf_counter()
            count = call()
            seconds[name].append((time.perf_counter() - started) / count)
    out = []
    for name, ours, _ in contestants:
        low, median, high = np.quantile(seconds[name], [0.25, 0.5, 0.75])
        out.append(
            Timing(case, name, ours, float(median), float(low), float(high), first[name], repeats)
        )
    return out


def commit() -> str:
    """The commit that runs, with "+" when files differ from it."""
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty=+"], capture_output=True, text=True, check=True
        )
        return described.stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def save(timings: list[Timing], limits: dict[str, float], folder: Path) -> Path:
    """Write a result file with device, versions and commit; returns its path."""
    device = device_name()
    safe = "".join(c if c.isalnum() else "-" for c in device).strip("-").lower()
    document = {
        "device": device,
        "versions": versions(),
        "commit": commit(),
        "limits": limits,
        "timings": [asdict(t) for t in timings],
    }
    path = folder / safe / "latest.json"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document, indent=1) + "\n")
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from None
    return path


def load(path: Path) -> dict[str, Any]:
    """Read a result file.

    Raises:
        InputError: missing, or not one of ours.
    """
    try:
        document = json.loads(path.read_text())
        if not {"device", "timings"} <= set(document):
            raise ValueError("no timings in it")
        return dict(document)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a benchmark result ({error})") from None


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
