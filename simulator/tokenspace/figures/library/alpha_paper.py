"""The paper's figure of alpha(n): its n_balance, its axes."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from tokenspace import theory
from tokenspace.covariance import equicorrelated
from tokenspace.figures.base import Figure
from tokenspace.figures.style import shades
from tokenspace.registry import register

BALANCES = (2, 5.6, 9.2, 12.8, 16.4, 20)  # read off the picture in the paper, as are the axes
LARGEST = 50
BETA = 1.0  # ours: another one multiplies alpha


@register
class AlphaPaper(Figure):
    meaning = "alpha(n) with the paper's n_balance from 2 to 20, read off its figure; beta is ours."
    order = 41
    of_results = False

    def draw(self, loaded: list[Any]) -> Any:
        """Exact theory only; `loaded` is not used."""
        figure, axes = plt.subplots()
        n = np.arange(1, LARGEST + 1)
        for balance, colour in zip(BALANCES, shades(len(BALANCES)), strict=True):
            branches = equicorrelated(0.0, 1 / (1 + balance), 0.0)
            axes.plot(
                n,
                theory.alpha(branches, n, BETA),
                color=colour,
                label=rf"$n_{{balance}}$ = {balance:g}",
            )
        axes.set(
            xlabel="number of vision tokens $n$",
            ylabel=r"$\alpha(n)$",
            xlim=(1, LARGEST),
            title=rf"Secant exponent of $S(n)$: the paper's $n_{{balance}}$; $\beta$ = {BETA:g} is"
            " ours",
        )
        axes.legend()
        return figure
