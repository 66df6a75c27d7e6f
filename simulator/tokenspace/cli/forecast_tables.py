"""The tables of `forecast`: who is best, without what confounds it too, and on which curves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from tokenspace.cli.present import dense_table, stdout
from tokenspace.printable import percent, shown

if TYPE_CHECKING:
    import pandas as pd

    from tokenspace.scaling.outcome import Outcome

SHORT = {"power": "power law", "no change": "no change"}
MANY = 40  # rows that a table shows whole; of more, the ends
ENDS = 8


def show_skill(outcome: Outcome, title: str) -> None:
    """A row for each forecaster; errors are of log S, in per cent."""
    rows = [
        [
            r["law"],
            str(r["curves"]),
            percent(r["rms error"], "z.1f"),
            percent(r["median error"], "z.1f"),
            percent(r["bias"], "z.1f"),
            "-" if r["log score"] != r["log score"] else f"{r['log score']:.2f}",
            percent(r["held"], "z.0f"),
            str(r["best"]),
            *(_skill(r, k, list(outcome.clusters)) for k in SHORT),
        ]
        for r in outcome.skill.to_dict("records")
    ]
    names = ["law", "curves", "rms error", "median", "bias", "log score", "held", "best on"]
    by = ", ".join(outcome.clusters)
    _print_table(title, [*names, *(f"skill over {k}\n(p by {by})" for k in SHORT.values())], rows)


def show_subsets(found: Mapping[str, Outcome]) -> None:
    """Errors and wins of every law for every way to look at the curves."""
    laws = [str(k) for k in found["all points"].skill["law"]]
    rows = []
    for name, outcome in found.items():
        at = outcome.skill.set_index("law")
        cells = [
            f"{100 * at.loc[k, 'median error']:.1f} % ({at.loc[k, 'best']})"
            if k in at.index
            else "-"
            for k in laws
        ]
        rows.append([name, str(outcome.curves), *cells])
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
    said = (
        f"{title}: the {ENDS} of {len(ordered):,} that {law} foretells best, and the {ENDS} worst"
    )
    _show_errors(said, kind, ordered.head(ENDS), ordered.tail(ENDS))


def _show_errors(title: str, kind: str, *parts: pd.DataFrame) -> None:
    rows: list[list[str]] = []
    for part in parts:
        rows += [["..", *("" for _ in part)]] if rows else []
        rows += [
            [str(name), *(percent(v, "z.1f") for v in row)] for name, *row in part.itertuples()
        ]
    _print_table(title, [kind, *map(str, parts[0].columns)], rows)


def _skill(row: dict[Any, Any], other: str, ways: list[str]) -> str:
    from tokenspace.scaling.skill import FLIPS

    skill = row[f"skill over {other}"]
    if skill != skill:
        return "-"
    p = [row[f"p over {other} by {way}"] for way in ways]
    said = ", ".join(f"<= {v:.0g}" if v <= 1.5 / FLIPS else f"{v:.2g}" for v in p)
    return f"{100 * skill:z.0f} % ({said})"


def _print_table(title: str, names: list[str], rows: list[list[str]]) -> None:
    table = dense_table(title, names, left=1)
    for row in rows:
        table.add_row(*(escape(shown(cell)) for cell in row))
    stdout().print(table)
