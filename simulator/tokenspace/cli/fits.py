"""The command `fit`: scaling laws fitted to measured score curves."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from tokenspace.cli.common import Json, app, progress_bar
from tokenspace.cli.forecasts import Chance, Csv, Loss, Top, long_enough, read, scale_of
from tokenspace.cli.present import document, stdout
from tokenspace.printable import counted, shown

NONE = "no curve has enough points"
SURE = 0.05  # p-value of chi^2 that is remarked on

if TYPE_CHECKING:
    from tokenspace.scaling.result import LawFit, ScalingFit
    from tokenspace.scaling.sizes import SizeFit


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
    as_json: Json = False,
) -> None:
    """Fit scaling laws to measured curves, and say which law the data prefer.

    The CSV needs columns vision_tokens (or n) and score. It may have standard_error, or questions
    (a share of how many), which weigh the points and give chi^2; model_size, which adds a fit over
    sizes, and names curves where one name has several; confound and trained_for_n, for `forecast`;
    source and note. Every other column names a curve.
    Several scores of a curve at one n count as measurements with noise of their own.
    """
    import numpy as np

    from tokenspace.scaling.curves import TOGETHER, fit_curves
    from tokenspace.scaling.fit import LEAST
    from tokenspace.scaling.sizes import fit_sizes, in_several_sizes

    curves, scale = long_enough(read(csv), LEAST), scale_of(top, chance)
    with progress_bar(len(curves) > TOGETHER) as bar:
        task = bar.add_task("curves", total=len(curves))
        fitted = fit_curves(
            curves,
            law,
            scale=scale,
            loss=loss,
            progress=lambda done: bar.update(task, completed=done),
        )
    sizes = fit_sizes(curves, fits=dict(fitted)) if in_several_sizes(curves) else []
    if as_json:
        fits = [{"curve": name, **f.to_dict()} for name, f in fitted]
        document({"fits": fits, "sizes": [asdict(one) for one in sizes]})
        return
    _show_fits(fitted)
    if len(fitted[0][1].fits) > 1:
        _show_counts([f for _, f in fitted])
    _show_errors([f.best for _, f in fitted if np.isfinite(f.best.p_value)])
    said_why = Counter(f.why for _, f in fitted if len(f.fits) > 1 and not f.flat)
    said_why += Counter(one.too_few for _, f in fitted for one in f.fits.values())
    del said_why[""]
    for reason, count in said_why.items():
        print(f"{count} of {len(fitted)}: {reason}.")
    if sizes:
        _show_sizes(sizes)


def _show_counts(fits: list[ScalingFit]) -> None:
    """How many curves prefer which law, by each yardstick; flat ones prefer none."""
    import numpy as np

    told = [f for f in fits if not f.flat]
    none = "none" if any(np.isfinite(f.best.aicc) for f in fits) else NONE
    names = [f.winner for f in told if np.isfinite(f.best.aicc)]
    clear = sum(f.decisive for f in fits)
    counts = ", ".join(f"{names.count(k)} prefer {k}" for k in dict.fromkeys(names))
    print(f"By AICc {counts or none}; {clear} of {len(fits)} decisively.")
    other = {
        "BIC": [_least({k: one.bic for k, one in f.fits.items()}) for f in told],
        "leaving one n out": [
            _least({k: -one.left_out for k, one in f.fits.items()}) for f in told
        ],
    }
    for yardstick, best in other.items():
        ranked = Counter(k for k in best if k).most_common()
        said = ", ".join(f"{count} {k}" for k, count in ranked) or none
        print(f"By {yardstick}: {said}.")
    if flat := len(fits) - len(told):
        print(
            f"{flat} of {len(fits)} {'is' if flat == 1 else 'are'} flat: no slope is sure, given "
            "the scatter of the scores, so no law is preferred."
        )
    print("Which law foretells scores that it has not seen: tokenspace forecast.")


def _show_errors(fits: list[LawFit]) -> None:
    """What chi^2 says of the standard errors, where any are given."""
    from tokenspace.scaling.fit import DOUBT

    if not fits:
        return
    print(
        "chi^2: of the law that fits best, by the standard errors. Intervals of a law take these "
        f"as given where its p >= {DOUBT:g}, else they are by the scatter, and wider."
    )
    if more := sum(one.p_value < SURE for one in fits):
        print(f"{more} of {len(fits)} scatter more than the errors say (p < {SURE:g}).")
    if less := sum(one.p_value > 1 - SURE for one in fits):
        print(
            f"{less} of {len(fits)} scatter less (p > {1 - SURE:g}): the same questions at every "
            "n err alike, which moves a curve as a whole."
        )


def _least(values: dict[str, float]) -> str:
    """The law of the smallest value that is finite, empty where none is."""
    known = {k: v for k, v in values.items() if abs(v) < float("inf")}
    return min(known, key=lambda k: known[k]) if known else ""


def _show_sizes(sizes: list[SizeFit]) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(
        title="All sizes of model together: S = limit - A (N / smallest N)^-b n^-g",
        header_style="bold",
    )
    for name in ("benchmark", "scores", "limit", "A", "b", "g", "scatter"):
        table.add_column(name)
    for one in sizes:
        cells = [
            f"{v:.4g} ({one.intervals[k][0]:.3g} to {one.intervals[k][1]:.3g})"
            if k in one.intervals
            else f"{v:.4g} (the best there can be)"
            for k, v in one.parameters.items()
        ]
        scatter = f"{100 * one.residual_std:.1f} %"
        table.add_row(escape(shown(one.benchmark)), str(one.points), *cells, scatter)
    stdout().print(table)
    for one in (one for one in sizes if one.p_value < SURE):
        print(
            shown(
                f"{one.benchmark}: this law does not fit: scatter {100 * one.residual_std:.2g} %, "
                f"and {100 * one.curves_std:.2g} % about the curves' own best laws (F-test, p = "
                f"{one.p_value:.1g}). Its intervals say little."
            )
        )


def _show_fits(fitted: list[tuple[str, ScalingFit]]) -> None:
    """The table of `fit`; "-" where a curve has no such number."""
    import numpy as np
    from rich.markup import escape
    from rich.table import Table

    table = Table(
        title=f"Scaling fits of {counted(len(fitted), 'curve')}: S(n) = c / n^alpha",
        header_style="bold",
    )
    errors = any(np.isfinite(f.best.p_value) for _, f in fitted)
    preferred = ("preferred law", "AICc ahead by", "its parameters and 95 % intervals")
    chi = ("chi^2 / freedom (p)",) if errors else ()
    for name in ("curve", "c", "alpha", "95 % interval", *preferred, *chi):
        table.add_column(name)
    for name, f in fitted:
        power = f.fits.get("power")
        line = ["-", "-", "-"]
        if power:
            c, alpha = power.parameters.values()
            line = [f"{c:.6g}", f"{alpha:z.6f}", power.bounds("alpha")]
        ahead = f"{f.evidence:.1f}" if np.isfinite(f.evidence) else "-"
        best = "\n".join(f"{k} = {f.best.value(k)} ({f.best.bounds(k)})" for k in f.best.parameters)
        chosen = [f.winner, ahead, best]
        if len(f.fits) > 1 and f.flat:
            chosen = ["none: flat", "-", "-"]
        elif len(f.fits) > 1 and not np.isfinite(f.best.aicc):
            chosen = ["-", "-", "-"]
        told = f"{f.best.chi_squared:.1f} / {f.best.degrees_of_freedom} ({f.best.p_value:.2g})"
        fits = [told if np.isfinite(f.best.p_value) else "-"] if errors else []
        table.add_row(escape(shown(name)), *line, *chosen, *fits)
    stdout().print(table)
