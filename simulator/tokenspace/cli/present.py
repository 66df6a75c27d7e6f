"""How commands print: tables for people, JSON documents for programs.

Rich and NumPy are imported when something is printed, so that `--help` need not wait for them.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console
    from rich.table import Table


def stdout() -> Console:
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 180)


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
