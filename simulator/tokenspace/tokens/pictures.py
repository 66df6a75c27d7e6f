"""Which pictures are compared, all with each other: copies are left out, and what is shared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from tokenspace.errors import InputError
from tokenspace.printable import percent
from tokenspace.statistics.jackknife import freedom_of, labels_of, members_of, sizes_of
from tokenspace.statistics.quantiles import below, quantile
from tokenspace.statistics.streaming import Summary
from tokenspace.tokens.copies import first_of
from tokenspace.tokens.given import Array

NEAR = 0.01  # of the median pair's D, below which pictures are nearly the same


@dataclass(frozen=True)
class Pictures:
    """The pictures that are compared.

    kept: their numbers among those given (K,); groups: numbers of what each shares (K,); said: in
    words, with how errors are found; note: what was left out, "" if nothing.
    """

    kept: np.ndarray
    groups: np.ndarray
    said: str
    note: str


def distinct_pictures(sequences: Sequence[Array] | Array, groups: Any) -> Pictures:
    """Each picture once, with groups that share a picture as one.

    A copy is no draw of a second picture: its pair with the first has D = 0, and its other pairs
    are there already. Where fewer than two would be left, all stay.

    Args:
        sequences: tokens of each picture, at least 2.
        groups: labels of what pictures share (K,), None if nothing.

    Raises:
        InputError: not one whole number or word a picture.
    """
    count = len(sequences)
    numbers = np.arange(count) if groups is None else groups_of_pictures(groups, count)
    first = first_of(sequences)
    kept, note = np.flatnonzero(first == np.arange(count)), ""
    if len(kept) < 2:
        kept = np.arange(count)
    elif len(kept) < count:
        numbers = np.unique(joined(numbers, first)[kept], return_inverse=True)[1]
        left = count - len(kept)
        have, are = ("has", "is") if left == 1 else ("have", "are")
        note = (
            f"{left:,} of {count:,} pictures {have} the tokens of another and {are} left out as a "
            "copy, no second draw (where draws may be equal, give the pairs themselves)"
        )
    sizes = pairs_of_groups(np.bincount(numbers))
    one = "picture" if len(sizes) == len(kept) else "group"
    said = said_of_errors_by_sizes(
        f"all pairs of {len(kept):,} pictures", one, sizes, pairs_among(len(kept))
    )
    if len(kept) == 2:
        said = "the one pair of 2 pictures, errors unknown"
    return Pictures(kept, numbers, said, note)


def members_with_copies(first: np.ndarray, groups: Any) -> tuple[np.ndarray | None, str]:
    """`members_of` pairs of which copies are in one group, and what was done in words.

    A pair that is there twice is no second draw. It still counts in means: answers may repeat.

    Args:
        first: the number of the first pair with the same tokens, (pairs,), `first_pairs_of`.
        groups: what pairs share, as `members_of` takes it; None if nothing.

    Returns:
        None where pairs are independent, and "" where none is a copy.

    Raises:
        InputError: as `members_of`.
    """
    count = len(first)
    members = None if groups is None else members_of(groups, count)
    if not (copies := int(np.sum(first != np.arange(count)))):
        return members, ""
    has = "has" if copies == 1 else "have"
    said = f"{copies:,} of {count:,} pairs {has} the tokens of another pair in both branches"
    together = first if members is None else joined(members, first)
    try:
        return members_of(together, count), f"{said}; equal pairs are one group for the errors"
    except InputError:  # with them every pair shares a group, and nothing could be left out
        return members, f"{said}, so errors may be too small"


def all_equal(pairs: int) -> str:
    """What is said where pairs are one pair, many times."""
    return f"all {pairs:,} pairs are equal and count as one"


def said_of_near(seen: Summary) -> str:
    """What is said where D of pairs of pictures is far below the median pair's, at every n.

    Of those that reach the last n that half of them do. Pairs of which D is 0 at every n are told
    elsewhere. Groups would not help: such pairs still count in the means.
    """
    of = seen if seen.common is None else seen.common
    median = quantile(of.sketch, np.array([0.5]))[0]
    some, up_to = median > 0, ""
    if of.sketch.exact:
        small = np.all(of.sketch.rows[:, some] < NEAR * median[some], axis=1)
        near = int(np.sum(small & of.sketch.rows.any(axis=1))) if some.any() else 0
    else:  # which pairs they are at each n is no longer known
        up_to = "up to "
        none = below(of.sketch, np.full(len(median), np.finfo(np.float32).tiny))
        near = int((below(of.sketch, NEAR * median)[some]).min() - none.min()) if some.any() else 0
    if near <= 0:
        return ""
    return (
        f"D(n) is below {percent(NEAR)} of the median pair's at every n in {up_to}{near:,} of "
        f"{of.joint.count:,} pairs: as of a picture saved twice, which is no second draw. They "
        "lower the means, and errors are too small: leave one picture of each out"
    )


def joined(numbers: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Groups of sequences or pairs, (K,) or (K, w), as one where they share a copy."""
    size, ends = int(numbers.max()) + 1, (numbers.ravel(), numbers[first].ravel())
    edges = coo_array((np.ones(numbers.size), ends), shape=(size, size))
    return np.asarray(connected_components(edges)[1])[numbers]


def groups_of_pictures(groups: Any, pictures: int) -> np.ndarray:
    """The group of each picture as numbers 0..G-1, (K,).

    Raises:
        InputError: not one whole number or word a picture.
    """
    labels = labels_of(
        groups,
        lambda shape: shape == (pictures,),
        f"groups must name what each of {pictures} pictures shares, shape ({pictures},)",
    )
    return np.unique(labels, return_inverse=True)[1]


def pairs_among(count: Any) -> Any:
    """Pairs of so many sequences."""
    return count * (count - 1) // 2


def pairs_of_groups(sequences: np.ndarray) -> np.ndarray:
    """How many of all pairs have one of each group's sequences, (G,), which are so many."""
    count = sequences.sum()
    return pairs_among(count) - pairs_among(count - sequences)


def said_of_errors(what: str, one: str, members: np.ndarray) -> str:
    """In words, what is compared and how errors are found; members: groups of each pair."""
    return said_of_errors_by_sizes(what, one, sizes_of(members), len(members))


def said_of_errors_by_sizes(what: str, one: str, sizes: np.ndarray, pairs: int) -> str:
    """The same, of the pairs that each group is in and of how many there are."""
    if np.any(sizes == pairs):
        return f"{what}, errors unknown: one {one} is in every pair"
    freedom = freedom_of(sizes)
    return (
        f"{what}, errors by leaving one {one} out: {freedom:,.4g} "
        f"degree{'s' * (freedom != 1)} of freedom"
    )
