"""The crossover of sqrt(Upsilon)."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from tokenspace import theory
from tokenspace.covariance import equicorrelated
from tokenspace.figures.base import Figure
from tokenspace.figures.style import shades
from tokenspace.grids import log_grid
from tokenspace.registry import register

PSI_EQUAL, PSI_WITHIN = 0.2, 0.3
PSI_CROSS = (0.0, 0.2, 0.27, 0.29, 0.297, 0.3)


@register
class Upsilon(Figure):
    meaning = (
        "sqrt(Upsilon(n)) for several psi_cross, with psi's of ours: from sqrt(n) to n, crossing "
        "over at n_balance."
    )
    order = 30
    of_results = False

    def draw(self, loaded: list[Any]) -> Any:
        """Exact theory only; `loaded` is not used."""
        figure, axes = plt.subplots()
        n = log_grid(4096, 200)
        at_balance = []
        for psi_cross, colour in zip(PSI_CROSS, shades(len(PSI_CROSS)), strict=True):
            branches = equicorrelated(PSI_EQUAL, PSI_WITHIN, psi_cross)
            root = np.sqrt(theory.upsilon(branches, n))
            axes.loglog(n, root, color=colour, label=rf"$\psi^{{AB}}_{{cross}}$ = {psi_cross:g}")
            balance = theory.n_balance(branches)
            if 1 <= balance <= n[-1]:
                at_balance.append(
                    (balance, np.sqrt(2 * (1 - PSI_EQUAL) * balance**2 / (1 + balance)))
                )
        x, y = np.array(at_balance).T
        axes.loglog(x, y, "k--o", markersize=5, linewidth=1, label=r"balance, $n = n_{balance}$")
        axes.set(
            xlabel="number of vision tokens $n$",
            ylabel=r"$\sqrt{\Upsilon(n)}$",
            title=rf"$\psi_{{equal}}$ = {PSI_EQUAL:g}, $\psi_{{within}}$ = {PSI_WITHIN:g}",
        )
        axes.legend()
        return figure
