"""Models that several tests share, one of each kind."""

import numpy as np

import tokenspace as ts

N = 48

POSITIONS = {
    "white": ts.White(),
    "exponential": ts.Exponential(5.0),
    "matern 1/2": ts.Matern(0.5, 4.0),
    "matern 3/2": ts.Matern(1.5, 6.0),
    "matern 5/2": ts.Matern(2.5, 6.0),
    "matern 0.8": ts.Matern(0.8, 6.0),
    "squared exponential": ts.SquaredExponential(4.0),
    "rational quadratic": ts.RationalQuadratic(4.0, 0.3),
    "power law": ts.PowerLaw(0.4),
    "fgn 0.3": ts.FractionalGaussianNoise(0.3),
    "fgn 0.8": ts.FractionalGaussianNoise(0.8),
    "block": ts.Block(7),
    "grid raster": ts.PatchGrid(6, 8, ts.Exponential(3.0), ts.Matern(1.5, 2.0)),
    "grid serpentine": ts.PatchGrid(6, 8, ts.Exponential(3.0), ts.Exponential(2.0), "serpentine"),
    "grid hilbert": ts.PatchGrid(6, 8, ts.Exponential(3.0), ts.Exponential(2.0), "hilbert"),
    "patch distance": ts.PatchDistance(6, 8, 3.0, 2.0),
    "patch distance hilbert": ts.PatchDistance(6, 8, 3.0, 2.0, 1.5, "hilbert"),
    "empirical": ts.Empirical(np.exp(-abs(np.subtract.outer(np.arange(N), np.arange(N))) / 9.0)),
    "sum": 0.5 * ts.Exponential(5.0) + 0.3 * ts.Constant() + 0.2 * ts.White(),
    "sum of unlike": 0.5 * ts.PowerLaw(0.4) + 0.5 * ts.Block(7),
    "product": ts.Exponential(9.0) * ts.Block(16),
    "blocks in blocks": ts.PowerLaw(0.3) * ts.Block(5) * ts.Block(12),
    "long memory product": ts.PowerLaw(0.3) * ts.SquaredExponential(12.0),
    "noisy grid": 0.7 * ts.PatchGrid(6, 8, ts.Exponential(3.0), ts.Exponential(2.0))
    + 0.3 * ts.White(),
}

BRANCHES = {name: ts.Branches(k) for name, k in POSITIONS.items()} | {
    "equicorrelated": ts.equicorrelated(0.2, 0.3, 0.1),
    "differences cancel": ts.equicorrelated(0.2, 0.1, 0.105),
    "shared context": ts.shared_context(ts.Exponential(9.0), ts.Matern(1.5, 4.0), 0.4),
    "cross part of within": ts.Branches(ts.Exponential(6.0), 0.5 * ts.Exponential(6.0)),
}
