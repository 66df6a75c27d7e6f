"""How a grid of token counts lies over blocks of consecutive tokens."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Blocks(NamedTuple):
    """Blocks of `size` tokens; block b reports the prefix sums at `ends[b]` tokens into it.

    ends: (count, slots) int32, padded with 0; where: (m,) index of each grid point in the
    flattened (count * slots) reports.
    """

    size: int
    ends: np.ndarray
    where: np.ndarray

    @property
    def number(self) -> int:
        return len(self.ends)

    @property
    def slots(self) -> int:
        return self.ends.shape[1]


def lay_out(grid: np.ndarray, size: int) -> Blocks:
    """Blocks of the given even size that cover an ascending grid."""
    block = (grid - 1) // size
    first_in_block = np.searchsorted(block, block, side="left")
    slot = np.arange(len(grid)) - first_in_block
    slots = int(slot.max()) + 1
    ends = np.zeros((int(block[-1]) + 1, slots), np.int32)
    ends[block, slot] = grid - block * size
    return Blocks(size, ends, block * slots + slot)
