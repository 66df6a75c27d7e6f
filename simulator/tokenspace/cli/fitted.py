"""`tokenspace fit-tokens`: which covariance made these tokens, and what they are like."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tokenspace.cli.common import Json, app
from tokenspace.cli.given import loaded, require_folder_alone
from tokenspace.cli.present import document, stdout
from tokenspace.errors import InputError
from tokenspace.printable import known, number, shown

if TYPE_CHECKING:
    from tokenspace.statistics.estimate import Estimate
    from tokenspace.tokens.describe import TokenDescription
    from tokenspace.tokens.fit import TokenFit
    from tokenspace.tokens.pairs import Pairs


@app.command("fit-tokens")
def fit_tokens(
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
            help="What pairs share: labels (pairs,) in a .npy file; with --pairs all, what "
            "pictures share (K,)."
        ),
    ] = None,
    family: Annotated[
        list[str] | None,
        typer.Option(help="auto, or names to choose from; may be repeated. Default: auto."),
    ] = None,
    aim: Annotated[
        str | None,
        typer.Option(
            help="lags or sums. Default: both where families are ranked; lags of one family."
        ),
    ] = None,
    patches: Annotated[
        str | None,
        typer.Option(metavar="ROWSxCOLUMNS", help="The picture, e.g. 16x16; a square if N is one."),
    ] = None,
    order: Annotated[
        str, typer.Option(help="raster, random, or a .npy file with an order.")
    ] = "raster",
    seed: Annotated[int, typer.Option(min=0)] = 0,
    key: Annotated[
        str | None, typer.Option(help="Array to take from .npz or .safetensors.")
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this group of a folder; may be repeated."),
    ] = None,
    tokens: Annotated[
        int | None,
        typer.Option(
            min=2, help="Of a folder: the first tokens of each sequence; shorter pairs go."
        ),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="Write the model here, for tokenspace run (TOML).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Which covariance made these tokens? Ranks families by pictures they were not fitted to.

    Also says what the tokens are like beside Gaussian ones: spectrum, norms, tails, token law.
    """
    from tokenspace.tokens.arrays import load_order
    from tokenspace.tokens.pairs import pairs_of

    named = list(family or ["auto"])
    how: dict[str, Any] = {
        "family": named if len(named) > 1 else named[0],
        "aim": aim,
        "patches": _patches(patches),
        "order": load_order(order),
        "seed": seed,
    }
    if a.is_dir():
        require_folder_alone(a, b, pairs, groups, key)
        _fit_folder(a, only or [], tokens, how, config, as_json)
        return
    for name, of_folder in (("--only", only), ("--tokens", tokens)):
        if of_folder is not None:
            raise InputError(f"{name} is for folders, but {a} is no folder")
    first, second, labels = loaded(a, b, groups, key)
    given = pairs_of(first, second, pairs, labels)
    found = _fitted(given, how)
    saved = "" if config is None else _write(config, found.fit, given.longest)
    if as_json:
        document(_as_data(found))
    else:
        _show_all(found, saved)


@dataclass(frozen=True)
class Fitted:
    """A fit, and what the tokens are like: `said`, or `why` that is not known."""

    fit: TokenFit
    said: TokenDescription | None
    why: str = ""


def _fitted(given: Pairs, how: dict[str, Any]) -> Fitted:
    from tokenspace.tokens.describe import describe_tokens
    from tokenspace.tokens.fit import fit_tokens as fit

    found = fit(given, **how)
    try:
        return Fitted(found, describe_tokens(given))
    except InputError as error:
        return Fitted(found, None, f"not described: {error}")


def _fit_folder(
    folder: Path,
    only: list[str],
    tokens: int | None,
    how: dict[str, Any],
    config: Path | None,
    as_json: bool,
) -> None:
    """Each group of a folder, one after the other; which cannot be fitted is said at the end."""
    from tokenspace.tokens.folders import token_groups
    from tokenspace.tokens.one_length import of_one_length

    groups = token_groups(folder, only)
    if config is not None and len(groups) > 1:
        names = ", ".join(g.name for g in groups)
        raise InputError(f"--config takes one model; name its group with --only: {names}")
    rows, failed = [], []
    for group in groups:
        try:
            given = of_one_length(group.open(), tokens)
            found = _fitted(given, how)
        except InputError as error:
            failed.append(f"{group.label}: {error}")
            continue
        saved = "" if config is None else _write(config, found.fit, given.longest)
        if as_json:
            about = {k: getattr(group, k) for k in ("name", "model", "part", "layer")}
            rows.append({"label": group.label} | about | _as_data(found))
        else:
            print(shown(group.label))
            _show_all(found, saved)
    if as_json and rows:
        document(rows)
    if failed:
        count = f"{len(failed)} of {len(groups)} groups are not fitted: " if groups[1:] else ""
        raise InputError(f"{count}{failed[0]}")


def _show_all(found: Fitted, saved: str) -> None:
    _show(found.fit)
    if found.said is None:
        print(shown(found.why))
    else:
        _describe(found.said)
    for note in found.fit.notes:
        print(note)
    if saved:
        print(saved)


def _patches(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    try:
        rows, columns = (int(part) for part in text.lower().split("x"))
    except ValueError:
        raise InputError(
            f"--patches {text!r} is not allowed; it must be rows x columns, such as 16x16"
        ) from None
    return rows, columns


def _number(value: Estimate) -> str:
    return number(value.mean, value.standard_error)


def _show(found: TokenFit) -> None:
    if found.ranking:
        _show_ranking(found)
    else:
        aim = found.aim or "the psi's"
        print(f"One family, {found.family}, fitted to {aim}; several are ranked.")
    _show_parameters(found)


def _show_ranking(found: TokenFit) -> None:
    from rich.table import Table

    table = Table(
        title="Errors on held-out pictures; score: 1 is as good as no model", header_style="bold"
    )
    for name in ("family", "fitted to"):
        table.add_column(name)
    for name in ("score", "log D", "gamma", "psi", "behind the best", "parameters"):
        table.add_column(name, justify="right")
    for r in found.ranking:
        here = (r.family, r.order) == (found.family, found.order)
        table.add_row(
            r.name + (" <- chosen" if here else ""),
            r.aim,
            *(_number(x) for x in (r.score, r.divergence, r.gamma, r.psi)),
            _number(r.behind) + (" ties" if r.ties else "") if r.behind.mean else "best",
            str(r.size) if r.aim else "",
            style="bold" if here else None,
        )
    stdout().print(table)
    print(
        "Chosen: the fewest parameters of those within one standard error of the best; "
        "ties: not worse than the best at 95 %."
    )


def _show_parameters(found: TokenFit) -> None:
    from rich.table import Table

    table = Table(title=f"Parameters of {found.family}", header_style="bold")
    for name in ("parameter", "value", "95 % interval"):
        table.add_column(name)
    for name, value in found.parameters.items():
        low, high = value.interval()
        bounded = float(value.standard_error) > 0 and low > -float("inf")
        table.add_row(name, _number(value), f"{low:.4g} to {high:.4g}" if bounded else "unknown")
    stdout().print(table)
    _show_compared(found)


def _show_compared(found: TokenFit) -> None:
    from rich.table import Table

    table = Table(title=f"The tokens beside the model, {found.family}", header_style="bold")
    table.add_column("quantity")
    for name in ("tokens", "model", "z of the difference"):
        table.add_column(name, justify="right")
    for row in found.compared:
        z = "0: by construction" if row.z == 0 else known(row.z, ".1f")
        table.add_row(row.name, _number(row.tokens), number(row.model.mean), z)
    stdout().print(table)


def _describe(said: TokenDescription) -> None:
    from rich.table import Table

    table = Table(title="The tokens beside Gaussian ones", header_style="bold")
    for name in ("quantity", "tokens", "Gaussian tokens"):
        table.add_column(name)
    for name, value in said.found.items():
        other = said.gaussian.get(name)
        table.add_row(name, _number(value), "" if other is None else _number(other))
    stdout().print(table)
    table = Table(title="What norms change", header_style="bold")
    for name in ("quantity", "as given", "scaled to norm 1", "change"):
        table.add_column(name)
    for name, value in said.raw.items():
        table.add_row(name, *map(_number, (value, said.unit[name], said.change[name])))
    stdout().print(table)
    print(f"token law {said.law!r}: {said.why}")


def _estimates(values: dict[str, Estimate]) -> dict[str, Any]:
    return {
        k: {
            "mean": v.mean,
            "standard_error": v.standard_error,
            "interval": list(v.interval()),
            "degrees_of_freedom": v.degrees_of_freedom,
        }
        for k, v in values.items()
    }


def _as_data(found: Fitted) -> dict[str, Any]:
    why = {"why": found.why}
    description = why if found.said is None else _description(found.said)
    return _fit_data(found.fit) | {"description": description}


def _fit_data(found: TokenFit) -> dict[str, Any]:
    from tokenspace.experiments.canonical import model_tables

    ranking = [
        {"family": r.family, "order": r.order, "aim": r.aim, "ties": r.ties, "parameters": r.size}
        | _estimates({k: getattr(r, k) for k in ("score", "divergence", "gamma", "psi", "behind")})
        for r in found.ranking
    ]
    return {
        "family": found.family,
        "order": found.order,
        "aim": found.aim,
        "parameters": _estimates(found.parameters),
        "compared": [
            _estimates({k: getattr(row, k) for k in ("tokens", "model", "difference")})
            | {"name": row.name, "z": row.z}
            for row in found.compared
        ],
        "ranking": ranking,
        "notes": list(found.notes),
        "model": model_tables(found.model),
    }


def _description(said: TokenDescription) -> dict[str, Any]:
    return {
        "tokens": _estimates(said.found),
        "gaussian": _estimates(said.gaussian),
        "eigenvalues": said.eigenvalues,
        "raw": _estimates(said.raw),
        "unit": _estimates(said.unit),
        "change": _estimates(said.change),
        "law": repr(said.law),
        "why": said.why,
    }


def _write(path: Path, found: TokenFit, tokens: int) -> str:
    """The model as a configuration that `tokenspace run` reads, with replicates for a verdict.

    What was saved, in words.
    """
    from tokenspace.experiments.canonical import model_tables
    from tokenspace.grids import log_grid
    from tokenspace.statistics.decisive import replicates_to_pass

    enough = replicates_to_pass(found.model, log_grid(tokens))
    tables: dict[str, Any] = {"tokens": {"count": int(tokens)}, "run": {"replicates": enough}}
    tables |= model_tables(found.model)
    lines = []
    for name, table in tables.items():
        lines.append(f"[{name}]")
        lines += [f"{k} = {_toml(v)}" for k, v in table.items()]
        lines.append("")
    try:
        path.write_text("\n".join(lines))
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from None
    return (
        f"the model is in {path}, with {enough:,} replicates, which let its check pass: "
        f"tokenspace run {path}"
    )


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k} = {_toml(v)}" for k, v in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return f'"{value}"' if isinstance(value, str) else repr(value)
