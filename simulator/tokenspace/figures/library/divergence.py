"""The divergence with its bands and its law."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from tokenspace import theory
from tokenspace.errors import InputError
from tokenspace.figures.base import Figure
from tokenspace.registry import register
from tokenspace.statistics.amplitude import MEDIAN, amplitude_of

MOST_PANELS = 6


@register
class Divergence(Figure):
    meaning = "E[D(n)] with 1 and 2 sigma bands of D and the fit lambda sqrt(Upsilon(n))."
    order = 20

    def draw(self, loaded: list[Any]) -> Any:
        """A panel for each of up to six points; the bands widest where features are few.

        The median stands for E[D] where D has no variance; no law is fitted to tokens whose own
        scales have none, since their correlations do not exist.
        """
        if not loaded:
            raise InputError("the figure divergence shows results, but none are given")
        width = [result.model.terms[0].features.effective_dimension for _, result in loaded]
        few = sorted(range(len(loaded)), key=width.__getitem__)[:MOST_PANELS]
        chosen = [loaded[k] for k in sorted(few)]
        columns = min(3, len(chosen))
        rows = -(-len(chosen) // columns)
        figure, panels = plt.subplots(
            rows, columns, figsize=(4.6 * columns, 3.9 * rows), squeeze=False, layout="constrained"
        )
        for panel in panels.flat[len(chosen) :]:
            panel.set_axis_off()
        for panel, (point, result) in zip(panels.flat, chosen, strict=False):
            low2, low1, median, high1, high2 = result.quantiles
            panel.fill_between(
                result.n, low2, high2, color="C0", alpha=0.18, label=r"$2\sigma$ of $D$"
            )
            panel.fill_between(
                result.n, low1, high1, color="C0", alpha=0.38, label=r"$1\sigma$ of $D$"
            )
            middle, name = result.mean, "$E[D(n)]$"
            if amplitude_of(result.model) == MEDIAN:  # means of such D settle on no value
                middle, name = median, "median of $D(n)$"
            panel.plot(result.n, middle, "o", color="C0", markersize=3.5, label=f"{name} simulated")
            # else tokens have no correlations, or D vanishes and grows like nothing
            if result.model.law.has_correlations and np.all(middle > 0):
                root = np.sqrt(theory.upsilon(result.model, result.n))
                scale = float(np.exp(np.mean(np.log(middle / root))))
                panel.plot(
                    result.n,
                    scale * root,
                    "k-",
                    linewidth=1,
                    label=rf"$\lambda\sqrt{{\Upsilon(n)}}$, $\lambda$ = {scale:.4f}",
                )
            panel.set(xscale="log", yscale="log", title=point.label, xlabel="$n$ (tokens)")
            panel.legend(fontsize=8)
        for row in panels:
            row[0].set_ylabel("$D(n)$ (norm of a token = 1)")
        return figure
