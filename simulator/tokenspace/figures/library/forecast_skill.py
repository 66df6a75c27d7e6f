"""How far every law's forecasts lie from what was measured, on every curve."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from tokenspace.errors import InputError
from tokenspace.figures.base import Figure
from tokenspace.figures.style import lines, words
from tokenspace.printable import counted
from tokenspace.registry import register
from tokenspace.scaling.curves import SHIPPED, read_curves
from tokenspace.scaling.fit import Method, chosen_method
from tokenspace.scaling.outcome import Outcome, judge
from tokenspace.scaling.subsets import subsets

SHOWN = {  # how many of the last n are held back, and which curves are looked at
    "paper": (3, ("all points", "without all confounds")),
    "published": (1, ("trained for each n", "pruned without training")),
    "later": (1, ("all points",)),
    "latest": (1, ("all points",)),
}
TITLES = {
    "paper": "Li et al.",
    "published": "other papers",
    "later": "collected later",
    "latest": "collected last",
}
ACROSS = 3
LONGEST = 44  # letters of a line of a title
LEAST = 1e-3  # error that is drawn


@register
class ForecastSkill(Figure):
    """csv: measured curves of one's own instead, as `tokenspace forecast` takes them; hold: how
    many of their largest n are held back."""

    meaning = "Forecast errors of every law on every measured curve, with and without confounds."
    order = 75
    of_results = False
    in_report = False  # every sweep would have the same

    def __init__(self, csv: str | None = None, hold: str = "1") -> None:
        if not str(hold).isdigit() or int(hold) < 1:
            raise InputError(f"hold = {hold} is not allowed; it must be a whole number, at least 1")
        self.csv, self.hold = csv, int(hold)

    def draw(self, loaded: list[Any]) -> Any:
        """Measured data that ships with the package, or a user's; `loaded` is not used."""
        method = chosen_method("auto", 0.95)
        found = self._own(method) if self.csv is not None else shipped(method)
        across = min(ACROSS, len(found))
        down = -(-len(found) // across)
        size = (1.5 + 4.5 * across, 0.8 + 4.0 * down)
        figure, panels = plt.subplots(
            down,
            across,
            figsize=size,
            sharex=True,
            sharey=True,
            layout="constrained",
            squeeze=False,
        )
        order = [str(k) for k in next(iter(found.values())).skill["law"]][::-1]
        for panel, (title, outcome) in zip(panels.flat, found.items(), strict=False):
            for row, law in enumerate(order):
                if law not in outcome.errors:
                    continue
                errors = outcome.errors[law].dropna()
                shift = np.linspace(-0.3, 0.3, len(errors)) if len(errors) > 1 else 0.0
                panel.plot(
                    errors.clip(lower=LEAST),
                    row + shift,
                    ".",
                    color=f"C{row}",
                    alpha=0.5,
                    markersize=5,
                )
                middle = errors.median()
                at = max(middle, LEAST)
                panel.plot([at, at], [row - 0.4, row + 0.4], "k-", linewidth=2)
                few = len(errors) < outcome.curves
                of = f"\n{len(errors)} of {outcome.curves}" if few else ""
                panel.text(
                    *(1.01, row, f"{100 * middle:.1f} %{of}"),
                    transform=panel.get_yaxis_transform(),
                    va="center",
                    fontsize=10,
                    color="grey" if few else "black",
                )
            panel.set_xscale("log")
            panel.xaxis.set_major_formatter(lambda error, _: f"{100 * error:g} %")
            curves = counted(outcome.curves, "curve")
            panel.set_title(f"{title} ({curves})", fontsize=11)
            panel.grid(axis="x", alpha=0.3)
        for panel in panels.flat[len(found) :]:
            panel.set_visible(False)
        for panel in panels[-2:, len(found) - across * (down - 1) :].flat:  # above empty places
            panel.tick_params(labelbottom=True)
        panels[0, 0].set_yticks(range(len(order)), order)
        panels[0, 0].set_ylim(-0.6, len(order) - 0.4)
        figure.supxlabel(
            "rms error of log S, in per cent (at the left edge 0.1 % or less)\nbars and numbers: "
            "medians over curves (grey: the others are too short)",
            fontsize=12,
        )
        figure.suptitle("Scores forecast from fewer tokens", fontsize=14)
        return figure

    def _own(self, method: Method) -> dict[str, Outcome]:
        """All curves of the file, and those without what confounds them."""
        assert self.csv is not None
        parts = subsets(read_curves(self.csv if self.csv in SHIPPED else Path(self.csv)))
        names = list(parts)[:1] + [k for k in parts if k.startswith("without")]
        judged = {lines(words(k), LONGEST): judge(parts[k], method, self.hold) for k in names}
        found = {name: outcome for name, outcome in judged.items() if outcome is not None}
        if not found:
            raise InputError(
                f"{self.csv}: no curve is long enough to forecast its scores at the last "
                f"{self.hold} n from at least 4 others at 3 different n"
            )
        return found


def shipped(method: Method) -> dict[str, Outcome]:
    """Every file of curves that ships, by the title of its panel."""
    found = {}
    for source, (hold, names) in SHOWN.items():
        parts = subsets(read_curves(source))
        for name in names:
            outcome = judge(parts[name], method, hold)
            assert outcome is not None  # the curves that ship are long enough
            asked = f"last {hold} n" if hold > 1 else "last n"
            found[f"{TITLES[source]}, {asked}:\n{name}"] = outcome
    return found
