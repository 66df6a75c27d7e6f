"""One look for all figures: readable fonts, colours that survive grey and colour blindness."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np

STYLE: Any = {
    "figure.figsize": (7.5, 5.0),
    "figure.dpi": 120,
    "savefig.bbox": "tight",
    "font.size": 11,
    "axes.titlesize": 12,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "svg.fonttype": "path",
    "svg.hashsalt": "tokenspace",
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def shades(count: int) -> list[Any]:
    """Colours for an ordered family."""
    return list(plt.get_cmap("viridis")(np.linspace(0.05, 0.85, count)))


def distinct(count: int) -> list[Any]:
    """Colours for an unordered family."""
    return [plt.get_cmap("tab20")(k % 20) for k in (*range(0, 20, 2), *range(1, 20, 2))][:count]
