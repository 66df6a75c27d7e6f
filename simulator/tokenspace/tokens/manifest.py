"""The form of a collection's manifest: what is in it, and what is refused.

See docs/collected_tokens.md. A manifest may come from somebody else: it names nothing outside its
folder, and numbers are what they must be.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from typing import Any

FORMAT = 1
MANIFEST = "manifest.json"
KINDS = ("text", "pictures")
PARTS = ("language", "projected", "vision")
NO_LENGTHS: dict[str, int] = {}  # one for all, of hundreds of thousands
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


@dataclass(frozen=True, slots=True)
class Branch:
    """One sequence of tokens. `pair` and `branch` belong to texts, `picture` to pictures.

    length: of the language part where there is one. lengths: of a part, or of a group where the
    layers of a part differ.
    """

    id: str
    length: int
    group_label: str
    pair: int | None = None
    branch: str | None = None
    picture: str | None = None
    prefix: int = 0
    lengths: dict[str, int] = field(default_factory=dict)

    def length_in(self, group: Group) -> int:
        """How many tokens it has in a group."""
        return self.lengths.get(group.name, self.lengths.get(group.part, self.length))


def understood(data: Any) -> tuple[tuple[Group, ...], tuple[Branch, ...]]:
    """Groups and sequences of a manifest.

    Raises:
        KeyError, TypeError, ValueError: something is missing, of a wrong kind, or does not fit.
    """
    if not isinstance(data, dict):
        raise TypeError("it is no table of keys and values")
    if data["format"] != FORMAT:
        raise ValueError(f"format {data['format']!r} is unknown; {FORMAT} is read")
    if data["kind"] not in KINDS:
        raise ValueError(f"kind {data['kind']!r} is unknown; it is one of {KINDS}")
    groups = tuple(group_of(row) for row in _rows(data, "groups"))
    sequences = tuple(branch_of(row, data["kind"]) for row in _rows(data, "sequences"))
    _require_different("groups", [g.name for g in groups])
    _require_different("sequences", [s.id for s in sequences])
    if data["kind"] == "text":
        a, b = ({s.pair for s in sequences if s.branch == branch} for branch in "AB")
        if a != b or len(sequences) != 2 * len(a):
            raise ValueError("each pair needs one sequence of branch A and one of branch B")
    return groups, sequences


def _rows(data: dict[str, Any], name: str) -> list[dict[str, Any]]:
    rows = data[name]
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise TypeError(f"{name} must be a list of tables, not empty")
    return rows


def group_of(row: dict[str, Any]) -> Group:
    """A group of a manifest or journal.

    Raises:
        KeyError, TypeError, ValueError: as `understood`.
    """
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


def branch_of(row: dict[str, Any], kind: str) -> Branch:
    """A sequence of a manifest or journal, of that kind.

    Raises:
        KeyError, TypeError, ValueError: as `understood`.
    """
    text = kind == "text"
    if text and row["branch"] not in ("A", "B"):
        raise ValueError(f"branch {row['branch']!r} is neither A nor B")
    lengths = row.get("lengths", {})
    if not isinstance(lengths, dict):
        raise TypeError("lengths must be a table")
    return Branch(
        _text(row, "id"),
        _count(row, "length", 1),
        sys.intern(str(row["group_label"])),
        _count(row, "pair", 0) if text else None,
        row["branch"] if text else None,
        None if text else _text(row, "picture"),
        _count(row, "prefix", 0) if "prefix" in row else 0,
        {name: _count(lengths, name, 1) for name in lengths} or NO_LENGTHS,
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
