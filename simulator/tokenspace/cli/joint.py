"""Commands on all benchmarks of a model: `joint`, one n_balance for them all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tokenspace.cli.common import Json, app, messages, progress_bar
from tokenspace.cli.forecasts import INTERRUPTED, Csv, read
from tokenspace.cli.present import document
from tokenspace.printable import shown

if TYPE_CHECKING:
    from tokenspace.scaling.joint.per_model import Row


@app.command()
def joint(
    csv: Csv = None,
    runs: Annotated[
        int,
        typer.Option(
            min=99, max=100_000, help="Bootstrap draws; with fewer than 999 no shape is refused."
        ),
    ] = 999,
    hold: Annotated[int, typer.Option(min=1, help="How many of the largest n to forecast.")] = 3,
    power: Annotated[
        bool, typer.Option("--power", help="Also draw what such curves could tell.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    as_json: Json = False,
) -> None:
    """Fit one n_balance to all benchmarks of a model, and test whether they share one.

    The theory says they do: n_balance belongs to a model's tokens. The CSV needs columns
    vision_tokens and score; a column model names the model, or the first other column that is not
    called benchmark, metric, task or dataset, and the rest the benchmark. standard_error or
    questions weigh the points of a curve against each other, and curves too where one factor brings
    all errors to the scatter of the scores: it is printed. Else noise is the scatter of each curve.
    """
    from rich.markup import escape

    from tokenspace.cli.joint_tables import (
        show_errors,
        show_fits,
        show_forecasts,
        show_power,
    )
    from tokenspace.scaling.joint.family import LEAST_POINTS
    from tokenspace.scaling.joint.per_model import FEW, by_model, rows, tasks
    from tokenspace.scaling.joint.power import power as study_power
    from tokenspace.scaling.subsets import naming

    curves = read(csv)
    if curves[0].labels and (name := naming(curves[0])) != "model":
        said = f"{name} names the model" if name else "all curves are taken for one model's"
        said += ", as no column is called model"
        messages.print(escape(shown(said)), soft_wrap=True, highlight=False)
    models = by_model(curves)
    asked = tasks(curves)
    found: list[Row] = []
    powers = {}
    stopped = ""
    with progress_bar() as bar:
        task = bar.add_task("joint fits", total=len(asked))
        try:
            for row in rows(asked, hold=hold, runs=runs, seed=seed):
                found.append(row)
                bar.update(task, completed=len(found))

            def show(done: int, total: int) -> None:
                bar.update(task, completed=done, total=total)

            for model, every in models.items() if power else ():
                own = [c for c in every if len(set(c.n)) >= LEAST_POINTS]
                if own:
                    bar.update(task, description=f"power, {escape(shown(model))}")
                    powers[model] = study_power(own, seed=seed, progress=show)
        except KeyboardInterrupt:
            stopped = f"stopped: {len(found):,} of {len(asked):,} joint fits were made"
            stopped += f", and the power of {len(powers)} of {len(models)} models" if power else ""
    if stopped:
        messages.print(stopped, highlight=False)
        if not found:
            raise typer.Exit(INTERRUPTED)
    if as_json:
        document(
            {
                "fits": [_plain(row, runs) for row in found],
                "power": {model: table.to_dict("records") for model, table in powers.items()},
            }
        )
        raise typer.Exit(INTERRUPTED if stopped else 0)
    show_fits(found, runs)
    show_errors(found)
    show_forecasts(found, hold)
    for model, table in powers.items():
        show_power(model, table)
    if len(models) > FEW:
        print(
            f"{len(models)} models: not fitted all together, as the theory does not say that "
            "models share an n_balance."
        )
    if stopped:
        raise typer.Exit(INTERRUPTED)


def _plain(row: Row, runs: int) -> dict[str, Any]:
    forecast = None if row.forecast is None else row.forecast.to_dict("index")
    return {
        "model": row.model,
        "points": row.points,
        "short": row.short,
        "runs": runs,
        **row.fit.to_dict(),
        "forecast": forecast,
    }
