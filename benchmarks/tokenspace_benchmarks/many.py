"""Sweeps of many points and folders of many prompts: whole commands, each a process of its own.

    python -m tokenspace_benchmarks.many points 500 2000     the table of docs/hosts.md
    python -m tokenspace_benchmarks.many prompts 100000      memory and time, docs/samplers.md

Commands take turns. Peak memory and processor time are the system's own account of the process, its
libraries and its workers included.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

POINTS = """
tokens = {{ count = 4096, points = 33 }}
features = {{ model = "isotropic", dim = 64 }}
run = {{ replicates = 1024, sampler = "collapsed" }}

[branches]
model = "equicorrelated"
psi_equal = 0.1
psi_within = {{ sweep = {{ from = 0.2, to = 0.9, points = {points} }} }}
psi_cross = 0.1
"""
ANSWERS, SHORTEST, LONGEST, DIM = 2, 5, 200, 8  # a prompt has so many, of so many tokens


@dataclass(frozen=True)
class Used:
    """What a command took: seconds, seconds of all its processors, peak memory in bytes.

    The peak is that of its largest process, and never less than that of the one that started it.
    """

    seconds: float
    processor: float
    peak: float


def run(*arguments: Any) -> Used:
    """A command of tokenspace, whose failure ends this one."""
    command = [sys.executable, "-m", "tokenspace", *map(str, arguments)]
    started = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - started
        if process.returncode:
            said.seek(0)
            raise SystemExit(f"{' '.join(command)} failed:\n{said.read().decode()}")
    unit = 1 if sys.platform == "darwin" else 1024
    return Used(seconds, used.ru_utime + used.ru_stime, float(used.ru_maxrss) * unit)


@contextmanager
def two_dask_workers() -> Any:
    """Address of a scheduler with two workers of a thread each; None where Dask is missing."""
    try:
        from distributed import LocalCluster
    except ImportError:
        yield None
        return
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(host="127.0.0.1", **options) as cluster:
        yield cluster.scheduler_address


def points(counts: list[int], repeats: int = 3) -> list[str]:
    """Rows: seconds of whole sweeps alone, on two warm Dask workers, and with two workers."""
    rows = ["| points | alone | two Dask workers, warm | `--workers 2` |", "|---|---|---|---|"]
    with tempfile.TemporaryDirectory() as place, two_dask_workers() as scheduler:
        ways: list[tuple[Any, ...]] = [(), ("--scheduler", scheduler), ("--workers", 2)]
        for count in counts:
            config = Path(place) / f"{count}.toml"
            config.write_text(POINTS.format(points=count))
            took: list[list[float]] = [[] for _ in ways]
            for turn in range(repeats + 1):
                for k, way in enumerate(ways):
                    folder = Path(place) / f"{count}-{turn}-{k}"
                    if way[1:] == (None,):
                        took[k].append(np.nan)
                        continue
                    took[k].append(run("sweep", config, "--out", folder, *way).seconds)
            medians = [float(np.median(t[1:])) for t in took]  # the first call warms up
            cells = ["-" if np.isnan(m) else f"{m:.3g} s" for m in medians]
            rows.append(f"| {count:,} | {' | '.join(cells)} |")
    return rows


def write_prompts(folder: Path, prompts: int) -> None:
    """A folder as `tokenspace collect` writes it: answers of white noise to so many prompts."""
    from safetensors.numpy import save_file

    rng = np.random.default_rng(0)
    lengths = rng.integers(SHORTEST, LONGEST + 1, (prompts, ANSWERS))
    noise = rng.standard_normal((1 << 16, DIM)).astype(np.float16)
    starts = rng.integers(0, len(noise) - LONGEST, (prompts, ANSWERS))
    sequences, tokens = [], {}
    for prompt in range(prompts):
        for k in range(ANSWERS):
            name, length, start = f"{prompt}-{k}", lengths[prompt, k], starts[prompt, k]
            tokens[name] = noise[start : start + length]
            said = {"id": name, "length": int(length), "group_label": str(prompt)}
            sequences.append(said | {"pair": prompt, "branch": "AB"[k]})
    file = "language.00.safetensors"
    group = {"name": "language.00", "layer": 0, "part": "language", "features": DIM, "file": file}
    manifest = {"format": 1, "kind": "text", "model": "white noise", "groups": [group]}
    folder.mkdir()
    (folder / "manifest.json").write_text(json.dumps(manifest | {"sequences": sequences}))
    save_file(tokens, folder / file)


def prompts(counts: list[int]) -> list[str]:
    """Rows: what measuring a folder of so many prompts takes."""
    rows = ["| prompts | peak memory | processor time |", "|---|---|---|"]
    for count in counts:
        with tempfile.TemporaryDirectory() as place:
            # Another process writes: the system counts the peak of the one that starts a command
            # as the command's.
            writer = get_context("spawn").Process(
                target=write_prompts, args=(Path(place) / "tokens", count)
            )
            writer.start()
            writer.join()
            used = run("measure", Path(place) / "tokens", "--json")
        rows.append(f"| {count:,} | {used.peak / 1e9:.2f} GB | {used.processor:.3g} s |")
    return rows


WHAT: dict[str, Callable[[list[int]], list[str]]] = {"points": points, "prompts": prompts}


def main(arguments: list[str]) -> int:
    """Print a table; exit status 2 for what is not understood."""
    what, *counts = arguments or [""]
    if what not in WHAT or not counts or not all(c.isdecimal() and int(c) > 1 for c in counts):
        print(
            "python -m tokenspace_benchmarks.many points|prompts COUNT...   (counts from 2 on)",
            file=sys.stderr,
        )
        return 2
    print("\n".join(WHAT[what]([int(c) for c in counts])))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
