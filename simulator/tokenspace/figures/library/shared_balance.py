"""The profile of the n_balance that all benchmarks of a model share."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from tokenspace.figures.base import Figure
from tokenspace.printable import counted
from tokenspace.registry import register
from tokenspace.scaling.curves import read_curves
from tokenspace.scaling.joint.fit import JointFit, fit_joint
from tokenspace.scaling.joint.per_model import by_model
from tokenspace.scaling.subsets import subsets

RUNS = 999  # as `tokenspace joint`: with fewer the limits of blocks move by a fifth
TITLES = {"vision_question_queries": "with question", "vision_queries_ft": "without question"}


@register
class SharedBalance(Figure):
    meaning = (
        "The likelihood of one n_balance for all 18 metrics of a model, with and without n = 1: "
        "what lies above its limit is excluded."
    )
    order = 65
    of_results = False
    in_report = False  # every sweep would have the same

    def draw(self, loaded: list[Any]) -> Any:
        """Measured data that ships with the package; `loaded` is not used."""
        models = by_model(read_curves())
        figure, panels = plt.subplots(
            1, len(models), figsize=(12, 4.8), sharey=True, layout="constrained"
        )
        for panel, (model, curves) in zip(panels, models.items(), strict=True):
            for k, (points, some) in enumerate(list(subsets(curves).items())[:2]):
                _profile(panel, fit_joint(some, runs=RUNS), points, k)
            panel.set(
                xscale="log",
                xlim=(0.03, 3e4),
                ylim=(0, 40),
                xlabel=r"shared $n_{balance}$",
                title=f"{counted(len(curves), 'metric')}, {TITLES.get(model, model)}",
            )
            panel.legend(loc="upper left", bbox_to_anchor=(0, -0.16), ncols=2)
        panels[0].set_ylabel(r"$-2 \log L$ above its least")
        figure.suptitle(
            "One balance for all benchmarks (Li et al. 2025): at both ends the law is a power law",
            fontsize=13,
        )
        return figure


def _profile(panel: Any, fit: JointFit, points: str, k: int) -> None:
    colour = f"C{k}"
    inside = slice(1, -1)  # the ends, 0 and infinity, have no place on a logarithmic axis
    panel.plot(fit.grid[inside], fit.deviance[inside], color=colour, label=points)
    for kind, style in (("blocks", "--"), ("independent", ":")):
        label = f"95 % limit, {'counts as blocks' if kind == 'blocks' else kind}"
        limit = fit.limits[kind][inside]
        panel.plot(fit.grid[inside], limit, style, color=colour, linewidth=1.2, label=label)
    limit = fit.limits["blocks"]
    panel.fill_between(
        fit.grid[inside],
        limit[inside],
        np.maximum(fit.deviance, limit)[inside],
        color=colour,
        alpha=0.15,
        linewidth=0,
    )
