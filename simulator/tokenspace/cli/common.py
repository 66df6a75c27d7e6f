"""What commands share: the application, options, progress and messages.

Modules of commands import nothing heavy: NumPy, JAX and the rest of tokenspace are imported inside
the command that needs them, so that `--help`, `--version` and completion answer at once.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tokenspace.errors import InputError
from tokenspace.registry import load_plugin

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
messages = Console(stderr=True)
MANY_CURVES = 200  # from which on progress is shown


def _positive(value: float) -> float:
    """Refuses 0, negative numbers, NaN and infinity, whether or not the command needs the value."""
    if not 0 < value < math.inf:
        raise typer.BadParameter(f"{value} is not allowed; it must be a finite number > 0.")
    return value


Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Tolerance = Annotated[
    float,
    typer.Option(
        callback=_positive,
        help="Largest deviation that counts as agreement (relative; exponent: absolute).",
    ),
]
Config = Annotated[Path, typer.Argument(help="TOML file; see sweeps/demo.toml for an example.")]

Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY.PATH=VALUE",
        help="Override a value of the file, e.g. branches.psi_cross=0.2; may be repeated.",
    ),
]
Only = Annotated[
    list[str] | None,
    typer.Option(
        metavar="AXIS=VALUES",
        help="Only points with these values, e.g. psi_cross=0.1,0.2 or psi_cross=0.1:0.3; "
        "may be repeated.",
    ),
]


def _show_version(wanted: bool) -> None:
    from importlib import metadata

    if not wanted:
        return
    try:
        print(f"tokenspace {metadata.version('tokenspace')}")
    except metadata.PackageNotFoundError:  # run from its source, not installed
        print("tokenspace, version unknown: it is not installed")
    raise typer.Exit


@app.callback()
def tokenspace(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Monte Carlo simulation of token correlation structure, and its exact theory."""


def _load_plugins(modules: list[str] | None) -> list[str]:
    for module in modules or []:
        load_plugin(module)
    return modules or []


Plugin = Annotated[
    list[str] | None,
    typer.Option(
        "--plugin",
        metavar="MODULE",
        help="Module that registers models of your own (@tokenspace.register); may be repeated.",
        callback=_load_plugins,
    ),
]


def require_file(option: str, path: Path, *suffixes: str, also: str = "") -> None:
    """Refuse what cannot be written, before anything is worked out.

    Raises:
        InputError: another suffix, a folder that does not exist, or a folder itself; also: said
            with it.
    """
    if path.suffix not in suffixes or not path.parent.is_dir() or path.is_dir():
        raise InputError(
            f"{option} {path}: must be a file FILE{suffixes[0]} in a folder that exists{also}"
        )


def progress_bar(shown: bool = True) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=messages
        if shown
        else Console(quiet=True),  # an old rich ends even then with a line
        transient=True,
        disable=not shown,
    )
