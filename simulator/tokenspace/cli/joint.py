"""Commands on all benchmarks of a model: `joint`, one n_balance for them all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tokenspace.cli.common import Json, app, progress_bar
from tokenspace.cli.forecasts import Csv, read
from tokenspace.cli.present import document, stdout
from tokenspace.printable import shown

ALL = "all points"  # the first subset of every model

if TYPE_CHECKING:
    import pandas as pd

    from tokenspace.scaling.joint.sensitivity import Row


@app.command()
def joint(
    csv: Csv = None,
    runs: Annotated[int, typer.Option(min=99, max=100_000, help="Bootstrap draws.")] = 999,
    hold: Annotated[int, typer.Option(min=1, help="How many of the largest n to forecast.")] = 3,
    power: Annotated[
        bool, typer.Option("--power", help="Also draw what such curves could tell.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    as_json: Json = False,
) -> None:
    """Fit one n_balance to all benchmarks of a model, and test whether they share one.

    The theory says they do: n_balance belongs to a model's tokens. The CSV needs columns
    vision_tokens and score; the first other column names the model, the next ones the benchmark.
    standard_error or questions weigh the points of a curve, as in `fit`.
    """
    from tokenspace.scaling.joint.family import LEAST_POINTS
    from tokenspace.scaling.joint.power import power as study_power
    from tokenspace.scaling.joint.sensitivity import by_model, study

    curves = read(csv)
    with progress_bar() as bar:
        task = bar.add_task("joint fits", total=None)

        def show(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        rows = study(curves, hold=hold, runs=runs, seed=seed, progress=show)
        powers = {}
        if power:
            for model, every in by_model(curves).items():
                own = [c for c in every if len(set(c.n)) >= LEAST_POINTS]
                if not own:
                    continue
                bar.update(task, description=f"power, {model}")
                powers[model] = study_power(own, seed=seed, progress=show)
    if as_json:
        document(
            {
                "fits": [_plain(row) for row in rows],
                "power": {model: table.to_dict("records") for model, table in powers.items()},
            }
        )
        return
    _show_fits(rows, runs)
    _show_forecasts(rows, hold)
    for model, table in powers.items():
        _show_power(model, table)


def _plain(row: Row) -> dict[str, Any]:
    forecast = None if row.forecast is None else row.forecast.to_dict("index")
    return {
        "model": row.model,
        "points": row.points,
        "short": row.short,
        **row.fit.to_dict(),
        "forecast": forecast,
    }


def _show_fits(rows: list[Row], runs: int) -> None:
    from rich.markup import escape

    table = _table("One n_balance for all benchmarks of a model", "model", "points", "curves")
    for name in ("n_balance", "excluded, 95 %", "if independent", "need", "sharing", "shape"):
        table.add_column(name)
    for row in rows:
        fit = row.fit
        table.add_row(
            escape(shown(row.model)),
            escape(row.points),
            str(row.curves),
            f"{fit.n_balance:.4g}" if fit.crossover else "none",
            ranges(fit.excluded("blocks")),
            ranges(fit.excluded("independent")),
            *(f"{t.statistic:.1f} ({p_words(t.p['blocks'], runs)})" for t in fit.tests),
        )
    stdout().print(table)
    print(
        "n_balance: none where power laws fit as well as any. Ratios of -2 log L (p): need, none "
        "against one n_balance;\nsharing, one for all against one each; shape, one for all against "
        "parabolas in log n. Noise: whole counts n\nresampled, since benchmarks of one checkpoint "
        "scatter together; in the column before, independent."
    )
    against = ", ".join(
        f"{r.fit.against} of {r.curves} ({r.model})" for r in rows if r.points == ALL
    )
    print(shown(f"Curves that bend the way no n_balance can: {against}."))
    for row in rows:
        if (none := row.fit.noiseless) and row.points == ALL:
            print(
                shown(
                    f"{row.model}: {none} of {row.curves} curves have no noise; ranges and p, "
                    "which are drawn from noise, say nothing of them."
                )
            )
    if short := max(row.short for row in rows):
        print(f"Up to {short} curves of a row have too few different n for a joint fit: left out.")


def _show_forecasts(rows: list[Row], hold: int) -> None:
    from rich.markup import escape

    from tokenspace.scaling.joint.forecast import skill

    known = [(row, row.forecast) for row in rows if row.forecast is not None]
    if not known:
        print(f"Forecasts: the curves are too short to hold {hold} n out.")
        return
    table = _table(
        f"Forecasts at the last {hold} n: median error of log S (curves on which it is best)",
        "model",
        "points",
    )
    names = list(known[0][1].columns)
    for name in names:
        table.add_column(name, justify="right")
    for row, errors in known:
        found = skill(errors)
        cells = (f"{found.at[k, 'median error']:.3f} ({found.at[k, 'best on']:.0f})" for k in names)
        table.add_row(escape(shown(row.model)), escape(row.points), *cells)
    stdout().print(table)


def _show_power(model: str, found: pd.DataFrame) -> None:
    from rich.markup import escape

    table = _table(
        f"Power at 5 %, {escape(shown(model))}: share of data sets that reject", "test", "truth"
    )
    settings = list(dict.fromkeys(zip(found["noise"], found["counts"], strict=True)))
    for noise, counts in settings:
        table.add_column(f"noise x {noise:g}, {counts} n", justify="right")
    for (test, truth), own in found.groupby(["test", "truth"], sort=False):
        table.add_row(test, truth, *(f"{v:.2f}" for v in own["rejected"]))
    stdout().print(table)


def _table(title: str, *columns: str) -> Any:
    from rich.table import Table

    table = Table(title=title, header_style="bold", title_justify="left")
    for name in columns:
        table.add_column(name)
    return table


def p_words(p: float, runs: int) -> str:
    """A p-value by bootstrap; the least that so many draws can give is a bound: "<= 0.001"."""
    least = 1 / (runs + 1)
    return f"{p:.3f}" if p > 1.5 * least else f"<= {least:.1g}"


def ranges(intervals: list[tuple[float, float]]) -> str:
    """Intervals of n_balance in words: "2.9 to 451", "below 12, above 80", "nothing"."""
    said = []
    for low, high in intervals:
        if low == 0 and high == float("inf"):
            said.append("everything")
        elif low == 0:
            said.append(f"below {high:.3g}")
        elif high == float("inf"):
            said.append(f"above {low:.3g}")
        else:
            said.append(f"{low:.3g} to {high:.3g}")
    return ", ".join(said) or "nothing"
