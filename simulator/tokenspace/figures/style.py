"""One look for all figures: readable fonts, colours that survive grey and colour blindness."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from tokenspace.figures.fonts import drawable, families
from tokenspace.printable import shown

STYLE: Any = {
    "figure.figsize": (7.5, 5.0),
    "figure.dpi": 120,
    "savefig.bbox": "tight",
    "font.size": 11,
    "axes.titlesize": 12,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "legend.fontsize": 9,
    "legend.title_fontsize": 9,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "svg.fonttype": "path",
    "svg.hashsalt": "tokenspace",
    "axes.spines.top": False,
    "axes.spines.right": False,
}

MOST_COLOURS = 20  # of the family tab20
MOST_LABELS = 12
LONGEST_NAME = 80
LONGEST_SIDE = 30  # of an axis, beside it
LONGEST_ENTRY = 48  # of a legend
HIDDEN = "_nolegend_"


def words(text: object, longest: int | None = LONGEST_NAME) -> str:
    """A name from anybody as figures can show it: no formula, no line without end, never hidden."""
    said = shown(text).replace("\n", " ")
    said = drawable(said if longest is None else shortened(said, longest))
    said = said.replace("\\$", "\\ $").replace("$", r"\$")
    return f" {said}" if said.startswith("_") else said  # which legends leave out


def shortened(text: str, longest: int) -> str:
    """Both ends of a long name: what tells names apart often comes last."""
    if len(text) <= longest:
        return text
    tail = (longest - 3) // 2
    return f"{text[: longest - 3 - tail]}...{text[-tail:]}"


def lines(text: str, longest: int) -> str:
    """A name in one line or two of so many characters at most."""
    if len(text) <= longest:
        return text
    space = text.rfind(" ", 0, longest + 1)
    cut = space if space > 0 else longest
    return f"{text[:cut]}\n{shortened(text[cut:].strip(), longest)}"


def style_of(loaded: Sequence[Any]) -> Any:
    """The look of figures of these (point, result) pairs, in fonts that have their names."""
    said = {c for point, _ in loaded for c in shown(point.label) if not c.isascii()}
    return STYLE | {"font.family": families(said)} if said else STYLE


def shades(count: int) -> list[Any]:
    """Colours for an ordered family."""
    return list(plt.get_cmap("viridis")(np.linspace(0.05, 0.85, count)))


def distinct(count: int) -> list[Any]:
    """Colours for an unordered family; beyond 20 nobody tells them apart: shades in their order."""
    if count > MOST_COLOURS:
        return shades(count)
    return [plt.get_cmap("tab20")(k % 20) for k in (*range(0, 20, 2), *range(1, 20, 2))][:count]


def spread(items: Sequence[Any], most: int) -> list[Any]:
    """At most that many of a sequence, evenly spread, with both ends."""
    if len(items) <= most:
        return list(items)
    return [items[k] for k in np.linspace(0, len(items) - 1, most).round().astype(int)]


def some_labels(labels: Sequence[str]) -> tuple[list[str], str | None]:
    """Labels that a legend has room for, and a title for it that says how many it leaves out.

    A dozen stay as they are, without a title; of more, 12 stay, evenly spread, and the others are
    hidden from the legend.
    """
    count = len(labels)
    if count <= MOST_LABELS:
        return list(labels), None
    kept = set(spread(range(count), MOST_LABELS))
    shown = [label if k in kept else HIDDEN for k, label in enumerate(labels)]
    return shown, f"{count - len(kept)} of {count} points are not labelled"
