"""How norms of tokens bend the fit of lambda: Upsilon is made of cosines, D is not.

The bend is what D(n) of the tokens as they are, over D(n) of the same tokens at norm 1, changes
with n. Whether branches of unlike norms are the reason is said by r of docs/norms.md, the root mean
square norm of branch B over that of A.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tokenspace.errors import InputError
from tokenspace.printable import counted, shown
from tokenspace.statistics.result import Result
from tokenspace.tokens.given import Array

MATTERS = 0.05  # of lambda
UNLIKE = 1.2  # r or 1/r, below which branches are not named as the reason
LOOKED_AT = 1 << 18  # numbers of each branch, or so, that r is found of
ENOUGH = 16  # tokens of a sequence, at equal distances, or up to twice as many


def every_which(pairs: int, tokens: int, features: int) -> int:
    """Of which pairs norms are looked at: every 1st, 2nd, ..."""
    return max(1, pairs * min(tokens, ENOUGH) * features // LOOKED_AT)


def squares_of(a: Array, b: Array, taken: np.ndarray) -> np.ndarray:
    """Sums of mean ||h||^2 in each branch, (2,), over those of the pairs (pairs, N, d) taken."""
    step = max(1, a.shape[1] // ENOUGH)  # first: a mask copies
    return np.array([_squares(h[:, ::step][taken]) for h in (a, b)])


def _squares(h: Array) -> float:
    x: Any = np.asarray(h, np.float64 if h.dtype.itemsize > 4 else np.float32)
    with np.errstate(all="ignore"):  # what is not finite is refused elsewhere
        return float(np.einsum("pid,pid->p", x, x).sum(dtype=np.float64)) / x.shape[1]


def ratio_of(squares: np.ndarray) -> float:
    """r of the two sums; NaN of none."""
    return float(np.sqrt(squares[1] / squares[0])) if squares[0] > 0 else np.nan


def bend_of(result: Result) -> float:
    """The largest relative change of D(n) over D(n) at norm 1, about its mean over the grid; >= 0.

    Of the pairs that lambda is fitted to; NaN where there is no lambda.
    """
    part = result.reached()
    try:
        part.scale_fit()
    except InputError:
        return np.nan
    ratio = np.log(part.divergence.mean / part.unit_divergence.mean)
    return float(np.max(abs(np.expm1(ratio - ratio.mean()))))


def said_of_norms(found: Sequence[tuple[str, Result]]) -> str:
    """How much norms bend lambda, of the group (name, result) where they do most; "" if little."""
    bends = np.nan_to_num([bend_of(result) for _, result in found])
    most = int(np.argmax(bends))
    if bends[most] <= MATTERS:
        return ""
    name, result = found[most]
    many = f"{np.sum(bends > MATTERS)} of {counted(len(found), 'group')}"
    where = f" in {many}, most in {shown(name)}," if len(found) > 1 else ""
    why = "tokens differ in norm"
    ratio = result.norm_ratio or 1.0
    if max(ratio, 1 / ratio) >= UNLIKE:
        why = f"tokens of branch B are {ratio:.3g} times as long as those of A"
    return (
        f"norms bend the fit of lambda{where} by up to {bends[most]:.1%}: {why}, and Upsilon knows "
        "cosines only (--norms, docs/norms.md)"
    )
