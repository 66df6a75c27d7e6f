"""How often sets, tests and predictions are right on drawn curves: tables of shared_balance.md."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product

import numpy as np

import tokenspace as ts
from tokenspace.scaling.curves import Curve
from tokenspace.scaling.joint.family import Family, abscissa
from tokenspace.scaling.joint.noise import BLOCKS, KINDS, Noise
from tokenspace.scaling.joint.ratios import (
    deviance,
    drawn_ratios,
    few_counts,
    p_value,
    ratios,
    typical_count,
    upper,
)
from tokenspace.scaling.joint.stated import by_errors
from tokenspace.scaling.predict import predict_scores

Factors = Callable[[np.random.Generator, int], np.ndarray]  # of the noise of so many curves
N = np.array([1.0, 8, 16, 32, 64, 128, 256, 384, 512, 768])
FEW = N[[0, 1, 3, 5, 7, 9]]
ERRORS = {"8 and 1 %, given": True, "8 and 1 %, ignored": False, "alike": False}
WRONG: dict[str, Factors] = {
    "right": lambda rng, count: np.ones(count),
    "off by 1/2 to 2, each curve's": lambda rng, count: 2 ** rng.uniform(-1, 1, count),
    "4 times too small, one curve's": lambda rng, count: rng.permutation(
        [4.0] + [1.0] * (count - 1)
    ),
}
TOGETHER = (0.0, 0.5, 0.9)  # correlations of curves
COMMON = (0.0, 0.5, 0.9, 1.0)  # parts of the variance
REPEATS = {
    "one": np.repeat(1, len(N)),
    "one, and two at one n": np.where(N == 128, 2, 1),
    "one and two in turn": np.arange(len(N)) % 2 + 1,
    "three": np.repeat(3, len(N)),
}


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return ["", *(f"| {' | '.join(line)} |" for line in lines), ""]


def best_of(drawn: Family) -> tuple[float, Noise]:
    """The n_balance of the grid that fits best, and the noise about it."""
    best = float(drawn.best_of(deviance(drawn)))
    return best, Noise.of(drawn, best)


def holds(drawn: Family, place: int, kind: str, runs: int = 199, seed: int = 1) -> bool:
    """Whether the 95 % set of drawn curves holds the n_balance at `place`."""
    return bool(deviance(drawn)[place] <= limit_at(drawn, place, kind, runs, seed))


def limit_at(drawn: Family, place: int, kind: str, runs: int = 199, seed: int = 1) -> float:
    """What the deviance of a 95 % set stays below: as `fit_joint`, but drawn at the truth alone."""
    _, noise = best_of(drawn)
    more = noise.draw(kind, np.random.default_rng(seed), runs, drawn.weight)
    reached = deviance(drawn, drawn.fitted(drawn.grid[place]) + more)[:, place]
    limit = float(upper(reached, 0.95))
    if kind == BLOCKS:
        limit *= few_counts(typical_count(drawn), noise.freedom, 0.95)
    return limit


def rejects(drawn: Family, kind: str, runs: int = 199, seed: int = 1) -> bool:
    """Whether shape is rejected at 5 %."""
    best, noise = best_of(drawn)
    null = drawn_ratios(drawn, drawn.fitted(best), noise, kind, runs, seed)[2]
    return p_value(float(ratios(drawn)[2]), null) <= 0.05


def coverage_of_sets(curves: Sequence[Curve], runs: int, seed: int = 1) -> list[str]:
    """How often the confidence set holds the true n_balance, and `shape` rejects a true shape.

    Normal noise, with a part that all curves of a count have in common.
    """
    lines = []
    for count, balance, common in product((6, 12, 36), (0.0, 10.0, 100.0), (0.0, 0.5)):
        family = Family.of(curves[:count])
        deviations = Noise.of(family, 0.0).deviations[:, None]
        place = int(np.argmin(abs(family.grid - balance)))
        truth = family.fitted(family.grid[place])
        rng = np.random.default_rng(seed)
        held, wrong = dict.fromkeys(KINDS, 0), dict.fromkeys(KINDS, 0)
        for _ in range(runs):
            own, shared = (rng.standard_normal(s) for s in (truth.shape, truth.shape[1:]))
            scatter = np.sqrt(1 - common) * own + np.sqrt(common) * shared
            drawn = replace(family, log_score=truth + deviations * scatter)
            for kind in KINDS:
                held[kind] += holds(drawn, place, kind)
                wrong[kind] += rejects(drawn, kind)
        name = "none" if balance == 0 else f"{balance:g}"
        cells = [f"{100 * counted[k] / runs:.1f}" for counted in (held, wrong) for k in KINDS]
        lines.append([str(count), name, f"{common:g}", *cells])
    heads = ["curves", "true n_balance", "correlation of curves"]
    heads += [f"{said}, {k}" for said in ("held", "shape rejected") for k in KINDS]
    return table(heads, lines)


def coverage_with_errors(runs: int, seed: int = 4) -> list[str]:
    """How often sets hold the true n_balance of six curves whose standard errors are known.

    Errors of log S of 8 % at the smallest and largest n and 1 % between, or 3 % everywhere.
    """
    lines = []
    slopes = np.linspace(0.1, 0.35, 6)
    for balance, (said, known) in product((10.0, 60.0), ERRORS.items()):
        rng = np.random.default_rng(seed)
        held = dict.fromkeys(KINDS, 0)
        for _ in range(runs):
            ends = np.r_[0.08, np.full(len(N) - 2, 0.01), 0.08]
            own = np.tile(np.full(len(N), 0.03) if said == "alike" else ends, (6, 1))
            score = 20 * np.exp(slopes[:, None] * abscissa(N, np.array([balance]))[0])
            score *= np.exp(own * rng.standard_normal(own.shape))
            curves = [
                Curve(str(k), N, s, error=s * e if known else None)
                for k, (s, e) in enumerate(zip(score, own, strict=True))
            ]
            family = replace(by_errors(curves)[0], near=balance, width=0.1)
            place = int(np.argmin(abs(family.grid - balance)))
            for kind in KINDS:
                held[kind] += holds(family, place, kind)
        lines.append([f"{balance:g}", said, *(f"{100 * held[k] / runs:.1f}" for k in KINDS)])
    return table(["true n_balance", "errors", *(f"held, {k}" for k in KINDS)], lines)


def coverage_by_size_of_errors(runs: int, seed: int = 13) -> list[str]:
    """How often sets hold the true n_balance where the size of stated errors may be wrong.

    Errors of log S of 1 to 4 %, other for each curve, and by a factor of 0.7 to 1.4 for each score;
    curves scatter as they say, times a factor. Cells: of correlations `TOGETHER` of the curves.
    """
    lines = []
    for count, n, (said, factors) in product((2, 6, 18), (FEW, N), WRONG.items()):
        found = [_size_of_errors(count, n, factors, c, runs, seed) for c in TOGETHER]
        cells = [" / ".join(column) for column in zip(*found, strict=True)]
        lines.append([str(count), str(len(n)), said, *cells])
    heads = ["curves", "counts", "errors are", "size counts", "held, blocks", "by weights alone"]
    heads += ["narrower", "shape rejected, blocks", "so by weights alone"]
    return table(heads, lines)


def _size_of_errors(
    count: int, n: np.ndarray, factors: Factors, common: float, runs: int, seed: int
) -> list[str]:
    """Per cent of data sets, and by how much the median width of sets from blocks is less."""
    rng = np.random.default_rng(seed)
    truth = 3 + np.linspace(0.1, 0.35, count)[:, None] * abscissa(n, np.array([30.0]))[0]
    told, widths = np.zeros((runs, 5), bool), np.zeros((runs, 2))
    for run in range(runs):
        size = np.exp(rng.uniform(np.log(0.01), np.log(0.04), (count, 1)))
        error = size * np.exp(rng.uniform(-0.35, 0.35, truth.shape))
        own, shared = (rng.standard_normal(s) for s in (truth.shape, truth.shape[1:]))
        scatter = np.sqrt(1 - common) * own + np.sqrt(common) * shared
        score = np.exp(truth + factors(rng, count)[:, None] * error * scatter)
        curves = [
            Curve(str(k), n, s, error=s * e)
            for k, (s, e) in enumerate(zip(score, error, strict=True))
        ]
        (by_size, stated), found = by_errors(curves), []
        assert stated is not None
        for family in (by_size, Family.of(curves)) if stated.counted else (by_size,):
            drawn = replace(family, near=30.0, width=0.1)
            at = int(np.argmin(abs(drawn.grid - 30)))
            inside = deviance(drawn) <= limit_at(drawn, at, BLOCKS, seed=run)
            width = np.gradient(np.log(drawn.grid[1:-1]))[inside[1:-1]].sum()
            found.append((inside[at], rejects(drawn, BLOCKS, seed=run), width))
        held, refused, widths[run] = zip(found[0], found[-1], strict=True)
        told[run] = stated.counted, *held, *refused
    cells = [f"{share:.1f}" for share in 100 * told.mean(axis=0)]
    new, old = np.median(widths, axis=0)
    return [*cells[:3], f"{round(100 * (1 - new / old))} %", *cells[3:]]


def coverage_by_counts(runs: int, seed: int = 11) -> list[str]:
    """How often sets of 18 curves of six or ten counts hold n_balance, and shape is refused.

    Independent noise of log S, the same for all.
    """
    lines = []
    slopes = np.random.default_rng(seed).uniform(0.1, 0.35, (18, 1))
    for n, noise in product((FEW, N), (0.01, 0.03)):
        truth = 3 + slopes * abscissa(n, np.array([30.0]))[0]
        family = Family.of([Curve(str(k), n, np.exp(y)) for k, y in enumerate(truth)])
        family = replace(family, near=30.0, width=0.1)
        place = int(np.argmin(abs(family.grid - 30)))
        rng = np.random.default_rng(seed)
        held, wrong = dict.fromkeys(KINDS, 0), dict.fromkeys(KINDS, 0)
        for run in range(runs):
            drawn = replace(family, log_score=truth + noise * rng.standard_normal(truth.shape))
            for kind in KINDS:
                held[kind] += holds(drawn, place, kind, seed=run)
                wrong[kind] += rejects(drawn, kind, seed=run)
        cells = [f"{100 * counted[k] / runs:.1f}" for counted in (held, wrong) for k in KINDS]
        lines.append([str(len(n)), f"{100 * noise:g} %", *cells])
    heads = ["counts", "noise"]
    heads += [f"{said}, {k}" for said in ("held", "shape rejected") for k in KINDS]
    return table(heads, lines)


def coverage_with_repeats(runs: int, seed: int = 7) -> list[str]:
    """How often sets from blocks hold the true n_balance where curves have several scores at an n.

    Errors of log S of 2 to 6 %, of which a part is common to all scores of a count.
    """
    lines = []
    for count, (said, times) in product((1, 6), REPEATS.items()):
        n, cells = np.repeat(N, times), []
        for common in COMMON:
            rng = np.random.default_rng(seed)
            slopes, sizes = rng.uniform(0.05, 0.25, (count, 1)), rng.uniform(0.02, 0.06, (count, 1))
            score = np.exp(3 + slopes * abscissa(n, np.array([30.0]))[0])
            family = Family.of([Curve(str(k), n, s) for k, s in enumerate(score)])
            place = int(np.argmin(abs(family.grid - 30)))
            truth, held = family.fitted(family.grid[place]), 0
            for _ in range(runs):
                own, shared = rng.standard_normal(truth.shape), rng.standard_normal(len(N))
                scatter = np.sqrt(1 - common) * own + np.sqrt(common) * np.repeat(shared, times)
                held += holds(replace(family, log_score=truth + sizes * scatter), place, BLOCKS)
            cells.append(f"{100 * held / runs:.1f}")
        lines.append([str(count), said, *cells])
    return table(["curves", "scores at each n", *(f"common {c:g}" for c in COMMON)], lines)


def coverage_of_predictions(runs: int, seed: int = 2) -> list[str]:
    """How often intervals of `predict_scores` hold new scores, beta, and alpha(512)."""
    lines = []
    at, grid = np.array([1.0, 128, 2000]), [1, 2, 4, 8, 16, 32, 64, 128, 256]
    for pairs, delta, few, noise in (
        (10, 0.02, (8, 16, 64), 0.02),
        (50, 0.02, (8, 16, 32, 64, 256), 0.02),
        (10, 0.1, (1, 4, 64, 256), 0.02),
        (4, 0.02, (8, 16, 64, 256), 0.001),
    ):
        rng = np.random.default_rng(seed)
        balance, beta = 0.8 / delta - 1, 0.3
        model = ts.TokenModel(ts.equicorrelated(0.2, 0.1 + delta, 0.1), ts.Isotropic(256))
        held, widths = np.zeros(len(at) + 2), []
        for _ in range(runs):
            tokens = ts.simulate(
                model, grid, pairs, seed=int(rng.integers(1 << 30)),
                statistics=("divergence", "correlations"),
            )  # fmt: skip

            def scores(n: Sequence[float], b: float = balance, s: float = noise) -> np.ndarray:
                x = abscissa(np.asarray(n, float), np.array([b]))[0]
                return np.exp(3 + beta * x + s * rng.standard_normal(len(x)))  # noqa: B023

            found = predict_scores(tokens, dict(zip(few, scores(few), strict=True)), [*at, 512])
            new = scores(at)
            alpha = -beta * abscissa(np.array([512.0]), np.array([balance]))[0, 0] / np.log(512)
            held[:-2] += (found.low[:-1] <= new) & (new <= found.high[:-1])
            held[-2] += found.beta_low <= beta <= found.beta_high
            held[-1] += found.alpha_low[-1] <= alpha <= found.alpha_high[-1]
            widths.append(np.log(found.high[2] / found.low[2]))
        cells = [f"{100 * h / runs:.1f}" for h in held]
        known = ", ".join(map(str, few))
        lines.append(
            [str(pairs), f"{balance:.3g}", known, f"{noise:g}", *cells, f"{np.median(widths):.2f}"]
        )
    new = [f"S({n:g})" for n in at]
    heads = (
        "pairs",
        "n_balance",
        "scores at",
        "noise",
        *new,
        "beta",
        "alpha(512)",
        "width S(2000)",
    )
    return table(heads, lines)


def coverage_by_tokens(runs: int, seed: int = 7) -> list[str]:
    """Intervals of n_balance and alpha, and how often scores are said to follow another law.

    Scores are drawn about E[D(n)]^0.3 of the tokens, or about a law that levels off.
    """
    few = np.array([4, 8, 16, 32, 64, 128])
    at, beta = np.array([1.0, 128, 512]), 0.3
    white = ts.Branches(ts.White(), 0.0 * ts.White())
    balanced = {7: ts.equicorrelated(0.2, 0.2, 0.1), 39: ts.equicorrelated(0.2, 0.12, 0.1)}
    markov = {k: ts.Branches(ts.Exponential(k), 0.0 * ts.White()) for k in (4.0, 100.0)}
    lines, rng = [], np.random.default_rng(seed)
    for name, branches, d, pairs, noise, follow in (
        ("white", white, 16, 32, 0.02, True),
        ("white", white, 256, 512, 0.002, True),
        ("n_balance 7", balanced[7], 16, 128, 0.02, True),
        ("n_balance 7", balanced[7], 64, 512, 0.002, True),
        ("n_balance 39", balanced[39], 16, 512, 0.002, True),
        ("n_balance 39", balanced[39], 64, 32, 0.02, True),
        ("n_balance 39", balanced[39], 256, 128, 0.002, True),
        ("Markov, length 4", markov[4.0], 64, 32, 0.02, True),
        ("Markov, length 4", markov[4.0], 256, 512, 0.002, True),
        ("Markov, length 100", markov[100.0], 64, 128, 0.02, True),
        ("n_balance 39", balanced[39], 64, 32, 0.02, False),
        ("n_balance 39", balanced[39], 256, 128, 0.002, False),
    ):
        model = ts.TokenModel(branches, ts.Isotropic(d))
        psi = ts.theory.psi(model, np.array([2, 128]), "cosine")
        with np.errstate(divide="ignore"):
            balance = (1 - psi.equal) / (psi.within - psi.cross) - 1
        constant = np.isinf(balance[0]) or np.isclose(*balance)
        law = 3 + beta * np.log(ts.theory.expected_divergence(model, np.array([*few, *at])))
        alpha = (law[6] - law[7:]) / np.log(at[1:])
        if not follow:
            law = np.log(60 - 25 / few**0.7)
        held, refused, told = np.zeros((3, runs)), 0, 0
        for run in range(runs):
            tokens = ts.simulate(
                model, [1, 2, *few], pairs, seed=int(rng.integers(1 << 30)),
                statistics=("divergence", "correlations"),
            )  # fmt: skip
            drawn = np.exp(law[: len(few)] + noise * rng.standard_normal(len(few)))
            found = predict_scores(tokens, dict(zip(few, drawn, strict=True)), at)
            low, high = found.n_balance.interval
            held[0, run] = low <= balance[0] <= high
            held[1:, run] = (found.alpha_low[1:] <= alpha) & (alpha <= found.alpha_high[1:])
            refused += found.p_value < 0.05
            told += not found.n_balance.constant
        share = [f"{100 * h:.1f}" for h in held.mean(axis=1)]
        share = [share[0] if constant else "-", *(share[1:] if follow else ("-", "-"))]
        scores = "the tokens' law" if follow else "a law that levels off"
        last = [f"{100 * k / runs:.1f}" for k in (refused, told)]
        lines.append([name, str(d), str(pairs), scores, f"{noise:g}", *share, *last])
    return table(
        (
            "tokens", "d", "pairs", "scores follow", "noise", "n_balance", "alpha(128)",
            "alpha(512)", "p < 0.05", "said not constant",
        ),
        lines,
    )  # fmt: skip
