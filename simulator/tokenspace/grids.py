"""Grids of token counts."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real

import numpy as np

from tokenspace.errors import InputError

LARGEST = 2**31 - 2


def log_grid(largest: int, points: int = 33) -> np.ndarray:
    """About `points` whole numbers from 1 to `largest`, evenly spaced in log where they can be.

    Args:
        largest: the last number, >= 1.
        points: how many, a whole number, before those that round to the same number are merged.

    Returns:
        Ascending distinct numbers, int64.

    Raises:
        InputError: one of them is no such number from 1 to 2147483646.
    """
    for name, value, kind, allowed in (
        ("largest", largest, Real, "a number"),
        ("points", points, Integral, "a whole number"),
    ):
        if not isinstance(value, kind) or isinstance(value, bool) or not 1 <= value <= LARGEST:
            raise InputError(
                f"log_grid: {name} = {value!r} is not allowed; it must be {allowed} from 1 to "
                f"{LARGEST}"
            )
    return np.unique(np.round(np.geomspace(1, float(largest), points)).astype(np.int64))


def as_grid(grid: int | Sequence[int] | np.ndarray) -> np.ndarray:
    """Token counts in ascending order; one N stands for `log_grid(N)`.

    Raises:
        InputError: something else than distinct ascending whole numbers >= 1.
    """
    array = np.asarray(grid)
    ok = array.dtype.kind in "iu" or (
        array.dtype.kind == "f" and np.isfinite(array).all() and np.all(array == np.round(array))
    )
    if not ok or array.ndim > 1 or not array.size or array.min() < 1 or array.max() > LARGEST:
        raise InputError(
            f"grid = {grid!r} is not allowed; it must be one N >= 1 or ascending token counts, "
            f"whole numbers from 1 to {LARGEST}"
        )
    if array.ndim == 0:
        return log_grid(int(array))
    array = array.astype(np.int64, copy=False)
    if np.any(np.diff(array) <= 0):
        k = int(np.argmax(np.diff(array) <= 0))
        raise InputError(
            f"grid must ascend, but {array[k + 1]} follows {array[k]}; use numpy.unique"
        )
    return array
