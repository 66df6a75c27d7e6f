"""One row a point: what is shown of a verdict, in the HTML report and in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tokenspace.errors import InputError
from tokenspace.statistics import verdict

VERDICT_COLUMNS = (  # name, alignment
    ("model", "left"),
    ("sampler", "left"),
    ("replicates", "right"),
    ("exponent at N", "right"),
    ("theory", "right"),
    ("regime", "left"),
    ("largest deviation", "right"),
    ("max |z|", "right"),
    ("verdict", "left"),
)


class Cell(NamedTuple):
    """One cell of a table: what is shown, and what it is sorted by."""

    text: str
    sort: str | float


def checks_of(loaded: Sequence[tuple[Any, Any]], tolerance: float) -> list[Any]:
    """The check of every point; points that are one experiment share theirs.

    One that cannot be judged (a single replicate or n, D = 0 somewhere) is UNDECIDED and says why.

    Raises:
        InputError: the tolerance is out of range, or a model cannot be built.
    """
    verdict.require_tolerance(tolerance)
    known: dict[int, Any] = {}
    for _, result in loaded:
        if id(result) not in known:
            _ = result.model  # without it nothing is said
            try:
                known[id(result)] = result.check(tolerance)
            except InputError as error:
                known[id(result)] = verdict.unjudged(result, tolerance, str(error))
    return [known[id(result)] for _, result in loaded]


def verdict_row(label: str, result: Any, check: Any) -> list[Cell]:
    """The cells of a point under VERDICT_COLUMNS; "-" where there is no theory, or no error."""
    e = check.exponent
    last, error, theory = (
        float(x[-1]) if len(x) else np.nan for x in (e.empirical, e.standard_error, e.theoretical)
    )
    off = _largest(check.amplitude.deviation)
    z = _largest(np.concatenate([check.amplitude.z, e.z]))
    regime = str(check.regimes_empirical[-1]) if len(e.n) else "-"
    return [
        Cell(label, label),
        Cell(result.sampler, result.sampler),
        Cell(f"{result.replicates:,}", result.replicates),
        _number(last, ".4f") if np.isnan(error) else Cell(f"{last:.4f} ± {error:.1g}", last),
        _number(theory, ".4f"),
        Cell(regime, regime),
        _number(off, ".2%"),
        _number(z, ".2f"),
        Cell(check.verdict, check.verdict),
    ]


def _largest(x: np.ndarray) -> float:
    """The largest size of what is a number; NaN of none."""
    return float(np.max(abs(x), where=~np.isnan(x), initial=0)) if not np.isnan(x).all() else np.nan


def _number(x: float, form: str) -> Cell:
    """A number, or "-" for NaN, which is sorted before all numbers."""
    return Cell("-", "-Infinity") if np.isnan(x) else Cell(format(x, form), x)
