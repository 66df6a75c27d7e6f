"""The measured score curves, and what laws fitted to their first points say of the last."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from tokenspace.figures.base import Figure
from tokenspace.registry import register
from tokenspace.scaling.ahead import ahead
from tokenspace.scaling.curves import read_curves
from tokenspace.scaling.fit import chosen_method, fit_logs

SERIES = {"vision_question_queries": "with question", "vision_queries_ft": "without question"}
HOLD = 3
GRID = np.geomspace(1, 768, 100)


@register
class MeasuredCurves(Figure):
    meaning = "The paper's 36 measured curves, and forecasts of their last points from the first."
    order = 70
    of_results = False
    in_report = False  # every sweep would have the same

    def draw(self, loaded: list[Any]) -> Any:
        """Measured data that ships with the package; `loaded` is not used."""
        curves = read_curves()
        method = chosen_method("auto", 0.95)
        early = [c.keep(np.arange(len(c.n) - HOLD)).logs(method.scale) for c in curves]
        lines = fit_logs(early, chosen_method("power", 0.95))
        told = dict(list(ahead(early, GRID, method).groupby("curve")))
        titles = list(dict.fromkeys((c.labels["benchmark"], c.labels["metric"]) for c in curves))
        figure, panels = plt.subplots(3, 6, figsize=(19, 9.5), sharex=True, layout="constrained")
        later = curves[0].n[-HOLD - 1] <= GRID
        for panel, title in zip(panels.flat, titles, strict=True):
            seen = []
            for number, (curve, fit) in enumerate(zip(curves, lines, strict=True)):
                if (curve.labels["benchmark"], curve.labels["metric"]) != title:
                    continue
                k = list(SERIES).index(curve.labels["series"])
                color, marker = f"C{k}", "os"[k]
                seen.append(curve.score)
                panel.loglog(
                    curve.n[:-HOLD], curve.score[:-HOLD], marker, color=color, markersize=4
                )
                panel.loglog(
                    curve.n[-HOLD:], curve.score[-HOLD:], marker, color=color, markersize=5, mfc="w"
                )
                panel.loglog(GRID, fit.best.predict(GRID), "-", color=color, linewidth=1.2)
                found = told[number]
                panel.loglog(GRID, found["forecast"], ":", color=color, linewidth=1.6)
                panel.fill_between(
                    GRID[later],
                    found["low"][later],
                    found["high"][later],
                    color=color,
                    alpha=0.15,
                    linewidth=0,
                )
            metric_name = "" if title[1] in ("Overall", "Final Score") else f" {title[1]}"
            panel.set_title(f"{title[0]}{metric_name}", fontsize=10)
            low, high = np.min(seen) * 0.8, np.max(seen) * 1.4
            panel.set_ylim(low, high)
            panel.set_yticks([float(f"{t:.2g}") for t in np.geomspace(low * 1.1, high / 1.1, 4)])
            panel.yaxis.set_major_formatter(plt.FormatStrFormatter("%g"))
            panel.yaxis.set_minor_formatter(plt.NullFormatter())
        figure.supxlabel("number of vision tokens $n$")
        figure.supylabel("score $S(n)$")
        figure.suptitle(
            "Measured scores (Li et al. 2025), circles with the question, squares without. Fitted "
            "to the first seven, the last three (hollow) foretold:\npower law (lines), "
            "all laws stacked (dotted) with the 95 % band of a new score",
            fontsize=13,
        )
        return figure
