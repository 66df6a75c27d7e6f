"""The command that says how many tokens are needed: `plan-tokens`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tokenspace.cli.common import MANY_CURVES, Json, app, progress_bar
from tokenspace.cli.forecasts import Csv, check_out, listed, long_enough, read
from tokenspace.cli.present import document, show_table, write_table
from tokenspace.errors import InputError
from tokenspace.printable import percent, shown

MANY = 100  # curves, or models, that a table shows whole; of more, the ends
ENDS = 8
SAID = "follows_no_law", "rests_on_laws"  # of a plan, beside its fields

if TYPE_CHECKING:
    from tokenspace.scaling.cost import TransformerCost
    from tokenspace.scaling.curves import Curve
    from tokenspace.scaling.plan import TokenPlan


@app.command()
def plan_tokens(
    csv: Csv = None,
    keep: Annotated[
        str, typer.Option(help="Share of the score at the largest n, such as 0.95 or 95%.")
    ] = "0.95",
    parameters: Annotated[
        str | None,
        typer.Option(help="Parameters of the language model, 7e9 or 7B: says what is saved."),
    ] = None,
    layers: Annotated[int, typer.Option(help="Its layers, to count attention; needs --width.")] = 0,
    width: Annotated[int, typer.Option(help="Width of its hidden states.")] = 0,
    text: Annotated[int, typer.Option(help="Text tokens beside the vision tokens.")] = 0,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    out: Annotated[
        Path | None, typer.Option(help="FILE.csv for every plan, a row a curve.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say how few tokens keep a share of the score, over all laws, with an interval.

    The CSV is that of `fit`; scores must rise with quality. standard_error or questions tell the
    noise where the scores agree with them, as in `forecast`; else their scatter does.
    FLOPs of one pass over vision and text tokens: 2 x parameters a token, and with --layers and
    --width causal attention.
    """
    from tokenspace.scaling.cost import TransformerCost
    from tokenspace.scaling.model_weights import LEAST
    from tokenspace.scaling.subsets import model_of

    if parameters is None and (layers or width or text):
        raise InputError("--layers, --width and --text need --parameters: FLOPs are counted by it")
    share = _share(keep)
    cost = None
    if parameters is not None:
        cost = TransformerCost(_parameters(parameters), layers, width, text)
    check_out(out, csv)
    curves = long_enough(read(csv), LEAST)
    plans = _planned(curves, share, cost, seed)
    if out is not None:
        _write(out, plans)
    if as_json:
        document(
            [
                {"curve": name} | asdict(plan) | {k: getattr(plan, k) for k in SAID}
                for name, plan in plans
            ]
        )
        return
    models = [model_of(curve) for curve in curves]
    if len(plans) <= MANY:
        _show(plans, cost)
    else:
        if 1 < len(set(models)) <= MANY:
            _show_models(models, plans)
        else:
            ends = sorted(plans, key=lambda one: one[1].n / one[1].largest)
            said = f": the {ENDS} of {len(plans):,} curves that need the least share, and the most"
            _show([*ends[:ENDS], *ends[-ENDS:]], cost, said)
        print(f"Every curve: --json, or --out FILE.csv{f', as in {out}' if out else ''}.")
    _explain(plans, cost)


def _share(text: str) -> float:
    """The share of --keep: 0.95, or 95%; 95 alone could be no share, and is told what to write."""
    from tokenspace.scaling.table import number

    digits = text.strip().removesuffix("%")
    value = number(digits) / (1 if digits == text.strip() else 100)
    if 0 < value < 1:
        return value
    write = f": write 0.{value:.0f} or {value:.0f}%" if value in range(10, 100) else ""
    raise InputError(
        f"--keep {text} is not allowed; it must be a share between 0 and 1, such as 0.95 or 95%"
        f"{write}"
    )


def _parameters(text: str) -> float:
    """The number that --parameters says, as a column model_size does: 7e9, 7B."""
    from tokenspace.scaling.table import size_of

    value = size_of(text)
    if not 0 < value < float("inf"):
        raise InputError(
            f"--parameters {text} is not allowed; it must be a number > 0, such as 7e9, 7B or 500M"
        )
    return value


def _planned(
    curves: list[Curve], keep: float, cost: TransformerCost | None, seed: int
) -> list[tuple[str, TokenPlan]]:
    from tokenspace.scaling.plan import plan_curves

    with progress_bar(len(curves) > MANY_CURVES) as bar:
        task = bar.add_task("curves", total=len(curves))
        return plan_curves(
            curves,
            keep,
            cost=cost,
            seed=seed,
            progress=lambda done: bar.update(task, completed=done),
        )


def _show(
    plans: list[tuple[str, TokenPlan]], cost: TransformerCost | None, which: str = ""
) -> None:
    from rich.markup import escape
    from rich.table import Table

    from tokenspace.scaling.model_weights import SPLINE

    keep, level = plans[0][1].keep, percent(plans[0][1].level, "g")
    table = Table(
        title=f"Tokens that keep {keep:.4g} of the score at the largest n{which}",
        header_style="bold",
        title_justify="left",
    )
    table.add_column("curve")
    for name in ("of n", "needed", f"{level} interval", *(["FLOPs"] if cost else [])):
        table.add_column(name, justify="right")
    table.add_column("without a law", justify="right")
    table.add_column("laws by weight: what each needs alone")
    for name, plan in plans:
        laws = sorted(plan.weights.items(), key=lambda item: -item[1])
        said = ", ".join(f"{k} {w:.2f}: {plan.by_law[k][0]:.3g}" for k, w in laws[:3])
        saved = []
        if plan.flops and plan.flops_interval:
            now, low, high = (
                percent(f / plan.flops[1]) for f in (plan.flops[0], *plan.flops_interval)
            )
            saved = [f"{now} ({low} to {high})"]
        table.add_row(
            escape(shown(name)),
            f"{plan.largest:g}",
            f"{plan.n:.3g}",
            f"{plan.low:.3g} to {plan.high:.3g}",
            *saved,
            "{:.3g} to {:.3g}".format(*plan.by_law[SPLINE][1:]),
            said,
        )
    show_table(table)


def _write(out: Path, plans: list[tuple[str, TokenPlan]]) -> None:
    """A row a curve: what is needed, its interval, and of each law its weight and the same."""
    import pandas as pd

    rows = []
    for name, plan in plans:
        row = {"curve": name, "keep": plan.keep, "of_n": plan.largest, "needed": plan.n}
        row |= {"low": plan.low, "high": plan.high, "level": plan.level}
        row |= {"measured": plan.measured, "falls": plan.falls}
        row |= {k: getattr(plan, k) for k in SAID}
        if plan.flops:
            row["flops_share"] = plan.flops[0] / plan.flops[1]
        for law, weight in plan.weights.items():
            needed, low, high = plan.by_law[law]
            row |= {f"weight_{law}": weight, f"needed_{law}": needed}
            row |= {f"low_{law}": low, f"high_{law}": high}
        rows.append(row)
    write_table(out, pd.DataFrame(rows), digits=None)


def _show_models(models: list[str], plans: list[tuple[str, TokenPlan]]) -> None:
    """Of many curves a line a model: shares of its largest n that its curves need."""
    import numpy as np
    from rich.markup import escape
    from rich.table import Table

    table = Table(
        title=f"Share of the largest n that keeps {plans[0][1].keep:.4g} of its score",
        header_style="bold",
        title_justify="left",
    )
    table.add_column("model")
    for name in ("curves", "median", "of 80 % of the curves", "interval, median ends"):
        table.add_column(name, justify="right")
    for model in dict.fromkeys(models):
        own = [plan for k, (_, plan) in zip(models, plans, strict=True) if k == model]
        share, low, high = (
            np.array([getattr(p, end) / p.largest for p in own]) for end in ("n", "low", "high")
        )
        few, many = np.quantile(share, (0.1, 0.9))
        table.add_row(
            escape(shown(model)),
            str(len(own)),
            percent(np.median(share)),
            f"{percent(few)} to {percent(many)}",
            f"{percent(np.median(low))} to {percent(np.median(high))}",
        )
    show_table(table)


def _explain(plans: list[tuple[str, TokenPlan]], cost: TransformerCost | None) -> None:
    from tokenspace.scaling.plan import FALLING, TWICE

    level = plans[0][1].level
    said = percent(level, "g")
    print(
        "needed: from there on the fitted curve keeps the share; never below the first n.\n"
        f"{said} interval: over the parameters' errors and the doubt about the law. Laws are\n"
        "weighed by how they foretell scores left out; `fit` may prefer another one, as\n"
        "its AICc pays per parameter. spline: a smooth curve of no law.\n"
        "without a law: the interval of the spline alone, if you trust none of the laws."
    )
    count = len(plans)
    if few := sum(plan.n <= plan.smallest for _, plan in plans):
        print(f"{few} of {count}: the share is reached at the smallest n already.")
    if fallen := [name for name, plan in plans if plan.falls]:
        print(
            shown(f"{len(fallen)} of {count}: the scores fall with n: {listed(fallen)}; {FALLING}.")
        )
    if lawless := [name for name, plan in plans if plan.follows_no_law]:
        print(
            shown(
                f"{len(lawless)} of {count}: the spline has nearly all weight; none of the laws "
                f"follows these curves: {listed(lawless)}."
            )
        )
    if resting := [name for name, plan in plans if plan.rests_on_laws]:
        print(
            shown(f"{len(resting)} of {count}: the interval rests on the laws: {listed(resting)}.")
        )
        print(
            "  If none of the laws holds there, it misses the n more often than in "
            f"{percent(TWICE * (1 - level), 'g')},\n"
            f"  where {said} promises {percent(1 - level, 'g')}. If you doubt the laws, take the "
            "interval\n"
            "  without a law (of --out: low_spline to high_spline), or measure more counts."
        )
    if cost:
        print(f"FLOPs: of one pass, as a share of that at the largest n, of {cost.words}.")
