"""The command on score curves that were measured elsewhere: `fit`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tokenspace.cli.common import Json, app, progress_bar
from tokenspace.cli.present import document, stdout

if TYPE_CHECKING:
    from tokenspace.scaling.result import ScalingFit


@app.command()
def fit(
    csv: Annotated[
        Path | None, typer.Argument(help="CSV of measured curves; the paper's 36 when left out.")
    ] = None,
    law: Annotated[str, typer.Option(help="power, crossover, saturating or auto.")] = "auto",
    as_json: Json = False,
) -> None:
    """Fit scaling laws to measured curves, and say which law the data prefer.

    The CSV needs columns vision_tokens and score; every other column names a curve.
    """
    from tokenspace.scaling.curves import TOGETHER, fit_curves, read_curves

    curves = read_curves(csv)
    with progress_bar(len(curves) > TOGETHER) as bar:
        task = bar.add_task("curves", total=len(curves))
        fitted = fit_curves(curves, law, progress=lambda done: bar.update(task, completed=done))
    if as_json:
        document([{"curve": name, **f.to_dict()} for name, f in fitted])
        return
    _show_fits(fitted)
    if law == "auto":
        names = [f.winner for _, f in fitted]
        clear = sum(f.decisive for _, f in fitted)
        counts = ", ".join(f"{names.count(k)} prefer {k}" for k in dict.fromkeys(names))
        print(f"{counts}; {clear} of {len(fitted)} decisively.")
    said = Counter(f.why for _, f in fitted if law == "auto")
    said += Counter(one.too_few for _, f in fitted for one in f.fits.values())
    del said[""]
    for reason, count in said.items():
        print(f"{count} of {len(fitted)}: {reason}.")


def _show_fits(fitted: list[tuple[str, ScalingFit]]) -> None:
    """The table of `fit`; "-" where a curve has no such number."""
    import numpy as np
    from rich.markup import escape
    from rich.table import Table

    table = Table(
        title=f"Scaling fits of {len(fitted)} curves: S(n) = c / n^alpha", header_style="bold"
    )
    preferred = ("preferred law", "AICc ahead by", "its parameters and 95 % intervals")
    for name in ("curve", "c", "alpha", "95 % interval", *preferred):
        table.add_column(name)
    for name, f in fitted:
        power = f.fits.get("power")
        line = ["-", "-", "-"]
        if power:
            c, alpha = power.parameters.values()
            line = [f"{c:.6g}", f"{alpha:.6f}", power.bounds("alpha")]
        ahead = f"{f.evidence:.1f}" if np.isfinite(f.evidence) else "-"
        best = "\n".join(
            f"{k} = {v:.4g} ({f.best.bounds(k)})" for k, v in f.best.parameters.items()
        )
        table.add_row(escape(name), *line, f.winner, ahead, best)
    stdout().print(table)
