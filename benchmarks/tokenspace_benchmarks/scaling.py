"""Strong and weak scaling over processes, and what follows for many: `python -m` this module.

One process a core, joined by jax.distributed on this machine. Strong: the same replicates over more
processes; weak: as many replicates for each. Writes scaling.json beside the benchmark results.

Model of the time of R replicates over P devices, from what is measured here:

    T(P) = start + R * each / P + calls * (latency * log2(P) + R / calls * bytes / bandwidth)

start: planning, once a process; each: seconds of a replicate on one device; calls: chunks, after
each of which all samples (4 bytes at m token counts) are gathered. Assumed: devices alike, latency
of a gather per doubling as measured between two processes here, bandwidth of 1 GB/s into every host
(an ordinary network; this machine's own memory is faster), no failures, files not counted.

For accelerators `each` is compiled, not measured: the least time of a replicate that the compilers
allow one chip (`make ahead-of-time`), with start and latency of this machine. Since no replicate
takes less, the efficiencies are the least that the model allows.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from tokenspace_benchmarks.ahead_of_time import document
from tokenspace_benchmarks.harness import commit, device_folder

TOKENS, DIM, POINTS = 1024, 256, 33
REPLICATES = 2048  # of the strong series, and a process of the weak one
REPEATS = 5
BANDWIDTH = 1e9
DEVICES = (8, 64, 512)
COMPILED = "D(n), AR(1): tokens"  # the program that is measured here


def work(port: int, processes: int, index: int, replicates: int, repeats: int) -> None:
    """One process of a run: print the seconds of each repeat, after one to warm up, as JSON."""
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[index]})
    from tokenspace import Exponential, Isotropic, TokenModel, simulate
    from tokenspace.covariance import Branches
    from tokenspace.experiments import hosts

    if processes > 1:
        hosts.start(f"127.0.0.1:{port}", processes, index)
    model = TokenModel(Branches(Exponential(32.0)), Isotropic(DIM))
    seconds = []
    for _ in range(repeats + 1):
        hosts.any_host(True)  # start together
        started = time.perf_counter()
        simulate(model, TOKENS, replicates, sampler="tokens", batch_size=replicates)
        seconds.append(time.perf_counter() - started)
    gather = []
    for _ in range(50):
        started = time.perf_counter()
        hosts.any_host(True)
        gather.append(time.perf_counter() - started)
    if index == 0:
        print(json.dumps({"seconds": seconds[1:], "gather": float(np.median(gather))}))


def measure(processes: int, replicates: int, repeats: int) -> dict[str, Any]:
    """Seconds (repeats,) of a run over so many processes, and those of an empty gather."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    command = [sys.executable, "-m", "tokenspace_benchmarks.scaling", "worker"]
    started = [
        subprocess.Popen(
            [*command, *map(str, (port, processes, k, replicates, repeats))],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "JAX_PLATFORMS": "cpu"},
        )
        for k in range(processes)
    ]
    outs = [p.communicate()[0] for p in started]
    if any(p.returncode for p in started):
        raise SystemExit("a process of the scaling benchmark failed; see its message above")
    found: dict[str, Any] = json.loads(outs[0].strip().splitlines()[-1])
    return found


def predict(start: float, each: float, latency: float, replicates: int, devices: int) -> float:
    """T(P) of the model above, with one call for all replicates."""
    gathered = 4 * POINTS * replicates / BANDWIDTH if devices > 1 else 0.0
    return start + replicates * each / devices + latency * np.log2(devices) + gathered


def extrapolate(start: float, each: float, latency: float, replicates: int) -> list[dict[str, Any]]:
    """Rows of the model for many devices: strong with 512 times, weak with as many a device."""
    table = []
    for devices in DEVICES:
        for kind, total in (("strong", 512 * replicates), ("weak", devices * replicates)):
            seconds = predict(start, each, latency, total, devices)
            efficiency = total * each / devices / seconds
            table.append({"devices": devices, "kind": kind, "replicates": total,
                          "seconds": seconds, "efficiency": efficiency})  # fmt: skip
    return table


def compiled(folder: Path) -> dict[str, float]:
    """Least seconds of a replicate on one accelerator, by device, where compiled results are."""
    found = {d["device"]: document.rates(d) for d in document.load(folder).values()}
    return {k: TOKENS * DIM / rates[COMPILED] for k, rates in found.items() if COMPILED in rates}


def show(label: str, table: list[dict[str, Any]]) -> None:
    """Print rows of the model."""
    for row in table:
        print(
            f"{label}, {row['devices']:3d} devices, {row['kind']:6s} {row['replicates']:>9,} "
            f"replicates: {row['seconds']:9.4f} s, efficiency {row['efficiency']:.0%}"
        )


def main(folder: Path, replicates: int = REPLICATES, repeats: int = REPEATS) -> int:
    """Measure 1 and 2 processes, print, extrapolate, save."""
    runs = {
        ("strong", 1): measure(1, replicates, repeats),
        ("strong", 2): measure(2, replicates, repeats),
        ("weak", 2): measure(2, 2 * replicates, repeats),
        ("half", 1): measure(1, replicates // 2, repeats),
    }
    median = {k: float(np.median(r["seconds"])) for k, r in runs.items()}
    one = median["strong", 1]
    each = (one - median["half", 1]) / (replicates - replicates // 2)
    start = max(one - each * replicates, 0.0)
    latency = runs["strong", 2]["gather"]
    efficiency = {
        "strong": one / (2 * median["strong", 2]),
        "weak": one / median["weak", 2],
    }
    for (kind, processes), run in runs.items():
        low, high = np.quantile(run["seconds"], [0.25, 0.75])
        middle = median[kind, processes]
        print(f"{kind:7s} {processes} process(es): {middle:.3f} s ({low:.3f} to {high:.3f})")
    print(f"efficiency of 2: strong {efficiency['strong']:.0%}, weak {efficiency['weak']:.0%}")
    print(f"start {start:.3g} s, replicate {each:.3g} s, gather {latency:.3g} s")
    table = extrapolate(start, each, latency, replicates)
    show("model", table)
    accelerators = {}
    for device, least in compiled(folder).items():
        rows = extrapolate(start, least, latency, replicates)
        accelerators[device] = {"each": least, "predicted": rows}
        show(f"model, {device} (compiled)", rows)
    saved = {
        "commit": commit(),
        "replicates": replicates,
        "runs": {f"{kind} {processes}": run for (kind, processes), run in runs.items()},
        "efficiency": efficiency,
        "model": {"start": start, "each": each, "latency": latency, "bandwidth": BANDWIDTH},
        "predicted": table,
        "compiled": accelerators,
    }
    path = device_folder(folder) / "scaling.json"
    path.write_text(json.dumps(saved, indent=1) + "\n")
    print(path)
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["worker"]:
        work(*map(int, sys.argv[2:]))
    else:
        sys.exit(main(Path(*(sys.argv[1:2] or ["benchmarks/results"]))))
