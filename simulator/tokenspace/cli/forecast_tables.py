"""The tables of `forecast`: who is best, without what confounds it too, and on which curves.

And what scores are foretold at other n.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from tokenspace.cli.present import dense_table, show_table
from tokenspace.printable import percent, shown

if TYPE_CHECKING:
    import pandas as pd

    from tokenspace.scaling.outcome import Outcome

SHORT = {"power": "power law", "no change": "no change"}
MANY = 40  # rows that a table shows whole; of more, the ends
ENDS = 8
LONG = 14  # letters of a column's name in a cell


def show_skill(outcome: Outcome, title: str) -> None:
    """A row for each forecaster; errors are of log S, in per cent."""
    found = outcome.skill.to_dict("records")
    ways = {r[f"p over {k} from"] for r in found for k in SHORT} - {""}
    rows = [
        [
            r["law"],
            f"{r['curves']:,}",
            percent(r["rms error"], "z.1f"),
            percent(r["median error"], "z.1f"),
            percent(r["bias"], "z.1f"),
            "-" if r["log score"] != r["log score"] else f"{r['log score']:.2f}",
            percent(r["held"], "z.0f"),
            f"{r['best']:,}",
            *(skill_and_p(r, k, len(ways) > 1) for k in SHORT),
        ]
        for r in found
    ]
    names = ["law", "curves", "rms error", "median", "bias", "log score", "held", "best on"]
    _print_table(title, [*names, *(f"skill over {k}\n{of_p(ways)}" for k in SHORT.values())], rows)
    far = any(r["rms error"] > 1 for r in found)
    log = " Errors are of log S: 100 % is a factor of 2.7." if far else ""
    print(f"skill: 1 less the ratio of rms errors of a curve, its geometric mean over curves.{log}")


def show_ahead(table: pd.DataFrame, names: Mapping[int, str], level: float) -> None:
    """A row for each curve and n; of more than 40, those at both ends of the file."""
    rows = [
        [
            names[r["curve"]],
            f"{r['n']:,g}",
            f"{r['times last n']:,.3g}",
            f"{r['forecast']:.4g}",
            f"{r['low']:.4g} to {r['high']:.4g}",
        ]
        for r in table.to_dict("records")
    ]
    title = "Scores foretold from all scores of a curve"
    if len(rows) > MANY:
        rows = [*rows[:ENDS], ["..", "", "", "", ""], *rows[-ENDS:]]
    interval = f"{percent(level, 'g')} interval"
    _print_table(title, ["curve", "n", "times last n", "forecast", interval], rows)
    if len(table) > MANY:
        print(
            f"Shown: the first and last {ENDS} of {len(table):,}; every one: --json, or --out "
            "FILE.csv."
        )


def show_subsets(found: Mapping[str, Outcome]) -> None:
    """Errors and wins of every law for every way to look at the curves."""
    laws = [str(k) for k in found["all points"].skill["law"]]
    rows = []
    for name, outcome in found.items():
        at = outcome.skill.set_index("law")
        cells = [
            f"{100 * at.loc[k, 'median error']:.1f} % ({at.loc[k, 'best']:,})"
            if k in at.index
            else "-"
            for k in laws
        ]
        rows.append([name, f"{outcome.curves:,}", *cells])
    _print_table("Median error (curves on which it is smallest)", ["points", "curves", *laws], rows)


def show_curves(outcome: Outcome) -> None:
    """Errors of each curve; of more than 40, medians by model and the curves at both ends."""
    errors = outcome.errors[list(outcome.skill["law"])]
    if len(errors) <= MANY:
        _show_errors("Rms error of each curve", "curve", errors.rename(index=outcome.names))
        return
    groups = [outcome.groups[k] for k in errors.index]
    if 1 < len(set(groups)) < len(errors):
        _show_ends(
            "Median error of the curves of a model", "model", errors.groupby(groups).median()
        )
    _show_ends("Rms error of each curve", "curve", errors.rename(index=outcome.names))
    print("Every curve: --json, or --out FILE.csv.")


def _show_ends(title: str, kind: str, errors: pd.DataFrame) -> None:
    """The rows on which the best law of all errs least and most, all of them where they are few."""
    law = errors.columns[0]
    ordered = errors.sort_values(law, kind="stable")
    if len(ordered) <= MANY:
        _show_errors(title, kind, ordered)
        return
    said = f"{title}: by {law}, the {ENDS} best and worst of {len(ordered):,}"
    _show_errors(said, kind, ordered.head(ENDS), ordered.tail(ENDS))


def _show_errors(title: str, kind: str, *parts: pd.DataFrame) -> None:
    rows: list[list[str]] = []
    for part in parts:
        rows += [["..", *("" for _ in part)]] if rows else []
        rows += [
            [str(name), *(percent(v, "z.1f") for v in row)] for name, *row in part.itertuples()
        ]
    _print_table(title, [kind, *map(str, parts[0].columns)], rows)


def of_p(ways: set[str]) -> str:
    """Of which clustering the p of a column are, in its head."""
    return f"(p by {_short(next(iter(ways)))})" if len(ways) == 1 else "(p, by)" if ways else ""


def _short(name: str) -> str:
    return name if len(name) <= LONG else f"{name[: LONG - 2]}.."


def skill_and_p(row: dict[Any, Any], other: str, named: bool) -> str:
    """A skill with its p-value and, if it is to be named, its clustering: "59 % (0.026, model)"."""
    from tokenspace.scaling.skill import FLIPS

    skill, p, way = (row[k.format(other)] for k in ("skill over {}", "p over {}", "p over {} from"))
    if skill != skill:
        return "-"
    if p != p:
        return percent(skill, "z.0f")
    said = f"<= {p:.0g}" if p <= 1.5 / FLIPS else f"{p:.2g}"
    return f"{percent(skill, 'z.0f')} ({said}{f', {_short(way)}' if named else ''})"


def _print_table(title: str, names: list[str], rows: list[list[str]]) -> None:
    table = dense_table(title, names, left=1)
    for row in rows:
        table.add_row(*(escape(shown(cell)) for cell in row))
    show_table(table)
