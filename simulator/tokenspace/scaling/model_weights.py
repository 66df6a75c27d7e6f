"""How much laws, and a curve of no law, weigh: by what they foretell at each n left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tokenspace.scaling.fit import Method
from tokenspace.scaling.laws import known_laws
from tokenspace.scaling.points import Logs, Points
from tokenspace.scaling.predictive import Grid
from tokenspace.scaling.seen import Seen
from tokenspace.scaling.spline import Spline
from tokenspace.scaling.stated import variance_of

SPLINE = "spline"  # the curve of no law, among the laws
NO_LAW = 0.95  # weight of the spline from which on no law is said to follow the scores, and
VERY_STRONG = 5.0  # log pseudo-Bayes factor over each law that it takes, about 150 to 1
LEAST = 5  # different counts, so that laws can be judged by scores left out
BOOTSTRAPS = 400  # of the scores left out


@dataclass(frozen=True)
class Judged:
    """Laws and splines of curves of as many points, and their weights.

    grids: of each law, by its name, with the noise by which it is drawn; splines: each with the
    curves, by row, whose counts and weights it is of; noise: of the splines, variance of a point of
    weight 1 (curves,), not a number where the scatter tells it; weights: (curves, models), the
    spline last, not a number where a law has no say; evidence: see `evidence`, (curves,).
    """

    points: Points
    grids: dict[str, Grid]
    splines: list[tuple[Spline, np.ndarray]]
    noise: np.ndarray
    weights: np.ndarray
    evidence: np.ndarray

    @property
    def names(self) -> list[str]:
        return [*self.grids, SPLINE]

    @property
    def lawless(self) -> np.ndarray:
        """Whether none of the laws follows a curve, (curves,)."""
        return no_law(self.weights[:, -1], self.evidence)


def no_law(weight: np.ndarray | float, evidence: np.ndarray | float) -> np.ndarray:
    """Whether the spline has nearly all the weight, and very strong evidence against every law.

    Weights alone say so of 12 in 100 curves of the broken law: they forget by how much a model
    foretells better, so a few scores that all lean one way are enough. The factor alone hangs on
    one score. Few counts seldom give both.

    Args:
        weight: of the spline; evidence: see `evidence`.

    Source: R. E. Kass, A. E. Raftery, J. Am. Stat. Assoc. 90, 773, 1995 (2 log factor > 10).
    """
    return (np.asarray(weight) >= NO_LAW) & (np.asarray(evidence) >= VERY_STRONG)


def judged(
    logs: Sequence[Logs], seed: int, stated: Sequence[float] | np.ndarray | None = None
) -> Iterator[tuple[np.ndarray, Judged]]:
    """(rows of the curves, what they are judged by), of as many points, at as many n, together.

    Where standard errors are stated, models are weighed by one noise, see `preference.birge`, and
    each is drawn by its own, see `stated.noise_of_law`, as in `forecast.forecasters`; the spline,
    which fits whatever the errors are, by the one noise.

    Args:
        stated: variance of a point of weight 1, `stated_variance` of each curve; None: of none.
    """
    method = Method(known_laws())
    variance = variance_of(len(logs), stated, method.loss)
    for which in _alike(np.array([(len(x), len(np.unique(x))) for x, _, _ in logs])):
        # not padded: what pads would be worked on too
        x, y, weight = (np.stack([logs[k][part] for k in which]) for part in (0, 1, 2))
        points = Points(x, y, weight)
        seen = Seen(points, method, variance[which])
        splines = _splines(points)
        density = _densities(points, splines, seen.left_out, seen.noise)
        grids = dict(zip(method.laws, seen.own, strict=True))
        weights = model_weights(density, seed)
        yield which, Judged(points, grids, splines, seen.noise, weights, evidence(density))


def no_law_by(seen: Seen) -> np.ndarray:
    """Whether none of the laws follows a curve, (curves,); never of fewer than `LEAST` counts.

    seen: padded curves, and all laws.
    """
    points = seen.points
    found = np.zeros(len(points.x), bool)
    for which in _alike(np.stack([points.counts, points.different], axis=1)):
        if points.different[which[0]] >= LEAST:
            count = points.counts[which[0]]
            x, y, weight = (a[which, :count] for a in (points.x, points.y, points.weight))
            own = Points(x, y, weight)
            left_out = seen.left_out[which, :count]
            density = _densities(own, _splines(own), left_out, seen.noise[which])
            found[which] = no_law(model_weights(density, seed=0)[:, -1], evidence(density))
    return found


def _alike(sizes: np.ndarray) -> Iterator[np.ndarray]:
    """Rows of sizes (curves, 2) that are the same, those of each size together."""
    for size in np.unique(sizes, axis=0):
        yield np.flatnonzero((sizes == size).all(axis=1))


def _densities(
    points: Points,
    splines: Sequence[tuple[Spline, np.ndarray]],
    left_out: np.ndarray,
    noise: np.ndarray,
) -> np.ndarray:
    """Log densities of what is left out at each n, (curves, n, models), the spline last."""
    of_spline = np.empty(points.x.shape)
    for spline, some in splines:
        of_spline[some] = spline.leave_one_out(points.y[some], noise[some])
    return of_counts(points.x, np.concatenate([left_out, of_spline[:, :, None]], axis=2))


def _splines(points: Points) -> list[tuple[Spline, np.ndarray]]:
    """Curves with the same counts and weights share a spline's matrices."""
    design, kind = np.unique(
        np.concatenate([points.x, points.weight], axis=1), axis=0, return_inverse=True
    )
    found = []
    for number, row in enumerate(design):
        x, weight = np.split(row, 2)
        spline = Spline((x - x[0]) / (x[-1] - x[0]), weight)
        found.append((spline, np.flatnonzero(kind.ravel() == number)))
    return found


def of_counts(
    x: np.ndarray, log_density: np.ndarray, weight: np.ndarray | None = None
) -> np.ndarray:
    """Means of log densities (curves, points, models) of the scores at one n, (curves, n, models).

    Scores at one n say together how a law misses there: by its error they are all off. Each on its
    own, 50 of them would decide between laws that one n cannot tell.

    Args:
        x: log n (curves, points), ascending.
        weight: of the points, 0 where they pad; None: none does.

    Returns:
        Not numbers beyond the last n of a curve that has fewer than others.
    """
    place = np.cumsum(np.diff(x, axis=1, prepend=x[:, :1]) > 0, axis=1)
    rows = np.arange(len(x))[:, None]
    found = np.zeros((len(x), place.max() + 1, log_density.shape[2]))
    scores = np.zeros((*found.shape[:2], 1))
    counts = np.ones((*x.shape, 1), bool) if weight is None else weight[:, :, None] > 0
    np.add.at(found, (rows, place), np.where(counts, log_density, 0))
    np.add.at(scores, (rows, place), counts)
    with np.errstate(invalid="ignore"):
        return np.asarray(found / scores)


def model_weights(log_density: np.ndarray, seed: int) -> np.ndarray:
    """Weights (curves, models) by log densities (curves, n, models) of what is left out at each n.

    Each bootstrap gives the n weights that are Dirichlet's and multiplies the models' densities;
    the last model is as likely beforehand as all others together. Not a number where a model was
    not judged at every n.
    """
    points = log_density.shape[1]
    counted = points * np.random.default_rng(seed).dirichlet(np.ones(points), BOOTSTRAPS)
    judged = np.isfinite(log_density).all(axis=1)
    density = np.where(judged[:, None], log_density, 0)
    logs = np.einsum("bm,cmk->cbk", counted, density, optimize=True)
    logs[..., -1] += np.log(np.maximum(judged[:, :-1].sum(axis=1), 1))[:, None]
    logs = np.where(judged[:, None], logs, -np.inf)
    weight = np.exp(logs - logs.max(axis=2, keepdims=True))
    weight = (weight / weight.sum(axis=2, keepdims=True)).mean(axis=1)
    return np.where(judged, weight, np.nan)


def evidence(log_density: np.ndarray) -> np.ndarray:
    """Log pseudo-Bayes factor of the last model over the best of the others, (curves,).

    The product over all n of densities of what is left out there, over that of each other model
    which was judged at every n.

    Args:
        log_density: (curves, n, models).

    Source: S. Geisser, W. F. Eddy, J. Am. Stat. Assoc. 74, 153, 1979.
    """
    total = log_density.sum(axis=1)
    return np.asarray(total[:, -1] - np.fmax.reduce(total[:, :-1], axis=1))
