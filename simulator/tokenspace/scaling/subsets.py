"""What a headline rests on: the same curves without the points that are not like the others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tokenspace.scaling.curves import Curve
from tokenspace.scaling.table import BENCHMARKS, SIZE

TRAINING = {"yes": "trained for each n", "no": "pruned without training", "mixed": "partly trained"}

ONE = "one model"  # where nothing names it


def subsets(curves: Sequence[Curve]) -> dict[str, list[Curve]]:
    """The curves under a name for every way to look at them, all of them first.

    Without the points of each confound that the file names, and without all of those; without the
    smallest n of each curve; and, where it says so, models that were trained for each n apart from
    those whose tokens were pruned without training.
    """
    found = {"all points": list(curves)}
    reasons = list(
        dict.fromkeys(str(r) for c in curves if c.confound is not None for r in c.confound if r)
    )
    for reason in reasons:
        found[f"without: {reason}"] = [_without(c, [reason]) for c in curves]
    if len(reasons) > 1:
        found["without all confounds"] = [_without(c, reasons) for c in curves]
    found["without each curve's smallest n"] = [c.keep(c.n > c.n.min()) for c in curves]
    kinds = [k for k in TRAINING if any(c.trained == k for c in curves)]
    for kind in kinds if len(kinds) > 1 else []:
        part = [c for c in curves if c.trained == kind]
        found[TRAINING[kind]] = part
        found[f"{TRAINING[kind]}, without smallest n"] = [c.keep(c.n > c.n.min()) for c in part]
    different: dict[str, list[Curve]] = {}
    for name, part in found.items():  # a name more for the same points says nothing
        if all(_points(part) != _points(other) for other in different.values()):
            different[name] = part
    return different


def naming(curve: Curve) -> str:
    """The label that names its model: "model", or the first that is called after no benchmark.

    Empty where there is none, and all curves are of one model.
    """
    if "model" in curve.labels:
        return "model"
    return next((k for k in curve.labels if k not in BENCHMARKS), "")


def model_of(curve: Curve) -> str:
    """What its label `naming` says, with its size if that names it too.

    Sizes have tokens of their own, so each is a model.
    """
    name = curve.labels.get(naming(curve), ONE)
    size = curve.labels.get(SIZE, name)
    return name if size == name else f"{name} / {size}"


def _points(curves: Sequence[Curve]) -> list[tuple[str, bytes, bytes]]:
    return [(c.name, c.n.tobytes(), c.score.tobytes()) for c in curves]


def _without(curve: Curve, reasons: Sequence[str]) -> Curve:
    if curve.confound is None:
        return curve
    return curve.keep(~np.isin(curve.confound, list(reasons)))
