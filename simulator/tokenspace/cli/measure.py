"""`tokenspace measure`: D(n), correlations, n_balance and exponents of given tokens."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tokenspace.cli.common import Json, app, progress_bar
from tokenspace.cli.measure_tables import exponent_of, lambdas_of, show, show_groups
from tokenspace.cli.present import document
from tokenspace.cli.result_json import on_grid, summary, with_errors
from tokenspace.cli.token_inputs import (
    AllPairs,
    Key,
    OnlyGroups,
    Order,
    TokensA,
    TokensB,
    loaded,
    measured_groups,
    require_folder_alone,
    said_of_group,
)
from tokenspace.errors import InputError
from tokenspace.printable import shown

if TYPE_CHECKING:
    from tokenspace.statistics.result import Result

MOST_TABLES = 3  # of groups; of more, a line each is printed
PROGRESS_FROM = 1 << 28  # bytes of tokens; less takes no time


@app.command()
def measure(
    a: TokensA,
    b: TokensB = None,
    pairs: AllPairs = None,
    groups: Annotated[
        Path | None,
        typer.Option(
            help="What pairs share, for the errors: labels (pairs,) or (pairs, 2) in a .npy file; "
            "with --pairs all, what pictures share (K,)."
        ),
    ] = None,
    order: Order = "raster",
    points: Annotated[int, typer.Option(min=3, max=10_000, help="Token counts to report.")] = 17,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    key: Key = None,
    only: OnlyGroups = None,
    norms: Annotated[
        bool, typer.Option("--norms", help="Also D of the tokens scaled to norm 1.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Measure D(n), psi's, n_balance and the exponent on your own tokens (pairs, N, d).

    Pairs that share a picture or a prompt are not independent: --pairs all or --groups make errors
    that know of it; a folder of `tokenspace collect` says itself what pairs share. Of all pairs of
    pictures, one that is there twice counts once. Files are read through memory maps: memory does
    not grow with them. psi's have as many decimals as two digits of their errors.
    """
    if a.is_dir():
        require_folder_alone(a, b, pairs, groups, key)
        _measure_folder(a, only or [], points, order, seed, norms, as_json)
        return
    if only:
        raise InputError(f"--only is for folders, but {a} is no folder")
    result = _measure_arrays(a, b, pairs, groups, order, points, seed, key)
    if as_json:
        document(_as_json("measured", result))
    else:
        show(result, norms)


def _measure_arrays(
    a: Path,
    b: Path | None,
    pairs: str | None,
    groups: Path | None,
    order: str,
    points: int,
    seed: int,
    key: str | None,
) -> Result:
    from tokenspace.grids import log_grid
    from tokenspace.tokens.arrays import load_order
    from tokenspace.tokens.measure import measure as measure_tokens

    first, second, labels = loaded(a, b, groups, key)
    if first.ndim not in (2, 3):
        raise InputError(
            f"{a}: tokens must be (pairs, N, d) or (N, d), but their shape is {first.shape}"
        )
    grid = log_grid(max(first.shape[-2], 1), points)
    count = len(first) if first.ndim == 3 else 1
    total = count * (count - 1) // 2 if pairs == "all" else count
    with progress_bar(first.nbytes > PROGRESS_FROM) as bar:
        task = bar.add_task("pairs", total=total)
        result = measure_tokens(
            first,
            second,
            grid,
            load_order(order),
            seed,
            pairs=pairs,
            groups=labels,
            progress=lambda done: bar.update(task, completed=done),
        )
        bar.update(task, total=result.replicates)  # fewer where pictures are there twice
        return result


def _measure_folder(
    folder: Path, only: list[str], points: int, order: str, seed: int, norms: bool, as_json: bool
) -> None:
    from tokenspace.tokens.arrays import load_order
    from tokenspace.tokens.folders import token_groups

    groups = token_groups(folder, only)
    found = measured_groups(groups, points, load_order(order), seed)
    if as_json:
        document([_as_json(m.label, m.result, True) | said_of_group(m) for m in found])
    elif len(groups) <= MOST_TABLES:
        for m in found:
            print(shown(m.label))
            show(m.result, norms, among_others=True)
    else:
        everything = list(found)
        show_groups(everything)
        for note in dict.fromkeys(note for m in everything for note in m.result.notes):
            print(note)
        again = shlex.join(["tokenspace", "measure", str(folder), "--only", groups[-1].name])
        print(f"the table of one group: {again}")


def _as_json(label: str, result: Result, among_others: bool = False) -> dict[str, Any]:
    from tokenspace.tokens.bend import bend_of

    exponent, reached = exponent_of(result, among_others), result.reached()
    return summary(label, result, None) | {
        "degrees_of_freedom": result.divergence.degrees_of_freedom,
        "counts": result.counts,
        "fitted": {"pairs": reached.replicates, "up_to": reached.n[-1]},
        "upsilon": on_grid(result.cosine_upsilon()),
        "exponent": None if exponent is None else {"n": exponent.n} | on_grid(exponent),
        "unit_norm": on_grid(result.unit_divergence),
        "norms": {"ratio": result.norm_ratio, "bend": bend_of(result).largest},
        **{name: with_errors(fit) for name, fit in lambdas_of(result, among_others)[0].items()},
    }
