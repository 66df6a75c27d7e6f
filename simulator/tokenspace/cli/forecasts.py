"""The command `forecast`: which law foretells scores that it has not seen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tokenspace.cli.common import Json, app, messages, progress_bar
from tokenspace.cli.present import document
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
        help="CSV of measured curves; `published`, `later` or `latest`: those of other papers; the "
        "paper's 36 when left out."
    ),
]
INTERRUPTED = 130  # exit status after ctrl-c


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
    if out.suffix != ".csv" or not out.parent.is_dir():
        raise InputError(f"--out {out}: must be a file FILE.csv in a folder that exists")
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


def show_weights(curves: list[Curve]) -> None:
    """What standard errors are taken for where they only weigh, if any curve has them."""
    if any(c.error is not None for c in curves):
        print(
            "Standard errors weigh the points of a curve against each other; noise is the scatter "
            "of the scores, however large the errors are said to be."
        )


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
    """
    from rich.markup import escape

    from tokenspace.cli.forecast_tables import show_curves, show_skill, show_subsets
    from tokenspace.scaling.fit import chosen_method
    from tokenspace.scaling.outcome import judge, table_of
    from tokenspace.scaling.subsets import subsets

    check_out(out, csv)
    method = chosen_method(law, 0.95, scale_of(top, chance), loss)
    every = read(csv)
    parts = subsets(every)
    found: dict[str, Outcome] = {}
    total, done = sum(map(len, parts.values())), 0
    stopped, waiting = "", list(parts)
    with progress_bar(total > 200) as bar:
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
        )
    if out is not None:
        table_of(found).to_csv(out, index=False, float_format="%.10g")
    if as_json:
        document({name: outcome.to_dict() for name, outcome in found.items()})
        raise typer.Exit(INTERRUPTED if stopped else 0)
    first = found["all points"]
    asked = "all later scores, from every origin" if rolling else f"the scores at {last}"
    show_skill(first, f"{counted(first.curves, 'curve')}: forecasts of {asked}")
    print("skill: 1 less the ratio of rms errors of a curve, its geometric mean over curves.")
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
        print(f"{first.left_out} curves have too few points and are left out.")
    if out is not None:
        print(shown(f"every forecast: {out}"))
    if stopped:
        raise typer.Exit(INTERRUPTED)
