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
from tokenspace.printable import counted, percent, shown
from tokenspace.statistics.estimate import LEVEL, t_quantile
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
    change, _ = _changes(result)
    return float(np.max(abs(np.expm1(change))))


def _changes(result: Result) -> tuple[np.ndarray, np.ndarray]:
    """log of D(n) over D(n) at norm 1 less its mean over the grid, (m,), with covariance (m, m)."""
    part = result.reached()
    m = len(part.n)
    try:
        part.scale_fit()
    except InputError:
        return np.full(m, np.nan), np.full((m, m), np.nan)
    joint: Any = part.unit  # of D at norm 1, Upsilon, D
    both = joint.take(np.r_[2 * m : 3 * m, :m])
    centred = np.eye(m) - 1 / m
    matrix = np.hstack([centred, -centred])
    jacobian = matrix / both.mean
    return matrix @ np.log(both.mean), jacobian @ both.covariance @ jacobian.T


def _is_said(result: Result, groups: int) -> bool:
    """Whether norms bend the fit by more than 5 %, and by more than noise does in any of groups.

    At some n by more than 5 % and its error: one-sided, of all n and groups by Bonferroni, at 95 %.
    Branches of unlike norms are a reason to expect a bend: there it is enough that the change grows
    or falls with log n, by more than its error at 95 %, or that errors are unknown.
    """
    if not bend_of(result) > MATTERS:
        return False
    part = result.reached()
    change, covariance = _changes(result)
    if np.isnan(covariance).any():
        return _unlike(result)
    chance = (1 - LEVEL) / groups
    levels = [1 - chance / len(part.n), 1 - chance / 2]
    t = t_quantile(levels, part.divergence.least_freedom)
    reach = t[0] * np.sqrt(np.maximum(np.diag(covariance), 0.0))
    least = np.sign(change) * np.maximum(abs(change) - reach, 0.0)
    along = np.log(part.n) - np.log(part.n).mean()
    grows = abs(along @ change) > t[1] * np.sqrt(max(along @ covariance @ along, 0.0))
    return bool(np.any(abs(np.expm1(least)) > MATTERS) or (grows and _unlike(result)))


def _unlike(result: Result) -> bool:
    """Whether branches are named as the reason: r or 1/r is at least 1.2."""
    ratio = result.norm_ratio or 1.0
    return max(ratio, 1 / ratio) >= UNLIKE


def said_of_norms(found: Sequence[tuple[str, Result]]) -> str:
    """How much norms bend lambda, of the group (name, result) where they do most.

    "" if little, or if it may be noise.
    """
    bent = [
        (bend_of(result), name, result) for name, result in found if _is_said(result, len(found))
    ]
    if not bent:
        return ""
    bend, name, result = max(bent, key=lambda one: one[0])
    many = f"{len(bent)} of {counted(len(found), 'group')}"
    where = f" in {many}, most in {shown(name)}," if len(found) > 1 else ""
    why = "tokens differ in norm"
    if _unlike(result):
        why = f"tokens of branch B are {result.norm_ratio:.3g} times as long as those of A"
    return (
        f"norms bend the fit of lambda{where} by up to {percent(bend, '.1f')}: {why}, "
        "and Upsilon knows cosines only (--norms, docs/norms.md)"
    )
