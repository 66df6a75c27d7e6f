"""Sequences that are there twice, found by what they hold.

Few tokens of each are looked at, and only sequences that agree there are read whole: data that lie
on disk are not read once more to learn that nothing is there twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import jax
import numpy as np

from tokenspace.tokens.given import Array
from tokenspace.tokens.mapped import forget, is_mapped

AT_ONCE = 64  # sequences that are looked at before the pages of their file are given back
READ_BYTES = 1 << 24  # of a sequence that is read whole, at once


def first_of(sequences: Sequence[Array] | Array) -> np.ndarray:
    """The number of the first sequence with the same tokens, in format and bits, (S,)."""
    first = np.arange(len(sequences))
    for alike in _groups(first, _glances(sequences)):
        for same in _groups(alike, [_digest(sequences[k]) for k in alike]):
            first[same] = same[0]
    return first


def first_pairs_of(a: Sequence[Array] | Array, b: Sequence[Array] | Array) -> np.ndarray:
    """The number of the first pair a[p], b[p] with the same tokens in both, (pairs,)."""
    first = first_of(a)
    if len(np.unique(first)) == len(first):
        return first
    _, index, which = np.unique(
        np.stack([first, first_of(b)]), axis=1, return_index=True, return_inverse=True
    )
    return index[which.reshape(-1)]


def _groups(numbers: np.ndarray, keys: list[Any]) -> list[np.ndarray]:
    """Of the numbers, those with one key, where several have it; ascending."""
    found: dict[Any, list[int]] = {}
    for number, key in zip(numbers.tolist(), keys, strict=True):
        found.setdefault(key, []).append(number)
    return [np.array(same) for same in found.values() if len(same) > 1]


def _glances(sequences: Sequence[Array] | Array) -> list[Any]:
    """What equal sequences have in common: shape, format, the first, middle and last token."""
    if isinstance(sequences, (jax.Array, np.ndarray)) and not is_mapped(sequences):  # at once
        few = np.asarray(sequences[:, _places(sequences.shape[1])])
        return [part.tobytes() for part in few]
    keys = []
    for k, h in enumerate(sequences):
        part = np.asarray(h[_places(len(h))])
        keys.append((h.shape, h.dtype, part.tobytes()))
        if k % AT_ONCE == 0:
            forget(h)
    return keys


def _places(tokens: int) -> np.ndarray:
    return np.array([0, tokens // 2, tokens - 1])


def _digest(h: Array) -> bytes:
    found, step = blake2b(digest_size=16), max(1, READ_BYTES * len(h) // h.nbytes)
    for start in range(0, len(h), step):
        found.update(np.ascontiguousarray(h[start : start + step]).view(np.uint8).data)
        forget(h)
    return found.digest()
