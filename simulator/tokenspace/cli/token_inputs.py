"""Given tokens, in arrays or in folders, as commands take them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tokenspace.cli.common import progress_bar
from tokenspace.errors import InputError
from tokenspace.printable import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    from tokenspace.tokens.folders import Measured, TokenGroup

# What `measure` and `fit-tokens` take alike.
TokensA = Annotated[
    Path,
    typer.Argument(
        help="Tokens of branch A: .npy, .npz or .safetensors; or a folder of tokens, such as "
        "`tokenspace collect` writes."
    ),
]
TokensB = Annotated[Path | None, typer.Argument(help="Tokens of branch B, same shape.")]
AllPairs = Annotated[
    str | None, typer.Option(help="all: every pair of the pictures in A (K, N, d), without B.")
]
Order = Annotated[str, typer.Option(help="raster, random, or a .npy file with an order.")]
Key = Annotated[str | None, typer.Option(help="Array to take from .npz or .safetensors.")]
OnlyGroups = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="Only this group of a folder; may be repeated."),
]


def require_folder_alone(
    folder: Path, b: Path | None, pairs: str | None, groups: Path | None, key: str | None
) -> None:
    """Nothing that is said of arrays is said of a folder."""
    for name, value in (("B", b), ("--pairs", pairs), ("--groups", groups), ("--key", key)):
        if value is not None:
            raise InputError(
                f"{name} is not allowed: the folder {folder} says itself what is paired"
            )


def said_of_group(group: TokenGroup | Measured) -> dict[str, Any]:
    """What JSON documents say of a group, beside its numbers."""
    return {
        "label": group.label,
        "name": group.name,
        "model": group.model,
        "part": group.part,
        "layer": group.layer,
    }


def loaded(
    a: Path, b: Path | None, groups: Path | None, key: str | None
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """Tokens of both branches and the labels of groups, from their files."""
    from tokenspace.tokens.arrays import load_array

    if key is not None and {path.suffix for path in (a, b) if path} == {".npy"}:
        raise InputError(f"--key {key!r} is not allowed: a .npy file holds one array, without name")
    second = None if b is None else load_array(b, key)
    return load_array(a, key), second, None if groups is None else load_array(groups)


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
