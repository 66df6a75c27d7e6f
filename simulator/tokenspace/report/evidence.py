"""What all points of a sweep say together, in words; the numbers are `statistics.evidence`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from tokenspace.printable import counted, percent
from tokenspace.statistics import verdict
from tokenspace.statistics.evidence import (
    LEVEL,
    Evidence,
    Witness,
    evidence,
    scores_of,
)

CLEAR = 1e-3  # p-value below which chance is no explanation
SHOWN = 3  # seeds, and labels of each, that are named


def evidence_of(loaded: Sequence[tuple[Any, Any]], checks: Sequence[Any]) -> Evidence:
    """The statement about (point, result) pairs with their checks; equal experiments count once."""
    known: dict[str, Witness] = {}
    for (point, result), check in zip(loaded, checks, strict=True):
        if point.key not in known:
            z, left_out = scores_of(result, check)
            known[point.key] = Witness(point.label, result.seed, check.verdict, z, left_out)
    return evidence(list(known.values()))


def statement(found: Evidence) -> list[str]:
    """The statement in plain words, two to four lines."""
    if found.shared:
        return _of_seeds(found)
    out = [_of_scatter(found), *_of_chance(found), _of_fails(found)]
    if found.left_out:
        reasons = ", ".join(f"{count} {why}" for why, count in found.left_out.items())
        out.append(f"Points without z-scores: {reasons}.")
    return out


def _of_seeds(found: Evidence) -> list[str]:
    shared, points = found.shared, found.points
    sharing = sum(len(labels) for _, labels in shared)
    if len(shared) == 1 and sharing == points:
        who = f"all {points:,} points share seed {shared[0][0]}"
    else:
        named = []
        for seed, labels in shared[:SHOWN]:
            more = f" and {len(labels) - SHOWN} more" if len(labels) > SHOWN else ""
            named.append(f"seed {seed}: {'; '.join(labels[:SHOWN])}{more}")
        more = f", and {counted(len(shared) - SHOWN, 'more seed')}" if len(shared) > SHOWN else ""
        who = f"{sharing} of {points} points share seeds ({', '.join(named)}{more})"
    return [
        f"Evidence: {who}: one experiment seen many times, which says nothing of chance.",
        'With seed = "independent" in [run] every point has a seed of its own.',
    ]


def _of_scatter(found: Evidence) -> str:
    if not len(found.z):
        return "Evidence: no point has z-scores that can be compared with chance."
    chance = found.chance()
    mean = f"mean {found.mean:+.2f} (chance {chance['mean'][0]:+.2f} to {chance['mean'][1]:+.2f})"
    share, least, most = (percent(s, ".1f") for s in (found.beyond, *chance["beyond"]))
    beyond = f"{share} beyond 2 (chance {least} to {most})"
    std = ""
    if len(found.z) > 1:
        low, high = chance["std"]
        std = f"standard deviation {found.std:.2f} (chance {low:.2f} to {high:.2f}), "
    return f"Evidence: {counted(len(found.z), 'independent z-score')}, {mean}, {std}{beyond}."


def _of_chance(found: Evidence) -> list[str]:
    """What the p-value means, if there is one."""
    p = found.p_value
    if math.isnan(p):
        return []
    said = f"Against the standard normal: p = {p:.2g}"
    if p >= 1 - LEVEL:
        return [f"{said}, as chance has it."]
    if p >= CLEAR:
        return [f"{said}, which one true sweep in {1 / p:.0f} shows: no proof of anything."]
    worst = min(found.p_values, key=found.p_values.__getitem__)
    if worst == "mean":
        where = "above" if found.mean > 0 else "below"
        what = f"results lie {where} the theory on the whole"
    elif worst == "shape":
        what = "z-scores are not normal"
    elif found.std < 1:
        what = f"standard errors are about {1 / found.std:.1f} times too large"
    else:
        what = f"standard errors are about {found.std:.1f} times too small, or some points are off"
    return [f"{said}: NOT CHANCE: {what}."]


def _of_fails(found: Evidence) -> str:
    most, level = found.most_fails, verdict.LEVEL
    if not found.judged:
        return "No point could be judged."
    said = f"{found.fails} of {counted(found.judged, 'point')} failed; chance gives up to {most}"
    if found.fail_p_value < CLEAR:
        return f"{said}: NOT CHANCE (p = {found.fail_p_value:.2g})."
    return f"{said}, where each true theory fails in {percent(level)} of runs or fewer."
