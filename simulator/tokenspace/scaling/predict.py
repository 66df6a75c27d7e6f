"""From tokens to scores: n_balance of measured correlations, c and beta of a few scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tokenspace.errors import InputError
from tokenspace.printable import percent
from tokenspace.scaling.bend import bend_test
from tokenspace.scaling.fit import checked
from tokenspace.scaling.joint.family import abscissa
from tokenspace.scaling.joint.fit import JointFit
from tokenspace.scaling.points import Logs
from tokenspace.scaling.predictive import Mixture
from tokenspace.shares import require_share
from tokenspace.statistics.balance import Balance, balance_quantiles, fit_balance
from tokenspace.statistics.estimate import Moments
from tokenspace.statistics.result import Result

CANCEL = 0.999  # level at which differences cancel for an error: white tokens seem to by chance
CHANCE = 0.05  # p-value below which scores and tokens disagree, at any level of the intervals
PARTS = 200  # of equal probability, of the confidence distribution of n_balance


@dataclass(frozen=True)
class ScorePrediction:
    """Scores that a model's tokens predict, given a few scores, with intervals.

    n: (m,); score, low, high: median and interval of a score measured at n, its scatter included;
    alpha, alpha_low, alpha_high: of the exponent in S(n) = c / n^alpha(n); beta, beta_low,
    beta_high: of S proportional to E[D]^beta; n_balance: of the tokens; residual_std: of the scores
    that were given, in log S; level: of all intervals; p_value: of scores that bend so far from the
    tokens' law, if it holds, at most (`bend_test`); bend: 1 where they bend up about it in log-log,
    -1 down, 0 where neither is sure. Both not numbers where scores are too few to say.
    """

    n: np.ndarray
    score: np.ndarray
    low: np.ndarray
    high: np.ndarray
    alpha: np.ndarray
    alpha_low: np.ndarray
    alpha_high: np.ndarray
    beta: float
    beta_low: float
    beta_high: float
    n_balance: Balance
    residual_std: float
    level: float
    p_value: float
    bend: float

    def words(self) -> list[str]:
        """What a reader should know before believing the numbers, in sentences."""
        said = []
        if self.n_balance.interval[0] == np.inf:
            said.append(
                "psi_within < psi_cross, perhaps by chance: no n_balance describes that. The "
                "nearest law is taken, of tokens without correlations (alpha = -beta / 2)."
            )
        if not self.n_balance.constant:
            said.append(
                "Correlations of these tokens are not constant (D is up to "
                f"{percent(self.n_balance.lack_of_fit)} off the law): n_balance is a compromise, "
                "and intervals of scores and alpha may hold far too few."
            )
        if np.isnan(self.p_value):
            said.append(
                "Too few scores to say whether they follow the tokens' law: it takes 4 at "
                "different n, or 3 and noise=."
            )
        elif self.p_value < CHANCE:
            way = "up" if self.bend > 0 else "down"
            said.append(
                f"Scores and tokens disagree (p <= {self.p_value:.2g}): about the tokens' law the "
                f"scores bend {way} in log-log. Do not extrapolate by it."
            )
        return said

    def agrees(self, joint: JointFit, kind: str = "blocks") -> bool:
        """Whether some n_balance lies in the tokens' interval and in the confidence set of scores.

        Args:
            joint: one n_balance fitted to scores of the same model, of the same level.
            kind: of noise, see `JointFit.regions`.
        """
        low, high = self.n_balance.interval
        return any(low <= top and bottom <= high for bottom, top in joint.regions(kind))

    def __repr__(self) -> str:
        lines = [
            f"ScorePrediction: {self.n_balance!r}",
            f"  beta = {self.beta:.4g} ({percent(self.level)} interval {self.beta_low:.4g} to "
            f"{self.beta_high:.4g})",
            *(
                f"  n = {n:g}: S = {s:.5g} ({low:.5g} to {high:.5g}), alpha = {a:.4g}"
                for n, s, low, high, a in zip(
                    self.n, self.score, self.low, self.high, self.alpha, strict=True
                )
            ),
            *(f"  {said}" for said in self.words()),
        ]
        return "\n".join(lines)


def predict_scores(
    tokens: Result,
    scores: Mapping[float, float],
    at: Sequence[float] | np.ndarray | None = None,
    *,
    noise: float | None = None,
    error: Mapping[float, float] | None = None,
    level: float = 0.95,
) -> ScorePrediction:
    """Predict scores at other token counts from a model's tokens and a few of its scores.

    The measured psi's fix n_balance by Upsilon(n) = Delta n (n + n_balance), and the scores fix c
    and beta by least squares of log S on log(n (n + n_balance) / (1 + n_balance)) / 2. Intervals
    carry both errors: n_balance is spread as its intervals at every level say (a confidence
    distribution), and at each value Student's t says how far c, beta and a new score may lie.

    Correlations that are constant over n are assumed, the same scatter of log S at every n, and no
    correlation between the errors of tokens and scores. What the tokens and scores themselves say
    against that is in `words()` of the result; where correlations are not constant, intervals may
    hold nothing.

    Args:
        tokens: from `measure` or `simulate`, with psi's, at 3 token counts at least.
        scores: n -> score > 0, at 2 different n at least.
        at: token counts to predict, > 0; by default those of `tokens` that half of its pairs reach,
            which are also those that n_balance is taken from.
        noise: standard deviation of log S of a score that weighs 1, where it is known; from the
            scores' own residuals by default, which needs 3 of them.
        error: n -> standard error of its score; they weigh the scores against each other, with
            mean 1, as in `fit_scaling`. Scores that are predicted weigh 1.
        level: of the intervals, in (0, 1).

    Returns:
        A `ScorePrediction`.

    Raises:
        InputError: psi's that were not measured, too few scores, or values outside their range.

    Source: Li et al. 2025 for the law; Fieller 1954 for the interval of n_balance.
    """
    log_n, log_score, weight = _few(scores, noise, error)
    require_share("level", level)
    tokens = tokens.reached()
    n = np.atleast_1d(np.asarray(tokens.n if at is None else at, np.float64))
    if n.ndim != 1 or not (np.isfinite(n) & (n > 0)).all():
        raise InputError("at must be a list of token counts, finite and > 0")
    amplitude = _amplitude(tokens)
    balance = fit_balance(tokens.n, amplitude, level)
    if fit_balance(tokens.n, amplitude, CANCEL).interval[0] == np.inf:
        raise InputError(
            "the tokens have no n_balance: psi_within < psi_cross, their differences cancel, and "
            "the law of scores does not hold"
        )
    drawn = _confidence(tokens.n, amplitude)
    lines = _Lines.fit(drawn, log_n, log_score, weight, noise)
    p_value, bend = bend_test(abscissa(np.exp(log_n), drawn), log_score, weight, noise)
    x = abscissa(n, drawn)  # (parts, m)
    middle = lines.level[:, None] + lines.beta[:, None] * (x - lines.centre[:, None])
    spread = 1 + 1 / len(log_n) + (x - lines.centre[:, None]) ** 2 / lines.square[:, None]
    tail = (1 - level) / 2
    low, score, high = (
        np.exp(lines.quantile(p, middle, lines.deviation[:, None] * np.sqrt(spread)))
        for p in (tail, 0.5, 1 - tail)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(n == 1, (1 + 1 / (1 + drawn[:, None])) / 2, x / np.log(n))
    of_beta = lines.deviation / np.sqrt(lines.square)
    alphas = [
        lines.quantile(p, -lines.beta[:, None] * ratio, of_beta[:, None] * ratio)
        for p in (tail, 0.5, 1 - tail)
    ]
    betas = [
        float(lines.quantile(p, lines.beta[:, None], of_beta[:, None])[0])
        for p in (tail, 0.5, 1 - tail)
    ]
    return ScorePrediction(
        n=n,
        score=score,
        low=low,
        high=high,
        alpha=alphas[1],
        alpha_low=alphas[0],
        alpha_high=alphas[2],
        beta=betas[1],
        beta_low=betas[0],
        beta_high=betas[2],
        n_balance=balance,
        residual_std=float(np.median(lines.deviation)),
        level=level,
        p_value=p_value,
        bend=bend,
    )


@dataclass(frozen=True)
class _Lines:
    """Weighted least squares of log S on x at each n_balance, (parts,): level + beta (x - centre).

    square: sum of squares of x about its mean; deviation: of log S about the line, with `freedom`.
    """

    centre: np.ndarray
    level: np.ndarray
    beta: np.ndarray
    square: np.ndarray
    deviation: np.ndarray
    freedom: float

    @classmethod
    def fit(
        cls,
        balance: np.ndarray,
        log_n: np.ndarray,
        log_score: np.ndarray,
        weight: np.ndarray,
        noise: float | None,
    ) -> _Lines:
        x = abscissa(np.exp(log_n), balance)
        centre, level = np.average(x, axis=1, weights=weight), np.average(log_score, weights=weight)
        u, y = x - centre[:, None], log_score - level
        square = (weight * u**2).sum(axis=1)
        beta = (weight * u * y).sum(axis=1) / square
        freedom = np.inf if noise is not None else len(y) - 2
        rest = (weight * (y - beta[:, None] * u) ** 2).sum(axis=1)
        deviation = np.sqrt(rest / freedom) if noise is None else np.full(len(balance), noise)
        return cls(centre, np.full(len(balance), level), beta, square, deviation, freedom)

    def quantile(self, p: float, middle: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """Quantile (m,) of the mixture over parts of Student's t about `middle` (parts, m)."""
        weight = np.full(middle.T.shape, 1 / len(middle))
        parts = (weight, middle.T, np.maximum(scale, 1e-12).T, np.full(weight.shape, self.freedom))
        return Mixture(*(part[None] for part in parts)).quantile(p)[0]


def _few(
    scores: Mapping[float, float], noise: float | None, error: Mapping[float, float] | None
) -> Logs:
    """(log n ascending, log S, weights) of the scores that are given."""
    if not isinstance(scores, Mapping):
        raise InputError("scores must be a table n -> score, such as {64: 51.2, 256: 58.9}")
    if error is not None and not (isinstance(error, Mapping) and set(error) == set(scores)):
        raise InputError("error must be a table n -> standard error, of the same n as scores")
    errors = None if error is None else [error[n] for n in scores]
    found = checked(list(scores), list(scores.values()), errors, least=2)
    if noise is not None and not (np.isfinite(noise) and noise > 0):
        raise InputError(f"noise = {noise!r} is not allowed; it must be finite and > 0")
    if len(found[0]) < 3 and noise is None:
        raise InputError(
            "2 scores fix c and beta and say nothing of their scatter: give a third, or noise=, "
            "the standard deviation of log S"
        )
    return found


def _amplitude(tokens: Result) -> Moments:
    """sqrt(Upsilon(n)) with its covariance."""
    upsilon = tokens.cosine_upsilon()
    if tokens.replicates < 2:
        raise InputError("the errors of psi's need at least 2 pairs of token sequences")
    if not (upsilon.mean > 0).all():
        n = tokens.n[np.argmin(upsilon.mean > 0)]
        raise InputError(f"Upsilon(n) is not > 0 at n = {n}: the branches do not differ there")
    root = np.sqrt(upsilon.mean)
    covariance = upsilon.covariance / (4 * np.outer(root, root))
    if not np.isfinite(covariance).all():
        raise InputError(
            f"the errors of the psi's are not known ({tokens.reason}), and with them nothing is "
            "known of n_balance: measure more independent pairs"
        )
    return Moments(root, covariance, upsilon.count, upsilon.degrees_of_freedom)


def _confidence(n: np.ndarray, amplitude: Moments) -> np.ndarray:
    """Values of n_balance (parts,) of equal confidence, >= 0: ends of intervals of every level."""
    return balance_quantiles(n, amplitude, (np.arange(PARTS) + 0.5) / PARTS)
