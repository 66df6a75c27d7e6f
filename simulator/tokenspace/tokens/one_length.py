"""Tokens of one length from a folder of them, as `fit_tokens` and `describe_tokens` take them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tokenspace.errors import InputError
from tokenspace.tokens.folders import TokenGroup, token_groups
from tokenspace.tokens.pairs import Pairs, pairs_of
from tokenspace.tokens.pictures import pairs_among
from tokenspace.tokens.unequal import UnequalPairs


def usual_length(given: UnequalPairs) -> int:
    """The longest that at least half of the pairs reach."""
    return int(np.sort(given.lengths)[len(given) // 2])


def of_one_length(given: UnequalPairs, tokens: int | None = None) -> Pairs:
    """The first tokens of the sequences, in memory; pairs that end before are left out.

    Args:
        given: pairs, whose lengths may differ.
        tokens: how many of each sequence; all of them, if left out and all pairs have as many.

    Raises:
        InputError: lengths differ, no pair is so long, or all pairs share one prompt.
    """
    lengths = given.lengths
    if tokens is None:
        tokens = int(lengths[0])
        if np.any(lengths != tokens):
            usual = usual_length(given)
            raise InputError(
                f"pairs have {lengths.min()} to {lengths.max()} tokens, but a fit needs one "
                f"length (tokens=, or --tokens N); {usual} tokens keep "
                f"{np.sum(lengths >= usual):,} of {len(given):,} pairs"
            )
    if not 1 <= tokens <= lengths.max():
        raise InputError(
            f"tokens = {tokens} is not allowed; it must be 1..{lengths.max()}, the length of the "
            "longest pair"
        )
    kept = np.flatnonzero(lengths >= tokens)
    count = len(given.sequences)
    used = np.flatnonzero(given.sequences.lengths >= tokens)
    if len(given) == pairs_among(count):
        groups = np.append(given.members[0, 0], given.members[: count - 1, -1])  # of 0 and others
        pairs = pairs_of(_stacked(given, used, tokens), None, "all", groups[used])
        return replace(pairs, note="; ".join(filter(None, (given.note, pairs.note))))
    labels = None
    if len(kept) > 1:
        labels = given.members[kept]
        if np.unique(labels).size == 1:
            raise InputError(
                "all pairs share one prompt, so that nothing is known of errors; collect answers "
                "to several prompts"
            )
    a, b = (_stacked(given, side[kept], tokens) for side in (given.first, given.second))
    return pairs_of(a, b, None, labels)


def _stacked(given: UnequalPairs, which: Any, tokens: int) -> np.ndarray:
    return np.stack([np.asarray(given.sequences[k][:tokens]) for k in which])


def given_of(
    a: Any, b: Any, pairs: str | None, groups: Any, only: str | None, tokens: int | None
) -> Pairs:
    """Arrays as `pairs_of` takes them, a `Pairs`, or one group of a folder.

    Raises:
        InputError: as `pairs_of`, `of_one_length` and `one_group`, or arguments of a folder
            together with those of arrays.
    """
    if isinstance(a, (str, Path)):
        for name, value in (("b", b), ("pairs", pairs), ("groups", groups)):
            if value is not None:
                raise InputError(
                    f"{name} is not allowed: the folder {a} says itself what is paired"
                )
        return of_one_length(one_group(a, only).open(), tokens)
    for name, value in (("only", only), ("tokens", tokens)):
        if value is not None:
            raise InputError(f"{name} = {value!r} is of folders of tokens, but arrays are given")
    return a if isinstance(a, Pairs) else pairs_of(a, b, pairs, groups)


def one_group(folder: str | Path, only: str | None) -> TokenGroup:
    """The group of that name, or the one that there is.

    Raises:
        InputError: no such group, or several and no name.
    """
    found = token_groups(folder, [] if only is None else [only])
    if len(found) > 1:
        names = ", ".join(g.name for g in found)
        raise InputError(f"{folder} holds {len(found)} groups; name one by only=: {names}")
    return found[0]
