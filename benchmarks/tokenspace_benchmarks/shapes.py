"""The shapes that tests and benchmarks share: one table, each row with what it is used for."""

from __future__ import annotations

from typing import NamedTuple


class Shape(NamedTuple):
    """Tokens N, features d, replicates (or pairs of given tokens) and grid points of a case."""

    tokens: int
    dim: int
    replicates: int
    points: int
    uses: tuple[str, ...]


SHAPES = (
    Shape(1, 3, 2, 1, ("test",)),
    Shape(5, 7, 3, 4, ("test",)),
    Shape(64, 8, 2, 9, ("test",)),
    Shape(65, 1, 4, 9, ("test",)),
    Shape(200, 33, 3, 12, ("test",)),
    Shape(704, 16, 2, 17, ("test",)),
    Shape(256, 256, 64, 17, ("quick",)),
    Shape(1024, 1024, 64, 33, ("full",)),
)
GIVEN_SHAPES = (
    Shape(1024, 64, 1, 17, ("quick",)),
    Shape(16_384, 1024, 1, 33, ("full",)),
)
MILLION = Shape(1_000_000, 4096, 1024, 33, ("full",))


def shapes(use: str, table: tuple[Shape, ...] = SHAPES) -> list[Shape]:
    """The rows of a table for one use: "test", "quick" or "full"."""
    return [s for s in table if use in s.uses]
