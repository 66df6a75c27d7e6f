"""The paper's figure of sqrt(Upsilon): its parameters, its axes."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from tokenspace.covariance import equicorrelated
from tokenspace.errors import NotPositiveSemidefinite
from tokenspace.figures.base import Figure
from tokenspace.figures.style import shades
from tokenspace.registry import register
from tokenspace.statistics.streaming import upsilon_of

# Read off the picture in the paper, as are the axes.
PSI_EQUAL, PSI_WITHIN = 0.7, 0.9
PSI_CROSS = (0.1, 0.3, 0.5, 0.7, 0.8, 0.9)
LARGEST = 16


def belongs_to_a_model(psi_cross: float) -> bool:
    """Whether tokens can have these correlations, at n = 2 and any n beyond."""
    try:
        equicorrelated(PSI_EQUAL, PSI_WITHIN, psi_cross)
    except NotPositiveSemidefinite:
        return False
    return True


@register
class UpsilonPaper(Figure):
    meaning = (
        "sqrt(Upsilon(n)) with the paper's psi's, read off its figure; dashed curves belong to no "
        "model of tokens."
    )
    order = 31
    of_results = False

    def draw(self, loaded: list[Any]) -> Any:
        """The formula alone, which also has values where no tokens have; `loaded` is not used."""
        figure, axes = plt.subplots()
        n = np.arange(1, LARGEST + 1)
        for psi_cross, colour in zip(PSI_CROSS, shades(len(PSI_CROSS)), strict=True):
            valid = belongs_to_a_model(psi_cross)
            axes.plot(
                n,
                np.sqrt(upsilon_of(n, PSI_EQUAL, PSI_WITHIN, psi_cross)),
                color=colour,
                linestyle="-" if valid else "--",
                label=rf"$\psi^{{AB}}_{{cross}}$ = {psi_cross:g}{'' if valid else ': no model'}",
            )
        axes.set(
            xlabel="number of vision tokens $n$",
            ylabel=r"$\sqrt{\Upsilon(n)}$",
            title=rf"$\psi_{{equal}}$ = {PSI_EQUAL:g}, $\psi_{{within}}$ = {PSI_WITHIN:g}"
            " (the paper's, read off its figure)",
            xlim=(1, LARGEST),
            ylim=(0, None),
        )
        axes.legend(title="dashed: not positive semi-definite for any 2 tokens")
        return figure
