"""Read folders of collected tokens: a manifest, and one safetensors file a layer and part.

The format is in docs/collected_tokens.md. A folder may come from somebody else: its manifest is
held to its form before anything is read, and its files lie in the folder itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from tokenspace.errors import InputError
from tokenspace.ordinary import require_ordinary

FORMAT = 1
MANIFEST = "manifest.json"
KINDS = ("text", "pictures")
PARTS = ("language", "vision")
DTYPES = {"F32": "float32", "BF16": "bfloat16", "F16": "float16"}
LARGEST_MANIFEST = 1 << 30  # bytes
FILE_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}\.safetensors")


@dataclass(frozen=True)
class Group:
    """One layer of one part of the model: a file with a tensor for every sequence."""

    name: str
    layer: int
    part: str
    file: str
    features: int
    tokens: str = ""


@dataclass(frozen=True)
class Branch:
    """One sequence of tokens. `pair` and `branch` belong to texts, `picture` to pictures."""

    id: str
    length: int
    group_label: str
    pair: int | None = None
    branch: str | None = None
    picture: str | None = None
    prefix: int = 0
    lengths: dict[str, int] = field(default_factory=dict)

    def length_in(self, part: str) -> int:
        """How many tokens it has in a part of the model."""
        return self.lengths.get(part, self.length)


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
            return np.asarray(found[start : shape[0] if stop is None else stop])
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
        both: dict[int | None, dict[str | None, Branch]] = {}
        for s in self.sequences:
            both.setdefault(s.pair, {})[s.branch] = s
        for pair in both.values():
            yield pair["A"], pair["B"]

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

    @contextmanager
    def open(self, name: str) -> Iterator[Shard]:
        """The file of a group, mapped into memory.

        Raises:
            InputError: no such group, or its file is missing, elsewhere or damaged.
        """
        from safetensors import safe_open

        group = self.group(name)
        path = self.folder / group.file
        if path.is_symlink():
            raise InputError(f"{path}: is a symbolic link; collections hold their files themselves")
        require_ordinary(path)
        try:
            file = safe_open(path, framework="numpy")
        except Exception as error:
            raise InputError(f"{path}: cannot be read as .safetensors: {error}") from None
        with file as opened:
            lengths = {s.id: s.length_in(group.part) for s in self.sequences}
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
        return _understood(folder, data)
    except (KeyError, TypeError, ValueError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise InputError(f"{path}: is damaged: {what}") from None


def _understood(folder: Path, data: Any) -> Collected:
    if not isinstance(data, dict):
        raise TypeError("it is no table of keys and values")
    if data["format"] != FORMAT:
        raise ValueError(f"format {data['format']!r} is unknown; {FORMAT} is read")
    if data["kind"] not in KINDS:
        raise ValueError(f"kind {data['kind']!r} is unknown; it is one of {KINDS}")
    groups = tuple(_group(row) for row in _rows(data, "groups"))
    sequences = tuple(_branch(row, data["kind"]) for row in _rows(data, "sequences"))
    _require_different("groups", [g.name for g in groups])
    _require_different("sequences", [s.id for s in sequences])
    if data["kind"] == "text":
        made = sorted((s.pair, s.branch) for s in sequences)
        if made != [(p, b) for p in sorted({s.pair for s in sequences}) for b in "AB"]:
            raise ValueError("each pair needs one sequence of branch A and one of branch B")
    about = {k: v for k, v in data.items() if k not in ("groups", "sequences")}
    return Collected(folder, data["kind"], groups, sequences, about)


def _rows(data: dict[str, Any], name: str) -> list[dict[str, Any]]:
    rows = data[name]
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise TypeError(f"{name} must be a list of tables, not empty")
    return rows


def _group(row: dict[str, Any]) -> Group:
    group = Group(
        _text(row, "name"),
        _count(row, "layer", 0),
        _text(row, "part"),
        _text(row, "file"),
        _count(row, "features", 1),
        str(row.get("tokens", "")),
    )
    if group.part not in PARTS:
        raise ValueError(f"part {group.part!r} is unknown; it is one of {PARTS}")
    if FILE_NAME.fullmatch(group.file) is None:
        raise ValueError(f"file {group.file[:100]!r} is no .safetensors file of the folder")
    return group


def _branch(row: dict[str, Any], kind: str) -> Branch:
    text = kind == "text"
    if text and row["branch"] not in ("A", "B"):
        raise ValueError(f"branch {row['branch']!r} is neither A nor B")
    lengths = row.get("lengths", {})
    if not isinstance(lengths, dict):
        raise TypeError("lengths must be a table")
    return Branch(
        _text(row, "id"),
        _count(row, "length", 1),
        str(row["group_label"]),
        _count(row, "pair", 0) if text else None,
        row["branch"] if text else None,
        None if text else _text(row, "picture"),
        _count(row, "prefix", 0) if "prefix" in row else 0,
        {part: _count(lengths, part, 1) for part in lengths},
    )


def _text(row: dict[str, Any], name: str) -> str:
    if not isinstance(row[name], str) or not row[name]:
        raise TypeError(f"{name} = {row[name]!r} must be text")
    return row[name]


def _count(row: dict[str, Any], name: str, least: int) -> int:
    value = row[name]
    if type(value) is not int or value < least:
        raise TypeError(f"{name} = {value!r} must be a whole number of at least {least}")
    return value


def _require_different(what: str, names: list[str]) -> None:
    if len(set(names)) != len(names):
        raise ValueError(f"two {what} have one name")
