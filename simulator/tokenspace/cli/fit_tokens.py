"""`tokenspace fit-tokens`: which covariance made these tokens, and what they are like."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tokenspace.cli.common import Json, app
from tokenspace.cli.fit_tokens_json import as_data
from tokenspace.cli.fit_tokens_tables import show
from tokenspace.cli.fitted_tokens import fitted
from tokenspace.cli.model_file import check_model_file, write_model
from tokenspace.cli.present import document
from tokenspace.cli.token_inputs import (
    AllPairs,
    Key,
    OnlyGroups,
    Order,
    TokensA,
    TokensB,
    loaded,
    require_folder_alone,
    said_of_group,
)
from tokenspace.errors import InputError
from tokenspace.printable import shown


@app.command("fit-tokens")
def fit_tokens(
    a: TokensA,
    b: TokensB = None,
    pairs: AllPairs = None,
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
    order: Order = "raster",
    seed: Annotated[int, typer.Option(min=0)] = 0,
    key: Key = None,
    only: OnlyGroups = None,
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

    check_model_file(config)
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
    found = fitted(given, how)
    saved = "" if config is None else write_model(config, found.fit, given.longest)
    if as_json:
        document(as_data(found))
    else:
        show(found, saved)


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
            found = fitted(given, how)
        except InputError as error:
            failed.append(f"{group.label}: {error}")
            continue
        saved = "" if config is None else write_model(config, found.fit, given.longest)
        if as_json:
            rows.append(said_of_group(group) | as_data(found))
        else:
            print(shown(group.label))
            show(found, saved)
    if as_json and rows:
        document(rows)
    if failed:
        count = f"{len(failed)} of {len(groups)} groups are not fitted: " if groups[1:] else ""
        raise InputError(f"{count}{failed[0]}")


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
