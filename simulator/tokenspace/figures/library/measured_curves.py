"""The measured score curves."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from tokenspace.figures.base import Figure
from tokenspace.grids import log_grid
from tokenspace.registry import register
from tokenspace.scaling.curves import fit_curves, read_curves

SERIES = {"vision_question_queries": "with question", "vision_queries_ft": "without question"}


@register
class MeasuredCurves(Figure):
    meaning = "The paper's 36 measured curves with power-law fits and the law that the data prefer."
    order = 70
    of_results = False

    def draw(self, loaded: list[Any]) -> Any:
        """Measured data that ships with the package; `loaded` is not used."""
        curves = read_curves()
        fits = fit_curves(curves)
        fitted: list[Any] = [
            (*name.split(" / "), n, score, fit)
            for (name, n, score), (_, fit) in zip(curves, fits, strict=True)
        ]
        titles = list(dict.fromkeys((benchmark, metric) for _, benchmark, metric, *_ in fitted))
        figure, panels = plt.subplots(3, 6, figsize=(19, 9.5), sharex=True, layout="constrained")
        grid = log_grid(768, 200)
        for panel, title in zip(panels.flat, titles, strict=True):
            for series, benchmark, metric, n, score, fit in fitted:
                if (benchmark, metric) != title:
                    continue
                k = list(SERIES).index(series)
                power = fit.fits["power"]
                label = rf"$\alpha$ = {power.parameters['alpha']:.3f}; best: {fit.winner}"
                panel.loglog(n, score, "os"[k], color=f"C{k}", markersize=4, label=label)
                panel.loglog(grid, power.predict(grid), "-", color=f"C{k}", linewidth=1.2)
                if fit.winner != "power":
                    panel.loglog(grid, fit.best.predict(grid), ":", color=f"C{k}", linewidth=1.6)
            metric_name = "" if title[1] in ("Overall", "Final Score") else f" {title[1]}"
            panel.set_title(f"{title[0]}{metric_name}", fontsize=10)
            low, high = panel.get_ylim()
            panel.set_yticks([float(f"{t:.2g}") for t in np.geomspace(low * 1.03, high / 1.03, 4)])
            panel.yaxis.set_major_formatter(plt.FormatStrFormatter("%.3g"))
            panel.yaxis.set_minor_formatter(plt.NullFormatter())
            panel.legend(fontsize=8)
        figure.supxlabel("number of vision tokens $n$")
        figure.supylabel("score $S(n)$")
        figure.suptitle(
            r"Measured scores (Li et al. 2025): circles with the question, squares without; "
            r"lines $c/n^\alpha$, dotted the preferred law",
            fontsize=13,
        )
        return figure
