"""How often fits to tokens of a known covariance cover the truth, and how often it ranks first.

python docs/token_families.py ranking OUT.csv 10 and coverage OUT.csv 100 take some ten minutes each
on a free core, prediction OUT.csv 10 one; page RANKING.csv COVERAGE.csv PREDICTION.csv prints
token_families.md.
"""

from __future__ import annotations

import csv
import sys

import numpy as np

import tokenspace as ts
from tokenspace.printable import percent

SIDE = 12  # rows and columns of patches
FEATURES = 32
PICTURES = (8, 64)
ONE, WHITE = ts.Constant(), ts.White()
TRUTHS = {  # name: what decays, its order, its parameters; weights 0.2, 0.5 and 0.3
    "constant": (None, "", {}),
    "exponential": (ts.Exponential(6.0), "", {"length": 6.0}),
    "matern": (ts.Matern(2.0, 6.0), "", {"length": 6.0, "nu": 2.0}),
    "power_law": (ts.PowerLaw(0.5), "", {"decay": 0.5}),
    "fractional": (ts.FractionalGaussianNoise(0.75), "", {"hurst": 0.75}),
    "blocks": (ts.Block(18), "", {}),  # a size has no error
    "exponentials": (
        0.5 * ts.Exponential(2.0) + 0.5 * ts.Exponential(30.0),
        "",
        {"short": 2.0, "ratio": 15.0},
    ),
    "patch_grid": (
        ts.PatchGrid(SIDE, SIDE, ts.Exponential(4.0), ts.Exponential(2.0)),
        "raster",
        {"row_length": 4.0, "column_length": 2.0},
    ),
    "patch_grid, hilbert": (
        ts.PatchGrid(SIDE, SIDE, ts.Exponential(4.0), ts.Exponential(2.0), "hilbert"),
        "hilbert",
        {"row_length": 4.0, "column_length": 2.0},
    ),
    "patch_distance": (
        ts.PatchDistance(SIDE, SIDE, 4.0, 2.0),
        "raster",
        {"row_length": 4.0, "column_length": 2.0},
    ),
    "patch_power_law": (
        ts.PatchGrid(SIDE, SIDE, ts.PowerLaw(0.8), ts.PowerLaw(1.2)),
        "raster",
        {"row_decay": 0.8, "column_decay": 1.2},
    ),
}


def pictures(name: str, count: int, rng: np.random.Generator) -> np.ndarray:
    """Tokens of independent pictures, (count, N, d), with a mean that all of them share."""
    decays = TRUTHS[name][0]
    covariance = (
        0.4 * ONE + 0.6 * WHITE if decays is None else 0.2 * ONE + 0.5 * decays + 0.3 * WHITE
    )
    values, vectors = np.linalg.eigh(covariance.dense(SIDE * SIDE))
    root = vectors * np.sqrt(np.maximum(values, 0))
    own = np.einsum("ij,pjd->pid", root, rng.standard_normal((count, SIDE * SIDE, FEATURES)))
    return own + 0.5 * rng.standard_normal(FEATURES)


def known(name: str) -> dict[str, float]:
    """Every parameter of a truth, with its weights."""
    shape = TRUTHS[name][2]
    weights = {"weight_constant": 0.2, "weight_white": 0.3}
    if name == "exponentials":
        return shape | weights | {"weight_short": 0.25, "weight_long": 0.25}
    parts = "patches" if name.startswith("patch") else name
    return shape | weights | {f"weight_{parts}": 0.5}


def generator(name: str, count: int, run: int) -> np.random.Generator:
    return np.random.default_rng([run, count, list(TRUTHS).index(name)])


def ranked(name: str, count: int, runs: int) -> dict[str, object]:
    """How often the true family and order come first, tie, and are chosen; how many tie."""
    want = (name.split(",")[0], TRUTHS[name][1])
    first = tied = chosen = ties = 0
    for run in range(runs):
        fit = ts.fit_tokens(
            pictures(name, count, generator(name, count, run)), None, "auto", pairs="all"
        )
        mine = next(r for r in fit.ranking if (r.family, r.order) == want)
        first += float(mine.behind.mean) == 0
        tied += mine.ties
        chosen += (fit.family, fit.order) == want
        ties += sum(r.ties for r in fit.ranking if r.aim)
    out = {"truth": name, "pictures": count, "runs": runs, "first": first, "ties": tied}
    return out | {"chosen": chosen, "families that tie": ties / runs}


def covered(name: str, count: int, runs: int, aim: str) -> list[dict[str, object]]:
    """How often 95 % intervals of the true family's parameters hold the truth."""
    family, order, _ = (name.split(",")[0], *TRUTHS[name][1:])
    permutation: str | np.ndarray = "raster"
    if order == "hilbert":  # a single family is fitted in raster order
        row, column = ts.PatchGrid(SIDE, SIDE, ONE, ONE, order).places()
        permutation = np.argsort(row * SIDE + column)
    hits = {k: [0, 0] for k in known(name)}
    ratios: dict[str, list[tuple[float, float]]] = {k: [] for k in hits}
    for run in range(runs):
        h = pictures(name, count, generator(name, count, run))
        fit = ts.fit_tokens(h, None, family, pairs="all", aim=aim, order=permutation)
        for k, truth in known(name).items():
            value = fit.parameters[k]
            if np.isfinite(value.standard_error):
                low, high = value.interval()
                hits[k][0] += 1
                hits[k][1] += bool(low <= truth <= high)
                ratios[k].append((float(value.mean), float(value.standard_error)))
    rows = []
    for k, (given, held) in hits.items():
        means, errors = np.array(ratios[k]).reshape(-1, 2).T
        rows.append(
            {
                "truth": name,
                "pictures": count,
                "runs": runs,
                "aim": aim,
                "parameter": k,
                "value": known(name)[k],
                "intervals": given,
                "cover": held,
                "median": np.median(means) if given else np.nan,
                "spread": means.std(ddof=1) if given > 1 else np.nan,
                "median error": np.median(errors) if given else np.nan,
            }
        )
    return rows


PAGE = """# How far fits to tokens can be trusted

Tokens of independent pictures are drawn from a known covariance, 0.5 times the family named, 0.2
of a constant and 0.3 of white noise ({side} x {side} patches, {features} features), and fitted.
Numbers and this page are made by `docs/token_families.py`.

## Tokens in folders

`tokenspace fit-tokens DIR` fits each group of a folder, such as `tokenspace collect` writes;
`--only NAME` takes one. Sequences that differ in length are refused until `--tokens N` says how
many of each are taken; pairs that end before are left out. `ts.fit_tokens("DIR", only="NAME",
tokens=N)` is the same. `tokenspace report --tokens DIR` writes figures and tables of all groups
into one file.

## Which family

`ts.fit_tokens(h, pairs="all", family="auto")` on tokens of each truth: how often the true family
(in the true order of patches) has the least error on held-out pictures; how often it ties with the
best at 95 %; how often it is the one that comes back, the simplest within one standard error; and
how many of the 16 candidates tie on the average.

{ranking}

{together}

A tie is the rule: on a sequence of {tokens} tokens a Matern covariance, a power law and two
exponentials predict D(n), gamma and the psi's alike, and few pictures cannot tell them apart. The
family that comes back predicts well; that it is the true one is not said.

## Its parameters

How many 95 % intervals hold the truth, of those that are given: the lowest and the highest share of
all parameters of a family; and the error of one parameter, found in the scatter over those runs and
said by the fit (its median). None is given where a parameter lies at the end of its range, nor, of
sums, where any other does; blocks have no error of their size.

{coverage}

Shares of 100 intervals have an error of 2 points, those of fewer more. Fitted to **lags** they hold
(88 to 100 %). Fitted to **sums** of the first n tokens, one window of each picture, errors are
several times larger, and shapes are hardly fixed: often one weight or shape comes out at the end of
its range. Intervals of the others, as if that end were the truth, would hold 65 to 100 % of the
time, so `TokenFit.notes` says that their errors are unknown; the intervals that remain hold (90 to
100 %; where few remain they are too long).

So one family is fitted to **lags** by default. They predict D(n) better, too, where the family is
the true one (in 16 of 18 rows, alike in the others): root mean square error of log D over n, of
ten sets of pictures each.

{prediction}

Where tokens are not alike everywhere, as in photographs, lags are biased for D(n), and sums are
fitted to D(n) itself. Where families are ranked both are tried, and held-out pictures choose.

## The model beside what was measured

A model is of tokens that are alike at every place. Its psi_within and psi_delta are those of the
fitted covariance, not the measured ones: over all N tokens they are one number with the root mean
square of D(N), E[D(N)^2] = 2 s^2 (N (1 - psi_equal) + N (N - 1) psi_delta), and a fit that
follows D(n) at small n, or averages over lags, may miss it. `TokenFit.compared`, and a table of
`tokenspace fit-tokens`, have psi's and D of the tokens and of the model with z of the difference:
both are taken anew without each group. Of tokens of the fitted family 2 to 5 % of fits are told
to be off (100 to 300 runs of 6 and of 20 pairs).

A worked case: white tokens and 2 i/N times a vector of their sequence (40 pairs, N = 64, 16
features) have psi_delta = 0.41 ± 0.02, and an exponential family fitted to sums has 0.035 (z =
-15): the first tokens, of which D(n) at most n is made, share next to nothing. The last row of
the table says why: h^A - h^B is 2.47 ± 0.09 times as large in the second half as in the first (z
= -17), and no model of tokens that are alike at every place has that.
"""


def table(head: list[str], rows: list[list[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def predicted(name: str, count: int, runs: int) -> dict[str, object]:
    """Root mean square error of log D(n) of the true family, fitted to lags and to sums."""
    n = ts.log_grid(SIDE * SIDE, 17)
    truth = 0.2 * ONE + 0.5 * TRUTHS[name][0] + 0.3 * WHITE
    square = 2 * FEATURES * truth.totals(n)
    row: dict[str, object] = {"truth": name, "pictures": count, "runs": runs}
    for aim in ("lags", "sums"):
        off = []
        for run in range(runs):
            h = pictures(name, count, generator(name, count, run + 500))
            model = ts.fit_tokens(h, None, name, pairs="all", aim=aim).model
            off.append(np.log(ts.theory.second_moment(model, n) / square) / 2)
        row[aim] = float(np.sqrt(np.mean(np.square(off))))
    return row


def page(ranking: str, coverage: str, prediction: str) -> str:
    """The page from the numbers in three CSV files."""
    with open(ranking) as file:
        rows = list(csv.DictReader(file))
    ranks = [
        [
            r["truth"],
            r["pictures"],
            *(f"{r[k]} of {r['runs']}" for k in ("first", "ties", "chosen")),
            f"{float(r['families that tie']):.1f}",
        ]
        for r in rows
    ]
    said = []
    for count in dict.fromkeys(r["pictures"] for r in rows):
        mine = [r for r in rows if r["pictures"] == count]
        runs = sum(int(r["runs"]) for r in mine)
        found = {k: sum(int(r[k]) for r in mine) for k in ("first", "ties", "chosen")}
        said.append(
            f"With {count} pictures the true family is first in {found['first']} of {runs} runs, "
            f"ties in {found['ties']}, and is chosen in {found['chosen']}."
        )
    with open(coverage) as file:
        covers = list(csv.DictReader(file))
    keys = list(dict.fromkeys((r["truth"], r["pictures"], r["aim"]) for r in covers))
    lines = []
    for key in keys:
        mine = [r for r in covers if (r["truth"], r["pictures"], r["aim"]) == key]
        shares = [int(r["cover"]) / int(r["intervals"]) for r in mine if int(r["intervals"])]
        first = mine[0]
        given = f"{min(int(r['intervals']) for r in mine)} of {first['runs']}"
        error = f"{float(first['spread']):.2g}, {float(first['median error']):.2g}"
        value = f"{first['parameter']} = {first['value']}"
        span = f"{percent(min(shares), '.0f')} to {percent(max(shares), '.0f')}"
        lines.append([*key, given, span, value, error])
    with open(prediction) as file:
        errors = [
            [r["truth"], r["pictures"], *(f"{float(r[aim]):.3f}" for aim in ("lags", "sums"))]
            for r in csv.DictReader(file)
        ]
    return PAGE.format(
        prediction=table(["truth", "pictures", "lags", "sums"], errors),
        side=SIDE,
        tokens=SIDE * SIDE,
        features=FEATURES,
        together="\n".join(said),
        ranking=table(
            ["truth", "pictures", "first", "ties", "chosen", "candidates that tie"], ranks
        ),
        coverage=table(
            [
                "truth",
                "pictures",
                "fitted to",
                "intervals given",
                "hold",
                "parameter",
                "error: found, said",
            ],
            lines,
        ),
    )


if __name__ == "__main__":
    if sys.argv[1] == "page":
        print(page(*sys.argv[2:5]), end="")
        raise SystemExit
    kind, out, runs = sys.argv[1], sys.argv[2], int(sys.argv[3])
    writer = None
    with open(out, "w", newline="") as file:
        for count in PICTURES:
            for name in TRUTHS:
                if kind == "ranking":
                    found = [ranked(name, count, runs)]
                elif kind == "prediction":
                    if name == "constant" or TRUTHS[name][1] == "hilbert":
                        continue  # is fitted to neither; read in raster order
                    found = [predicted(name, count, runs)]
                else:
                    if name == "constant":
                        continue
                    found = [r for aim in ("lags", "sums") for r in covered(name, count, runs, aim)]
                if writer is None:
                    writer = csv.DictWriter(file, list(found[0]))
                    writer.writeheader()
                writer.writerows(found)
                file.flush()
