"""The command that says how many tokens are needed: `plan-tokens`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from tokenspace.cli.common import Json, app, progress_bar
from tokenspace.cli.forecasts import Csv, long_enough, read
from tokenspace.cli.present import document, stdout
from tokenspace.errors import InputError
from tokenspace.printable import shown

if TYPE_CHECKING:
    from tokenspace.scaling.cost import TransformerCost
    from tokenspace.scaling.curves import Curve
    from tokenspace.scaling.plan import TokenPlan

TOGETHER = 20  # curves between two looks at the progress bar


@app.command()
def plan_tokens(
    csv: Csv = None,
    keep: Annotated[
        float, typer.Option(help="Share of the score at the largest n, between 0 and 1.")
    ] = 0.95,
    parameters: Annotated[
        float | None,
        typer.Option(help="Parameters of the language model, such as 7e9: says what is saved."),
    ] = None,
    layers: Annotated[int, typer.Option(help="Its layers, to count attention; needs --width.")] = 0,
    width: Annotated[int, typer.Option(help="Width of its hidden states.")] = 0,
    text: Annotated[int, typer.Option(help="Text tokens beside the vision tokens.")] = 0,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    as_json: Json = False,
) -> None:
    """Say how few tokens keep a share of the score, over all laws, with an interval.

    The CSV is that of `fit`; scores must rise with quality. FLOPs of one pass over vision and text
    tokens: 2 x parameters a token, and with --layers and --width causal attention.
    """
    from tokenspace.scaling.cost import TransformerCost

    if parameters is None and (layers or width or text):
        raise InputError("--layers, --width and --text need --parameters: FLOPs are counted by it")
    cost = None if parameters is None else TransformerCost(parameters, layers, width, text)
    plans = _planned(read(csv), keep, cost, seed)
    if as_json:
        document([{"curve": name} | asdict(plan) for name, plan in plans])
        return
    _show(plans, cost)


def _planned(
    curves: list[Curve], keep: float, cost: TransformerCost | None, seed: int
) -> list[tuple[str, TokenPlan]]:
    """The plans of all curves that are long enough; which are not is said."""
    from tokenspace.scaling.plan import LEAST, plan_curves

    enough, plans = long_enough(curves, LEAST), []
    with progress_bar(len(enough) > TOGETHER) as bar:
        task = bar.add_task("curves", total=len(enough))
        for k in range(0, len(enough), TOGETHER):
            plans += plan_curves(enough[k : k + TOGETHER], keep, cost=cost, seed=seed)
            bar.update(task, completed=len(plans))
    return plans


def _show(plans: list[tuple[str, TokenPlan]], cost: TransformerCost | None) -> None:
    from rich.markup import escape
    from rich.table import Table

    keep = plans[0][1].keep
    table = Table(
        title=f"Tokens that keep {keep:.4g} of the score at the largest n",
        header_style="bold",
        title_justify="left",
    )
    table.add_column("curve")
    for name in ("of n", "needed", "95 % interval", *(["FLOPs"] if cost else [])):
        table.add_column(name, justify="right")
    table.add_column("laws by weight: what each needs alone")
    for name, plan in plans:
        laws = sorted(plan.weights.items(), key=lambda item: -item[1])
        said = ", ".join(f"{k} {w:.2f}: {plan.by_law[k][0]:.3g}" for k, w in laws[:3])
        saved = []
        if plan.flops and plan.flops_interval:
            now, low, high = (
                f"{f / plan.flops[1]:.0%}" for f in (plan.flops[0], *plan.flops_interval)
            )
            saved = [f"{now} ({low} to {high})"]
        table.add_row(
            escape(shown(name)),
            f"{plan.largest:g}",
            f"{plan.n:.3g}",
            f"{plan.low:.3g} to {plan.high:.3g}",
            *saved,
            said,
        )
    stdout().print(table)
    print(
        "needed: from there on the fitted curve keeps the share; at least the smallest n that was "
        "measured. The interval\ncarries the parameters' errors and the doubt about the law; laws "
        "are weighed by how they foretell scores left out."
    )
    if few := sum(plan.n <= plan.smallest for _, plan in plans):
        print(
            f"{few} of {len(plans)} keep the share at the smallest n that was measured already: "
            "their scores hardly grow with n, or fall."
        )
    if cost:
        print(f"FLOPs: of one pass, as a share of that at the largest n; {cost}.")
