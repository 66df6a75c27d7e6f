"""The balance curve."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from tokenspace import theory
from tokenspace.figures.base import Figure
from tokenspace.figures.style import distinct, some_labels
from tokenspace.grids import log_grid
from tokenspace.registry import register


@register
class Balance(Figure):
    meaning = (
        "The balance curve (1 - psi_equal)/(psi_within - psi_cross) - 1: balance is where it meets "
        "n."
    )
    order = 60

    def draw(self, loaded: list[Any]) -> Any:
        """Exact lines for every model; points from the realised psi's where they were measured."""
        figure, axes = plt.subplots(figsize=(9, 5.2))
        top = 2.0
        labels, title = some_labels([point.label for point, _ in loaded])
        colours = distinct(len(loaded))
        for (_, result), label, colour in zip(loaded, labels, colours, strict=True):
            n = log_grid(int(result.n[-1]), 120)[1:]
            if not len(n):  # one token: no pair has a correlation
                continue
            curve = theory.balance_curve(result.model, n)
            curve = np.where(np.isfinite(curve) & (curve > 0), curve, np.nan)
            top = max(top, n[-1])
            axes.loglog(n, curve, color=colour, label=label)
            if result.correlations:
                psi = {k: e.mean for k, e in result.correlations.items()}
                measured = (1 - psi["psi_equal"]) / (psi["psi_within"] - psi["psi_cross"]) - 1
                keep = (result.n > 1) & (measured > 0)
                axes.loglog(result.n[keep], measured[keep], "o", color=colour, markersize=4)
        line = np.array([2, top])
        axes.loglog(line, line, "k--", linewidth=1, label="$n$ (balance)")
        axes.set(
            xlabel="number of vision tokens $n$",
            ylim=(0.03, 1e5),
            ylabel=r"$(1-\psi_{equal})/(\psi_{within}-\psi_{cross}) - 1$",
            title="Balance curve: lines exact, points from simulated tokens",
        )
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), title=title)
        return figure
