"""The theory figures, drawn from stored results and exact theory; never by sampling.

Each is a class in a file of `figures/library/`; one of your own is registered in the room "figure".
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tokenspace.errors import InputError
from tokenspace.registry import ROOMS


def names() -> tuple[str, ...]:
    """Every figure that can be drawn, in the order in which they are shown."""
    orders = {name: figure.order for name, figure in ROOMS["figure"].items()}
    return tuple(sorted(orders, key=lambda name: (orders[name], name)))


def meaning(name: str) -> str:
    """What a figure shows, in a line.

    Raises:
        InputError: no figure has that name.
    """
    return ROOMS["figure"].find(name).meaning


def draw(name: str, loaded: list[Any]) -> Any:
    """One figure of `names()` as a matplotlib Figure, from (point, result) pairs.

    pyplot does not keep it: a notebook shows it once, as the value of a cell.

    Raises:
        InputError: no figure has that name.
    """
    import matplotlib.pyplot as plt

    from tokenspace.figures.style import STYLE

    with plt.rc_context(STYLE):
        figure = ROOMS["figure"].find(name)().draw(loaded)
    plt.close(figure)
    return figure


def draw_all(
    loaded: list[Any], out: str | Path, suffixes: tuple[str, ...] = ("png", "svg")
) -> list[Path]:
    """Draw every figure into a folder; returns the files.

    Args:
        loaded: (point, result) pairs from `load_results`.
        out: folder, created when missing.
        suffixes: file formats.

    Raises:
        InputError: the folder cannot be written.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    from tokenspace.figures.style import STYLE

    out = Path(out)
    written = []
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name in names():
            figure = draw(name, loaded)
            for suffix in suffixes:
                path = out / f"{name}.{suffix}"
                with plt.rc_context(STYLE):
                    figure.savefig(path)
                written.append(path)
    except OSError as error:
        raise InputError(f"{out}: figures cannot be written ({error.strerror or error})") from None
    return written
