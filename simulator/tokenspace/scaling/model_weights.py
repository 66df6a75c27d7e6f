"""How much laws, and a curve of no law, weigh: by what they foretell at each n left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tokenspace.scaling.fit import Optima, common_noise
from tokenspace.scaling.laws import known_laws
from tokenspace.scaling.optimise import Logs, Points
from tokenspace.scaling.predictive import Grid, on_grid
from tokenspace.scaling.spline import Spline
from tokenspace.scaling.validation import leave_one_out

SPLINE = "spline"  # the curve of no law, among the laws
NO_LAW = 0.95  # weight of the spline from which on no law is said to follow the scores, and
VERY_STRONG = 5.0  # log pseudo-Bayes factor over each law that it takes, about 150 to 1
LEAST = 5  # different counts, so that laws can be judged by scores left out
BOOTSTRAPS = 400  # of the scores left out
TOGETHER = 200  # curves that are judged at once


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
) -> Iterator[tuple[list[int], Judged]]:
    """Curves of as many points, at as many n, together: what pads would be worked on too.

    Where standard errors are stated, models are weighed by one noise, see `preference.birge`, and
    each is drawn by its own, see `stated.noise_of_law`, as in `forecast.forecasters`; the spline,
    which fits whatever the errors are, by the one noise.

    Args:
        stated: variance of a point of weight 1, `stated_variance` of each curve; None: of none.
    """
    variance = np.full(len(logs), np.nan) if stated is None else np.asarray(stated, float)
    sizes = [(len(x), len(np.unique(x))) for x, _, _ in logs]
    for size in sorted(set(sizes)):
        which = [k for k, own in enumerate(sizes) if own == size]
        x, y, weight = (np.stack([logs[k][part] for k in which]) for part in (0, 1, 2))
        points = Points(x, y, weight)
        grids = [on_grid(law, points) for law in known_laws().values()]
        drawn, noise = grids, np.full(len(which), np.nan)
        if np.isfinite(own := variance[which]).any():
            found = [Optima(points, grid, *grid.refined(), own) for grid in grids]
            noise = common_noise(found)
            grids = [one.known(noise) for one in found]
            drawn = [one.known(one.own_noise) for one in found]
        splines = _splines(points)
        left_out = [leave_one_out(g.law, g.points, points.weight, g) for g in grids]
        density = _densities(points, splines, np.stack(left_out, axis=-1), noise)
        by_name = dict(zip(known_laws(), drawn, strict=True))
        weights = model_weights(density, seed)
        yield which, Judged(points, by_name, splines, noise, weights, evidence(density))


def no_law_by(points: Points, left_out: np.ndarray, noise: np.ndarray, seed: int = 0) -> np.ndarray:
    """Whether none of the laws follows a curve, (curves,); never of fewer than `LEAST` counts.

    Args:
        points: of the curves, padded.
        left_out: of every law, (curves, points, laws), see `validation.leave_one_out`.
        noise: by which the laws were judged, variance of a point of weight 1, (curves,), not a
            number where the scatter tells it.
    """
    found = np.zeros(len(points.x), bool)
    sizes = np.stack([points.counts, points.different], axis=1)
    for count, different in np.unique(sizes, axis=0):
        if different >= LEAST:
            which = np.flatnonzero((sizes == (count, different)).all(axis=1))
            x, y, weight = (a[which, :count] for a in (points.x, points.y, points.weight))
            own = Points(x, y, weight)
            density = _densities(own, _splines(own), left_out[which, :count], noise[which])
            found[which] = no_law(model_weights(density, seed)[:, -1], evidence(density))
    return found


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


def no_law_follows(
    logs: Sequence[Logs],
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
    stated: Sequence[float] | np.ndarray | None = None,
) -> list[bool]:
    """Of each curve whether none of the laws follows it, as `TokenPlan.follows_no_law`.

    Args:
        logs: (log n ascending, log S, weights) each, at `LEAST` different n or more.
        progress: called with the number of curves that are done, now and then.
        stated: as in `judged`.
    """
    found: list[bool] = []
    for first in range(0, len(logs), TOGETHER):
        part = logs[first : first + TOGETHER]
        errors = None if stated is None else stated[first : first + TOGETHER]
        lawless = np.zeros(len(part), bool)
        for which, one in judged(part, seed, errors):
            lawless[which] = one.lawless
        found += lawless.tolist()
        if progress is not None:
            progress(len(found))
    return found


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
