"""D(n) and exponents of many points in few bytes: planes of the bytes of float32 numbers.

Of each number the leading bytes are kept, two (8 binary digits, 0.4 %) or three (16, 1e-5), and
bytes of one place of all points stand together, where they are alike and pack well.
"""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tokenspace.report.verdicts import WORST_FIRST

KEPT = {  # which numbers of a comparison -> bytes of each
    "empirical": 3,
    "standard_error": 2,
    "deviation": 2,
}
KINDS = ("amplitude", "exponent")
MOST_BYTES = 3_500_000  # packed: with pictures and columns, as text, less than 8 MB


class Curves(NamedTuple):
    """packed: the planes, gzip; held: numbers of the points that they hold, ascending."""

    packed: bytes
    held: list[int]


def planes(values: np.ndarray, kept: int) -> bytes:
    """The leading `kept` bytes of numbers as float32, rounded; all first bytes, all second, ..."""
    bits = np.asarray(values, np.float32).view(np.uint32)
    half = np.uint32(1 << (8 * (4 - kept) - 1))
    finite = np.isfinite(values)
    bits = np.where(finite, bits + half, bits)
    return b"".join((bits >> np.uint32(24 - 8 * k)).astype(np.uint8).tobytes() for k in range(kept))


def curves(checks: Sequence[Any], most: int = MOST_BYTES) -> Curves:
    """The curves of points from their checks; of so many that they fit, the worst first."""
    held = list(range(len(checks)))
    packed = _packed(checks)
    worst = sorted(held, key=lambda k: WORST_FIRST.index(checks[k].verdict))
    while len(packed) > most:
        count = int(len(held) * 0.97 * most / len(packed))
        held = sorted(worst[:count])
        packed = _packed([checks[k] for k in held])
    return Curves(packed, held)


def _packed(checks: Sequence[Any]) -> bytes:
    parts = []
    for kind in KINDS:
        for name, kept in KEPT.items():
            rows = [getattr(getattr(check, kind), name) for check in checks]
            with np.errstate(over="ignore"):  # beyond float32: infinite, and shown as such
                joined = np.concatenate(rows).astype(np.float32) if rows else np.zeros(0)
            parts.append(planes(joined, kept))
    return gzip.compress(b"".join(parts), 6, mtime=0)
