"""What a fitted model says of numbers that were measured on the same tokens, and how far it is off.

Every model here is of tokens that are alike at every place; given tokens may not be. Then a fit
follows one number at the cost of another, and this says which, and by how many standard errors. The
error is that of the difference: both are taken anew without each group.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tokenspace.printable import number
from tokenspace.statistics.estimate import LEVEL, Estimate, t_quantile
from tokenspace.statistics.jackknife import jackknifed
from tokenspace.tokens.fit.cells import Moments
from tokenspace.tokens.fit.held_out import predicted
from tokenspace.tokens.fit.model import shared_with
from tokenspace.tokens.fit.search import Shape, Target

PSIS = ("psi_equal", "psi_within", "psi_cross", "psi_delta")
SIZES = "size of differences, second half over first"
TWO_WAYS_ROUNDING = 1e-9  # of a number: what the two ways of taking it may differ by


@dataclass(frozen=True)
class Compared:
    """A number of the tokens, the same of the model, and model less tokens, with its own error."""

    name: str
    tokens: Estimate
    model: Estimate
    difference: Estimate

    @property
    def z(self) -> float:
        """Of the difference; 0 where the model has the number by construction."""
        off, error = float(self.difference.mean), float(self.difference.standard_error)
        if abs(off) <= TWO_WAYS_ROUNDING * max(abs(float(self.tokens.mean)), TWO_WAYS_ROUNDING):
            return 0.0
        return off / error if error > 0 else np.nan

    def off(self, tests: int) -> bool:
        """Whether it is more than chance, at 5 % over so many tests together."""
        freedom = self.difference.degrees_of_freedom
        return freedom > 0 and bool(
            abs(self.z) > t_quantile(1 - (1 - LEVEL) / (2 * tests), freedom)
        )


def compared(
    target: Target,
    fits: list[tuple[Shape, Moments]],
    known: dict[str, Estimate],
    freedom: float,
) -> tuple[Compared, ...]:
    """psi's over all tokens, root mean squares of D(n), and whether tokens change in size.

    Args:
        target: what was fitted.
        fits: to all pairs, then without each group, with what they were fitted to.
        known: psi's of the tokens, with errors from more groups than fits are made without.
        freedom: degrees of freedom of the errors, at most.
    """
    n, count = fits[0][1].n, fits[0][1].count
    at = np.unique([0, len(n) // 2, len(n) - 1])
    names = [*PSIS, *(f"rms D({k})" for k in n[at]), SIZES]
    with np.errstate(divide="ignore", invalid="ignore"):  # of pairs that do not differ
        seen = np.array([_of_tokens(moments, at) for _, moments in fits]).T
        said = np.array([_of_model(target, *fit, at) for fit in fits]).T
    freedom = max(min(len(fits) - 2.0, freedom), 0.0)
    found = []
    for name, x, y in zip(names, seen, said, strict=True):
        of_tokens, *rest = (jackknifed(rows, count, freedom) for rows in (x, y, y - x))
        found.append(Compared(name, known.get(name, of_tokens), *rest))
    return tuple(found)


def _of_tokens(moments: Moments, at: np.ndarray) -> np.ndarray:
    equal, within, cross = moments.psi[:, -1]
    square, product, *_, differences = moments.prefixes
    sizes = square - 2 * product  # sums of ||a_i - b_i||^2 over i <= n
    half = int(np.argmin(abs(moments.n - moments.n[-1] / 2)))
    early = sizes[half] / moments.n[half]
    late = (sizes[-1] - sizes[half]) / (moments.n[-1] - moments.n[half])
    return np.array([equal, within, cross, within - cross, *np.sqrt(differences[at]), late / early])


def _of_model(target: Target, shape: Shape, moments: Moments, at: np.ndarray) -> np.ndarray:
    if not np.isfinite(shape.weights).all():
        return np.full(len(PSIS) + len(at) + 1, np.nan)
    guess = predicted(target, shape, moments)
    equal, within, cross = guess.psi[:, -1]
    delta = within - cross
    allowed = shared_with(target, shape, float(equal), float(cross))
    cross = equal / (1 - equal) * delta if allowed is None else allowed
    return np.array([equal, cross + delta, cross, delta, *guess.rms[at], 1.0])


def said_of_misfit(rows: tuple[Compared, ...], aim: str) -> tuple[str, ...]:
    """Where the model does not have what was measured: the worst of it, and why."""
    off = [row for row in rows if row.off(len(rows))]
    if not off:
        return ()
    worst = max((r for r in off if r.name != SIZES), key=lambda r: abs(r.z), default=None)
    sizes = next((row for row in off if row.name == SIZES), None)
    said = []
    if worst is not None:
        own = number(worst.tokens.mean, worst.tokens.standard_error)
        said.append(
            f"the model's {worst.name} is {number(worst.model.mean)}, that of the tokens {own}: "
            f"z = {worst.z:.1f}"
        )
    if sizes is not None:
        said.append(
            "the tokens are not alike at every place, as those of a model are: h^A - h^B is "
            f"{number(sizes.tokens.mean, sizes.tokens.standard_error)} times as large (mean "
            "square) in the second half as in the first"
        )
    elif worst is not None and aim == "lags":
        said.append("averages over lags do not give D(n) here; aim = sums fits D(n) itself")
    return ("; ".join(said),)
