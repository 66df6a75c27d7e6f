"""Several sizes of one model at once: score against number of tokens and number of parameters.

S(n, N) = limit - A (N / N_1)^(-b) n^(-g), N_1 the smallest size: what tokens leave to be gained
shrinks with the size of the model. limit is at most the best score that there can be: 1 for shares,
100 for percentages, 100 times the largest for others. All curves of a benchmark are fitted together
by least squares in log S, with optax's L-BFGS from a grid of starts. Standard errors, where every
score of a benchmark has one, weigh the scores, and tell the noise unless the law's chi^2 is above
its median, as of single curves: see `scaling/stated.py`. Where some have none, all count alike.
What all scores of a size have in common widens the intervals too: see `scaling/size_scatter.py`.

Source: the form of K. Y. Li et al., arXiv 2411.03312, who fit the error in N and n.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats
from scipy.special import expit

from tokenspace.errors import InputError
from tokenspace.precision import float64
from tokenspace.printable import bounded
from tokenspace.scaling.curves import Curve, two_units
from tokenspace.scaling.ends import FAR
from tokenspace.scaling.fit import FAR_OFF
from tokenspace.scaling.predictive import LEAST_SCATTER
from tokenspace.scaling.preference import birge
from tokenspace.scaling.result import ScalingFit
from tokenspace.scaling.scales import Log
from tokenspace.scaling.size_law import log_score_of, minimised, values_of
from tokenspace.scaling.size_scatter import Scatter, ends_below, scatter_of
from tokenspace.scaling.stated import stated_variance, variances, weights
from tokenspace.scaling.table import SIZE

TOPS = (1.0, 100.0)  # the best scores there can be, of shares and of percentages
PARAMETERS = ("limit", "A", "b", "g")
MODEL = ("model", "series", SIZE)  # labels that tell models apart, not benchmarks
AT_TOP = 0.999  # of the best score there can be: a limit above it lies there; so of its least
UNTOLD = 1e-6  # change of log S with a raw parameter, which the scores then say nothing of


@dataclass(frozen=True)
class SizeFit:
    """limit, A, b and g of one benchmark over several sizes.

    intervals: of Student's t from the curvature at the optimum, an approximation; of the normal law
    where the noise is that of the standard errors (`by_errors`) and sizes share none; none of a
    limit that is the best score there can be: those of the others then allow for limits below it,
    predictions take it as given; residual_std: of log S of a score of weight 1, all scatter
    together; points: how many scores; curves_std: of the curves about their own best laws, pooled;
    p_value: how often the law of sizes, if it holds, is off so far by chance: small where it does
    not, and the intervals then mean little, but for sizes that scatter as wholes, which they count.
    By residual_std over curves_std (F), or by chi^2 where the curves' own laws agree with the
    errors. Both not numbers where those laws are not known.

    chi_squared: of the residuals by the standard errors, and stated, the variance of log S of a
    score of weight 1 by them: not numbers without them; covariance: of limit, A, b and g, (4, 4),
    by the same noise as the intervals, 0 for a limit that is given; level: of the intervals;
    scatter: within sizes and common to them; common_covariance: the part that the latter makes.
    """

    benchmark: str
    sizes: tuple[float, ...]
    parameters: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    residual_std: float
    points: int
    scatter: Scatter
    covariance: tuple[tuple[float, ...], ...]
    common_covariance: tuple[tuple[float, ...], ...]
    curves_std: float = float("nan")
    p_value: float = float("nan")
    chi_squared: float = float("nan")
    stated: float = float("nan")
    by_errors: bool = False
    level: float = 0.95

    @property
    def freedom(self) -> int:
        """Scores less parameters that are fitted."""
        return self.points - len(self.intervals)

    def bounds(self, name: str, digits: int = 4) -> str:
        """The interval of a parameter in words, as `LawFit.bounds`."""
        if name not in self.intervals:
            return "the best there can be"
        least = -np.inf if name == "b" else 0.0
        return bounded(self.intervals[name], (least, np.inf), digits)

    def predict(self, n: np.ndarray | float, size: float) -> np.ndarray:
        """S(n, size), as n; InputError unless n and size are > 0 and finite."""
        p = self.parameters
        shrink = (_numbers("size", size, most=0) / self.sizes[0]) ** -p["b"]
        return np.asarray(p["limit"] - p["A"] * shrink * _numbers("n", n) ** -p["g"])

    def predict_interval(
        self,
        n: np.ndarray | float,
        size: float,
        error: np.ndarray | float | None = None,
        level: float | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """(low, high) of a score that is newly measured at n and size, the law taken for true.

        Args:
            n: numbers of tokens, > 0, one or (k,).
            size: number of parameters of the model, > 0.
            error: its standard error, >= 0, as n; 0: of the law's own value. It is too small by
                what those of the fit are, where the scatter counts. None: the score is as those of
                the fit, or those of weight 1 where they have errors. What scores of a size share
                comes to it, as of a size that was not measured, but for 0.
            level: probability, in (0, 1); that of the fit if not given.

        Raises:
            InputError: values outside their range, or a law that is not above 0 at n and size.

        Var log S = noise + c + J C J^T, with c the variance that scores of a size share, C the
        covariance and J = d log S / d (limit, A, b, g).
        """
        score, p = np.atleast_1d(self.predict(n, size)), self.parameters
        n = np.atleast_1d(np.asarray(n, float))
        if (score <= 0).any():
            raise InputError(
                f"no interval at size = {size}: the law is not above 0 from n = "
                f"{n[score <= 0].max():g} down; ask for larger n"
            )
        gap, shrink = p["limit"] - score, np.log(size / self.sizes[0])
        slopes = np.stack([np.ones_like(n), -gap / p["A"], gap * shrink, gap * np.log(n)]) / score
        own, scattered = np.full(n.shape, self.scatter.within), np.ones(n.shape, bool)
        if error is not None:
            ratio = self.scatter.within / self.stated if np.isfinite(self.stated) else 1.0
            errors = _numbers("error", error, zero=True)
            if errors.shape not in ((), n.shape):
                raise InputError(f"error has {errors.size} values, but n has {len(n)}")
            if (errors > FAR_OFF * score).any():
                raise InputError(
                    f"error = {errors.max():g} is not allowed beside scores of {score.min():.3g}: "
                    f"no standard error is {FAR_OFF:g} times as large as its score"
                )
            own, scattered = ratio * (errors / score) ** 2, errors > 0
        both = np.array(self.covariance), np.array(self.common_covariance)
        law, shared = (np.einsum("im,ij,jm->m", slopes, part, slopes) for part in both)
        common = shared + np.where(scattered, self.scatter.common, 0.0)
        level = self.level if level is None else level
        half = self.scatter.half(level, own + law - shared, common)
        return score * np.exp(-half), score * np.exp(half)


def fit_sizes(
    curves: Sequence[Curve],
    level: float = 0.95,
    fits: Mapping[str, ScalingFit] | None = None,
) -> list[SizeFit]:
    """One fit for every benchmark that was measured with at least two sizes of model.

    Curves that are named alike but for the column `model` (or `series`), or for their size, belong
    to one benchmark.

    fits: of each curve by itself, by name, to tell whether the law of sizes fits as well.

    Raises:
        InputError: no benchmark has two sizes, or a level outside (0, 1).
    """
    groups = in_several_sizes(curves)
    if not groups:
        raise InputError(
            "no benchmark was measured with two sizes of model: a column model_size must hold the "
            "number of parameters of each model"
        )
    found = [_fit(name, part, level) for name, part in groups.items()]
    if fits is None:
        return found
    parts = groups.values()
    return [_judged(one, part, fits) for one, part in zip(found, parts, strict=True)]


def in_several_sizes(curves: Sequence[Curve]) -> dict[str, list[Curve]]:
    """Curves of each benchmark that was measured with two sizes, if its scores differ at all."""
    groups: dict[str, list[Curve]] = {}
    for curve in curves:
        if np.isfinite(curve.size):
            labels = [v for k, v in curve.labels.items() if k not in MODEL]
            groups.setdefault(" / ".join(labels) or "score", []).append(curve)
    return {
        name: part
        for name, part in groups.items()
        if len({c.size for c in part}) > 1 and np.ptp(np.concatenate([c.score for c in part])) > 0
    }


def units_of_sizes(curves: Sequence[Curve]) -> list[str]:
    """Benchmarks of which some sizes look like shares of 1 and others like per cent."""
    found = []
    for name, part in in_several_sizes(curves).items():
        n, score = (np.concatenate([getattr(c, k) for c in part]) for k in ("n", "score"))
        if two_units([Curve(name, n, score)]) and not two_units(part):
            found.append(name)
    return found


def _fit(name: str, curves: list[Curve], level: float) -> SizeFit:
    n, score = (np.concatenate([getattr(c, k) for c in curves]) for k in ("n", "score"))
    size = np.concatenate([np.full(len(c.n), c.size) for c in curves])
    points = len(score)
    if points <= len(PARAMETERS):
        raise InputError(f"{name}: {points} scores do not determine {', '.join(PARAMETERS)}")
    sizes = tuple(sorted({float(k) for k in size}))
    log_n, log_size = np.log(n), np.log(size / sizes[0])
    weight, stated = _weights(curves, score)
    root = np.sqrt(weight)
    most = score.max()
    room = np.array([most, next((t for t in TOPS if most <= t), 100 * most)])
    given = log_n, log_size, score, root
    best, slopes, off = _search(room, *given)
    if expit(best[0]) < 1 - AT_TOP:  # by its noise the largest score may lie above the limit
        room[0] = score.min()
        best, slopes, off = _search(room, *given)
    values = values_of(best, room)
    at_top = values[0] > AT_TOP * room[1]
    fitted = slice(int(at_top), None)  # a limit at the top is given, not fitted
    freedom = points - len(PARAMETERS[fitted])
    rss = float(off @ off)
    scatter, *parts = scatter_of(off, slopes[:, fitted], root, size, stated)
    share = expit(best[0])
    named = np.array([(room[1] - room[0]) * share * (1 - share), values[1], 1.0, values[3]])
    variance = [np.zeros((len(PARAMETERS),) * 2) for _ in parts]
    for whole, part in zip(variance, parts, strict=True):
        whole[fitted, fitted] = part
    half = scatter.half(level, *map(np.diag, variance))
    half[fitted][np.linalg.norm(slopes[:, fitted], axis=0) < UNTOLD] = np.inf
    ends = half[:, None] * np.array([-1.0, 1.0])
    if at_top:
        law = np.exp(np.log(score) + off / root)
        ends[1:] = ends_below(np.column_stack([root / law, slopes[:, 1:]]), off, half[1:])
    intervals = _intervals(best, ends, named[0] * half[0], room)
    if at_top:
        del intervals["limit"]
    within, common = (part * np.outer(named, named) for part in variance)
    return SizeFit(
        name,
        sizes,
        dict(zip(PARAMETERS, map(float, values), strict=True)),
        intervals,
        float(np.sqrt(rss / freedom)),
        points,
        scatter,
        tuple(map(tuple, (within + common).tolist())),
        tuple(map(tuple, common.tolist())),
        chi_squared=rss / stated,
        stated=stated,
        by_errors=bool(np.isinf(scatter.left)),
        level=level,
    )


def _intervals(
    raw: np.ndarray, ends: np.ndarray, of_limit: float, room: np.ndarray
) -> dict[str, tuple[float, float]]:
    """Of every parameter, by how far the raw ones reach, (4, 2), and half the width of the limit.

    The limit is on its own scale: the largest score, where its room begins, is no bound of it.
    """
    ends = np.where(np.abs(ends) > FAR, np.copysign(np.inf, ends), ends)
    named = values_of(raw[:, None] + ends, room)
    named[0] = np.clip(values_of(raw, room)[0] + np.array([-of_limit, of_limit]), 0, room[1])
    return {k: (float(a), float(b)) for k, (a, b) in zip(PARAMETERS, named, strict=True)}


def _search(
    room: np.ndarray,
    log_n: np.ndarray,
    log_size: np.ndarray,
    score: np.ndarray,
    root: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Best raw parameters (4,); slopes of log S there (m, 4) and residuals (m,), times root.

    room: least and largest limit; root: square roots of the weights.
    """
    starts = np.array(
        [[place, 0.0, b, np.log(g)] for place in (-3, 0) for b in (0.0, 0.3) for g in (0.1, 0.5)]
    )
    starts[:, 1] = np.log(values_of(starts.T, room)[0] - score.min())
    log_score = np.log(score)
    with float64():
        at = tuple(jnp.asarray(a) for a in (log_n, log_size, room))
        scores = jnp.asarray(log_score), jnp.asarray(root)
        raw, losses = minimised(jnp.asarray(starts), *at, *scores)
        best = np.asarray(raw)[int(np.nanargmin(losses))]
        slopes = root[:, None] * np.asarray(jax.jacfwd(log_score_of)(jnp.asarray(best), *at))
        off = np.asarray(log_score_of(jnp.asarray(best), *at)) - log_score
    return best, slopes, root * off


def _weights(curves: Sequence[Curve], score: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights of the scores, and the variance of log S of weight 1: all 1 without all errors."""
    errors = [c.error for c in curves if c.error is not None]
    if len(errors) < len(curves):
        return np.ones(len(score)), float("nan")
    error = np.concatenate(errors)
    return weights(score, error, Log()), stated_variance(score, error)


def _numbers(name: str, values: Any, most: int = 1, zero: bool = False) -> np.ndarray:
    """Numbers of at most so many dimensions, finite and > 0, or >= 0; else InputError."""
    try:
        found = np.asarray(values, float)
    except (TypeError, ValueError):
        found = np.array(np.nan)
    if found.ndim > most or not (np.isfinite(found) & ((found > 0) | (zero & (found == 0)))).all():
        what = f"a finite number {'>=' if zero else '>'} 0" + (
            ", or a list of them" if most else ""
        )
        raise InputError(f"{name} = {values!r} is not allowed; it must be {what}")
    return found


def _judged(found: SizeFit, curves: Sequence[Curve], fits: Mapping[str, ScalingFit]) -> SizeFit:
    """The fit with the F-ratio of its scatter to that of the curves about their own best laws.

    Both are of the same scores, and so nearer each other than the F distribution has it: a cautious
    test. In simulations with noise of 2 % it rejected the true law in 0 of 300 runs, and one from
    which four sizes lie 3 % off in 97 of 100. Curves whose best law leaves no degree of freedom say
    nothing. With standard errors chi^2 of the law of sizes tells, where Birge's ratio of it and of
    the curves' own laws leaves the errors as they are.
    """
    own = [(c, fits[c.name].best) for c in curves if fits[c.name].best.degrees_of_freedom > 0]
    freedom = sum(law.degrees_of_freedom for _, law in own)
    if not freedom:
        return found
    squares = 0.0
    for curve, law in own:  # chi^2 of the curves' laws is by their own scale, and none by Huber
        off = np.log(curve.score / law.predict(curve.n)) ** 2
        if np.isfinite(found.stated):
            off = off * found.stated / variances(curve.score, curve.error, Log())
        squares += float(np.sum(off))
    deviation = max(np.sqrt(squares / freedom), LEAST_SCATTER)
    ratio = (found.residual_std / deviation) ** 2
    p_value = float(stats.f.sf(ratio, found.freedom, freedom))
    chi_squared = np.array([[found.chi_squared], [squares / found.stated]])
    if birge(chi_squared, np.array([[found.freedom], [freedom]]))[0] == 1:
        p_value = float(stats.chi2.sf(found.chi_squared, found.freedom))
    return replace(found, curves_std=float(deviation), p_value=p_value)
