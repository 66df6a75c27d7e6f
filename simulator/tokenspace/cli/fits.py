"""The command `fit`: scaling laws fitted to measured score curves."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tokenspace.cli.common import MANY_CURVES, Json, app, progress_bar
from tokenspace.cli.forecasts import (
    Chance,
    Csv,
    Loss,
    Top,
    check_out,
    long_enough,
    read,
    scale_of,
)
from tokenspace.cli.present import document
from tokenspace.printable import shown

if TYPE_CHECKING:
    from tokenspace.scaling.curves import Curve
    from tokenspace.scaling.result import ScalingFit
    from tokenspace.scaling.sizes import SizeFit


def _over_sizes(curves: list[Curve], fitted: list[tuple[str, ScalingFit]]) -> list[SizeFit]:
    """Fits over sizes of model, where there are several; else JAX is not even imported."""
    if not any(curve.size > 0 for curve in curves):
        return []
    from tokenspace.scaling.sizes import fit_sizes, in_several_sizes

    return fit_sizes(curves, fits=dict(fitted)) if in_several_sizes(curves) else []


@app.command()
def fit(
    csv: Csv = None,
    law: Annotated[
        str,
        typer.Option(
            help="Laws, with commas between them, or auto; `tokenspace models` lists them."
        ),
    ] = "auto",
    top: Top = None,
    chance: Chance = 0.0,
    loss: Loss = "squares",
    out: Annotated[
        Path | None, typer.Option(help="FILE.csv for every fit, a row a curve and law.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Fit scaling laws to measured curves, and say which law the data prefer.

    The CSV needs columns vision_tokens (or n) and score, or, without that, a column of scores a
    benchmark, right of n. It may have standard_error, or questions (a share of how many), which
    weigh the points and give chi^2, by which laws are compared where it does not refuse all of
    them; model_size (7e9 or 7B), which adds a fit over sizes, and names curves where one name has
    several; confound and trained_for_n, for `forecast`; source and note. Every other column names
    a curve.
    Several scores of a curve at one n count as measurements with noise of their own.
    """
    from tokenspace.cli.fit_tables import show_counts, show_errors, show_fits, show_sizes, write
    from tokenspace.scaling.curves import fit_curves
    from tokenspace.scaling.fit import LEAST
    from tokenspace.scaling.subsets import model_of

    check_out(out, csv)
    curves, scale = long_enough(read(csv), LEAST), scale_of(top, chance)
    with progress_bar(len(curves) > MANY_CURVES) as bar:
        task = bar.add_task("curves", total=len(curves))
        fitted = fit_curves(
            curves,
            law,
            scale=scale,
            loss=loss,
            progress=lambda done: bar.update(task, completed=done),
        )
    if out is not None:
        write(out, fitted)
    sizes = _over_sizes(curves, fitted)
    if as_json:
        fits = [{"curve": name, **f.to_dict()} for name, f in fitted]
        document({"fits": fits, "sizes": [asdict(one) for one in sizes]})
        return
    show_fits(fitted, [model_of(curve) for curve in curves])
    if len(fitted[0][1].fits) > 1:
        show_counts([f for _, f in fitted])
    show_errors([f for _, f in fitted])
    said_why = Counter(f.why for _, f in fitted if len(f.fits) > 1 and not f.flat)
    said_why += Counter(one.too_few for _, f in fitted for one in f.fits.values())
    del said_why[""]
    for reason, count in said_why.items():
        print(f"{count} of {len(fitted)}: {reason}.")
    if sizes:
        from tokenspace.scaling.sizes import units_of_sizes

        show_sizes(sizes)
        for name in units_of_sizes(curves):
            print(
                shown(
                    f"{name}: some sizes look like shares of 1 and others like per cent, and the "
                    "law over sizes needs one unit: write all scores of it alike."
                )
            )
    if out is not None:
        print(shown(f"every law of every curve: {out}"))
