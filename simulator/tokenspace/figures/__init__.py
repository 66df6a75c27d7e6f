"""The theory figures, one a file, drawn from stored results and exact theory; never by sampling."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from tokenspace.errors import InputError

FIGURES = (
    "exponent_diagram",
    "divergence",
    "upsilon",
    "alpha",
    "correlations",
    "balance",
    "measured_curves",
)


def meaning(name: str) -> str:
    """What a figure shows, in a line."""
    doc = import_module(f"tokenspace.figures.{name}").__doc__ or ""
    return doc.strip().splitlines()[0]


def draw(name: str, loaded: list[Any]) -> Any:
    """One figure of FIGURES as a matplotlib Figure, from (point, result) pairs.

    pyplot does not keep it: a notebook shows it once, as the value of a cell.
    """
    import matplotlib.pyplot as plt

    from tokenspace.figures.style import STYLE

    with plt.rc_context(STYLE):
        figure = import_module(f"tokenspace.figures.{name}").draw(loaded)
    plt.close(figure)
    return figure


def draw_all(
    loaded: list[Any], out: str | Path, suffixes: tuple[str, ...] = ("png", "svg")
) -> list[Path]:
    """Draw every figure into a folder; returns the files.

    Args:
        loaded: (point, result) pairs from `store.load_results`.
        out: folder, created when missing.
        suffixes: file formats.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    from tokenspace.figures.style import STYLE

    out = Path(out)
    written = []
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name in FIGURES:
            figure = draw(name, loaded)
            for suffix in suffixes:
                path = out / f"{name}.{suffix}"
                with plt.rc_context(STYLE):
                    figure.savefig(path)
                written.append(path)
    except OSError as error:
        raise InputError(f"{out}: figures cannot be written ({error.strerror or error})") from None
    return written
