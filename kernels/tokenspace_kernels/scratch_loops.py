"""Memory that loops compiled by Numba work in.

Numba's own arrays begin with a line of the cache or in the middle of one, as it happens, and then
every vector lies across two lines: a product of 176 rows took half as long again.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tokenspace_kernels.machine_code import compiled

LINE = 16  # float32 numbers


@compiled
def on_lines(rows: int, width: int) -> Any:
    """Zeros (rows, width), float32, that begin with a line; all rows do where it divides width."""
    memory = np.zeros(rows * width + LINE, np.float32)
    first = -memory.ctypes.data % (4 * LINE) // 4
    return memory[first : first + rows * width].reshape(rows, width)
