"""How norms of tokens bend the fit of lambda: Upsilon is made of cosines, D is not.

The bend is what D(n) of the tokens as they are, over D(n) of the same tokens at norm 1, changes
with n. Whether the norms of the two branches are the reason is said by r of docs/norms.md,

    2 r / (1 + r^2) = sum s_A s_B / sum (s_A^2 + s_B^2)/2   over pairs,

with s^2 the mean square of the norms of a branch: as if in each pair one branch, whichever, were r
times as long as the other.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tokenspace.errors import InputError
from tokenspace.printable import counted, shown
from tokenspace.statistics.result import Result
from tokenspace.tokens.given import Array

MATTERS = 0.05  # of lambda
UNLIKE = 1.2  # r, below which branches are not named as the reason
LOOKED_AT = 1 << 21  # numbers of each branch, or so, that r is found of
ENOUGH = 64  # tokens of a sequence, or a few more


def every_which(pairs: int, tokens: int, features: int) -> int:
    """Of which pairs norms are looked at: every 1st, 2nd, ..."""
    return max(1, pairs * min(tokens, ENOUGH) * features // LOOKED_AT)


def norm_products(a: Array, b: Array) -> np.ndarray:
    """The two sums over pairs (pairs, N, d); of long ones over tokens at equal distances."""
    a2, b2 = (_mean_squares(h[:, :: max(1, h.shape[1] // ENOUGH)]) for h in (a, b))
    return np.array([np.sqrt(a2 * b2).sum(), (a2 + b2).sum() / 2])


def _mean_squares(h: Array) -> np.ndarray:
    """Of norms, of each sequence, (pairs,)."""
    x = np.asarray(h, np.float64 if h.dtype.itemsize > 4 else np.float32)
    with np.errstate(all="ignore"):  # what is not finite is refused elsewhere
        return np.einsum("pid,pid->p", x, x) / np.float64(x.shape[1])


def ratio_of(products: np.ndarray) -> float:
    """r >= 1 of the two sums; NaN of none."""
    if not products[0] > 0:
        return float("nan")
    q = min(products[0] / products[1], 1.0)
    return float((1 + np.sqrt(1 - q**2)) / q)


def bend_of(result: Result) -> float:
    """The largest relative change of D(n) over D(n) at norm 1, about its mean over log n; >= 0.

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
    if result.norm_ratio is not None and result.norm_ratio >= UNLIKE:
        why = f"one branch of a pair is {result.norm_ratio:.3g} times as long as the other"
    return (
        f"norms bend the fit of lambda{where} by up to {bends[most]:.1%}: {why}, and Upsilon knows "
        "cosines only (--norms, docs/norms.md)"
    )
