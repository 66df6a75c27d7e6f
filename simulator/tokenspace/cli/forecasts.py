"""The command `forecast`: which law foretells scores that it has not seen, and other scores."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tokenspace.cli.common import MANY_CURVES, Json, app, messages, progress_bar, require_file
from tokenspace.cli.present import document, write_table
from tokenspace.errors import InputError
from tokenspace.printable import counted, percent, shown

if TYPE_CHECKING:
    import pandas as pd

    from tokenspace.scaling.curves import Curve
    from tokenspace.scaling.fit import Method
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
        help="CSV of measured curves; `published`, `later` or `latest`: those of other papers; the "
        "paper's 36 when left out."
    ),
]
INTERRUPTED = 130  # exit status after ctrl-c
PERCENT = 100.0
NAMED = 3  # curves that a sentence names
HOLD = 3  # largest n that are held back where --hold is not given
FARTHEST = 72  # n over the last n seen, of the forecasts that intervals were tested on
# what docs/forecasts.md says of intervals on files of curves that they were not set on
GROWN = (
    "These intervals grow beyond the data. On four files of curves they held {} % of the scores, "
    "each file left out when the growth was set; beyond 16 times the last n {} %."
)
GROWN_LOG = GROWN.format("95 to 98", "88 to 96")
GROWN_ODDS = GROWN.format("94 to 98", "95 to 100")
MEASURED = ("power", "logarithm", "crossover", "offset", "saturating", "broken")  # laws it is of
UNMEASURED = (
    "What these intervals hold was not measured: that was done for all six laws together, by "
    "squares, without --chance."
)
OWN = (
    "of one law take the law for true: on the shipped curves they held less than they promise; "
    "--law auto gives one that grows beyond the data."
)


def read(csv: str | None) -> list[Curve]:
    """The curves that a command is given; what a reader should know of them is said."""
    from rich.markup import escape

    from tokenspace.scaling.curves import SHIPPED, read_curves, remarks

    curves = read_curves(csv if csv is None or csv in SHIPPED else Path(csv))
    for said in remarks(curves):
        messages.print(escape(shown(said)), soft_wrap=True, highlight=False)
    return curves


def check_out(out: Path | None, csv: str | None) -> None:
    """InputError where --out is no CSV that can be written, or the table that is read."""
    if out is None:
        return
    require_file("--out", out, ".csv")
    if csv is not None and out.exists() and Path(csv).exists() and out.samefile(csv):
        raise InputError(f"--out {out}: is the table of scores itself; name another file")


def long_enough(curves: list[Curve], least: int) -> list[Curve]:
    """Those with at least so many different n; which are left out is said.

    All of them where none has: whoever takes them says why it cannot.
    """
    from rich.markup import escape

    enough = [c for c in curves if c.different >= least] or curves
    if short := [c.name for c in curves if c.different < least and len(enough) < len(curves)]:
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


def _ahead(csv: str | None, at: str, method: Method, out: Path | None, as_json: bool) -> None:
    """The one forecast of each curve at the n that --at names."""
    import numpy as np

    from tokenspace.cli.forecast_tables import show_ahead
    from tokenspace.scaling.ahead import ahead, ahead_and_no_law, checked_at
    from tokenspace.scaling.forecast import STACKED, enough_seen
    from tokenspace.scaling.scales import Log

    try:
        asked = checked_at([float(k) for k in at.split(",")])
    except ValueError:
        raise InputError(
            f"--at {at}: must be numbers of tokens with commas between them, each > 0 and at most "
            "1e99"
        ) from None
    every = read(csv)
    curves = [c for c in every if enough_seen(c.n)]
    if not curves:
        raise InputError(
            "no curve is long enough: a forecast needs 4 scores at 3 different n, and the longest "
            f"curve has {max(len(c.n) for c in every)}"
        )
    with progress_bar(len(curves) > MANY_CURVES) as bar:
        task = bar.add_task("curves", total=len(curves))
        given = (
            [c.logs(method.scale) for c in curves],
            asked,
            method,
            lambda done: bar.update(task, completed=done),
            [c.stated(method.scale) for c in curves],
        )
        # a plan takes laws of the score itself, and knows nothing of those of the odds
        lawless = []
        if method.scale == Log():
            table, alone = ahead_and_no_law(*given)
            lawless = [curves[k].name for k in table["curve"].unique() if alone[k]]
        else:
            table = ahead(*given)
    if table.empty:
        raise InputError(f"no curve has enough points for the {', '.join(method.laws)} law")
    names = {k: c.name for k, c in enumerate(curves)}
    if out is not None:
        whole = table.assign(curve=table["curve"].map(names))
        write_table(out, whole)
    stacked = table["law"].iloc[0] == STACKED
    about = _of_intervals(curves, table, method)
    notes = [*about]
    few = len(every) - table["curve"].nunique()
    if as_json:
        rows = [r | {"curve": names[r["curve"]]} for r in table.to_dict("records")]
        said = {"level": method.level, "intervals": " ".join(about), "left_out": few}
        document(said | {"follow_no_law": lawless, "forecasts": rows})
        return
    show_ahead(table, names, method.level)
    if stacked and (far := int((table["times last n"] > FARTHEST).sum())):
        notes.append(
            f"Farther than any that was tested, over {FARTHEST} times the last n: "
            f"{counted(far, 'forecast')}."
        )
    best = np.array([c.score.max() for c in curves])[table["curve"]]
    if over := int(((best > 1) & (best <= PERCENT) & (table["high"] > PERCENT)).sum()):
        notes.append(
            f"{counted(over, 'interval ends', 'intervals end')} above 100: where scores are per "
            "cent, --top 100 keeps them below, and makes most of them shorter."
        )
    if lawless:
        notes.append(
            shown(
                f"None of the laws follows the scores of {counted(len(lawless), 'curve')}, as "
                "`plan-tokens` finds by a spline; forecasts of them are of laws that do not fit: "
                f"{listed(lawless)}."
            )
        )
    if few:
        notes.append(f"Left out, too few points: {counted(few, 'curve')}.")
    if any(c.confound is not None and (c.confound != "").any() for c in curves):
        notes.append("Points that the column confound names are used too.")
    print("\n".join(notes))
    if out is not None:
        print(shown(f"every forecast: {out}"))


def _of_intervals(curves: list[Curve], table: pd.DataFrame, method: Method) -> list[str]:
    """What is known of the intervals of a table of `ahead`, by where their n lie."""
    import numpy as np

    from tokenspace.scaling.forecast import STACKED
    from tokenspace.scaling.scales import Log, Logit

    if table["law"].iloc[0] != STACKED:
        return [f"{percent(method.level, 'g')} intervals {OWN}"]
    chance = method.scale.chance if isinstance(method.scale, Logit) else 0
    if set(method.laws) != set(MEASURED) or method.loss != "squares" or chance:
        return [UNMEASURED]
    ends = np.array([(c.n.min(), c.n.max()) for c in curves])[table["curve"]]
    below, beyond = table["n"] < ends[:, 0], table["n"] > ends[:, 1]
    said = []
    if beyond.any():
        said.append(GROWN_LOG if method.scale == Log() else GROWN_ODDS)
    for where, which in (
        ("Inside a curve's data", ~below & ~beyond),
        ("Below a curve's smallest n", below),
    ):
        if count := int(which.sum()):
            said.append(f"{where}, where no interval was tested: {counted(count, 'forecast')}.")
    return said


def listed(names: list[str]) -> str:
    """A few names, and how many more there are."""
    more = [f"and {len(names) - NAMED} more"] if len(names) > NAMED else []
    return ", ".join(names[:NAMED] + more)


def _what_works(curves: list[Curve]) -> str:
    """Which --hold forecasts some of these curves, to go on with, or what else does."""
    from tokenspace.scaling.forecast import longest_hold

    most = [longest_hold(c.n) for c in curves]
    if not max(most):
        return "; `tokenspace fit` takes 3 different n"
    works = f"{counted(sum(k == max(most) for k in most), 'curve')} of {len(curves)}"
    least = f"; --hold 1 does {sum(map(bool, most))}" if max(most) > 1 else ""
    return f"; --hold {max(most)} forecasts {works}{least}"


@app.command()
def forecast(
    csv: Csv = None,
    hold: Annotated[
        int | None,
        typer.Option(
            min=1,
            help=f"How many of the largest n of each curve are held back; {HOLD} if not given.",
        ),
    ] = None,
    rolling: Annotated[
        bool, typer.Option("--rolling", help="From every point but the first four, all later ones.")
    ] = False,
    law: Annotated[str, typer.Option(help="Laws, with commas between them, or auto.")] = "auto",
    at: Annotated[
        str,
        typer.Option(help="Numbers of tokens, with commas: what each curve scores there, instead."),
    ] = "",
    top: Top = None,
    chance: Chance = 0.0,
    loss: Loss = "squares",
    curves: Annotated[
        bool, typer.Option("--curves", help="Also errors of each curve; of many, by model.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="FILE.csv for every forecast, a row a law and score.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Forecast the last scores of measured curves from the earlier ones, by every law.

    Says which law's forecasts are nearest, against the power law and against no change at all; how
    often the intervals held; and what becomes of it without points that are not like the others.
    With --at, what scores are foretold at other n, by all laws together, with one interval.
    """
    from rich.markup import escape

    from tokenspace.cli.forecast_tables import show_curves, show_skill, show_subsets
    from tokenspace.scaling.fit import chosen_method
    from tokenspace.scaling.outcome import judge, table_of
    from tokenspace.scaling.subsets import subsets

    check_out(out, csv)
    method = chosen_method(law, 0.95, scale_of(top, chance), loss)
    if at:
        if rolling or curves or hold is not None:
            raise InputError(
                "--at foretells from all scores: leave --hold, --rolling and --curves out"
            )
        _ahead(csv, at, method, out, as_json)
        return
    if rolling and hold is not None:
        raise InputError(
            "--rolling forecasts from every origin, whatever is held back: leave --hold out, or "
            "leave --rolling out to hold back the largest n"
        )
    hold = HOLD if hold is None else hold
    every = read(csv)
    parts = subsets(every)
    found: dict[str, Outcome] = {}
    total, done = sum(map(len, parts.values())), 0
    stopped, waiting = "", list(parts)
    with progress_bar(total > MANY_CURVES) as bar:
        task = bar.add_task("curves", total=total)

        def show(now: int) -> None:
            bar.update(task, completed=done + now)

        try:
            for name, part in parts.items():
                outcome = judge(part, method, None if rolling else hold, show)
                done += len(part)
                waiting.remove(name)
                show(0)
                if outcome is not None:
                    found[name] = outcome
        except KeyboardInterrupt:
            stopped = f"stopped: {', '.join(waiting)}: not forecast"
    if stopped:
        messages.print(escape(shown(stopped)), soft_wrap=True, highlight=False)
        if not found:
            raise typer.Exit(INTERRUPTED)
    last = "the last n" if rolling or hold == 1 else f"the last {hold} n"
    if not found or "all points" not in found:
        raise InputError(
            f"no curve is long enough to forecast its scores at {last} from at least 4 others at "
            f"3 different n; the longest has {max(len(set(c.n)) for c in every)} different n"
            f"{_what_works(every)}"
        )
    if out is not None:
        write_table(out, table_of(found))
    if as_json:
        document({name: outcome.to_dict() for name, outcome in found.items()})
        raise typer.Exit(INTERRUPTED if stopped else 0)
    first = found["all points"]
    asked = "all later scores, from every origin" if rolling else f"the scores at {last}"
    show_skill(first, f"{counted(first.curves, 'curve')}: forecasts of {asked}")
    for line in first.intervals():
        print(line)
    show_subsets(found)
    if curves:
        show_curves(first)
    for name, outcome in found.items():
        print(f"{shown(name)}:")
        for line in outcome.words():
            print(f"  {line}")
    if csv is None:
        print(
            "Confounds: the model was trained at n = 256 and only fine-tuned at other counts;\n"
            "n = 1 is another set-up; RealWorldQA at 384 and 512 suffers from answer formats.\n"
            "Benchmarks are shared by the two series."
        )
    if first.left_out:
        print(f"Left out, too few points: {counted(first.left_out, 'curve')}.")
    if out is not None:
        print(shown(f"every forecast: {out}"))
    if stopped:
        raise typer.Exit(INTERRUPTED)
