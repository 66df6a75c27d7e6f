"""Which sequences are compared with which: pairs that are given, or all pairs of K pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np

from tokenspace.errors import InputError
from tokenspace.statistics.jackknife import freedom_of, members_of
from tokenspace.tokens.given import Array, both_branches, one_branch, require_sound

ORDERS = ("raster", "random")
BLOCK_BYTES = 1 << 26  # of each branch that is copied at once, where all pairs are taken


@dataclass(frozen=True)
class Pairs:
    """Tokens a and b, (sequences, N, d), and which of them make a pair.

    every: all pairs of the sequences of a, which is b as well; else a[p] and b[p] are a pair.
    members: (pairs, w) numbers of the groups of each pair; None where pairs are independent.
    said: in words, with how errors are found; "" where pairs are independent.
    """

    a: Array
    b: Array
    every: bool
    members: np.ndarray | None
    said: str

    def blocks(self) -> Iterator[tuple[Array, Array, slice]]:
        """Tokens of both branches (pairs, N, d) and which pairs these are, in bounded memory."""
        if not self.every:
            yield self.a, self.b, slice(None)
            return
        first, second = np.triu_indices(len(self.a), 1)
        step = max(1, BLOCK_BYTES * len(self.a) // self.a.nbytes)
        for start in range(0, len(first), step):
            now = slice(start, start + step)
            yield self.a[first[now]], self.a[second[now]], now

    def checked(self) -> Pairs:
        """The same, if all values are finite and no token is zero.

        Raises:
            InputError: naming the array, the place and the value.
        """
        require_sound(self.a, self.b, unit=True)
        return self

    def reordered(self, order: str | np.ndarray, seed: int) -> Pairs:
        """The same with positions in another order, see `measure`."""
        if isinstance(order, str) and order == "raster":
            return self
        self.checked()  # now, while places are those of the caller
        tokens = self.a.shape[1]
        if isinstance(order, str):
            if order != "random":
                raise InputError(
                    f"order = {order!r} is not allowed; it must be one of {', '.join(ORDERS)} or "
                    "an array"
                )
            rng = np.random.default_rng(seed)
            if not self.every:
                return self._shuffled(rng)
            order = rng.permutation(tokens)
        permutation = np.asarray(order)
        if permutation.shape != (tokens,) or not np.array_equal(
            np.sort(permutation), np.arange(tokens)
        ):
            raise InputError(f"order must hold each of 0..{tokens - 1} once, shape ({tokens},)")
        a = self.a[:, permutation]
        return replace(self, a=a, b=a if self.every else self.b[:, permutation])

    def _shuffled(self, rng: np.random.Generator) -> Pairs:
        pairs, tokens = self.a.shape[:2]
        orders = np.stack([rng.permutation(tokens) for _ in range(pairs)])[:, :, None]
        if isinstance(self.a, jax.Array):
            orders = orders.astype(np.int32)  # JAX has 64-bit numbers only when told so
        take = self.a.__array_namespace__().take_along_axis
        return replace(self, a=take(self.a, orders, 1), b=take(self.b, orders, 1))


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
    if groups is None:
        return Pairs(a, b, False, None, "")
    members = members_of(groups, len(a))
    return Pairs(a, b, False, members, _said(f"{members.max() + 1:,} groups", "group", members))


def _all_pairs(a: Any, b: Any, groups: Any) -> Pairs:
    if b is not None:
        raise InputError(
            "pairs='all' compares the pictures in a, (K, N, d), with each other; leave b out, or "
            "put its pictures into a"
        )
    if groups is not None:
        raise InputError(
            "groups say what pairs a, b share; with pairs='all' each picture is a group already"
        )
    a = one_branch(a)
    if a.ndim != 3 or len(a) < 2:
        raise InputError(
            "pairs='all' needs tokens of at least 2 pictures, (K, N, d), but their shape is "
            f"{a.shape}"
        )
    if len(a) == 2:
        return Pairs(a, a, True, None, "the one pair of 2 pictures, errors unknown")
    members = np.stack(np.triu_indices(len(a), 1), axis=1)
    said = _said(f"all pairs of {len(a):,} pictures", "picture", members)
    return Pairs(a, a, True, members, said)


def _said(what: str, one: str, members: np.ndarray) -> str:
    freedom = freedom_of(members)
    return (
        f"{what}, errors by leaving one {one} out: {freedom:,.4g} "
        f"degree{'s' * (freedom != 1)} of freedom"
    )
