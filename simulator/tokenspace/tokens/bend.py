"""How norms of tokens bend the fit of lambda: Upsilon is made of cosines, D is not.

The bend is what D(n) of the tokens as they are, over D(n) of the same tokens at norm 1, changes
with n. Whether branches of unlike norms are the reason is said by r of docs/norms.md, the root mean
square norm of branch B over that of A.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

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


class Bend(NamedTuple):
    """What norms change D(n) by, of the pairs that lambda is fitted to; NaN where there is none.

    change: log of D(n) over D(n) at norm 1, less its mean over the grid n, (m,); covariance: of
    that, (m, m); freedom: its degrees of freedom.
    """

    n: np.ndarray
    change: np.ndarray
    covariance: np.ndarray
    freedom: float

    @property
    def largest(self) -> float:
        """The largest relative change; >= 0."""
        return float(np.max(abs(np.expm1(self.change))))

    def is_said(self, unlike: bool, groups: int = 1) -> bool:
        """Whether norms bend the fit by more than 5 %, and than noise does in any of the groups.

        At some n by more than 5 % and its error: one-sided, of all n and groups by Bonferroni, at
        95 %. Branches of unlike norms are a reason to expect a bend: there it is enough that the
        change grows or falls with log n, by more than its error at 95 %, or that errors are
        unknown.
        """
        if not self.largest > MATTERS:
            return False
        if np.isnan(self.covariance).any():
            return unlike
        chance = (1 - LEVEL) / groups
        t_each, t_slope = t_quantile([1 - chance / len(self.n), 1 - chance / 2], self.freedom)
        reach = t_each * np.sqrt(np.maximum(np.diag(self.covariance), 0.0))
        least = np.sign(self.change) * np.maximum(abs(self.change) - reach, 0.0)
        if np.any(abs(np.expm1(least)) > MATTERS):
            return True
        along = np.log(self.n) - np.log(self.n).mean()
        error = np.sqrt(max(along @ self.covariance @ along, 0.0))
        return unlike and bool(abs(along @ self.change) > t_slope * error)


def bend_of(result: Result) -> Bend:
    """How norms bend the fit of lambda, from the same jackknife as all other errors."""
    part = result.reached()
    m = len(part.n)
    try:
        part.scale_fit()
    except InputError:
        return Bend(part.n, np.full(m, np.nan), np.full((m, m), np.nan), 0.0)
    joint: Any = part.unit  # of D at norm 1, Upsilon, D
    both = joint.take(np.r_[2 * m : 3 * m, :m])
    centred = np.eye(m) - 1 / m
    matrix = np.hstack([centred, -centred])
    jacobian = matrix / both.mean
    covariance = jacobian @ both.covariance @ jacobian.T
    return Bend(part.n, matrix @ np.log(both.mean), covariance, part.divergence.least_freedom)


def _unlike(result: Result) -> bool:
    """Whether branches are named as the reason: r or 1/r is at least 1.2."""
    ratio = result.norm_ratio or 1.0
    return max(ratio, 1 / ratio) >= UNLIKE


def said_of_norms(found: Sequence[tuple[str, Result]]) -> str:
    """How much norms bend lambda, of the group (name, result) where they do most.

    "" if little, or if it may be noise.
    """
    bends = [bend_of(result) for _, result in found]
    bent = [k for k, (_, r) in enumerate(found) if bends[k].is_said(_unlike(r), len(found))]
    if not bent:
        return ""
    most = max(bent, key=lambda k: bends[k].largest)
    name, result = found[most]
    many = f"{len(bent)} of {counted(len(found), 'group')}"
    where = f" in {many}, most in {shown(name)}," if len(found) > 1 else ""
    why = "tokens differ in norm"
    if _unlike(result):
        why = f"tokens of branch B are {result.norm_ratio:.3g} times as long as those of A"
    largest = percent(bends[most].largest, ".1f")
    return (
        f"norms bend the fit of lambda{where} by up to {largest}: {why}, "
        "and Upsilon knows cosines only (--norms, docs/norms.md)"
    )
