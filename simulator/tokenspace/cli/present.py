"""How commands print: tables for people, JSON documents for programs.

Rich and NumPy are imported when something is printed, so that `--help` need not wait for them.
"""

from __future__ import annotations

import json
import sys
import textwrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd
    from rich.console import Console
    from rich.table import Table

CUT = "\N{HORIZONTAL ELLIPSIS}"  # where rich leaves the rest of a word out


def stdout() -> Console:
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 180)


def show_table(table: Table) -> None:
    """Print a table; where the terminal is so narrow that words are cut, a paragraph a row."""
    from rich.text import Text

    console = stdout()
    with console.capture() as captured:
        console.print(table)
    own = sum(str(cell).count(CUT) for column in table.columns for cell in column.cells)
    if captured.get().count(CUT) <= own:
        print(captured.get(), end="")
        return

    def plain(cell: Any, between: str = " ") -> str:
        lines = Text.from_markup(str(cell)).plain.splitlines()
        return between.join(" ".join(line.split()) for line in lines)

    def filled(text: str, indent: str = "") -> str:
        kept = text.replace(" %", "\xa0%")  # a number and its sign stay together
        lines = textwrap.wrap(kept, console.width, initial_indent=indent, subsequent_indent=indent)
        return "\n".join(lines).replace("\xa0", " ")

    print(filled(plain(table.title or "")))
    names = [plain(column.header) for column in table.columns]
    for first, *others in zip(*(column.cells for column in table.columns), strict=True):
        cells = zip(names[1:], (plain(cell, ", ") for cell in others), strict=True)
        print(plain(first))
        print(filled("; ".join(f"{name}: {cell}" for name, cell in cells if cell), "  "))


def write_table(out: Path, table: pd.DataFrame, digits: str | None = "%.10g") -> None:
    """A CSV that is there whole or not at all, so that a full disk loses no older one.

    Raises:
        InputError: it cannot be written.
    """
    from tokenspace.files import write_atomically

    write_atomically(out, table.to_csv(index=False, float_format=digits).encode())


def document(value: Any) -> None:
    import numpy as np

    def plain(x: Any) -> Any:
        if isinstance(x, dict):
            return {k: plain(v) for k, v in x.items()}
        if isinstance(x, (list, tuple)):
            return [plain(v) for v in x]
        if isinstance(x, np.ndarray):
            return plain(x.tolist())
        if isinstance(x, np.generic):
            return plain(x.item())
        if isinstance(x, float) and not np.isfinite(x):
            return None  # JSON has no NaN or infinity
        return x

    print(json.dumps(plain(value), indent=1))


def dense_table(title: str, names: Sequence[str], left: int = 0) -> Table:
    """A table of numbers after `left` columns of words; without lines, for 120 characters."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(title=title, header_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for k, name in enumerate(names):
        table.add_column(name, justify="left" if k < left else "right")
    return table
