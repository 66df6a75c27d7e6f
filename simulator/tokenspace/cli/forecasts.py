"""The command `forecast`: which law foretells scores that it has not seen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tokenspace.cli.common import Json, app, messages, progress_bar
from tokenspace.cli.present import dense_table, document, stdout
from tokenspace.errors import InputError
from tokenspace.printable import counted, shown

if TYPE_CHECKING:
    from tokenspace.scaling.curves import Curve
    from tokenspace.scaling.outcome import Outcome
    from tokenspace.scaling.scales import Scale

Top = Annotated[
    float | None,
    typer.Option(help="Best score there is, e.g. 100: laws then hold for the odds of being right."),
]
Chance = Annotated[float, typer.Option(help="Score of guessing, with --top.")]
Loss = Annotated[str, typer.Option(help="squares, or huber for curves with outliers.")]
Csv = Annotated[
    str | None,
    typer.Argument(
        help="CSV of measured curves; `published` or `later`: those of other papers; the paper's "
        "36 when left out."
    ),
]
SHORT = {"power": "power law", "no change": "no change"}


def read(csv: str | None) -> list[Curve]:
    """The curves that a command is given; several scores at one n are said."""
    from rich.markup import escape

    from tokenspace.scaling.curves import SHIPPED, read_curves, repeats

    curves = read_curves(csv if csv is None or csv in SHIPPED else Path(csv))
    if said := repeats(curves):
        messages.print(escape(shown(said)), soft_wrap=True, highlight=False)
    return curves


def long_enough(curves: list[Curve], least: int) -> list[Curve]:
    """Those with at least so many different n; which are left out is said.

    All of them where none has: whoever takes them says why it cannot.
    """
    from rich.markup import escape

    enough = [c for c in curves if len(set(c.n)) >= least] or curves
    if short := [c.name for c in curves if len(set(c.n)) < least and len(enough) < len(curves)]:
        rest = f" and {len(short) - 1} more" if len(short) > 1 else ""
        said = f"left out, fewer than {least} different n: {short[0]}{rest}"
        messages.print(escape(shown(said)), soft_wrap=True, highlight=False)
    return enough


def scale_of(top: float | None, chance: float) -> Scale:
    """The scale that --top and --chance ask for."""
    from tokenspace.scaling.scales import Log, Logit

    if top is None and chance:
        raise InputError("--chance needs --top, the best score there is, e.g. --top 100")
    return Log() if top is None else Logit(top, chance)


@app.command()
def forecast(
    csv: Csv = None,
    hold: Annotated[
        int, typer.Option(min=1, help="How many of the largest n of each curve are held back.")
    ] = 3,
    rolling: Annotated[
        bool, typer.Option("--rolling", help="From every point but the first four, all later ones.")
    ] = False,
    law: Annotated[str, typer.Option(help="Laws, with commas between them, or auto.")] = "auto",
    top: Top = None,
    chance: Chance = 0.0,
    loss: Loss = "squares",
    curves: Annotated[bool, typer.Option("--curves", help="Also each curve's errors.")] = False,
    as_json: Json = False,
) -> None:
    """Forecast the last scores of measured curves from the earlier ones, by every law.

    Says which law's forecasts are nearest, against the power law and against no change at all; how
    often the intervals held; and what becomes of it without points that are not like the others.
    """
    from tokenspace.scaling.fit import chosen_method
    from tokenspace.scaling.outcome import judge
    from tokenspace.scaling.subsets import subsets

    method = chosen_method(law, 0.95, scale_of(top, chance), loss)
    every = read(csv)
    parts = subsets(every)
    found: dict[str, Outcome] = {}
    with progress_bar(len(every) * len(parts) > 100) as bar:
        task = bar.add_task("curves", total=sum(len(p) for p in parts.values()))
        for name, part in parts.items():
            outcome = judge(part, method, None if rolling else hold)
            bar.advance(task, len(part))
            if outcome is not None:
                found[name] = outcome
    if not found or "all points" not in found:
        raise InputError(
            f"no curve is long enough to forecast its scores at the last {1 if rolling else hold} "
            "n from at least 4 others at 3 different n; the longest has "
            f"{max(len(set(c.n)) for c in every)} different n"
        )
    if as_json:
        document({name: outcome.to_dict() for name, outcome in found.items()})
        return
    first = found["all points"]
    asked = "all later scores, from every origin" if rolling else f"the scores at the last {hold} n"
    _show_skill(first, f"{counted(first.curves, 'curve')}: forecasts of {asked}")
    print("skill: 1 less the ratio of rms errors of a curve, its geometric mean over curves.")
    _show_subsets(found)
    if curves:
        _show_curves(first)
    for name, outcome in found.items():
        print(f"{name}:")
        for line in outcome.words():
            print(f"  {line}")
    if csv is None:
        print(
            "Confounds: the model was trained at n = 256 and only fine-tuned at other counts;\n"
            "n = 1 is another set-up; RealWorldQA at 384 and 512 suffers from answer formats.\n"
            "Benchmarks are shared by the two series."
        )
    if first.left_out:
        print(f"{first.left_out} curves have too few points and are left out.")


def _percent(value: float, digits: int = 0) -> str:
    return "-" if value != value else f"{100 * value:.{digits}f} %"


def _show_skill(outcome: Outcome, title: str) -> None:
    """A row for each forecaster; errors are of log S, in per cent."""
    rows = [
        [
            r["law"],
            str(r["curves"]),
            _percent(r["rms error"], 1),
            _percent(r["median error"], 1),
            _percent(r["bias"], 1),
            "-" if r["log score"] != r["log score"] else f"{r['log score']:.2f}",
            _percent(r["held"]),
            str(r["best"]),
            *(_skill(r, k, list(outcome.clusters)) for k in SHORT),
        ]
        for r in outcome.skill.to_dict("records")
    ]
    names = ["law", "curves", "rms error", "median", "bias", "log score", "held", "best on"]
    by = ", ".join(outcome.clusters)
    _print_table(title, [*names, *(f"skill over {k}\n(p by {by})" for k in SHORT.values())], rows)


def _skill(row: dict[Any, Any], other: str, ways: list[str]) -> str:
    skill = row[f"skill over {other}"]
    if skill != skill:
        return "-"
    p = ", ".join(f"{row[f'p over {other} by {way}']:.2g}" for way in ways)
    return f"{100 * skill:.0f} % ({p})"


def _show_subsets(found: dict[str, Any]) -> None:
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


def _show_curves(outcome: Any) -> None:
    errors = outcome.errors
    rows = [[outcome.names[k], *(_percent(v, 1) for v in errors.loc[k])] for k in errors.index]
    _print_table("Rms error of each curve", ["curve", *map(str, errors.columns)], rows)


def _print_table(title: str, names: list[str], rows: list[list[str]]) -> None:
    from rich.markup import escape

    table = dense_table(title, names, left=1)
    for row in rows:
        table.add_row(*(escape(shown(cell)) for cell in row))
    stdout().print(table)
