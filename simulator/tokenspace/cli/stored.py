"""Commands that read a sweep: `check`, `status`, `figures`, `report`."""

from __future__ import annotations

import shlex
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from tokenspace.cli.common import Json, Plugin, Tolerance, app, messages, require_file
from tokenspace.cli.present import document, show_table
from tokenspace.cli.result_json import summary
from tokenspace.cli.sweep_tables import SHOWN, at_work, verdict_table
from tokenspace.errors import InputError
from tokenspace.printable import counted, shown

MOST_ROWS = 100  # of a table that a person reads in a terminal


def _show_checks(rows: list[tuple[str, Any, Any]], evidence: Any, as_json: bool) -> None:
    from tokenspace.report.evidence import statement
    from tokenspace.report.verdicts import WORST_FIRST

    said = statement(evidence)
    if as_json:
        points = [summary(*row) for row in rows]
        document({"points": points, "evidence": evidence.to_dict() | {"statement": said}})
    else:
        most = rows
        if len(rows) > MOST_ROWS:  # those that fail first, in their order
            most = sorted(rows, key=lambda row: WORST_FIRST.index(row[2].verdict))[:MOST_ROWS]
        show_table(verdict_table(most))
        for label, _, check in most:
            if check.verdict != "PASS":
                print(f"{shown(label)}: {check.verdict}: {check.reason}")
        counts = Counter(check.verdict for *_, check in rows)
        said_counts = ", ".join(f"{counts[v]:,} {v}" for v in WORST_FIRST if counts[v])
        if len(most) < len(rows):
            left = len(rows) - len(most)
            said_left = f"{counted(left, 'more point is', 'more points are')} not shown"
            print(f"{said_left}; --json and `tokenspace report` have all")
        print(f"{counted(len(rows), 'point')}: {said_counts}")
        print(*map(shown, said), sep="\n")
    if any(check.verdict == "FAIL" for *_, check in rows):
        raise typer.Exit(1)


@app.command()
def check(
    folder: Annotated[Path, typer.Argument(help="Folder of a sweep.")],
    tolerance: Tolerance = 0.02,
    plugin: Plugin = None,
    as_json: Json = False,
) -> None:
    """Compare every stored point with the theory; exit status 1 when one fails.

    Below the table: what the points say together, when each has a seed of its own.
    """
    from tokenspace.collector import collector_paused
    from tokenspace.experiments.results import load_results
    from tokenspace.experiments.store import read_sweep
    from tokenspace.report.evidence import evidence_of
    from tokenspace.report.verdicts import checks_of

    loaded = load_results(folder)
    missing = len(read_sweep(folder)[1] or ()) - len(loaded)
    if missing > 0:
        said = f"{counted(missing, 'point is', 'points are')} not finished"
        messages.print(f"{said}; `tokenspace sweep` again computes what is missing")
    with collector_paused():
        checks = checks_of(loaded, tolerance)
        evidence = evidence_of(loaded, checks)
    rows = [(p.label, r, c) for (p, r), c in zip(loaded, checks, strict=True)]
    _show_checks(rows, evidence, as_json)


@app.command()
def status(
    folder: Annotated[Path, typer.Argument(help="Folder of a sweep.")],
    as_json: Json = False,
) -> None:
    """Say how far a sweep is: what is done, begun and missing, and how long it will take.

    Works from any machine that sees the folder, while others compute.
    """
    from dataclasses import asdict

    from tokenspace.experiments.status import status_of

    found = status_of(folder)
    if as_json:
        more = {"busy": found.busy, "remaining": found.remaining}
        document({"out": str(folder), **asdict(found), **more})
        return
    print(f"{found.done:,} of {counted(found.points, 'point')} finished")
    for name, labels in (("begun", found.begun), ("missing", found.missing)):
        some = "; ".join(shown(label) for label in labels[:SHOWN])
        rest = f"; and {len(labels) - SHOWN:,} more" if len(labels) > SHOWN else ""
        if labels:
            print(f"{name}: {some}{rest}")
    for line in found.why.splitlines():
        print(shown(line))
    for line in at_work(found):
        print(shown(line))
    if found.finished:
        print(f"next: tokenspace check {shlex.quote(str(folder))}")


@app.command()
def figures(
    out: Annotated[Path, typer.Option(help="Folder for the figures.")],
    results: Annotated[
        Path | None, typer.Option(help="Folder of a sweep; the demo sweep is run when left out.")
    ] = None,
    figure: Annotated[
        list[str] | None, typer.Option(help="Only this figure; may be repeated.")
    ] = None,
    x: Annotated[str | None, typer.Option(help="Axis of the sweep along the side.")] = None,
    y: Annotated[str | None, typer.Option(help="Axis of the sweep along the other side.")] = None,
    tokens: Annotated[
        list[Path] | None,
        typer.Option(
            help="Folder of tokens, such as `tokenspace collect` writes, to measure and draw; may "
            "be repeated, once a model."
        ),
    ] = None,
    order: Annotated[
        str, typer.Option(help="Of --tokens: raster, random, or a .npy file with an order.")
    ] = "raster",
    scores: Annotated[
        str | None,
        typer.Option(
            help="CSV of measured curves, as `tokenspace forecast` takes it, for forecast_skill."
        ),
    ] = None,
    plugin: Plugin = None,
    as_json: Json = False,
) -> None:
    """Draw the theory figures from stored results, as PNG and SVG; or those of your own tokens.

    A sweep over two axes or more has a phase diagram: --figure phase_diagram --x AXIS --y AXIS.
    The tokens of a model have their own figures: --tokens DIR; your own scores, forecast: --scores
    CSV.
    """
    from tokenspace.experiments.config import demo_file
    from tokenspace.experiments.results import load_results
    from tokenspace.experiments.sweep import run_sweep
    from tokenspace.figures import draw_all

    if tokens:
        if results is not None:
            raise InputError("--results and --tokens are two kinds of figures; give one of them")
        from tokenspace.cli.token_report import figures_of_tokens

        _written(figures_of_tokens(tokens, out, order, figure or ()), as_json)
        return
    if scores is not None:
        if (figure or ["forecast_skill"]) != ["forecast_skill"] or results is not None:
            raise InputError("--scores is for --figure forecast_skill alone, without --results")
        path = draw_all([], out, only=["forecast_skill"], options={"csv": scores})
        _written(path, as_json)
        return
    if results is None:
        results = out / "results"
        run_sweep(demo_file(), results)
    options = {k: v for k, v in (("x", x), ("y", y)) if v is not None}
    if options and not figure:
        figure = ["phase_diagram"]
    loaded = load_results(results)
    _say_unknown(loaded)
    _written(draw_all(loaded, out, only=figure or (), options=options), as_json)


def _say_unknown(loaded: list[Any]) -> None:
    """Why some points are drawn without their theory."""
    from rich.markup import escape

    reasons = []
    for _, result in loaded:
        try:
            _ = result.model
        except InputError as error:
            reasons.append(str(error))
    if reasons:
        count = f"{len(reasons):,} of {counted(len(loaded), 'point')}"
        said = shown(f"{count} drawn without theory: {reasons[0]}")
        messages.print(escape(said), soft_wrap=True, highlight=False)


def _written(paths: list[Path], as_json: bool) -> None:
    if as_json:
        document({"figures": [str(p) for p in paths]})
    else:
        for path in paths:
            print(path)


@app.command()
def report(
    folder: Annotated[
        Path | None, typer.Argument(help="Folder of a finished sweep; none with --tokens.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="The HTML file; FOLDER/report.html when left out, tokens.html here of --tokens."
        ),
    ] = None,
    tolerance: Tolerance = 0.02,
    tokens: Annotated[
        list[Path] | None,
        typer.Option(
            help="Folder of tokens, such as `tokenspace collect` writes, to measure and report; "
            "may be repeated, once a model."
        ),
    ] = None,
    plugin: Plugin = None,
    as_json: Json = False,
) -> None:
    """Write one self-contained HTML file: verdicts, figures, configuration, provenance.

    Of your own tokens, with --tokens DIR: their figures, what was measured and what they are like.
    """
    from tokenspace.report.html import write_report

    if (folder is None) != bool(tokens):
        raise InputError(
            "a report is of the folder of a sweep, or of tokens: tokenspace report FOLDER, or "
            "tokenspace report --tokens DIR"
        )
    if out is not None:
        require_file("--out", out, ".html", ".htm")
    if folder is None:
        from tokenspace.cli.token_report import report_tokens

        written = report_tokens(tokens or [], out or Path("tokens.html"))
    else:
        written = write_report(folder, out, tolerance)
    if as_json:
        document({"report": str(written)})
    else:
        print(written)
