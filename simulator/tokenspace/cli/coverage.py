"""The command about our own statistics: `coverage`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tokenspace.cli.common import Json, app, progress_bar, require_file
from tokenspace.cli.present import document, show_table

if TYPE_CHECKING:
    from tokenspace.experiments.coverage import Row


@app.command()
def coverage(
    runs: Annotated[
        int,
        typer.Option(min=1, max=1_000_000, help="Experiments a cell; fewer where they are long."),
    ] = 1000,
    out: Annotated[
        Path | None, typer.Option(help="FILE.csv for the numbers; FILE.md is written beside it.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Count how often intervals and verdicts hold what they promise; some minutes on 2 cores."""
    from dataclasses import asdict

    from tokenspace.experiments.coverage import study
    from tokenspace.report.coverage import write

    if out is not None:
        require_file("--out", out, ".csv", also="; FILE.md is written beside it")
    with progress_bar() as bar:
        task = bar.add_task("rows", total=None)
        rows = study(runs, lambda done, total: bar.update(task, completed=done, total=total))
    written = [] if out is None else write(rows, out)
    if as_json:
        document([asdict(r) | {"errors": r.errors, "met": r.met} for r in rows])
        return
    _show(rows)
    for path in written:
        print(path)


def _show(rows: list[Row]) -> None:
    from rich.table import Table

    from tokenspace.report.coverage import goal_of, shares, tables

    for found in tables(rows):
        title = f"{found.quantity}: goal {goal_of(found)}"
        table = Table(title=title, header_style="bold", title_justify="left")
        table.add_column("law")
        table.add_column("d", justify="right")
        for count in found.replicates:
            table.add_column(f"R = {count:,}", justify="right")
        for law, d, cells in found.lines:
            said = [shares(c) if c is None or c.met else f"[red]{shares(c)}[/]" for c in cells]
            table.add_row(law, f"{d:,}", *said)
        show_table(table)
    print(f"{sum(r.met for r in rows)} of {len(rows)} cells reach the goal")
