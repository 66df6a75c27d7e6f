"""What commands share: the application, options, progress and messages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

app = typer.Typer(
    help="Monte Carlo simulation of token correlation structure, and its exact theory.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
messages = Console(stderr=True)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Tolerance = Annotated[
    float,
    typer.Option(help="Largest deviation that counts as agreement (relative; exponent: absolute)."),
]
Config = Annotated[Path, typer.Argument(help="TOML file; see sweeps/demo.toml for an example.")]


def progress_bar(shown: bool = True) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=messages,
        transient=True,
        disable=not shown,
    )
