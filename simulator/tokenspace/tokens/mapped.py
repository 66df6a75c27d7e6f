"""Arrays that lie on disk and are mapped into memory: read where they are used, then let go.

A mapped page counts as memory of the process from its first use on. `forget` gives the pages back,
so that a pass over any file stays small; what the system keeps of the file, it can drop.
"""

from __future__ import annotations

import json
import mmap
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from tokenspace.errors import InputError

DTYPES = {
    "F16": "<f2",
    "BF16": ml_dtypes.bfloat16,
    "F32": "<f4",
    "F64": "<f8",
    "I8": "<i1",
    "I16": "<i2",
    "I32": "<i4",
    "I64": "<i8",
    "U8": "<u1",
    "BOOL": "?",
}


def map_safetensors(path: Path) -> dict[str, np.ndarray]:
    """All arrays of a safetensors file by name, read-only, none of them read yet.

    The library checks the header first: places inside the file, without gaps or overlaps, of the
    sizes that shapes say.

    Raises:
        InputError: a damaged file, or arrays of a type that NumPy lacks.
    """
    from safetensors import safe_open

    try:
        with safe_open(path, framework="numpy"):
            pass
        with path.open("rb") as file:
            start = 8 + int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(start - 8))
    except Exception as error:
        raise InputError(f"{path}: cannot be read as .safetensors: {error}") from None
    header.pop("__metadata__", None)
    unknown = sorted({t["dtype"] for t in header.values()} - DTYPES.keys())
    if unknown:
        raise InputError(
            f"{path}: holds {', '.join(unknown)}; types that are read: {', '.join(DTYPES)}"
        )
    if path.stat().st_size == start:
        return {k: np.empty(t["shape"], DTYPES[t["dtype"]]) for k, t in header.items()}
    whole = np.memmap(path, np.uint8, "r", start)
    return {
        name: whole[slice(*t["data_offsets"])].view(DTYPES[t["dtype"]]).reshape(t["shape"])
        for name, t in header.items()
    }


def is_mapped(h: Any) -> bool:
    """Whether an array is a read-only part of a file."""
    return _map_of(h) is not None


def forget(*arrays: Any) -> None:
    """Give the memory of mapped files back; their values stay readable, others are left alone."""
    found = {id(m): m for m in map(_map_of, arrays) if m is not None}  # many lie in one file
    for one in found.values():
        if hasattr(mmap, "MADV_DONTNEED"):
            one.madvise(mmap.MADV_DONTNEED)


def _map_of(h: Any) -> mmap.mmap | None:
    """The map that an array lies in, if nobody can have written to it through this array."""
    while isinstance(h, np.ndarray):
        if isinstance(h, np.memmap) and isinstance(h.base, mmap.mmap):
            return h.base if h.mode == "r" else None
        h = h.base
    return None
