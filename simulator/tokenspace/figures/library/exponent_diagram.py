"""The exponent diagram."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from tokenspace import theory
from tokenspace.errors import InputError, NoExactResult
from tokenspace.figures.base import Figure
from tokenspace.figures.style import HIDDEN, distinct, some_labels
from tokenspace.registry import register
from tokenspace.statistics.amplitude import theoretical_amplitude
from tokenspace.statistics.exponent import adjacent_slopes


def scale_of(model: Any) -> float:
    """The token count by which n is divided: n_balance, a length, a block, a row; else 1."""
    try:
        balance = theory.n_balance(model)
        if np.isfinite(balance) and balance > 0:
            return balance
    except NoExactResult:
        pass
    return model.terms[0].branches.difference.characteristic_length or 1.0


def exact_slopes(result: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """Mid-points of the grid, and the exact slopes between its points (None where unknown)."""
    middle, to_slopes = adjacent_slopes(result.n)
    try:
        return middle, to_slopes @ np.log(theoretical_amplitude(result.model, result.n))
    except NoExactResult:
        return middle, None


@register
class ExponentDiagram(Figure):
    meaning = "The exponent diagram: local exponent of E[D] against n for every covariance family."
    order = 10

    def draw(self, loaded: list[Any]) -> Any:
        """Simulated points (± 2 s.e.) on exact slopes, n in units of each model's own scale.

        Models without exact theory are points without a line; results without exponents a line.

        Points and lines are slopes between adjacent grid points: blocks and patch grids have
        exponents that swing inside a block, which a derivative would show and no grid resolves.
        """
        figure, axes = plt.subplots(figsize=(10, 6))
        axes.set_xscale("log")  # first: where nothing is drawn the limits must be > 0
        scales = [scale_of(result.model) for _, result in loaded]
        labels, legend_title = some_labels(
            [
                point.label + (f"  (scale {scale:.3g})" if scale != 1 else "")
                for (point, _), scale in zip(loaded, scales, strict=True)
            ]
        )
        colours = distinct(len(loaded))
        for (_, result), scale, label, colour in zip(loaded, scales, labels, colours, strict=True):
            middle, exact = exact_slopes(result)
            if exact is not None:
                axes.plot(middle / scale, exact, color=colour, linewidth=1.3, label=label)
            try:
                slope = result.local_exponent()
            except InputError:  # one n, or D = 0 at some: there is no exponent to show
                continue
            axes.errorbar(
                slope.n / scale,
                slope.mean,
                2 * slope.standard_error,
                fmt="o",
                color=colour,
                markersize=3.5,
                capsize=1.5,
                linewidth=1,
                label=HIDDEN if exact is not None else label,
            )
        for level, text in ((0.5, "sublinear, 1/2"), (1.0, "linear, 1")):
            axes.axhline(level, color="black", linestyle="--", linewidth=0.8)
            axes.annotate(
                text,
                (1, level),
                xycoords=("axes fraction", "data"),
                xytext=(-4, 4),
                textcoords="offset points",
                fontsize=9,
                ha="right",
            )
        axes.set(
            ylim=(0.1, 1.15),
            xlabel="number of tokens $n$ / scale",
            ylabel=r"local exponent $\gamma(n) = d\,\log E[D]\,/\,d\,\log n$",
            title="Which exponent a covariance forces: "
            "points simulated, lines exact on the same grid",
        )
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), title=legend_title)
        return figure
