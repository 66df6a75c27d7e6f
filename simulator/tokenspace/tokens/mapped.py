"""Arrays that lie on disk and are mapped into memory: read where they are used, then let go.

A mapped page counts as memory of the process from its first use on. `forget` gives the pages back,
so that a pass over any file stays small; what the system keeps of the file, it can drop.
"""

from __future__ import annotations

import json
import mmap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
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


@dataclass(frozen=True)
class MappedArrays(Mapping[str, np.ndarray]):
    """Arrays of a file by name, each made when it is asked for: many of them would take memory.

    whole: the bytes that they lie in; places: of each name, its type, shape, start and end.
    """

    whole: np.ndarray
    places: dict[str, tuple[str, tuple[int, ...], int, int]]

    def __getitem__(self, name: str) -> np.ndarray:
        dtype, shape, start, stop = self.places[name]
        return self.whole[start:stop].view(DTYPES[dtype]).reshape(shape)

    def __iter__(self) -> Iterator[str]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)

    def shape_of(self, name: str) -> tuple[int, ...] | None:
        """Nothing where there is no such array."""
        return self.places[name][1] if name in self.places else None

    def sequences(self, names: Sequence[str]) -> MappedSequences:
        """Some of the arrays, which have shapes (n, d) of one d."""
        places = [self.places[name] for name in names]
        return MappedSequences(
            self.whole,
            np.array([np.dtype(DTYPES[dtype]) for dtype, *_ in places]),
            np.array([start for *_, start, _ in places]),
            np.array([shape[0] for _, shape, *_ in places]),
            places[0][1][1],
        )


@dataclass(frozen=True)
class MappedSequences(Sequence[np.ndarray]):
    """Sequences (n, d) of one file, each made when it is asked for.

    whole: the bytes that they lie in; dtypes, starts and lengths: of each, (S,).
    """

    whole: np.ndarray
    dtypes: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    features: int

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, k: Any) -> Any:
        start, count = int(self.starts[k]), int(self.lengths[k]) * self.features
        dtype = self.dtypes[k]
        part = self.whole[start : start + count * dtype.itemsize]
        return part.view(dtype).reshape(-1, self.features)

    @property
    def sizes(self) -> np.ndarray:
        """In bytes, (S,)."""
        each = np.array([dtype.itemsize for dtype in self.dtypes])
        return self.lengths * self.features * each

    @property
    def formats(self) -> frozenset[str]:
        """Names of their types."""
        return frozenset(dtype.name for dtype in set(self.dtypes))

    def take(self, which: np.ndarray) -> MappedSequences:
        """Some of them."""
        parts = self.dtypes[which], self.starts[which], self.lengths[which]
        return MappedSequences(self.whole, *parts, self.features)

    def forget(self, which: np.ndarray) -> None:
        """Give the memory of these back; as they lie in one file, that of all."""
        forget(self.whole)


@dataclass(frozen=True)
class ListedSequences(Sequence[Any]):
    """Arrays (n, d) of one d, each on its own; the words of `MappedSequences`."""

    arrays: list[Any]

    def __len__(self) -> int:
        return len(self.arrays)

    def __getitem__(self, k: Any) -> Any:
        return self.arrays[k]

    @property
    def features(self) -> int:
        """Of every token."""
        return int(self.arrays[0].shape[1])

    @cached_property
    def lengths(self) -> np.ndarray:
        """Of each, (S,)."""
        return np.array([len(h) for h in self.arrays])

    @property
    def sizes(self) -> np.ndarray:
        """In bytes, (S,)."""
        return np.array([h.nbytes for h in self.arrays])

    @property
    def formats(self) -> frozenset[str]:
        """Names of their types."""
        return frozenset(h.dtype.name for h in self.arrays)

    def take(self, which: np.ndarray) -> ListedSequences:
        """Some of them."""
        return ListedSequences([self.arrays[k] for k in which])

    def forget(self, which: np.ndarray) -> None:
        """Give the memory of these back where they are mapped."""
        forget(*(self.arrays[k] for k in which))


def map_safetensors(path: Path) -> MappedArrays:
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
            header = json.loads(file.read(start - 8), object_hook=_place)
    except Exception as error:
        raise InputError(f"{path}: cannot be read as .safetensors: {error}") from None
    header.pop("__metadata__", None)
    unknown = sorted({dtype for dtype, *_ in header.values()} - DTYPES.keys())
    if unknown:
        raise InputError(
            f"{path}: holds {', '.join(unknown)}; types that are read: {', '.join(DTYPES)}"
        )
    empty = path.stat().st_size == start
    whole = np.empty(0, np.uint8) if empty else np.memmap(path, np.uint8, "r", start)
    return MappedArrays(np.asarray(whole), header)


def _place(table: dict[str, Any]) -> Any:
    """What a header says of an array, in less memory; other tables as they are."""
    if not isinstance(table.get("data_offsets"), list):
        return table
    return table["dtype"], tuple(table["shape"]), *table["data_offsets"]


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
