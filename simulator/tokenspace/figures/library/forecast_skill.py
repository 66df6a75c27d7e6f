"""How far every law's forecasts lie from what was measured, on every curve."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from tokenspace.figures.base import Figure
from tokenspace.printable import counted
from tokenspace.registry import register
from tokenspace.scaling.curves import read_curves
from tokenspace.scaling.fit import chosen_method
from tokenspace.scaling.outcome import judge
from tokenspace.scaling.subsets import subsets

HOLD = {"paper": 3, "published": 1}
SHOWN = {
    "paper": ("all points", "without all confounds"),
    "published": ("trained for each n", "pruned without training"),
}
TITLES = {"paper": "Li et al., last 3 of 10", "published": "other papers, last of 5 to 9"}


@register
class ForecastSkill(Figure):
    meaning = "Forecast errors of every law on every measured curve, with and without confounds."
    order = 75
    of_results = False
    in_report = False  # every sweep would have the same

    def draw(self, loaded: list[Any]) -> Any:
        """Measured data that ships with the package; `loaded` is not used."""
        method = chosen_method("auto", 0.95)
        figure, panels = plt.subplots(1, 4, figsize=(16, 5), sharey=True, layout="constrained")
        axes = iter(panels)
        order: list[str] = []
        for source, names in SHOWN.items():
            parts = subsets(read_curves(source))
            for name in names:
                outcome = judge(parts[name], method, HOLD[source])
                assert outcome is not None  # the curves that ship are long enough
                order = order or [str(k) for k in outcome.skill["law"]][::-1]
                panel = next(axes)
                for row, law in enumerate(order):
                    errors = outcome.errors[law].dropna().clip(lower=1e-3)
                    shift = np.linspace(-0.3, 0.3, len(errors))
                    panel.plot(errors, row + shift, ".", color=f"C{row}", alpha=0.5, markersize=5)
                    middle = errors.median()
                    panel.plot([middle, middle], [row - 0.4, row + 0.4], "k-", linewidth=2)
                    panel.text(middle, row + 0.41, f"{100 * middle:.1f} %", ha="center", fontsize=8)
                panel.set_xscale("log")
                curves = counted(outcome.curves, "curve")
                panel.set_title(f"{TITLES[source]}:\n{name} ({curves})", fontsize=10)
                panel.grid(axis="x", alpha=0.3)
        panels[0].set_yticks(range(len(order)), order)
        figure.supxlabel("rms error of log S (0.1 is about 10 %); bars: medians over curves")
        figure.suptitle("Scores forecast from fewer tokens", fontsize=13)
        return figure
