"""What figures know of a point of a sweep, or of a group of tokens, beside its result."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeAlias

from tokenspace.statistics.result import Result


@dataclass(frozen=True)
class Labelled:
    """A label, the axes of a point of a sweep, and what a group of tokens is.

    axes: value by the path of each axis; name: of the group, by default the label; model, part:
    that it is of, "" if unknown; layer: None if unknown.
    """

    label: str
    axes: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    model: str = ""
    part: str = ""
    layer: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name or self.label)


Shown: TypeAlias = tuple[Labelled, Result]


def labelled(loaded: Iterable[tuple[Any, Result]]) -> list[Shown]:
    """Pairs of anything with a label and a result, with what it says of these fields and no more.

    Such as the points of `load_results` and what was measured of a folder of tokens.
    """
    names = [f.name for f in fields(Labelled)]
    return [
        (Labelled(**{k: getattr(point, k) for k in names if hasattr(point, k)}), result)
        for point, result in loaded
    ]
