"""Write shared_balance.md: one n_balance for all benchmarks, and scores from tokens.

`make shared-balance` runs it, some minutes on 2 cores; names of tables (fits, power, ...) make only
those. Every draw has a fixed seed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from shared_balance_coverage import (
    coverage_by_counts,
    coverage_by_size_of_errors,
    coverage_by_tokens,
    coverage_of_predictions,
    coverage_of_sets,
    coverage_with_errors,
    coverage_with_repeats,
    table,
)

from tokenspace.scaling.curves import Curve, read_curves
from tokenspace.scaling.joint.fit import LEAST_RUNS, SURE, JointFit
from tokenspace.scaling.joint.forecast import skill
from tokenspace.scaling.joint.noise import KINDS
from tokenspace.scaling.joint.per_model import Row, by_model, study
from tokenspace.scaling.joint.power import power

RUNS = 9_999  # draws of the table of fits
PAGE = Path(__file__).with_suffix(".md")
SHORT = {"vision_question_queries": "with question", "vision_queries_ft": "without question"}


def words(intervals: list[tuple[float, float]]) -> str:
    """Intervals of n_balance, two digits: "2.4 to 580"."""

    def digits(value: float) -> str:
        return f"{float(f'{value:.2g}'):g}"

    said = [
        f"below {digits(b)}" if a == 0 else f"above {digits(a)}" if b == np.inf else
        f"{digits(a)} to {digits(b)}"
        for a, b in intervals
    ]  # fmt: skip
    return ", ".join(said) or "nothing"


def drawn_words(fit: JointFit) -> str:
    """What the set of blocks excludes, and at least and at most where the draws leave it open."""
    said, least, most = (words(fit.excluded("blocks", by)) for by in (0.0, SURE, -SURE))
    return said if least == most else f"{said} ({least}; {most})"


def fits(rows: list[Row]) -> list[str]:
    lines = []
    for row in rows:
        fit = row.fit
        need, sharing, shape = fit.tests
        lines.append(
            [
                SHORT.get(row.model, row.model),
                row.points,
                f"{fit.n_balance:.3g}" if fit.crossover else "none",
                words(fit.excluded("independent")),
                drawn_words(fit),
                *(
                    f"{t.statistic:.1f} ({t.p['independent']:.2g}, {t.p['blocks']:.2g})"
                    for t in (need, sharing, shape)
                ),
                f"{fit.against} of {row.curves}",
                f"{fit.independent_curves:.1f}",
            ]
        )
    heads = (
        "series",
        "points",
        "n_balance",
        "excluded, independent",
        "excluded, blocks",
        "need",
        "sharing",
        "shape",
        "bend against",
        "independent curves",
    )
    return table(heads, lines)


def forecasts(rows: list[Row]) -> list[str]:
    lines, names = [], []
    for row in rows:
        if row.forecast is None:
            continue
        found, names = skill(row.forecast), list(row.forecast.columns)
        cells = [f"{found.at[k, 'median error']:.3f} ({found.at[k, 'best on']:.0f})" for k in names]
        lines.append([SHORT.get(row.model, row.model), row.points, *cells])
    return table(["series", "points", *names], lines)


def powers(curves: Sequence[Curve], kinds: Sequence[str] = KINDS) -> list[str]:
    lines, settings = [], []
    for model, own in by_model(curves).items():
        for kind in kinds:
            found = power(own, kind=kind, runs=400)
            pairs = zip(found["noise"], found["counts"], strict=True)
            settings = [f"noise x {a:g}, {b} n" for a, b in dict.fromkeys(pairs)]
            for (test, truth), part in found.groupby(["test", "truth"], sort=False):
                cells = [f"{100 * v:.0f}" for v in part["rejected"]]
                lines.append([SHORT.get(model, model), kind, test, truth, *cells])
    return table(["series", "noise", "test", "truth", *settings], lines)


def parts(runs: int) -> dict[str, Callable[[], list[str]]]:
    """Mark in the page -> what makes the table there."""
    curves = read_curves()
    return {
        "fits": lambda: fits(study(curves, runs=RUNS)),
        "forecasts": lambda: forecasts(study(curves, runs=LEAST_RUNS)),
        "power": lambda: powers(curves),
        "sets": lambda: coverage_of_sets(curves, runs // 2),
        "errors": lambda: coverage_with_errors(runs // 2),
        "sizes": lambda: coverage_by_size_of_errors(runs // 2),
        "counts": lambda: coverage_by_counts(runs // 2),
        "repeats": lambda: coverage_with_repeats(5 * runs // 4),
        "predictions": lambda: coverage_of_predictions(runs // 2),
        "tokens": lambda: coverage_by_tokens(runs // 2),
    }


def written(page: str, mark: str, lines: list[str]) -> str:
    """The page with the table between <!-- mark --> and <!-- / --> replaced."""
    head, rest = page.split(f"<!-- {mark} -->\n")
    return (
        f"{head}<!-- {mark} -->\n"
        + "\n".join(lines)
        + "\n<!-- / -->"
        + rest.split("<!-- / -->", 1)[1]
    )


def main(wanted: Sequence[str], runs: int = 400) -> None:
    """Make some of the tables anew, or all."""
    for mark, make in parts(runs).items():
        if not wanted or mark in wanted:
            lines = make()
            print(mark, *lines, sep="\n", flush=True)
            PAGE.write_text(written(PAGE.read_text(), mark, lines))


if __name__ == "__main__":
    main(sys.argv[1:])
