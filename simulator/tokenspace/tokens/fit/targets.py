"""What is tried: which families, on which places and by which aim; which pictures go together."""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence

import numpy as np

from tokenspace.errors import InputError
from tokenspace.tokens.families import TokenFamily, known_families, place_of
from tokenspace.tokens.fit.cells import MOST_GROUPS
from tokenspace.tokens.fit.search import AIMS, Target
from tokenspace.tokens.pairs import Pairs

PATCH_ORDERS = ("raster", "serpentine", "hilbert")


def families_named(family: str | Sequence[str]) -> dict[str, TokenFamily]:
    """The families of these names, or all of them.

    Raises:
        InputError: a name that is not known, with the nearest.
    """
    known = known_families()
    wanted = [family] if isinstance(family, str) else list(family)
    if wanted == ["auto"]:
        return known
    for name in wanted:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1)
            raise InputError(
                f"family = {name!r} is not allowed; it must be auto or one of {', '.join(known)}"
                + (f"; did you mean {near[0]!r}?" if near else "")
            )
    if not wanted:
        raise InputError("family = [] names no family; give one, several, or 'auto'")
    return {name: known[name] for name in wanted}


def targets_of(
    names: dict[str, TokenFamily],
    tokens: int,
    patches: tuple[int, int] | None,
    ranked: bool,
    aim: str | None,
) -> list[Target]:
    """Every family on every place that it may have, fitted to every aim.

    Raises:
        InputError: a picture is needed and unknown, or patches do not hold the tokens.
    """
    picture = _picture(tokens, patches)
    targets = []
    for name, family in names.items():
        if family.picture and picture is None:
            if not all(other.picture for other in names.values()):
                continue  # tokens that are no square may be no picture
            raise InputError(
                f"family {name!r} needs to know the picture: {tokens} tokens are no square, so "
                "give patches=(rows, columns)"
            )
        places = [place_of(1, tokens)]
        if family.picture:
            assert picture is not None
            places = [place_of(*picture, order) for order in PATCH_ORDERS[: None if ranked else 1]]
        aims = (aim,) if aim else AIMS if ranked else ("lags",)
        if not (family.parameters or ranked or aim):
            aims = ("",)
        targets += [Target(family, place, aim, name) for place in places for aim in aims]
    return targets


def _picture(tokens: int, patches: tuple[int, int] | None) -> tuple[int, int] | None:
    if patches is None:
        side = math.isqrt(tokens)
        return (side, side) if side * side == tokens and side > 1 else None
    given = np.asarray(patches).ravel() if np.size(patches) == 2 else np.zeros(2, int)
    whole = np.issubdtype(given.dtype, np.integer)  # 4.7 is no number of rows
    rows, columns = (int(k) if whole else 0 for k in given)
    if rows < 2 or columns < 2 or rows * columns != tokens:
        raise InputError(
            f"patches = {patches!r} is not allowed; rows and columns, at least 2 of each, must "
            f"hold {tokens} tokens; leave a class token out first"
        )
    return rows, columns


def key_of(target: Target) -> tuple[str, str, str]:
    """What a target is called: family, order of the patches and aim."""
    return target.name, target.place.order if target.family.picture else "", target.aim


def groups_of(given: Pairs) -> np.ndarray:
    """The group of each picture, or those of each pair; neighbours together, if there are many."""
    alone = given.units
    count = int(alone.max()) + 1
    if count <= MOST_GROUPS:
        return alone
    together = alone * MOST_GROUPS // count
    if given.every:
        return together
    in_each = together.reshape(len(together), -1)
    everywhere = [(in_each == g).any(axis=1).all() for g in range(MOST_GROUPS)]
    return alone if any(everywhere) else together
