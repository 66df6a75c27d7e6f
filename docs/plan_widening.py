"""Write into forecasts.md what wider intervals of `plan-tokens` would hold, and cost.

`python docs/plan_widening.py`: 3 min of CPU time; every draw has a fixed seed. Numbers of rules are
chosen on curves of `STUDIED` and reported of `UNSEEN`, and of laws with other parameters.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from forecasts import (
    COUNTS,
    FEW_TO_MANY,
    KEEP,
    ROUNDING,
    STUDIED,
    TRUTHS,
    UNSEEN,
    of_law,
    planned,
    put,
)

from tokenspace.scaling.laws import known_laws
from tokenspace.scaling.model_weights import SPLINE
from tokenspace.scaling.plan import TokenPlan

NOISES = (0.01, 0.03)
AIM, COST = 0.85, 1.2  # share that should hold of curves of no law; width where a law holds
Rule = Callable[[TokenPlan], tuple[float, float]]
Curve = Callable[[np.ndarray], np.ndarray]
Cell = tuple[bool, float, list[TokenPlan]]  # whether a law is true, the true n, plans
OF_LAWS = {f"law: {name}": of_law(name, *values) for name, values in TRUTHS.items()}


def today(plan: TokenPlan) -> tuple[float, float]:
    """As `plan-tokens` has it."""
    return plan.low, plan.high


def without_law(plan: TokenPlan) -> tuple[float, float]:
    """By the spline alone."""
    return plan.by_law[SPLINE][1:]


def union(share: float) -> Rule:
    """With the spline's own interval where more than this share of its draws lies outside."""

    def ends(plan: TokenPlan) -> tuple[float, float]:
        if plan.outside <= share:
            return plan.low, plan.high
        _, low, high = plan.by_law[SPLINE]
        return min(plan.low, low), max(plan.high, high)

    return ends


def bent(times: float) -> Rule:
    """Halves of log n that grow by how far spline and laws disagree: sqrt(h^2 + (times d)^2).

    d = |log n by the spline less log n by all|: what the bend that laws leave moves n by.
    """

    def ends(plan: TokenPlan) -> tuple[float, float]:
        low, middle, high = np.log([plan.low, plan.n, plan.high])
        more = times * abs(np.log(plan.by_law[SPLINE][0]) - middle)
        low, high = middle - np.hypot(middle - low, more), middle + np.hypot(high - middle, more)
        return max(float(np.exp(low)), plan.smallest), min(float(np.exp(high)), plan.largest)

    return ends


RULES = {
    "union": {share: union(share) for share in (0.05, 0.1, 0.2, 0.4)},
    "bend": {times: bent(times) for times in (0.5, 1.0, 1.5, 2.0, 3.0)},
}


def cells(curves: dict[str, Curve], grids: tuple[np.ndarray, ...], seed: int) -> Iterator[Cell]:
    """Plans of every curve, number of counts and noise."""
    for which, (name, score) in enumerate(curves.items()):
        is_law = name.removeprefix("law: ").partition(":")[0] in known_laws()
        for n in grids:
            for noise in NOISES:
                own = [seed, which, len(n), round(noise * 1e4)]
                yield is_law, *planned(score, n, noise, KEEP, own)


def judged(found: list[Cell], rule: Rule) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shares that hold, of no law and of laws, and widths of laws over today's; a cell each."""
    held: dict[bool, list[float]] = {False: [], True: []}
    widths = []
    for is_law, truth, plans in found:
        ends = np.array([rule(plan) for plan in plans])
        inside = (ends[:, 0] <= truth * (1 + ROUNDING)) & (truth <= ends[:, 1] * (1 + ROUNDING))
        held[is_law].append(float(inside.mean()))
        if is_law:
            before = np.array([today(plan) for plan in plans])
            widths.append(float(np.mean(np.diff(np.log(ends)) / np.mean(np.diff(np.log(before))))))
    return np.array(held[False]), np.array(held[True]), np.array(widths)


def line(name: str, found: list[Cell], rule: Rule) -> str:
    """A row: least and mean share of no law, cells below the aim, the same of laws, and widths."""
    bare, law, width = judged(found, rule)
    few = f"{int((bare < AIM - 1e-9).sum())} of {len(bare)}"
    parts = [f"{100 * bare.min():.0f} ({100 * bare.mean():.0f})", few]
    parts += [f"{100 * law.min():.0f} ({100 * law.mean():.0f})"]
    parts += [f"{width.mean():.2f} ({width.max():.2f})"]
    return "| " + " | ".join([name, *parts]) + " |"


def table() -> str:
    """Every rule and number on the curves that they are chosen by, then on those they are not."""
    studied = {name: score for name, score in STUDIED.items() if name != "flat"}
    grids = COUNTS[10], COUNTS[7], FEW_TO_MANY[0]
    sets = {
        "chosen by": list(cells(studied, grids, 17)),
        "not chosen by": list(cells({**UNSEEN, **OF_LAWS}, FEW_TO_MANY, 18)),
    }
    heads = ["rule", "no law: least (mean)", f"below {100 * AIM:.0f} %", "laws: least (mean)"]
    heads += ["width where a law holds: mean (most)"]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for said, found in sets.items():
        lines.append(line(f"{said}: today's", found, today))
        for name, rules in RULES.items():
            lines += [line(f"{said}: {name}, {k:g}", found, rule) for k, rule in rules.items()]
        lines.append(line(f"{said}: without a law", found, without_law))
    return "\n".join(lines)


if __name__ == "__main__":
    put("widened", table())
