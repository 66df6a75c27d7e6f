"""How many tokens do I need? The smallest n that keeps a share of the score at the largest n."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tokenspace.errors import InputError
from tokenspace.scaling.cost import Cost
from tokenspace.scaling.fit import checked
from tokenspace.scaling.laws import ScalingLaw, known_laws
from tokenspace.scaling.optimise import Logs, Points, grouped, minimise

KEEP = 0.95
POINTS = 401  # counts, evenly spread in log n, at which S(n) is compared


@dataclass(frozen=True)
class TokenPlan:
    """How few tokens keep a share of the score, with what that costs.

    n, low, high: median and interval of the smallest n, over laws and their parameters; by_law:
    name -> (n, low, high) as if that law were true; weights: of the laws, sum 1; keep: the share;
    largest: the n that it refers to; smallest: no n below it was measured, so none is offered;
    level: of the intervals; cost: FLOPs at n and at the largest n, where a `Cost` was given.
    """

    n: float
    low: float
    high: float
    by_law: dict[str, tuple[float, float, float]]
    weights: dict[str, float]
    keep: float
    smallest: float
    largest: float
    level: float
    flops: tuple[float, float] | None = None

    def __repr__(self) -> str:
        said = (
            f"TokenPlan: n = {self.n:.4g} ({self.level:.0%} interval {self.low:.4g} to "
            f"{self.high:.4g}) keeps {self.keep:.0%} of the score at n = {self.largest:g}"
        )
        if self.flops is not None:
            said += f", for {self.flops[0] / self.flops[1]:.0%} of its {self.flops[1]:.3g} FLOPs"
        return said


def plan_tokens(
    n: Sequence[float] | np.ndarray,
    score: Sequence[float] | np.ndarray,
    keep: float = KEEP,
    *,
    cost: Cost | None = None,
    level: float = 0.95,
    runs: int = 400,
    seed: int = 0,
) -> TokenPlan:
    """The smallest n from which on S(n) >= keep S(largest n), by every law that fits.

    S(n) is the fitted curve, at the largest n too. Each law's parameters are drawn by parametric
    bootstrap with Student's scatter (RSS / chi-square), and the laws are mixed by their weights, so
    the interval carries both errors. The answer lies within the counts that were measured.

    Args:
        n: numbers of tokens, at least 5 distinct, > 0.
        score: scores > 0, same length; higher is better.
        keep: share of the score at the largest n, in (0, 1).
        cost: of a pass through the model, to say what is saved.
        level: of the intervals, in (0, 1).
        runs: bootstrap draws a law, at least 100.
        seed: of the draws.

    Returns:
        A `TokenPlan`.

    Raises:
        InputError: values outside their range, or too few points for any law.
    """
    return plan_curves([("", n, score)], keep, cost=cost, level=level, runs=runs, seed=seed)[0][1]
