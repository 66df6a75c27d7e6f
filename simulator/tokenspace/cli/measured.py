"""The command `measure`: token arrays that were collected elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tokenspace.cli.common import Json, app
from tokenspace.cli.present import document, on_grid, stdout, summary, with_errors
from tokenspace.errors import InputError

if TYPE_CHECKING:
    from tokenspace.statistics.exponent import Exponent
    from tokenspace.statistics.result import Result
    from tokenspace.statistics.scale import Scale


@app.command()
def measure(
    a: Annotated[Path, typer.Argument(help="Tokens of branch A: .npy, .npz or .safetensors.")],
    b: Annotated[Path | None, typer.Argument(help="Tokens of branch B, same shape.")] = None,
    pairs: Annotated[
        str | None, typer.Option(help="all: every pair of the pictures in A (K, N, d), without B.")
    ] = None,
    groups: Annotated[
        Path | None,
        typer.Option(
            help="What pairs share, for the errors: labels (pairs,) or (pairs, 2) in a .npy file."
        ),
    ] = None,
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
    """Measure D(n), psi's, n_balance and the exponent on your own tokens (pairs, N, d).

    Pairs that share a picture or a prompt are not independent: --pairs all or --groups make errors
    that know of it.
    """
    from tokenspace.grids import log_grid
    from tokenspace.tokens.arrays import load_array, load_order
    from tokenspace.tokens.measure import measure as measure_tokens

    if key is not None and {path.suffix for path in (a, b) if path} == {".npy"}:
        raise InputError(f"--key {key!r} is not allowed: a .npy file holds one array, without name")
    first = load_array(a, key)
    second = None if b is None else load_array(b, key)
    labels = None if groups is None else load_array(groups)
    if first.ndim not in (2, 3):
        raise InputError(
            f"{a}: tokens must be (pairs, N, d) or (N, d), but their shape is {first.shape}"
        )
    grid = log_grid(max(first.shape[-2], 1), points)
    result = measure_tokens(
        first, second, grid, load_order(order), seed, pairs=pairs, groups=labels
    )
    exponent = result.local_exponent() if len(result.n) > 1 else None
    scale, unknown = _lambda(result)
    if as_json:
        found = {
            "degrees_of_freedom": result.divergence.degrees_of_freedom,
            "upsilon": on_grid(result.cosine_upsilon()),
            "exponent": None if exponent is None else {"n": exponent.n} | on_grid(exponent),
            "lambda": with_errors(scale),
        }
        document(summary("measured", result, None) | found)
        return
    _show(result, exponent, scale)
    print(unknown or scale)
    if len(result.n) < 2:
        print("exponents need at least 2 token counts, n_balance at least 3")
    elif len(result.n) < 3:
        print("n_balance needs at least 3 token counts")
    if result.replicates < 2:
        print("n_balance and errors need at least 2 pairs, or 3 pictures with --pairs all")
    elif result.enough_for_balance:
        print(result.n_balance())


def _lambda(result: Result) -> tuple[Scale | None, str]:
    """lambda, or nothing and the reason where D(n) is given but Upsilon is 0."""
    try:
        return result.scale_fit(), ""
    except InputError as error:
        if not result.mean.all():
            raise
        return None, str(error)


def _show(result: Result, exponent: Exponent | None, scale: Scale | None) -> None:
    """The table of `measure`; "-" where a quantity is not defined."""
    import numpy as np
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    # without lines between them, all columns fit into 120 characters
    table = Table(
        title=f"{result.replicates:,} pairs, {result.reason}",
        header_style="bold",
        box=SIMPLE_HEAD,
        pad_edge=False,
    )
    psis = ("psi_equal", "psi_within", "psi_cross", "psi_delta")
    error = "± s.e."
    for name in ("n", "D", error, "exponent", error, *psis, error, "lambda sqrt(Upsilon)"):
        table.add_column(name, justify="right")
    upsilon, correlations = result.cosine_upsilon().mean, result.correlations or {}

    def number(value: float, digits: str) -> str:
        return f"{value:{digits}}" if np.isfinite(value) else "-"

    for k, n in enumerate(result.n):
        slope, slope_error = np.nan, np.nan
        if exponent is not None and k:
            slope, slope_error = exponent.mean[k - 1], exponent.standard_error[k - 1]
        table.add_row(
            str(n),
            f"{result.mean[k]:.6g}",
            number(result.standard_error[k], ".2g"),
            number(slope, ".4f"),
            number(slope_error, ".2g"),
            *(number(correlations[name].mean[k], ".4f") for name in psis),
            number(correlations["psi_delta"].standard_error[k], ".2g"),
            "-" if scale is None else f"{scale.mean * np.sqrt(upsilon[k]):.6g}",
        )
    stdout().print(table)
