"""The tables of `joint`: fits, forecasts, and what curves like these could tell."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from tokenspace.cli.present import show_table
from tokenspace.printable import UNKNOWN, counted, known, shown, to_error

if TYPE_CHECKING:
    import pandas as pd

    from tokenspace.scaling.joint.fit import JointFit
    from tokenspace.scaling.joint.per_model import Row
    from tokenspace.scaling.joint.ratios import Ratio
    from tokenspace.scaling.joint.stated import StatedErrors

ALL = "all points"  # the first subset of every model
MANY = 24  # rows that a table shows whole; of more, a line a subset, and the ends
ENDS = 8
NAMED = 3  # rows that a sentence names
LEVEL = 0.05
OPEN = "\n("  # begins what the draws leave open
REFUSED = 0.001  # at which a shape is refused: of 7 counts p of a true law is 0.01 at times
DECIDING = round(1 / REFUSED) - 1  # draws of which p can be so small


def show_errors(rows: Sequence[Row]) -> None:
    """How much scores scatter beside their standard errors, and what these are taken for."""
    told = [(r.model, r.fit.stated) for r in rows if r.points == ALL and r.fit.stated is not None]
    for model, stated in told[:NAMED]:
        print(shown(f"{model}: {_errors(stated)}"))
    if len(told) > NAMED:
        print(f"Standard errors of {len(told) - NAMED:,} more models: --json.")


def _errors(stated: StatedErrors) -> str:
    own = [ratio for ratio in stated.by_curve() if ratio is not None]
    said = f"{own[0]:.2g}" if len(own) == 1 else f"{min(own):.2g} to {max(own):.2g}"
    if stated.counted:
        said = f"{stated.ratio:.2g}"
    said = f"scores scatter {said} times as much as their standard errors say"
    weigh = "errors weigh the points of a curve against each other, and noise is its scatter."
    if len(own) == 1:
        return f"{said}: {weigh}"
    p = f"for {len(own)} curves (p = {stated.p_value:.2g})"
    if stated.counted:
        said = f"{said}, one factor {p}: noise is the errors times it"
        if rest := len(stated.ratios) - len(own):
            said += f", and that of {counted(rest, 'curve')} without errors is its scatter"
        return f"{said}."
    return f"{said}, no one factor {p}: {weigh}"


def show_fits(rows: list[Row], runs: int) -> None:
    """A row for each model and subset; of many models counts, and those that fit worst and best."""
    title = "One n_balance for all benchmarks of a model"
    chosen = rows
    if len(rows) > MANY:
        _show_counts(rows)
        chosen = _by_shape([r for r in rows if r.points == ALL])
        if len(chosen) > 2 * ENDS:
            title = f"{title}: the {ENDS} of {len(chosen)} models whose shape fits worst, and best"
            chosen = [*chosen[:ENDS], *chosen[-ENDS:]]
    table = _table(title, "model", "points", "curves")
    for name in ("n_balance", "excluded, 95 %", "if independent", "need", "sharing", "shape"):
        table.add_column(name)
    for row in chosen:
        fit = row.fit
        table.add_row(
            escape(shown(row.model)),
            escape(shown(row.points)),
            str(row.curves),
            _balance(fit),
            _drawn(fit),
            _excluded(fit, "independent"),
            *(_ratio(t, row.curves, runs) for t in fit.tests),
        )
    show_table(table)
    print(
        "n_balance: none where power laws fit as well as any. Ratios of -2 log L (p): need, none "
        "against one n_balance;\nsharing, one for all against one each; shape, one for all against "
        "parabolas in log n. Noise: whole counts n\nresampled, since benchmarks of one checkpoint "
        "scatter together; in the column before, independent."
    )
    if any(OPEN in _drawn(row.fit) for row in chosen):
        print(
            f"In brackets, where {runs:,} draws leave it open: what is excluded at least; at most. "
            "More --runs say more."
        )
    whole = [r for r in chosen if r.points == ALL]
    against = ", ".join(f"{r.fit.against} of {r.curves} ({r.model})" for r in whole)
    print(
        shown(
            f"Curves that bend the way no n_balance can: {against}. "
            "The others need not follow the law: see shape."
        )
    )
    _say_refused(rows, runs)
    for row in whole:
        if none := row.fit.noiseless:
            print(
                shown(
                    f"{row.model}: {none} of {row.curves} curves have no noise; ranges and p, "
                    "which are drawn from noise, say nothing of them."
                )
            )
    if short := max(row.short for row in rows):
        left = counted(short, "curve")
        print(f"Left out, too few different n for a joint fit: up to {left} of a row.")
    if len(chosen) < len(rows):
        print(f"All {len(rows):,} rows: --json.")


def _say_refused(rows: Sequence[Row], runs: int) -> None:
    """That an n_balance is printed of curves whose shape is not that of its law."""
    balanced = [r for r in rows if r.fit.crossover]
    if runs < DECIDING:
        _say_open(balanced, runs)
        return
    refused = [r for r in balanced if r.fit.tests[2].p["blocks"] <= REFUSED]
    if not refused:
        return
    named = [
        f"{r.model}, {r.points} ({p_words(r.fit.tests[2].p['blocks'], runs)})"
        for r in refused[:NAMED]
    ]
    more = [f"and {len(refused) - NAMED} more"] if len(refused) > NAMED else []
    print(
        shown(
            f"n_balance says nothing where the curves' shape refuses its law (p <= {REFUSED:g}): "
            f"{len(refused)} of {len(balanced)} rows, {'; '.join(named + more)}."
        )
    )


def _say_open(balanced: Sequence[Row], runs: int) -> None:
    """That so few draws cannot say whether a shape is refused, where none of them is as far off."""
    least = 1 / (runs + 1)
    alike = [f"{r.model}, {r.points}" for r in balanced if r.fit.tests[2].p["blocks"] <= least]
    if alike:
        more = [f"and {len(alike) - NAMED} more"] if len(alike) > NAMED else []
        print(
            shown(
                f"Whether the curves' shape refuses the law of n_balance is not decided for "
                f"{len(alike)} of {len(balanced)} rows, {'; '.join(alike[:NAMED] + more)}: no draw "
                f"is as far from it, but of {runs:,} draws p is {least:.1g} at least, and a shape "
                f"is refused at p <= {REFUSED:g}. --runs {DECIDING} decides."
            )
        )


def _by_shape(rows: Sequence[Row]) -> list[Row]:
    """Those that one n_balance fits worst first."""
    return sorted(rows, key=lambda r: (r.fit.tests[2].p["blocks"], -r.fit.tests[2].statistic))


def _show_counts(rows: Sequence[Row]) -> None:
    """Of many models a line a subset: how many have a crossover, and how many p are below 5 %."""
    table = _table("One n_balance for all benchmarks of a model: how many models", "points")
    heads = ("models", "with n_balance", "its median", "need", "sharing", "shape", "bend against")
    for name in heads:
        table.add_column(name, justify="right")
    for points in dict.fromkeys(r.points for r in rows):
        own = [r for r in rows if r.points == points]
        balances = sorted(r.fit.n_balance for r in own if r.fit.crossover)
        rejected = [sum(r.fit.tests[k].p["blocks"] < LEVEL for r in own) for k in range(3)]
        table.add_row(
            escape(shown(points)),
            str(len(own)),
            str(len(balances)),
            f"{balances[len(balances) // 2]:.3g}" if balances else "-",
            *map(str, rejected),
            f"{sum(r.fit.against for r in own):,} of {sum(r.curves for r in own):,} curves",
        )
    show_table(table)
    print("need, sharing, shape: models with p < 0.05; by chance one in twenty of all at most.")


def show_forecasts(rows: list[Row], hold: int) -> None:
    """Errors of the joint forecasts, a row a model and subset; of many, over all curves."""
    import pandas as pd

    from tokenspace.scaling.joint.forecast import skill

    known = [(row.model, row.points, row.forecast) for row in rows if row.forecast is not None]
    if not known:
        print(f"Forecasts: the curves are too short to hold {hold} n out.")
        return
    if len(known) > MANY:
        kinds = dict.fromkeys(points for _, points, _ in known)
        known = [
            ("every model", kind, pd.concat([e for _, points, e in known if points == kind]))
            for kind in kinds
        ]
    table = _table(
        f"Forecasts at the last {hold} n: median error of log S (curves on which it is best)",
        "model",
        "points",
    )
    names = list(known[0][2].columns)
    for name in names:
        table.add_column(name, justify="right")
    for model, points, errors in known:
        found = skill(errors)
        cells = (f"{found.at[k, 'median error']:.3f} ({found.at[k, 'best on']:.0f})" for k in names)
        table.add_row(escape(shown(model)), escape(shown(points)), *cells)
    show_table(table)


def show_power(model: str, found: pd.DataFrame) -> None:
    """In which share of data sets each test rejects, a row a truth."""
    table = _table(
        f"Power at 5 %, {escape(shown(model))}: share of data sets that reject", "test", "truth"
    )
    settings = list(dict.fromkeys(zip(found["noise"], found["counts"], strict=True)))
    for noise, counts in settings:
        table.add_column(f"noise x {noise:g}, {counts} n", justify="right")
    for (test, truth), own in found.groupby(["test", "truth"], sort=False):
        table.add_row(test, truth, *(f"{v:.2f}" for v in own["rejected"]))
    show_table(table)


def _table(title: str, *columns: str) -> Any:
    from rich.table import Table

    table = Table(title=title, header_style="bold", title_justify="left")
    for name in columns:
        table.add_column(name)
    return table


def _balance(fit: JointFit) -> str:
    """n_balance down to the second digit of a quarter of its confidence set."""
    if not fit.crossover:
        return "none"
    low, high = next((r for r in fit.regions() if r[0] <= fit.n_balance <= r[1]), (0, math.inf))
    return decided(fit.n_balance, (high - low) / 4)


def _ratio(test: Ratio, curves: int, runs: int) -> str:
    """A ratio with its p-value; one curve has nothing to share."""
    if test.name == "sharing" and curves == 1:
        return UNKNOWN
    return f"{known(test.statistic, '.1f')} ({p_words(test.p['blocks'], runs)})"


def _drawn(fit: JointFit) -> str:
    """What the set of blocks excludes, and between what the chance of the draws lets that lie."""
    from tokenspace.scaling.joint.fit import SURE

    said, least, most = (_excluded(fit, "blocks", by) for by in (0.0, SURE, -SURE))
    return said if least == most else f"{said}{OPEN}{least}; {most})"


def _excluded(fit: JointFit, kind: str, errors: float = 0.0) -> str:
    return ranges(fit.excluded(kind, errors), lambda end: fit.end_error(end, kind))


def decided(value: float, error: float) -> str:
    """A number > 0 down to the second digit of its standard error: two digits, at most three."""
    three = 10.0 ** (math.floor(math.log10(value)) - 1)
    return to_error(value, min(max(error, three), value))


def p_words(p: float, runs: int) -> str:
    """A p-value by bootstrap; the least that so many draws can give is a bound: "<= 0.001"."""
    least = 1 / (runs + 1)
    return f"{p:.3f}" if p > 1.5 * least else f"<= {least:.1g}"


def ranges(intervals: list[tuple[float, float]], error: Callable[[float], float]) -> str:
    """Intervals of n_balance in words: "2.9 to 450", "below 12, above 80", "nothing".

    error: the standard error of an end, which says how many of its digits are decided.
    """
    said = []
    for low, high in intervals:
        ends = [decided(end, error(end)) for end in (low, high) if 0 < end < math.inf]
        if not ends:
            said.append("everything")
        elif low == 0:
            said.append(f"below {ends[0]}")
        elif high == math.inf:
            said.append(f"above {ends[0]}")
        else:
            said.append(" to ".join(ends))
    return ", ".join(said) or "nothing"
