"""One row a point: what is shown of a verdict, in the HTML report and in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tokenspace.errors import InputError
from tokenspace.printable import number, percent
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
WORST_FIRST = ("FAIL", "UNDECIDED", "PASS")


def checks_of(loaded: Sequence[tuple[Any, Any]], tolerance: float) -> list[Any]:
    """The check of every point; points that are one experiment share theirs.

    One that cannot be judged is UNDECIDED and says why: a single replicate or n, D = 0 somewhere, a
    model of a package or plugin that is not here.

    Raises:
        InputError: the tolerance is out of range.
    """
    verdict.require_tolerance(tolerance)
    known: dict[int, Any] = {}
    for _, result in loaded:
        if id(result) not in known:
            try:
                known[id(result)] = result.check(tolerance)
            except InputError as error:
                known[id(result)] = verdict.unjudged(result, tolerance, str(error))
    return [known[id(result)] for _, result in loaded]


class Row(NamedTuple):
    """What is shown of a point: NaN where there is no theory, or no error.

    exponent, error, theory: at the largest n; deviation, z: the largest in size.
    """

    sampler: str
    replicates: int
    exponent: float
    error: float
    theory: float
    regime: str
    deviation: float
    z: float

    @classmethod
    def of(cls, result: Any, check: Any) -> Row:
        """From a result and its check."""
        e = check.exponent
        last, error, theory = (
            float(x[-1]) if len(x) else np.nan
            for x in (e.empirical, e.standard_error, e.theoretical)
        )
        return cls(
            result.sampler,
            result.replicates,
            last,
            error,
            theory,
            str(check.regimes_empirical[-1]) if len(e.n) else "-",
            _largest(check.amplitude.deviation),
            _largest(np.concatenate([check.amplitude.z, e.z])),
        )


def verdict_row(label: str, result: Any, check: Any) -> list[str]:
    """The cells of a point under VERDICT_COLUMNS; "-" where there is no theory, or no error."""
    row = Row.of(result, check)
    known = not np.isnan(row.error)
    return [
        label,
        row.sampler,
        f"{row.replicates:,}",
        number(row.exponent, row.error) if known else _number(row.exponent, ".4f"),
        _number(row.theory, ".4f"),
        row.regime,
        percent(row.deviation, ".2f"),
        _number(row.z, ".2f"),
        check.verdict,
    ]


def _largest(x: np.ndarray) -> float:
    """The largest size of what is a number; NaN of none."""
    return float(np.max(abs(x), where=~np.isnan(x), initial=0)) if not np.isnan(x).all() else np.nan


def _number(x: float, form: str) -> str:
    return "-" if np.isnan(x) else format(x, form)
