"""Pairs of sequences that differ in length, and sequences on disk of which all pairs are taken."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias, cast

import numpy as np

from tokenspace.errors import InputError
from tokenspace.tokens.copies import first_pairs_of
from tokenspace.tokens.given import Array, one_branch, require_sound_array
from tokenspace.tokens.mapped import ListedSequences, MappedSequences
from tokenspace.tokens.pairs import (
    PAIRS_AT_ONCE,
    gathered,
    permutation_of,
    pictures_of,
    shuffler,
)
from tokenspace.tokens.pictures import (
    all_equal,
    distinct_pictures,
    members_with_copies,
    said_of_errors,
)
from tokenspace_kernels.limits import Work

Sequences: TypeAlias = MappedSequences | ListedSequences
GATHERED_BYTES = 1 << 22  # of pairs that are copied side by side: what was copied is still in cache
TILE_BYTES = 1 << 27  # of the sequences of each branch that are mapped into memory at once


@dataclass(frozen=True)
class UnequalPairs:
    """Sequences (n, d) and which of them make a pair, which ends with its shorter one.

    first, second: (pairs,) numbers of sequences; members: (pairs, w) of the groups of each pair.
    one_order: whether a random order is one for all, as all have one length.
    name: of a sequence, for errors; note: what was left out, "" if nothing.
    """

    sequences: Sequences
    first: np.ndarray
    second: np.ndarray
    members: np.ndarray
    said: str
    name: Callable[[int], str]
    note: str = ""
    one_order: bool = False

    def __len__(self) -> int:
        return len(self.first)

    @cached_property
    def lengths(self) -> np.ndarray:
        """Of the pairs, (pairs,)."""
        each = self.sequences.lengths
        return np.minimum(each[self.first], each[self.second])

    @property
    def longest(self) -> int:
        """Tokens of the longest pair."""
        return int(self.lengths.max())

    @property
    def work(self) -> Work:
        """What a kernel is asked for that reads them."""
        h = self.sequences
        return Work(h.features, tokens=self.longest, formats=h.formats)

    def require_sound(self, tokens: int | None = None) -> None:
        """All values finite and no token zero, up to this many tokens of what is in a pair.

        Raises:
            InputError: naming the sequence, the place and the value.
        """
        for k in np.unique(np.concatenate([self.first, self.second])):
            require_sound_array(self.name(int(k)), self.sequences[k][:tokens], unit=True)

    def blocks(
        self, order: str | np.ndarray = "raster", seed: int = 0, grid: np.ndarray | None = None
    ) -> Iterator[tuple[Array, Array, np.ndarray | None, Any]]:
        """Tokens of both branches (pairs, n, d), their orders, and which pairs these are.

        Pairs come together that end at the same point of the grid, and with no more tokens than
        that: so there are few n, however many lengths. Those that end before the grid begins do not
        come. A block has a power of two of pairs where more would follow.
        """
        used = self.lengths
        if grid is not None:
            used = np.concatenate([[0], grid])[np.searchsorted(grid, used, "right")]
        buffers: list[Any] = [None, None]
        for tile in self._tiles():
            tile = tile[np.argsort(used[tile], kind="stable")]
            tile = tile[used[tile] > 0]
            for alike in np.split(tile, np.flatnonzero(np.diff(used[tile])) + 1):
                start = 0
                while start < len(alike):
                    tokens = int(used[alike[start]])
                    one = self.sequences[self.first[alike[start]]][:tokens].nbytes
                    count = min(max(1, GATHERED_BYTES // one), PAIRS_AT_ONCE)
                    count = 1 << count.bit_length() - 1
                    now = alike[start : start + count]
                    yield *self._read(now, tokens, order, seed, buffers), now
                    start += count
            self.sequences.forget(np.unique([self.first[tile], self.second[tile]]))

    def _read(
        self, now: np.ndarray, tokens: int, order: str | np.ndarray, seed: int, buffers: list[Any]
    ) -> tuple[Array, Array, np.ndarray | None]:
        """Both branches (pairs, n, d) and their orders; copies go to buffers that are used again.

        One pair stays where it is. Of others, rows that are used are copied as they lie.
        """
        orders = [self._order(int(pair), order, seed) for pair in now]
        a, b = ([self.sequences[k] for k in side[now]] for side in (self.first, self.second))
        if len(now) == 1:
            if orders[0] is None:
                return a[0][None, :tokens], b[0][None, :tokens], None
            length = len(orders[0])
            return a[0][None, :length], b[0][None, :length], orders[0][None]
        rows, known = orders, None
        if orders[0] is None:
            a, b = ([h[:tokens] for h in side] for side in (a, b))
        else:
            first = [places[:tokens] for places in cast(Any, orders)]
            rows = [np.sort(places) for places in first]  # and the ranks of places among them
            known = np.stack([np.argsort(np.argsort(places)) for places in first])
        buffers[:] = [gathered(h, rows, x) for h, x in zip((a, b), buffers, strict=True)]
        return buffers[0], buffers[1], known

    def _order(self, pair: int, order: str | np.ndarray, seed: int) -> np.ndarray | None:
        """The order of a pair; None as it is given."""
        length = int(self.lengths[pair])
        if not isinstance(order, str):
            return permutation_of(order, length)
        if order == "raster":
            return None
        rng = shuffler(order, seed, *([] if self.one_order else [pair]))
        return rng.permutation(length)

    def _tiles(self) -> Iterator[np.ndarray]:
        """Numbers of pairs (of sequences that fit into memory together), each pair once."""
        tile = np.cumsum(self.sequences.sizes) // TILE_BYTES
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


def in_tiles(a: Any, b: Any, groups: Any) -> UnequalPairs:
    """All pairs of mapped pictures of one length, so ordered that a file is read few times.

    Raises:
        InputError: as `pictures_of` and `groups_of_pictures`.
    """
    pictures = ListedSequences(list(pictures_of(a, b)))
    return all_paired(pictures, groups, lambda k: f"a[{k}]", one_order=True)


def unequal_pairs_of(
    a: Sequence[Any], b: Sequence[Any] | None, pairs: str | None, groups: Any
) -> UnequalPairs:
    """Sequences in lists, with their shapes checked; see `measure`.

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
    sequences = as_sequences([*a, *(b or ())])
    if b is None:
        return all_paired(sequences, groups, lambda k: f"a[{k}]")
    count = len(a)
    if count != len(b):
        raise InputError(f"both branches need as many sequences, not {count} and {len(b)}")
    first = np.arange(count)

    def name(k: int) -> str:
        return f"a[{k}]" if k < count else f"b[{k - count}]"

    return paired(sequences, first, first + count, groups, name)


def as_sequences(arrays: Iterable[Any]) -> ListedSequences:
    """Arrays (n, d) of one d.

    Raises:
        InputError: no arrays of real numbers, or of several d.
    """
    sequences = [one_branch(h) for h in arrays]
    widths = {h.shape[1] for h in sequences}
    if len(widths) > 1:
        raise InputError(
            f"all sequences need one number of features, but they have {min(widths)} to "
            f"{max(widths)}"
        )
    return ListedSequences(sequences)


def paired(
    sequences: Sequences,
    first: np.ndarray,
    second: np.ndarray,
    groups: Any,
    name: Callable[[int], str],
) -> UnequalPairs:
    """Pairs of sequences of these numbers; groups: what they share (pairs, ...), None if nothing.

    Raises:
        InputError: as `members_of`.
    """
    same, note = first_pairs_of(sequences.take(first), sequences.take(second)), ""
    if len(first) > 1 and not same.any():
        first, second, note = first[:1], second[:1], all_equal(len(first))
    if len(first) == 1:
        members, said = np.zeros((1, 1), np.int64), "one pair, errors unknown"
        return UnequalPairs(sequences, first, second, members, said, name, note)
    known, note = members_with_copies(same, groups)
    members = np.arange(len(first))[:, None] if known is None else known
    said = said_of_errors(f"{len(first):,} pairs", "pair" if known is None else "group", members)
    return UnequalPairs(sequences, first, second, members, said, name, note)


def all_paired(
    sequences: Sequences, groups: Any, name: Callable[[int], str], *, one_order: bool = False
) -> UnequalPairs:
    """All pairs of pictures, each once; groups: what pictures share (pictures,), None if nothing.

    Raises:
        InputError: a single picture, or groups as `groups_of_pictures` refuses them.
    """
    if len(sequences) < 2:
        raise InputError("all pairs of pictures need at least 2 of them, but there is 1")
    found = distinct_pictures(sequences, groups)
    kept = found.kept
    if len(kept) < len(sequences):
        sequences = sequences.take(kept)
    first, second = np.triu_indices(len(kept), 1)
    members = np.stack([found.groups[first], found.groups[second]], axis=1)
    return UnequalPairs(
        sequences,
        first,
        second,
        members,
        found.said,
        lambda k: name(int(kept[k])),
        found.note,
        one_order,
    )
