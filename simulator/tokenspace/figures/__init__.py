"""The theory figures, drawn from stored results and exact theory; never by sampling.

Each is a class in a file of `figures/library/`; one of your own is registered in the room "figure".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tokenspace.errors import InputError
from tokenspace.registry import ROOMS


def names() -> tuple[str, ...]:
    """Every figure that can be drawn, in the order in which they are shown."""
    orders = {name: figure.order for name, figure in ROOMS["figure"].items()}
    return tuple(sorted(orders, key=lambda name: (orders[name], name)))


def suited(loaded: list[Any], in_report: bool = False) -> tuple[str, ...]:
    """The figures of `names()` that show something of these results; in_report: of a report.

    Those that show none are left out where points lie along axes: there the sweep is of interest.
    """
    from tokenspace.figures.labelled import labelled
    from tokenspace.figures.sheet import numeric_axes

    loaded = labelled(loaded)
    found = {name: ROOMS["figure"].find(name) for name in names()}
    along = bool(numeric_axes(loaded))
    return tuple(
        name
        for name, f in found.items()
        if f.suits(loaded) and (f.of_results or not along) and (f.in_report or not in_report)
    )


def meaning(name: str) -> str:
    """What a figure shows, in a line.

    Raises:
        InputError: no figure has that name.
    """
    return ROOMS["figure"].find(name).meaning


def draw(name: str, loaded: list[Any], **options: str) -> Any:
    """One figure of `names()` as a matplotlib Figure, from (point, result) pairs.

    pyplot does not keep it: a notebook shows it once, as the value of a cell.

    Args:
        name: of the figure.
        loaded: (point, result) pairs from `load_results`.
        options: what the figure may be told; x and y, axes of the sweep, of "phase_diagram".

    Raises:
        InputError: no figure has that name, or it has no such option.
    """
    return ROOMS["figure"].find(name).of(loaded, **options)


def draw_all(
    loaded: list[Any],
    out: str | Path,
    suffixes: tuple[str, ...] = ("png", "svg"),
    only: Sequence[str] = (),
    options: Mapping[str, str] = MappingProxyType({}),
    in_report: bool = False,
) -> list[Path]:
    """Draw figures into a folder; returns the files.

    Args:
        loaded: (point, result) pairs from `load_results`.
        out: folder, created when missing.
        suffixes: file formats.
        only: names of figures; every one that suits these results when left out.
        options: what these figures are told, see `draw`.
        in_report: whether they are for a report, see `suited`.

    Raises:
        InputError: the folder cannot be written; or as `draw`.
    """
    import matplotlib.pyplot as plt

    from tokenspace.figures.base import NothingToShow
    from tokenspace.figures.style import style_of

    out, style = Path(out), style_of(loaded)
    written = []
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name in only or suited(loaded, in_report):
            try:
                figure = draw(name, loaded, **options)
            except NothingToShow:
                if only:
                    raise
                continue
            for suffix in suffixes:
                path = out / f"{name}.{suffix}"
                with plt.rc_context(style):
                    figure.savefig(path)
                written.append(path)
                figure.set_layout_engine("none")  # laid out once is enough
    except OSError as error:
        raise InputError(f"{out}: figures cannot be written ({error.strerror or error})") from None
    return written
