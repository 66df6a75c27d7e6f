"""Write norms.md: how much norms of tokens bend the fit E[D(n)] = lambda sqrt(Upsilon(n)).

`python docs/norms.py > docs/norms.md`
"""

from __future__ import annotations

import numpy as np

from tokenspace.grids import log_grid
from tokenspace.printable import percent
from tokenspace.statistics.streaming import upsilon_of

LARGEST = 1000
SHOWN = (1, 10, 100, 1000)
PSIS = ((0.2, 0.3, 0.1), (0.7, 0.9, 0.8))  # psi_equal, psi_within, psi_cross
RATIOS = (1.0, 1.1, 1.25, 1.5, 2.0)  # norms of branch B over those of A
VARIATIONS = (0.2, 0.5)  # standard deviation of a norm over its mean

INTRODUCTION = """# Norms of tokens and the fit of lambda

The paper's Upsilon is made of cosines: it knows nothing of norms. D does. Where all tokens have one
norm s, D(n)^2 = 2 s^2 Upsilon(n) for every pair, and one lambda describes all n. Where the tokens
of branch B are r times as long as those of A, and norms vary independently of everything else with
standard deviation over mean v, in both branches,

    E[D(n)^2] = (s_A^2 + s_B^2) (n (1 - q k psi_equal) + n (n - 1) k (psi_within - q psi_cross)),
    q = 2 r / (1 + r^2),  k = 1 / (1 + v^2),  s^2 = E||h||^2 of a branch.

So lambda depends on n, and D has another n_balance than the cosines,
(1 - q k psi_equal) / (k (psi_within - q psi_cross)) - 1. The table has lambda(n) over the one that
is fitted by least squares in log to n = 1..1000. Of your own tokens `tokenspace measure` says how
much norms bend lambda where that is above 5 % and no noise, and r where one branch is 1.2 times as
long as the other; `--norms` shows D as it is and of the tokens scaled to norm 1, each beside its
fit. What is left there is the spread between pairs: E[D] is a mean of roots, and Upsilon a mean of
squares.

Constant psi's; the tests hold the formula to tokens. Made by `python docs/norms.py`.
"""


def moment(
    n: np.ndarray, psi: tuple[float, float, float], ratio: float, variation: float
) -> np.ndarray:
    """E[D(n)^2] over s_A^2 + s_B^2, of (psi_equal, psi_within, psi_cross)."""
    equal, within, cross = psi
    q, k = 2 * ratio / (1 + ratio**2), 1 / (1 + variation**2)
    return upsilon_of(n, q * k * equal, k * within, q * k * cross)


def balance(psi: tuple[float, float, float], ratio: float, variation: float) -> float:
    """n_balance of D."""
    one, two = moment(np.array([1, 2]), psi, ratio, variation)
    return float(one / (two / 2 - one) - 1)


def row(psi: tuple[float, float, float], ratio: float, variation: float) -> str:
    """A line of the table."""
    grid = log_grid(LARGEST)
    n = np.concatenate([SHOWN, grid])
    at = np.log(moment(n, psi, ratio, variation) / moment(n, psi, 1.0, 0.0)) / 2
    off = np.expm1(at - at[len(SHOWN) :].mean())
    shown = [percent(x, "+.1f") for x in off[: len(SHOWN)]]
    largest = percent(abs(off).max(), ".1f")
    names = [", ".join(f"{x:g}" for x in psi), f"{ratio:g}", f"{variation:g}"]
    balances = [f"{balance(psi, 1.0, 0.0):.3g}", f"{balance(psi, ratio, variation):.3g}"]
    return (
        "| "
        + " | ".join([*names, *shown, largest, *balances])
        .replace("+0.0 %", "0.0 %")
        .replace("-0.0 %", "0.0 %")
        + " |"
    )


def page() -> str:
    """norms.md."""
    at = [f"n = {k}" for k in SHOWN]
    head = ["psi equal, within, cross", "r", "v", *at, "at most", "n_balance of cosines", "of D"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for psi in PSIS:
        lines += [row(psi, ratio, 0.0) for ratio in RATIOS]
        lines += [row(psi, ratio, v) for v in VARIATIONS for ratio in (1.0, 1.25)]
    return INTRODUCTION + "\n" + "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(page(), end="")
