"""The balance curves of given tokens."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from tokenspace.figures.given import OfTokens
from tokenspace.figures.style import distinct, some_labels
from tokenspace.registry import register


@register
class TokensBalance(OfTokens):
    meaning = (
        "The balance curve (1 - psi_equal)/(psi_within - psi_cross) - 1 of given tokens: balance "
        "is where it meets y = n."
    )
    order = 240

    def draw(self, loaded: list[Any]) -> Any:
        """A line a group; gaps where psi_within - psi_cross is not above 0."""
        figure, axes = plt.subplots(figsize=(9, 5.2))
        labels, title = some_labels([group.label for group, _ in loaded])
        top, values = 2, [2.0]
        for (_, result), label, colour in zip(loaded, labels, distinct(len(loaded)), strict=True):
            psi = {k: e.mean for k, e in result.correlations.items()}
            delta = psi["psi_within"] - psi["psi_cross"]
            with np.errstate(divide="ignore", invalid="ignore"):
                curve = np.where(delta > 0, (1 - psi["psi_equal"]) / delta - 1, np.nan)
            curve = np.where((result.n > 1) & (curve > 0), curve, np.nan)
            axes.loglog(result.n, curve, "o-", color=colour, markersize=3, label=label)
            top = max(top, int(result.n[-1]))
            values += curve[np.isfinite(curve)].tolist()
        line = np.array([2, top])
        axes.loglog(line, line, "k--", linewidth=1, label="$y = n$ (balance)")
        axes.set(
            xlabel="number of tokens $n$",
            ylabel=r"$(1-\psi_{equal})/(\psi_{within}-\psi_{cross}) - 1$",
            ylim=(max(0.5 * min(values), 0.03), min(2 * max(*values, top), 1e5)),
            title="Balance curves of given tokens",
        )
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), title=title)
        return figure
