"""Read folders of collected tokens: a manifest, and one safetensors file a layer and part.

The format is in docs/collected_tokens.md. A folder may come from somebody else: its manifest is
held to its form before anything is read, and its files lie in the folder itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from tokenspace.errors import InputError
from tokenspace.ordinary import require_ordinary
from tokenspace.tokens.manifest import MANIFEST, Branch, Group, understood

DTYPES = {"F32": "float32", "BF16": "bfloat16", "F16": "float16"}
LARGEST_MANIFEST = 1 << 30  # bytes


class Shard:
    """An open file of one group."""

    def __init__(self, path: Path, file: Any, group: Group, lengths: dict[str, int]) -> None:
        self._path, self._file, self._group, self._lengths = path, file, group, lengths

    def tokens(self, name: str, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Rows start..stop of a sequence, (rows, d), in the format in which they are stored.

        Raises:
            InputError: the file does not hold the sequence as the manifest says.
        """
        try:
            found = self._file.get_slice(name)
            shape, dtype = tuple(found.get_shape()), found.get_dtype()
            expected = (self._lengths[name], self._group.features)
            if shape != expected or dtype not in DTYPES:
                raise InputError(
                    f"{self._path}: {name!r} has shape {shape} and type {dtype}; the manifest says "
                    f"{expected}, and types are {', '.join(DTYPES)}"
                )
            first, last, _ = slice(start, stop).indices(shape[0])
            if first >= last:  # no rows, which the library refuses
                return np.asarray(found[:1])[:0]
            return np.asarray(found[first:last])
        except InputError:
            raise
        except Exception as error:
            raise InputError(f"{self._path}: cannot read {name!r}: {error}") from None


@dataclass(frozen=True)
class Collected:
    """A finished collection; `about` is the manifest without groups and sequences."""

    folder: Path
    kind: str
    groups: tuple[Group, ...]
    sequences: tuple[Branch, ...]
    about: dict[str, Any]

    def pairs(self) -> Iterator[tuple[Branch, Branch]]:
        """Branches A and B of each text, or every two pictures, first index first."""
        if self.kind == "pictures":
            yield from combinations(self.sequences, 2)
            return
        for a, b in zip(*self.branches(), strict=True):
            yield self.sequences[a], self.sequences[b]

    def branches(self) -> tuple[np.ndarray, np.ndarray]:
        """Places in `sequences` of branches A and B of each text."""
        numbers: dict[int | None, int] = {}
        for s in self.sequences:
            numbers.setdefault(s.pair, len(numbers))
        both = np.empty((2, len(numbers)), np.int64)
        for k, s in enumerate(self.sequences):
            both[int(s.branch == "B"), numbers[s.pair]] = k
        return both[0], both[1]

    def group(self, name: str) -> Group:
        """The group of that name.

        Raises:
            InputError: there is none; the message lists those that there are.
        """
        for group in self.groups:
            if group.name == name:
                return group
        names = ", ".join(g.name for g in self.groups)
        raise InputError(f"{self.folder}: holds no group {name!r}; it holds {names}")

    def file(self, name: str) -> Path:
        """Where the tokens of a group lie.

        Raises:
            InputError: no such group, or its file is missing or elsewhere.
        """
        path = self.folder / self.group(name).file
        if path.is_symlink():
            raise InputError(f"{path}: is a symbolic link; collections hold their files themselves")
        require_ordinary(path)
        return path

    @contextmanager
    def open(self, name: str) -> Iterator[Shard]:
        """The file of a group, mapped into memory.

        Raises:
            InputError: no such group, or its file is missing, elsewhere or damaged.
        """
        from safetensors import safe_open

        group, path = self.group(name), self.file(name)
        try:
            file = safe_open(path, framework="numpy")
        except Exception as error:
            raise InputError(f"{path}: cannot be read as .safetensors: {error}") from None
        with file as opened:
            lengths = {s.id: s.length_in(group) for s in self.sequences}
            yield Shard(path, opened, group, lengths)


def is_collected(folder: Path) -> bool:
    """Whether a path is a folder with a manifest."""
    return folder.is_dir() and (folder / MANIFEST).exists()


def read_collected(folder: str | Path) -> Collected:
    """The manifest of a folder that `tokenspace collect` wrote.

    Args:
        folder: where `manifest.json` lies.

    Raises:
        InputError: no manifest, an unfinished collection, another format, or a damaged one.
    """
    folder = Path(folder)
    path = folder / MANIFEST
    if not path.exists():
        unfinished = any(folder.glob("*.partial")) if folder.is_dir() else False
        raise InputError(
            f"{folder}: the collection is not finished; run the same `tokenspace collect` again"
            if unfinished
            else f"{folder}: holds no {MANIFEST}; `tokenspace collect` wrote no such folder"
        )
    if path.is_symlink():
        raise InputError(f"{path}: is a symbolic link; collections hold their files themselves")
    require_ordinary(path)
    if path.stat().st_size > LARGEST_MANIFEST:
        raise InputError(f"{path}: has over {LARGEST_MANIFEST:,} bytes; no manifest is so large")
    try:
        data = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is no JSON: {error}") from None
    try:
        groups, sequences = understood(data)
    except (KeyError, TypeError, ValueError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise InputError(f"{path}: is damaged: {what}") from None
    about = {k: v for k, v in data.items() if k not in ("groups", "sequences")}
    return Collected(folder, data["kind"], groups, sequences, about)
