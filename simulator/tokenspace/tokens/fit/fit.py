"""Fit a covariance model to given tokens: which correlations would make such hidden states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tokenspace.covariance import TokenModel
from tokenspace.errors import InputError
from tokenspace.grids import log_grid
from tokenspace.statistics.estimate import Estimate, Positive
from tokenspace.statistics.jackknife import GroupSums, deviations
from tokenspace.tokens.families.place import POINTS
from tokenspace.tokens.fit.cells import Cells, Moments, cells_of
from tokenspace.tokens.fit.compare import compared, said_of_misfit
from tokenspace.tokens.fit.held_out import LEAST_GROUPS, NO_MODEL, Ranked, Splits, chosen, ranking
from tokenspace.tokens.fit.model import branches_of, spectrum_of
from tokenspace.tokens.fit.result import TokenFit
from tokenspace.tokens.fit.search import AIMS, Shape, Target
from tokenspace.tokens.fit.targets import families_named, groups_of, key_of, targets_of
from tokenspace.tokens.moments import pair_moments, token_sums, with_left_out
from tokenspace.tokens.one_length import given_of
from tokenspace.tokens.pairs import Pairs

SQUARES_ROUNDING = 1e-12  # of sums of squares in float64
INSIDE = 1e-4  # of a weight that is neither 0 nor 1
AT_AN_END = (
    "a weight or the shape came out at the end of its range, so that sums do not say how far off "
    "the others are; aim = lags fixes them better"
)


def fit_tokens(
    a: Any,
    b: Any = None,
    family: str | Sequence[str] = "constant",
    *,
    pairs: str | None = None,
    groups: Any = None,
    aim: str | None = None,
    patches: tuple[int, int] | None = None,
    order: str | np.ndarray = "raster",
    seed: int = 0,
    only: str | None = None,
    tokens: int | None = None,
) -> TokenFit:
    """A Gaussian model whose second moments are those of the tokens, averaged over pairs.

    What remains when the branches are subtracted is at_zero (w_1 k + w_2 + w_3 1[i = j]), weights
    >= 0 that sum to 1 and at_zero = 1 - psi_equal; the family says what k is. Families: constant
    (no k, the paper's law), exponential, matern, power_law, fractional, blocks and exponentials
    (two lengths) along the order of the tokens; patch_grid, patch_distance and patch_power_law by
    rows and columns of a picture, in raster order unless families are ranked. psi_equal and
    psi_cross do not depend on where tokens lie. Features: eigenvalues of the second moment of
    h^A - h^B, scaled so that they sum to the mean of ||h||^2.

    "auto" tries every family, patches in each order of reading, fitted to sums and to lags, and
    ranks them by what they miss on pictures that they were not fitted to: D(n), its exponent gamma,
    and the psi's (`TokenFit.ranking`, and `Ranked` for the errors). The model that comes back has
    the fewest parameters of those within one standard error of the best, and is fitted to all
    pictures. The better aim of each family is chosen on the same held-out halves.

    The psi's here are ratios of second moments, <h_i . h_j> / <||h||^2>, not realised cosines: they
    are what E[D^2] = 2 s^2 Upsilon needs when norms vary.

    Errors are the jackknife's: everything is fitted again without each pair, or without each
    picture or group where pairs share some; shape and weights without each of 20 sets of them, if
    there are more. NaN from one pair, for shape and weights at the end of their range (and for the
    others, where sums leave one there: it would be taken for the truth), for the size of blocks, a
    whole number, and for the effective dimension, which leans low. n_balance with its
    interval is `measure(...).n_balance()`. How often the intervals hold, and how often the true
    family is found: docs/token_families.md.

    Args:
        a, b: tokens, (pairs, N, d) or (N, d) for one pair; N >= 2. Or a alone, a folder of tokens
            such as `tokenspace collect` writes.
        family: one name, several of them to be ranked, or "auto" for all.
        pairs: "all" for all pairs of the pictures in a, (K, N, d), without b; as in `measure`.
        groups: what the pairs a, b share; as in `measure`.
        aim: "lags", averages over all tokens a lag apart (by default): several times more precise
            where correlations depend on lags alone, and biased for D(n) where they do not; "sums",
            squares of the sums of the first n tokens, which D(n) is made of. Both are tried
            where families are ranked, unless one is named. Alone and without either, the constant
            family takes the psi's over all tokens.
        patches: rows and columns of the picture, rows times columns = N; by default a square, if
            N is one.
        order, seed: of the tokens before anything else; as in `measure`.
        only, tokens: of a folder: the group to take, where there are several, and how many tokens
            of each sequence, where lengths differ; pairs that end before are left out.

    Raises:
        InputError: as `measure`, an unknown family, fewer than 2 tokens, patches that do not hold N
            tokens, fewer than 4 pictures (or pairs) where families are ranked.
        NotPositiveSemidefinite: the measured correlations belong to no valid model.

    Source: Li et al. 2025 for the constant family; the rest derived for this project.
    """
    names = families_named(family)
    if aim is not None and aim not in AIMS:
        raise InputError(f"aim = {aim!r} is not allowed; it must be one of {', '.join(AIMS)}")
    given = given_of(a, b, pairs, groups, only, tokens).checked().reordered(order, seed)
    if given.longest < 2:
        raise InputError("a fit needs at least 2 tokens a sequence")
    ranked = not isinstance(family, str) or family == "auto"
    targets = targets_of(names, given.longest, patches, ranked, aim)
    return _Fitting.of(given, targets).result(ranked)


@dataclass(frozen=True)
class _Fitting:
    """What all families share: moments of the tokens, and how they are put into groups."""

    given: Pairs
    targets: list[Target]
    moments: GroupSums
    second: np.ndarray
    cells: Cells

    @staticmethod
    def of(given: Pairs, targets: list[Target]) -> _Fitting:
        n = log_grid(given.a.shape[1], POINTS)
        moments = pair_moments(given, n)
        second = token_sums(given).difference
        if np.trace(second) <= SQUARES_ROUNDING * moments.total[0]:
            raise InputError("both branches are the same, so D(n) = 0 and there is nothing to fit")
        lagged = [t.place for t in targets if t.aim == "lags"]
        cells = cells_of(given, groups_of(given), n, list(dict.fromkeys(lagged)))
        upsilon = cells.of(np.ones(cells.groups, bool)).upsilon
        differ = upsilon > SQUARES_ROUNDING
        if targets[0].aim and not differ.all():
            raise InputError(
                f"D(n) = 0 at n = {n[~differ][0]}, where both branches have the same sum: families "
                "are fitted to log Upsilon(n); leave tokens that the branches share out, or take "
                "the constant family"
            )
        return _Fitting(given, targets, moments, second, cells)

    def result(self, ranked: bool) -> TokenFit:
        rows = with_left_out(self.moments)
        found = correlations_of(rows, self.given.a.shape[1])
        found["effective_dimension"] = np.array(
            [np.trace(self.second) ** 2 / np.sum(self.second**2)]
        )
        ranks: tuple[Ranked, ...] = ()
        target = self.targets[0]
        if ranked:
            ranks = self._ranking()
            best = chosen(ranks)
            keys = {key_of(t): t for t in self.targets}
            target = keys[best.family, best.order, best.aim]
        fits = _fits(target, self.cells, len(rows) > 1)
        fit = fits[0][0]
        if target.aim:
            found |= _numbers(target, [shape for shape, _ in fits])
        plain = {k: float(v[0]) for k, v in found.items()}
        branches, notes = branches_of(target, fit, plain)
        if _at_an_end(target, fit):
            notes = (*notes, AT_AN_END)
        if ranks and ranks[0].family == NO_MODEL:
            notes = (*notes, "on held-out tokens no family did better than no model at all")
        if self.given.note:
            notes = (*notes, self.given.note)
        features = spectrum_of(self.second, plain["mean_square"])
        count, freedom = self.moments.count, self.moments.degrees_of_freedom
        parameters = {name: _estimate(values, count, freedom) for name, values in found.items()}
        for name in target.family.parameters if target.aim else ():
            parameters[name] = Positive(**vars(parameters[name]))
        beside = compared(target, fits, parameters, freedom)
        notes = (*notes, *said_of_misfit(beside, target.aim))
        name, order, aim = key_of(target)
        model = TokenModel(branches, features)
        return TokenFit(model, parameters, name, order, aim, beside, ranks, notes)

    def _ranking(self) -> tuple[Ranked, ...]:
        cells = self.cells
        if cells.groups < LEAST_GROUPS:
            raise InputError(
                f"families are ranked by pictures that they were not fitted to, which takes at "
                f"least {LEAST_GROUPS} pictures (or pairs, or groups), but there are "
                f"{cells.groups}; name one family instead"
            )
        splits, everything = Splits.of(cells), cells.of(np.ones(cells.groups, bool))
        if len(splits.train) < 2:
            raise InputError(
                f"families are ranked by halves of the {cells.groups} groups, but most pairs share "
                "a group, and hardly a halving leaves pairs in both; name one family instead"
            )
        misses = {key_of(t): splits.errors(t, t.fit(everything).values) for t in self.targets}
        sizes = {t.name: t.family.size for t in self.targets}
        return ranking(misses, sizes, splits.unmodelled(), cells.groups)


def _inside(weights: np.ndarray) -> np.ndarray:
    return (weights > INSIDE) & (weights < 1 - INSIDE)


def _at_an_end(target: Target, fit: Shape) -> bool:
    """Whether sums fix a family so little that one of its numbers is at the end of its range.

    What the others are then said to be is as if that end were the truth: their intervals hold far
    less than they say. Lags fix it several times better, and their intervals hold.
    """
    if target.aim != "sums":
        return False
    return not (_inside(fit.weights).all() and target.inside(fit).all())


def _fits(target: Target, cells: Cells, errors: bool) -> list[tuple[Shape, Moments]]:
    """The fit to all pairs, then those without each group, each with what it was fitted to.

    Its numbers are NaN where what is left of the pairs has no difference.
    """
    everything = cells.of(np.ones(cells.groups, bool))
    fit = target.fit(everything)
    found = [(fit, everything)]
    for group in range(cells.groups if errors else 0):
        left = cells.of(np.arange(cells.groups) != group)
        nothing = Shape(np.full_like(fit.values, np.nan), np.full_like(fit.weights, np.nan), np.nan)
        found.append((target.again(left, fit.values) if _differ(target, left) else nothing, left))
    return found


def _differ(target: Target, left: Moments) -> bool:
    """Whether there are pairs, and they differ at every n that a family is fitted to."""
    if not left.count:
        return False
    return bool(np.all((left.upsilon if target.aim else 1 - left.psi[0, -1:]) > SQUARES_ROUNDING))


def _numbers(target: Target, fits: list[Shape]) -> dict[str, np.ndarray]:
    """Shape and weights by name, of all pairs and then without each group, (1 + K,).

    Of all pairs alone where their error is not known.
    """
    family, fit = target.family, fits[0]
    names = (*family.parameters, "weight_constant", *family.weights, "weight_white")
    rows = []
    for shape in fits:
        *parts, constant, white = shape.weights
        rows.append([*shape.values, constant, *parts, white])
    inside = _inside(np.array(rows[0][len(family.parameters) :]))
    shaped = target.inside(fit) & np.any(inside[1:-1]) & (not family.integer)
    kept = np.array([*shaped, *inside])
    if _at_an_end(target, fit):
        kept[:] = False
    table = np.array(rows).T
    return {n: row if ok else row[:1] for n, row, ok in zip(names, table, kept, strict=True)}


def _estimate(rows: np.ndarray, count: int, freedom: float) -> Estimate:
    """From the value with all pairs, and those without each group; unbounded if one of them is."""
    left = rows[1:]
    error = np.asarray(np.nan)
    if len(left):
        finite = np.isfinite(left).all()
        error = np.sqrt(np.sum(deviations(left) ** 2)) if finite else np.asarray(np.inf)
    return Estimate(rows[0], error, count, max(min(len(left) - 1.0, freedom), 0.0))


def correlations_of(rows: np.ndarray, tokens: int) -> dict[str, np.ndarray]:
    """psi's over all tokens and the mean of ||h||^2, of each row of `with_left_out`."""
    square, product, within, cross = rows.T[:4]
    size = square / (2 * tokens)
    ordered = tokens * (tokens - 1.0) * size
    psi = {
        "psi_equal": product / (tokens * size),
        "psi_within": within / (2 * ordered),
        "psi_cross": cross / ordered,
    }
    return psi | {"psi_delta": psi["psi_within"] - psi["psi_cross"], "mean_square": size}
