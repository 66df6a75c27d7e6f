"""Points of a sweep as an array over its axes, where they lie on a grid."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

MOST_EMPTY = 100  # times as many cells as points: a grid so sparse is none


class Grid(NamedTuple):
    """Where points lie.

    values: dimension -> its values, None for a mere count; at: an index of every point along each
    dimension; sizes: of the dimensions.
    """

    values: dict[str, np.ndarray | None]
    at: tuple[np.ndarray, ...]
    sizes: tuple[int, ...]

    def place(self, rows: np.ndarray) -> np.ndarray:
        """Rows, one a point, at their cells: NaN, 0 or "" where there is no point."""
        if len(self.sizes) == 1 and self.sizes[0] == len(rows):
            out = np.empty_like(rows)
        else:
            shape = (*self.sizes, *rows.shape[1:])
            fill = np.nan if rows.dtype.kind == "f" else np.zeros((), rows.dtype)
            out = np.full(shape, fill, rows.dtype)
        out[self.at] = rows
        return out


def axis_values(values: list[Any]) -> np.ndarray:
    """What an axis is at each point: numbers, or words; a model by its name where that tells.

    NaN, or no word, at points that do not have the axis.
    """
    given = [v for v in values if v is not None]
    if given and all(type(v) is float or (type(v) is int and abs(v) < 2**63) for v in given):
        return np.array([np.nan if v is None else v for v in values])
    values = ["" if v is None else str(v).lower() if isinstance(v, bool) else v for v in values]
    models = [v["model"] if isinstance(v, dict) and "model" in v else v for v in values]
    short, long = [str(v) for v in models], [str(v) for v in values]
    return np.array(short if len(set(short)) == len(set(long)) else long)


def as_grid(axes: dict[str, np.ndarray]) -> Grid | None:
    """The grid on which points lie, None where they lie on none.

    Args:
        axes: dimension -> its value at every point. Numbers ascend along a dimension, words stay in
            their order.

    No grid: no axis, two points in one cell, or one cell in a hundred filled.
    """
    if not axes:
        return None
    values: dict[str, np.ndarray | None] = {}
    at, sizes = [], []
    for name, column in axes.items():
        distinct, first, where = np.unique(column, return_index=True, return_inverse=True)
        if column.dtype.kind == "U":
            order = np.argsort(first)
            distinct, where = distinct[order], np.argsort(order)[where]
        values[name] = distinct
        at.append(where)
        sizes.append(len(distinct))
    points = len(at[0])
    if math.prod(sizes) > MOST_EMPTY * points:
        return None
    cells = np.ravel_multi_index(at, sizes)
    if len(np.unique(cells)) < points:
        return None
    return Grid(values, tuple(at), tuple(sizes))
