"""The command on tokens that are given, in arrays or in folders: `measure`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tokenspace.cli.common import Json, app, progress_bar
from tokenspace.cli.present import dense_table, document, on_grid, stdout, summary, with_errors
from tokenspace.errors import InputError
from tokenspace.printable import counted, known, number, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np

    from tokenspace.statistics.estimate import Estimate, Moments
    from tokenspace.statistics.exponent import Exponent
    from tokenspace.statistics.result import Result
    from tokenspace.statistics.scale import Scale
    from tokenspace.tokens.folders import Measured, TokenGroup

MOST_TABLES = 3  # of groups; of more, a line each is printed
OTHER_LAMBDAS = {
    "lambda_plain": "as the paper fits it (that above: least squares in log), every n alike",
    "lambda_unit_norm": "of the tokens scaled to norm 1",
}
MOST_DECIMALS = 8  # of psi's, which are float32 for each pair
PROGRESS_FROM = 1 << 28  # bytes of tokens; less takes no time


@app.command()
def measure(
    a: Annotated[
        Path,
        typer.Argument(
            help="Tokens of branch A: .npy, .npz or .safetensors; or a folder of tokens, such as "
            "`tokenspace collect` writes."
        ),
    ],
    b: Annotated[Path | None, typer.Argument(help="Tokens of branch B, same shape.")] = None,
    pairs: Annotated[
        str | None, typer.Option(help="all: every pair of the pictures in A (K, N, d), without B.")
    ] = None,
    groups: Annotated[
        Path | None,
        typer.Option(
            help="What pairs share, for the errors: labels (pairs,) or (pairs, 2) in a .npy file; "
            "with --pairs all, what pictures share (K,)."
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
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this group of a folder; may be repeated."),
    ] = None,
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
        _show(result, norms)


def require_folder_alone(
    folder: Path, b: Path | None, pairs: str | None, groups: Path | None, key: str | None
) -> None:
    """Nothing that is said of arrays is said of a folder."""
    for name, value in (("B", b), ("--pairs", pairs), ("--groups", groups), ("--key", key)):
        if value is not None:
            raise InputError(
                f"{name} is not allowed: the folder {folder} says itself what is paired"
            )


def loaded(
    a: Path, b: Path | None, groups: Path | None, key: str | None
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """Tokens of both branches and the labels of groups, from their files."""
    from tokenspace.tokens.arrays import load_array

    if key is not None and {path.suffix for path in (a, b) if path} == {".npy"}:
        raise InputError(f"--key {key!r} is not allowed: a .npy file holds one array, without name")
    second = None if b is None else load_array(b, key)
    return load_array(a, key), second, None if groups is None else load_array(groups)


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


def measured_groups(
    groups: list[TokenGroup], points: int, order: Any, seed: int
) -> Iterator[Measured]:
    """Of each group, with progress."""
    from tokenspace.tokens.folders import measure_groups

    with progress_bar() as bar:
        task = bar.add_task("")

        def progress(label: str, done: int, total: int) -> None:
            bar.update(task, description=shown(label), completed=done, total=total)

        yield from measure_groups(groups, points, order, seed, progress)


def _measure_folder(
    folder: Path, only: list[str], points: int, order: str, seed: int, norms: bool, as_json: bool
) -> None:
    from tokenspace.tokens.arrays import load_order
    from tokenspace.tokens.folders import token_groups

    groups = token_groups(folder, only)
    found = measured_groups(groups, points, load_order(order), seed)
    if as_json:
        about = ("name", "model", "part", "layer")
        document(
            [_as_json(m.label, m.result, True) | {k: getattr(m, k) for k in about} for m in found]
        )
    elif len(groups) <= MOST_TABLES:
        for m in found:
            print(shown(m.label))
            _show(m.result, norms, among_others=True)
    else:
        everything = list(found)
        _show_groups(everything)
        for note in dict.fromkeys(note for m in everything for note in m.result.notes):
            print(note)
        print(f"the table of one group: tokenspace measure {folder} --only {groups[-1].name}")


def _or_why(take: Callable[[], Any]) -> tuple[Any, str]:
    """A number, or nothing and the reason why there is none."""
    try:
        return take(), ""
    except InputError as error:
        return None, str(error)


def _exponent(result: Result, among_others: bool) -> Exponent | None:
    """Nothing of one token count, nor of D(n) = 0 in a group whose neighbours have more to say."""
    if len(result.n) < 2 or (among_others and not result.mean.all()):
        return None
    return result.local_exponent()


def _lambdas(result: Result, among_others: bool) -> tuple[dict[str, Scale | None], str]:
    """lambda by the name of the fit; nothing, and the reason, where D(n) is given but Upsilon 0.

    Also where D(n) is 0, in a group among others.
    """
    fits: dict[str, dict[str, Any]] = {
        "lambda": {},
        "lambda_plain": {"by": "plain"},
        "lambda_unit_norm": {"unit": True},
    }
    found: dict[str, Scale | None] = {}
    why = ""
    for name, how in fits.items():
        try:
            found[name] = result.scale_fit(**how)
        except InputError as error:
            if not result.mean.all() and not among_others:
                raise
            found[name], why = None, why or str(error)
    return found, why


def _as_json(label: str, result: Result, among_others: bool = False) -> dict[str, Any]:
    exponent, reached = _exponent(result, among_others), result.reached()
    return summary(label, result, None) | {
        "degrees_of_freedom": result.divergence.degrees_of_freedom,
        "counts": result.counts,
        "fitted": {"pairs": reached.replicates, "up_to": reached.n[-1]},
        "upsilon": on_grid(result.cosine_upsilon()),
        "exponent": None if exponent is None else {"n": exponent.n} | on_grid(exponent),
        "unit_norm": on_grid(result.unit_divergence),
        **{name: with_errors(fit) for name, fit in _lambdas(result, among_others)[0].items()},
    }


def _show(result: Result, norms: bool, among_others: bool = False) -> None:
    exponent = _exponent(result, among_others)
    scales, unknown = _lambdas(result, among_others)
    _show_table(result, exponent, scales["lambda"])
    for note in result.notes:
        print(note)
    if norms:
        _show_norms(result, scales)
    print(unknown or scales["lambda"])
    for name, words in OTHER_LAMBDAS.items():
        other = scales[name]
        if other is not None:
            off = f"off by at most {other.lack_of_fit:.1%}"
            print(f"  {words}: {number(other.mean, other.standard_error)}, {off}")
    reached = result.reached()
    if result.counts is not None:
        reaching = "1 pair that reaches"
        if reached.replicates > 1:
            reaching = f"{reached.replicates:,} pairs that reach"
        print(
            f"exponents are of the pairs that reach both n; lambda and n_balance of the {reaching} "
            f"n = {reached.n[-1]}, the last that half of them do"
        )
    if len(reached.n) < 2:
        print("exponents need at least 2 token counts, n_balance at least 3")
    elif len(reached.n) < 3:
        print("n_balance needs at least 3 token counts")
    if reached.replicates < 2:
        print("n_balance and errors need at least 2 pairs, or 3 pictures with --pairs all")
    elif result.enough_for_balance and reached.mean.all():
        print(result.n_balance())


def _number(value: float, digits: str) -> str:
    return known(value, digits)


def _at(psi: Estimate, k: int) -> str:
    return _to_error(float(psi.mean[k]), float(psi.standard_error[k]))


def _to_error(value: float, error: float) -> str:
    """As many decimals as two digits of the error have; six digits where it is not known."""
    import math

    if not (math.isfinite(value) and math.isfinite(error) and error > 0):
        return _number(value, ".6g")
    return f"{value:.{min(max(1 - math.floor(math.log10(error)), 0), MOST_DECIMALS)}f}"


def _show_table(result: Result, exponent: Exponent | None, scale: Scale | None) -> None:
    """The table of `measure`; "-" where a quantity is not defined."""
    import numpy as np

    psis = ("psi_equal", "psi_within", "psi_cross", "psi_delta")
    error = "± s.e."
    names = ["D", error, "exponent", error, *psis, error, "lambda sqrt(Upsilon)"]
    counts = [] if result.counts is None else ["pairs"]
    title = f"{counted(result.replicates, 'pair')}, {result.reason}"
    table = dense_table(title, ["n", *counts, *names])
    upsilon, correlations = result.cosine_upsilon().mean, result.correlations or {}
    for k, n in enumerate(result.n):
        slope, slope_error = np.nan, np.nan
        if exponent is not None and k:
            slope, slope_error = exponent.mean[k - 1], exponent.standard_error[k - 1]
        table.add_row(
            str(n),
            *([] if result.counts is None else [f"{result.counts[k]:,}"]),
            f"{result.mean[k]:.6g}",
            _number(result.standard_error[k], ".2g"),
            _number(slope, ".4f"),
            _number(slope_error, ".2g"),
            *(_at(correlations[name], k) for name in psis),
            _number(correlations["psi_delta"].standard_error[k], ".2g"),
            "-" if scale is None else f"{scale.mean * np.sqrt(upsilon[k]):.6g}",
        )
    stdout().print(table)


def _show_norms(result: Result, scales: dict[str, Scale | None]) -> None:
    """D of tokens as they are and of norm 1, and how far each is off its lambda sqrt(Upsilon)."""
    import numpy as np

    error, off = "± s.e.", "off lambda sqrt(Upsilon)"
    table = dense_table(
        "D of the tokens as they are, and scaled to norm 1",
        ["n", "D", error, off, "D, norm 1", error, off],
    )
    root = np.sqrt(np.maximum(result.cosine_upsilon().mean, 0.0))

    def cells(found: Moments, scale: Scale | None, k: int) -> list[str]:
        away = "-" if scale is None else f"{found.mean[k] / (scale.mean * root[k]) - 1:+.1%}"
        return [f"{found.mean[k]:.6g}", _number(found.standard_error[k], ".2g"), away]

    for k, n in enumerate(result.n):
        table.add_row(
            str(n),
            *cells(result.divergence, scales["lambda"], k),
            *cells(result.unit_divergence, scales["lambda_unit_norm"], k),
        )
    stdout().print(table)


def _show_groups(found: list[Measured]) -> None:
    """A line a group: what is known at the last n that half of the pairs reach."""
    error, psis = "± s.e.", ("psi_equal", "psi_within", "psi_cross")
    balances = ("n_balance", "95 % interval")
    table = dense_table(
        "Groups of tokens, at the largest n that half of the pairs reach",
        ["group", "pairs", "n", "D", error, "exponent", error, *psis, *balances, "lambda"],
        left=1,
    )
    for m in found:
        r = m.result.reached()
        slope, _ = _or_why(r.local_exponent)
        balance, _ = _or_why(r.n_balance)
        scale, _ = _or_why(r.scale_fit)
        psi = r.correlations or {}
        table.add_row(
            shown(m.name),
            f"{r.replicates:,}",
            str(r.n[-1]),
            f"{r.mean[-1]:.5g}",
            _number(r.standard_error[-1], ".2g"),
            *(
                ("-", "-")
                if slope is None
                else (_number(slope.mean[-1], ".3f"), _number(slope.standard_error[-1], ".2g"))
            ),
            *(_at(psi[k], -1) for k in psis),
            "-" if balance is None else _number(balance.mean, ".4g"),
            "-"
            if balance is None
            else " to ".join(_number(end, ".3g") for end in balance.interval),
            "-" if scale is None else f"{scale.mean:.5g}",
        )
    stdout().print(table)
