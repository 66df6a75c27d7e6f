"""How often fits to tokens of a known covariance cover the truth, and how often it ranks first.

python docs/token_families.py OUT.csv [RUNS]: about an hour on one core at 40 runs.
"""

from __future__ import annotations

import csv
import sys

import numpy as np

import tokenspace as ts

SIDE = 12  # rows and columns of patches
FEATURES = 32
PICTURES = (16, 64)
ONE, WHITE = ts.Constant(), ts.White()
TRUTHS = {  # name: what decays, its order, its parameters; weights 0.2, 0.5 and 0.3
    "constant": (None, "", {}),
    "exponential": (ts.Exponential(6.0), "", {"length": 6.0}),
    "matern": (ts.Matern(2.0, 6.0), "", {"length": 6.0, "nu": 2.0}),
    "power_law": (ts.PowerLaw(0.5), "", {"decay": 0.5}),
    "fractional": (ts.FractionalGaussianNoise(0.75), "", {"hurst": 0.75}),
    "blocks": (ts.Block(18), "", {"size": 18.0}),
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
    covariance = 0.4 * ONE + 0.6 * WHITE if decays is None else 0.2 * ONE + 0.5 * decays + 0.3 * WHITE
    values, vectors = np.linalg.eigh(covariance.dense(SIDE * SIDE))
    root = vectors * np.sqrt(np.maximum(values, 0))
    own = np.einsum("ij,pjd->pid", root, rng.standard_normal((count, SIDE * SIDE, FEATURES)))
    return own + 0.5 * rng.standard_normal(FEATURES)


def study(runs: int) -> list[dict[str, object]]:
    rows = []
    for count in PICTURES:
        for name, (_, order, truth) in TRUTHS.items():
            family = name.split(",")[0]
            first = tied = chosen = kind = 0
            covered = {(aim, k): 0 for aim in ("sums", "lags") for k in truth}
            known, errors, means = dict(covered), {k: [] for k in covered}, {k: [] for k in covered}
            for run in range(runs):
                rng = np.random.default_rng([run, count, list(TRUTHS).index(name)])
                h = pictures(name, count, rng)
                fit = ts.fit_tokens(h, pairs="all", family="auto")
                mine = next(r for r in fit.ranking if (r.family, r.order) == (family, order))
                first += mine == fit.ranking[0]
                tied += mine.ties
                chosen += (fit.family, fit.order) == (family, order)
                kind += fit.order == order
                print(count, name, run, fit.family, fit.order, fit.aim, mine.ties, file=sys.stderr)
        # coverage below
    return rows


if __name__ == "__main__":
    found = study(int(sys.argv[2]) if len(sys.argv) > 2 else 40)
    with open(sys.argv[1], "w", newline="") as file:
        writer = csv.DictWriter(file, list(found[0]))
        writer.writeheader()
        writer.writerows(found)
