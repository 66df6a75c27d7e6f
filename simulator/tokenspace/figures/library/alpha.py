"""The secant exponent of the score."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt

from tokenspace import theory
from tokenspace.covariance import equicorrelated
from tokenspace.figures.base import Figure
from tokenspace.figures.style import shades
from tokenspace.grids import log_grid
from tokenspace.registry import register

BETA = 1.0
BALANCES = (2, 4, 8, 12, 16, 20)


@register
class Alpha(Figure):
    meaning = (
        "alpha(n) of S(n) = c / n^alpha(n) for n_balance of ours from 2 to 20, between -beta/2 and "
        "-beta."
    )
    order = 40
    of_results = False

    def draw(self, loaded: list[Any]) -> Any:
        """Exact theory only; `loaded` is not used."""
        figure, axes = plt.subplots()
        n = log_grid(100_000, 200)
        for balance, colour in zip(BALANCES, shades(len(BALANCES)), strict=True):
            branches = equicorrelated(0.0, 1 / (1 + balance), 0.0)
            axes.semilogx(
                n,
                theory.alpha(branches, n, BETA),
                color=colour,
                label=rf"$n_{{balance}}$ = {balance}",
            )
            axes.semilogx(n, theory.alpha_local(branches, n, BETA), ":", color=colour, linewidth=1)
        for level, text in ((-BETA / 2, r"$-\beta/2$"), (-BETA, r"$-\beta$")):
            axes.axhline(level, color="black", linestyle="--", linewidth=1)
            axes.annotate(text, (1.1, level), xytext=(0, 4), textcoords="offset points")
        axes.plot([], [], "k:", linewidth=1, label="local exponent")
        axes.set(
            xlabel="number of vision tokens $n$",
            ylabel=r"$\alpha(n)$",
            ylim=(-1.06 * BETA, -0.44 * BETA),
            title=rf"Secant exponent of $S(n)$, $\beta$ = {BETA:g}",
        )
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
        return figure
