"""The realised correlations."""

from __future__ import annotations

import contextlib
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from tokenspace import theory
from tokenspace.errors import NoExactResult
from tokenspace.figures.base import Figure, NothingToShow
from tokenspace.figures.style import lines, spread
from tokenspace.grids import log_grid
from tokenspace.registry import register

MOST_PANELS = 4
LONGEST_TITLE = 36
NAMES = (("psi_equal", "equal"), ("psi_within", "within"), ("psi_cross", "cross"))


@register
class Correlations(Figure):
    meaning = (
        "psi_equal, psi_within and psi_cross against n: simulated tokens on the exact expected "
        "cosine."
    )
    order = 50

    @classmethod
    def suits(cls, loaded: list[Any]) -> bool:
        return any(result.correlations for _, result in loaded)

    def draw(self, loaded: list[Any]) -> Any:
        """One panel for each point whose psi's were measured (at most four, evenly spread)."""
        measured = spread([(p, r) for p, r in loaded if r.correlations], MOST_PANELS)
        if not measured:
            raise NothingToShow(
                "the figure correlations shows psi's, but none were measured; set statistics = "
                '["correlations"] in [run]'
            )
        figure, panels = plt.subplots(
            1, len(measured), figsize=(5 * len(measured), 4.4), squeeze=False, layout="constrained"
        )
        for panel, (point, result) in zip(panels[0], measured, strict=True):
            n = log_grid(int(result.n[-1]), 120)
            exact = None
            with contextlib.suppress(NoExactResult):
                exact = result.known_model and theory.psi(result.known_model, n, "cosine")
            for k, (name, field) in enumerate(NAMES):
                estimate = result.correlations[name]
                panel.errorbar(
                    result.n,
                    estimate.mean,
                    2 * np.nan_to_num(estimate.standard_error),
                    fmt="o",
                    color=f"C{k}",
                    markersize=4,
                    capsize=2,
                    label=rf"$\psi_{{{field}}}$ (± 2 s.e.)",
                )
                if exact is not None:
                    panel.plot(n, getattr(exact, field), color=f"C{k}", linewidth=1.2)
            panel.set(
                xscale="log",
                xlabel="number of vision tokens $n$",
                title=lines(point.label, LONGEST_TITLE),
            )
        figure.legend(
            *panels[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=3
        )
        panels[0][0].set_ylabel("average cosine")
        figure.suptitle("Realised correlations: points simulated, lines exact", fontsize=12)
        return figure
