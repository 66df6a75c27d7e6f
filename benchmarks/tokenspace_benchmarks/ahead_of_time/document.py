"""The result file of a device: records, what made them, and whether the kernels changed since."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import tokenspace_kernels
from tokenspace.errors import InputError
from tokenspace.provenance import versions
from tokenspace_benchmarks.ahead_of_time import gpu
from tokenspace_benchmarks.ahead_of_time.record import Record
from tokenspace_benchmarks.ahead_of_time.sharded import Sharded
from tokenspace_benchmarks.ahead_of_time.targets import TARGETS, target
from tokenspace_benchmarks.harness import commit
from tokenspace_kernels.dispatch import PALLAS, XLA, XLA_GPU

COMMAND = "make ahead-of-time"
COMPILERS = {
    "cuda": ("jax-cuda12-plugin", "jax-cuda12-pjrt", "nvidia-cuda-nvcc-cu12", "triton"),
    "tpu": ("libtpu",),
}
IMPORT = re.compile(r"^from tokenspace_kernels\.(\w+) import", re.MULTILINE)


def compiled_files() -> list[Path]:
    """The kernels' source files that accelerators compile: the kernels and what they import."""
    package = Path(tokenspace_kernels.__file__).parent
    of_pallas = {module for by_device in PALLAS.values() for module in by_device.values()}
    names = {call.__module__.rsplit(".", 1)[1] for call in (*XLA, *XLA_GPU.values())} | of_pallas
    found: set[Path] = set()
    while names:
        path = package / f"{names.pop()}.py"
        if path not in found:
            found.add(path)
            names |= set(IMPORT.findall(path.read_text()))
    return sorted(found)


def fingerprint() -> str:
    """SHA-256 of the kernels' source files that accelerators compile."""
    digest = hashlib.sha256()
    for path in compiled_files():
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def path_of(folder: Path, name: str) -> Path:
    """Where the result file of a target is."""
    return folder / f"{name}-compiled" / "latest.json"


def save(name: str, records: list[Record], scale: list[Sharded], folder: Path) -> Path:
    """Write the result file of a target; returns its path.

    Raises:
        InputError: it cannot be written.
    """
    found = target(name)
    document: dict[str, Any] = {
        "device": found.device,
        "compiled": "not run: bounds and compilers' estimates, no measurements",
        "commit": commit(),
        "kernels": fingerprint(),
        "versions": versions() | {p: metadata.version(p) for p in COMPILERS[found.lowering]},
        "model": {"clock_hz": found.clock, "bytes_per_s": found.bandwidth},
        "records": [
            asdict(r)
            | {
                "instructions_a_number": r.instructions_a_number,
                "bound_replicates_per_s": r.bound_replicates_per_s,
            }
            for r in records
        ],
        "scale": [s._asdict() for s in scale],
    }
    if found.lowering == "cuda":
        document["model"] |= {
            "multiprocessors": gpu.MULTIPROCESSORS,
            "lanes": gpu.LANES,
            "l2_bytes": gpu.L2,
        }
    path = path_of(folder, name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document, indent=1) + "\n")
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from None
    return path


def load(folder: Path) -> dict[str, dict[str, Any]]:
    """The result files in a folder, by target; those that are missing are left out."""
    paths = {name: path_of(folder, name) for name in TARGETS}
    return {name: read(path) for name, path in paths.items() if path.exists()}


def read(path: Path) -> dict[str, Any]:
    """A result file.

    Raises:
        InputError: it is damaged, or of another version.
    """
    try:
        found = dict(json.loads(path.read_text()))
        for row in found["records"]:
            Record(**fields_of(row))
        return found
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path}: not what `{COMMAND}` writes ({error}); run it again") from None


def rates(document: dict[str, Any]) -> dict[str, float]:
    """Most numbers a second that each program may make, of all its implementations."""
    best: dict[str, float] = {}
    for row in document["records"]:
        best[row["program"]] = max(row["bound_numbers_per_s"], best.get(row["program"], 0.0))
    return best


def fields_of(row: dict[str, Any]) -> dict[str, Any]:
    """The fields of a `Record` in a row of a result file."""
    return {k: v for k, v in row.items() if k in Record.__dataclass_fields__}


def staleness(document: dict[str, Any]) -> str | None:
    """Why a result file says nothing about the kernels as they are now, None where it does."""
    if document["kernels"] == fingerprint():
        return None
    return (
        f"the kernels changed since they were compiled for {document['device']} at commit "
        f"{document['commit']}: run `{COMMAND}` and commit what it writes"
    )
