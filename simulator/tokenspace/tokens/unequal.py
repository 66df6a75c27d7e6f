"""Pairs of sequences that differ in length, and sequences on disk of which all pairs are taken."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from tokenspace.errors import InputError
from tokenspace.statistics.jackknife import members_of
from tokenspace.tokens.given import Array, one_branch, require_sound_array, work_of
from tokenspace.tokens.mapped import forget
from tokenspace.tokens.pairs import (
    Pairs,
    gathered,
    permutation_of,
    said_of_errors,
    shuffler,
)
from tokenspace_kernels.limits import Work

GATHERED_BYTES = 1 << 22  # of pairs that are copied side by side: what was copied is still in cache
TILE_BYTES = 1 << 27  # of the sequences of each branch that are mapped into memory at once


@dataclass(frozen=True)
class UnequalPairs:
    """Sequences (n, d) and which of them make a pair, which ends with its shorter one.

    first, second: (pairs,) numbers of sequences; members: (pairs, w) of the groups of each pair.
    one_order: whether a random order is one for all, as all have one length.
    names: of sequences, for errors.
    """

    sequences: Sequence[Array]
    first: np.ndarray
    second: np.ndarray
    members: np.ndarray
    said: str
    names: Sequence[str]
    one_order: bool = False

    def __len__(self) -> int:
        return len(self.first)

    @property
    def lengths(self) -> np.ndarray:
        """Of the pairs, (pairs,)."""
        all_lengths = np.array([len(h) for h in self.sequences])
        return np.minimum(all_lengths[self.first], all_lengths[self.second])

    @property
    def longest(self) -> int:
        """Tokens of the longest pair."""
        return int(self.lengths.max())

    @property
    def work(self) -> Work:
        """What a kernel is asked for that reads them."""
        return work_of(*self.sequences, tokens=self.longest)

    def require_sound(self, tokens: int | None = None) -> None:
        """All values finite and no token zero, up to this many tokens of what is in a pair.

        Raises:
            InputError: naming the sequence, the place and the value.
        """
        for k in np.unique(np.concatenate([self.first, self.second])):
            require_sound_array(self.names[k], self.sequences[k][:tokens], unit=True)

    def blocks(
        self, order: str | np.ndarray = "raster", seed: int = 0
    ) -> Iterator[tuple[Array, Array, np.ndarray | None, Any]]:
        """Tokens of both branches (pairs, n, d), their orders, and which pairs these are.

        Pairs of one length that follow each other come together.
        """
        lengths = self.lengths
        buffers: list[Any] = [None, None]
        for tile in self._tiles():
            start = 0
            while start < len(tile):
                length = lengths[tile[start]]
                end, held = start, 0
                while end < len(tile) and lengths[tile[end]] == length and held < GATHERED_BYTES:
                    held += self.sequences[self.first[tile[end]]][:length].nbytes
                    end += 1
                now = tile[start:end]
                orders = [self._order(int(pair), int(length), order, seed) for pair in now]
                known = None if orders[0] is None else np.stack(cast(Any, orders))
                yield *self._read(now, int(length), buffers), known, now
                start = end
            touched = np.unique(np.concatenate([self.first[tile], self.second[tile]]))
            forget(*(self.sequences[k] for k in touched))

    def _read(self, now: np.ndarray, length: int, buffers: list[Any]) -> tuple[Array, Array]:
        """Both branches (pairs, n, d); what is copied goes to buffers that are used again."""
        a, b = (
            [self.sequences[k][:length] for k in side[now]] for side in (self.first, self.second)
        )
        if len(now) == 1:
            return a[0][None], b[0][None]
        orders = [None] * len(now)
        buffers[:] = [gathered(h, orders, x) for h, x in zip((a, b), buffers, strict=True)]
        return buffers[0], buffers[1]

    def _order(
        self, pair: int, length: int, order: str | np.ndarray, seed: int
    ) -> np.ndarray | None:
        """The order of a pair; None as it is given."""
        if not isinstance(order, str):
            return permutation_of(order, length)
        if order == "raster":
            return None
        rng = shuffler(order, seed, *([] if self.one_order else [pair]))
        return rng.permutation(length)

    def _tiles(self) -> Iterator[np.ndarray]:
        """Numbers of pairs (of sequences that fit into memory together), each pair once."""
        size = np.array([h.nbytes for h in self.sequences], np.float64)
        tile = (np.cumsum(size) // TILE_BYTES).astype(np.int64)
        key = tile[self.first] * (tile[-1] + 1) + tile[self.second]
        ordered = np.argsort(key, kind="stable")
        edges = np.flatnonzero(np.diff(key[ordered])) + 1
        yield from np.split(ordered, edges)


def are_unequal(a: Any, b: Any) -> bool:
    """Whether sequences come as lists of arrays (n, d)."""
    return all(
        isinstance(h, (list, tuple)) and len(h) > 0 and all(np.ndim(x) == 2 for x in h)
        for h in (a, a if b is None else b)
    ) and all(hasattr(x, "shape") for x in (*a, *(b or ())))


def in_tiles(given: Pairs) -> UnequalPairs:
    """All pairs of pictures of one length, so ordered that a file is read few times."""
    first, second = np.triu_indices(len(given.a), 1)
    members = np.stack([first, second], axis=1) if given.members is None else given.members
    names = [f"a[{k}]" for k in range(len(given.a))]
    return UnequalPairs(list(given.a), first, second, members, given.said, names, True)


def unequal_pairs_of(
    a: Sequence[Any],
    b: Sequence[Any] | None,
    pairs: str | None,
    groups: Any,
    names: Sequence[str] | None = None,
) -> UnequalPairs:
    """Sequences in lists, with their shapes checked; see `measure`.

    names: of the sequences of a, then b, for errors.

    Raises:
        InputError: arguments that do not go together, or no tokens.
    """
    if pairs not in (None, "all"):
        raise InputError(
            f"pairs = {pairs!r} is not allowed; it must be 'all', or left out for pairs a, b"
        )
    if (pairs == "all") != (b is None):
        raise InputError(
            "lists of sequences are needed for both branches, a and b, or pairs='all' and a alone"
        )
    sequences = [one_branch(h) for h in (*a, *(b or ()))]
    if names is None:
        letters = [("a", len(a)), ("b", len(b or ()))]
        names = [f"{letter}[{k}]" for letter, count in letters for k in range(count)]
    widths = {h.shape[1] for h in sequences}
    if len(widths) > 1:
        raise InputError(
            f"all sequences need one number of features, but they have {min(widths)} to "
            f"{max(widths)}"
        )
    if b is not None:
        if len(a) != len(b):
            raise InputError(f"both branches need as many sequences, not {len(a)} and {len(b)}")
        first = np.arange(len(a))
        second = first + len(a)
        labels, one = (first, "pair") if groups is None else (groups, "group")
        members = members_of(labels, len(a)) if len(a) > 1 else np.zeros((1, 1), np.int64)
    else:
        if len(a) < 2:
            raise InputError("pairs='all' needs tokens of at least 2 pictures")
        first, second = np.triu_indices(len(a), 1)
        labels, one = np.arange(len(a)) if groups is None else np.asarray(groups), "picture"
        if labels.shape != (len(a),):
            raise InputError(
                f"groups must name what each of {len(a)} pictures shares, shape ({len(a)},), but "
                f"their shape is {labels.shape}"
            )
        if groups is not None and len(np.unique(labels)) < len(a):
            one = "group"
        numbers = np.unique(labels, return_inverse=True)[1]
        members = np.stack([numbers[first], numbers[second]], axis=1)
    what = f"{len(first):,} pairs" if b is not None else f"all pairs of {len(a):,} pictures"
    said = said_of_errors(what, one, members) if len(first) > 1 else "one pair, errors unknown"
    return UnequalPairs(sequences, first, second, members, said, names)
