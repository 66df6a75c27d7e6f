"""Which sequences are compared with which: pairs that are given, or all pairs of K pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, ClassVar

import jax
import numpy as np

from tokenspace.errors import InputError
from tokenspace.tokens.copies import first_pairs_of
from tokenspace.tokens.given import (
    Array,
    both_branches,
    one_branch,
    require_sound,
    require_sound_array,
    work_of,
)
from tokenspace.tokens.mapped import forget
from tokenspace.tokens.pictures import (
    all_equal,
    distinct_pictures,
    members_with_copies,
    pairs_among,
    said_of_errors,
)
from tokenspace_kernels import workers
from tokenspace_kernels.limits import Work

ORDERS = ("raster", "random")
BLOCK_BYTES = 1 << 26  # of each branch that is read at once
PAIRS_AT_ONCE = 1 << 13  # of few tokens each
FEW = 8  # sequences that are copied one after the other, each by all threads


@dataclass(frozen=True)
class Pairs:
    """Tokens a and b, (sequences, N, d), and which of them make a pair.

    every: all pairs of the sequences of a, which is b as well; else a[p] and b[p] are a pair.
    groups: numbers of the group of each sequence of a (K,) where all pairs are taken, else of those
    of each pair (pairs, w); None where pairs are independent, and of one pair.
    said: in words, with how errors are found; "" where pairs are independent. note: what was left
    out, "" if nothing; numbers: then, of the sequences of a among those given (K,).
    """

    a: Array
    b: Array
    every: bool
    groups: np.ndarray | None
    said: str
    note: str = ""
    numbers: np.ndarray | None = None
    lengths: ClassVar[None] = None  # all pairs have one

    def __len__(self) -> int:
        return pairs_among(len(self.a)) if self.every else len(self.a)

    @cached_property
    def members(self) -> np.ndarray | None:
        """Numbers of the groups of each pair, (pairs, w); None as of `groups`."""
        if self.groups is None or not self.every:
            return self.groups
        return self.groups[np.stack(np.triu_indices(len(self.a), 1), axis=1)]

    @property
    def branches(self) -> tuple[Array, ...]:
        """The arrays of sequences, each once."""
        return (self.a,) if self.every else (self.a, self.b)

    @property
    def units(self) -> np.ndarray:
        """What is left out at once, as numbers: `groups`, or each sequence of a for itself."""
        return np.arange(len(self.a)) if self.groups is None else self.groups

    def blocks(
        self, order: str | np.ndarray = "raster", seed: int = 0, grid: np.ndarray | None = None
    ) -> Iterator[tuple[Array, Array, np.ndarray | None, Any]]:
        """Tokens of both branches (pairs, N, d), their orders, and which pairs these are.

        Orders are (pairs, N), or None where tokens stand as they are given. In bounded memory; what
        a block holds is gone with the next. All pairs reach every n of the grid.
        """
        position = self._positions(order, seed)
        if isinstance(self.a, jax.Array) and not self.every:
            given = self if position is None else self.reordered(order, seed)
            yield given.a, given.b, None, slice(0, len(self))
            return
        step = min(max(1, BLOCK_BYTES * len(self.a) // self.a.nbytes), PAIRS_AT_ONCE)
        first, second = np.triu_indices(len(self.a) if self.every else 0, 1)
        for start in range(0, len(self), step):
            now = slice(start, min(start + step, len(self)))
            if self.every:
                a, b = self.a[first[now]], self.a[second[now]]
            else:
                a, b = self.a[now], self.b[now]
            orders = None
            if position is not None:
                orders = np.stack([position(pair) for pair in range(now.start, now.stop)])
            yield a, b, orders, now
            forget(self.a, self.b)

    @property
    def longest(self) -> int:
        """Tokens of a sequence."""
        return int(self.a.shape[1])

    @property
    def work(self) -> Work:
        """What a kernel is asked for that reads them."""
        return work_of(self.a, self.b, tokens=self.longest)

    def require_sound(self, tokens: int | None = None) -> None:
        """As `checked`, up to this many tokens."""
        a = self.a[:, :tokens]
        if self.numbers is not None:
            for number, h in zip(self.numbers, a, strict=True):
                require_sound_array(f"a[{number}]", h, unit=True)
            return
        require_sound(a, a if self.every else self.b[:, :tokens], unit=True)

    def checked(self) -> Pairs:
        """The same, if all values are finite and no token is zero.

        Raises:
            InputError: naming the array, the place and the value.
        """
        self.require_sound()
        return self

    def reordered(self, order: str | np.ndarray, seed: int) -> Pairs:
        """The same with positions in another order, see `measure`; all at once, in memory."""
        position = self._positions(order, seed)
        if position is None:
            return self
        if self.every or not isinstance(order, str):
            a = self.a[:, position(0)]
            return replace(self, a=a, b=a if self.every else self.b[:, position(0)])
        orders = np.stack([position(pair) for pair in range(len(self))])[:, :, None]
        if isinstance(self.a, jax.Array):
            orders = orders.astype(np.int32)  # JAX has 64-bit numbers only when told so
        take = self.a.__array_namespace__().take_along_axis
        return replace(self, a=take(self.a, orders, 1), b=take(self.b, orders, 1))

    def _positions(self, order: str | np.ndarray, seed: int) -> Callable[[int], np.ndarray] | None:
        """The order (N,) of each pair, asked for one after the other; None as they are given."""
        tokens = self.a.shape[1]
        if isinstance(order, str):
            if order == "raster":
                return None
            rng = shuffler(order, seed)
            if not self.every:
                return lambda _: rng.permutation(tokens)
            order = rng.permutation(tokens)
        permutation = permutation_of(order, tokens)
        return lambda _: permutation


def shuffler(order: str, seed: int, *more: int) -> np.random.Generator:
    """What draws random orders, of a seed and what tells it from others of that seed.

    Raises:
        InputError: another name of an order, or no seed.
    """
    if order != "random":
        raise InputError(
            f"order = {order!r} is not allowed; it must be one of {', '.join(ORDERS)} or an array"
        )
    if not isinstance(seed, (int, np.integer)) or seed < 0:
        raise InputError(f"seed = {seed!r} is not allowed; it must be an integer >= 0")
    return np.random.default_rng([seed, *more] if more else seed)


def permutation_of(order: Any, tokens: int) -> np.ndarray:
    """An order that is given, as an array (N,).

    Raises:
        InputError: it does not hold each place once.
    """
    places = np.asarray(order)
    whole = places.dtype.kind in "iu" and places.shape == (tokens,)
    if not whole or not np.array_equal(np.sort(places), np.arange(tokens)):
        raise InputError(
            f"order must hold each of 0..{tokens - 1} once, as integers, shape ({tokens},)"
        )
    return places


def gathered(
    h: Sequence[Array] | Array,
    orders: Sequence[np.ndarray | None] | np.ndarray,
    out: Array | None = None,
) -> Array:
    """Sequences of one length, (pairs, N, d), each in its order; copied side by side.

    In a format that holds all values, where sequences of a list have several.
    out: an array that is used again if it fits: new memory takes longer than the copy.
    """
    if isinstance(h, jax.Array):
        return h[:, orders[0]]  # of all pairs of pictures, which share one order
    if not isinstance(h, np.ndarray):
        h = [np.asarray(one) for one in h]
    tokens = len(h[0]) if orders[0] is None else len(orders[0])  # which may be some of them
    shape, dtypes = (len(h), tokens, h[0].shape[1]), {one.dtype for one in h}
    dtype = h[0].dtype if len(dtypes) == 1 else np.result_type(*dtypes)
    fits = isinstance(out, np.ndarray) and out.shape == shape and out.dtype == dtype
    into: Any = out if fits else np.empty(shape, dtype)

    def rows(k: int, part: slice) -> None:
        order = orders[k]
        if order is None:
            into[k, part] = h[k][part]
        elif h[k].dtype != dtype:
            into[k, part] = h[k][order[part]]
        else:
            np.take(h[k], order[part], axis=0, out=into[k, part], mode="clip")

    def sequences(part: slice) -> None:
        for k in range(*part.indices(len(h))):
            rows(k, slice(None))

    if len(h) >= FEW:
        workers.share(len(h), sequences)
    else:
        for k in range(len(h)):
            workers.share(shape[1], partial(rows, k))
    return into


def pairs_of(a: Any, b: Any, pairs: str | None, groups: Any) -> Pairs:
    """What `measure` and `fit_tokens` are asked to compare, with the shapes checked.

    Raises:
        InputError: arguments that do not go together, or as `both_branches` and `members_of`.
    """
    if pairs is not None and not (isinstance(pairs, str) and pairs == "all"):
        raise InputError(
            f"pairs = {pairs!r} is not allowed; it must be 'all', or left out for pairs a, b"
        )
    if pairs == "all":
        return _all_pairs(a, b, groups)
    if b is None:
        raise InputError(
            "tokens of both branches are needed, a and b, (pairs, N, d); or pairs='all' for all "
            "pairs of the pictures in a, (K, N, d)"
        )
    a, b = both_branches(a, b)
    if a.ndim not in (2, 3):
        raise InputError(f"tokens must be (pairs, N, d) or (N, d), but their shape is {a.shape}")
    if a.ndim == 2:
        a, b = a[None], b[None]
    first = first_pairs_of(a, b)
    if len(a) > 1 and not first.any():
        return Pairs(a[:1], b[:1], False, None, "", all_equal(len(a)))
    members, note = members_with_copies(first, groups)
    if members is None:
        return Pairs(a, b, False, None, "")
    said = said_of_errors(f"{members.max() + 1:,} groups", "group", members)
    return Pairs(a, b, False, members, said, note)


def pictures_of(a: Any, b: Any) -> Array:
    """The pictures (K, N, d) of which all pairs are to be taken.

    Raises:
        InputError: there is a b, or a is no array of at least 2 pictures.
    """
    if b is not None:
        raise InputError(
            "pairs='all' compares the pictures in a, (K, N, d), with each other; leave b out, or "
            "put its pictures into a"
        )
    a = one_branch(a)
    if a.ndim != 3 or len(a) < 2:
        raise InputError(
            "pairs='all' needs tokens of at least 2 pictures, (K, N, d), but their shape is "
            f"{a.shape}"
        )
    return a


def _all_pairs(a: Any, b: Any, groups: Any) -> Pairs:
    a = pictures_of(a, b)
    found, numbers = distinct_pictures(a, groups), None
    if len(found.kept) < len(a):
        a, numbers = a[found.kept], found.kept
    of = None if len(a) == 2 else found.groups
    return Pairs(a, a, True, of, found.said, found.note, numbers)
