"""Commands on what was measured elsewhere: `fit` score curves, `measure` token arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.markup import escape
from rich.table import Table

from tokenspace.cli.common import Json, app
from tokenspace.cli.present import document, stdout, summary
from tokenspace.errors import InputError


@app.command()
def fit(
    csv: Annotated[
        Path | None, typer.Argument(help="CSV of measured curves; the paper's 36 when left out.")
    ] = None,
    law: Annotated[str, typer.Option(help="power, crossover, saturating or auto.")] = "auto",
    bootstrap: Annotated[int, typer.Option(help="Resamples for the intervals.")] = 1000,
    as_json: Json = False,
) -> None:
    """Fit scaling laws to measured curves, and say which law the data prefer.

    The CSV needs columns vision_tokens and score; every other column names a curve.
    """
    from tokenspace.scaling.curves import fit_curves, read_curves

    fitted = fit_curves(read_curves(csv), law, bootstrap)
    if as_json:
        document([{"curve": name, **f.to_dict()} for name, f in fitted])
        return
    table = Table(
        title=f"Scaling fits of {len(fitted)} curves: S(n) = c / n^alpha", header_style="bold"
    )
    for name in (
        "curve",
        "c",
        "alpha",
        "95 % interval",
        "preferred law",
        "AICc ahead by",
        "parameters",
    ):
        table.add_column(name)
    for name, f in fitted:
        power = f.fits.get("power")
        c = f"{power.parameters['c']:.6g}" if power else ""
        alpha = f"{power.parameters['alpha']:.6f}" if power else ""
        low, high = power.intervals.get("alpha", (np.nan, np.nan)) if power else (np.nan, np.nan)
        best = ", ".join(f"{k} = {v:.4g}" for k, v in f.best.parameters.items())
        ahead = f"{f.evidence:.1f}" if np.isfinite(f.evidence) else ""
        table.add_row(escape(name), c, alpha, f"{low:.4f} to {high:.4f}", f.winner, ahead, best)
    stdout().print(table)
    names = [f.winner for _, f in fitted]
    if law == "auto":
        clear = sum(f.evidence > 10 for _, f in fitted)
        counts = ", ".join(f"{names.count(k)} prefer {k}" for k in dict.fromkeys(names))
        print(f"{counts}; {clear} of {len(fitted)} decisively (AICc ahead by more than 10).")


@app.command()
def measure(
    a: Annotated[Path, typer.Argument(help="Tokens of branch A: .npy, .npz or .safetensors.")],
    b: Annotated[Path, typer.Argument(help="Tokens of branch B, same shape.")],
    order: Annotated[
        str, typer.Option(help="raster, random, or a .npy file with an order.")
    ] = "raster",
    points: Annotated[int, typer.Option(min=3, max=10_000, help="Token counts to report.")] = 17,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    key: Annotated[
        str | None, typer.Option(help="Array to take from .npz or .safetensors.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure D(n), psi's, n_balance and the exponent on your own tokens (pairs, N, d)."""
    from tokenspace.grids import log_grid
    from tokenspace.tokens.arrays import load_array, load_order
    from tokenspace.tokens.measure import measure as measure_tokens

    first, second = load_array(a, key), load_array(b, key)
    if first.ndim not in (2, 3):
        raise InputError(
            f"{a}: tokens must be (pairs, N, d) or (N, d), but their shape is {first.shape}"
        )
    grid = log_grid(max(first.shape[-2], 1), points)
    result = measure_tokens(first, second, grid, load_order(order), seed)
    upsilon, (scale, off) = result.upsilon(), result.scale_fit()
    if as_json:
        found = summary("measured", result, None)
        document(found | {"upsilon": upsilon, "lambda": scale, "lambda_deviation": off})
        return
    table = Table(title=f"{result.replicates} pairs, {result.reason}", header_style="bold")
    names = (
        "n",
        "D",
        "± s.e.",
        "exponent",
        "psi_equal",
        "psi_within",
        "psi_cross",
        "lambda sqrt(Upsilon)",
    )
    for name in names:
        table.add_column(name, justify="right")
    slopes = result.local_exponent().mean if len(result.n) > 1 else np.zeros(0)
    for k, n in enumerate(result.n):
        psi = [result.correlations[p].mean[k] for p in names[4:7]]  # type: ignore[index]
        table.add_row(
            str(n),
            f"{result.mean[k]:.6g}",
            "-" if result.replicates < 2 else f"{result.standard_error[k]:.2g}",
            f"{slopes[k - 1]:.4f}" if k else "-",
            *("-" if np.isnan(p) else f"{p:.4f}" for p in psi),
            f"{scale * np.sqrt(upsilon[k]):.6g}",
        )
    stdout().print(table)
    print(f"E[D] = {scale:.5g} sqrt(Upsilon), off by at most {off:.1%}")
    if result.replicates >= 2 and len(result.n) >= 3:
        print(result.n_balance())
    else:
        print("n_balance and errors need at least 2 pairs")
