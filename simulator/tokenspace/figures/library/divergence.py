"""The divergence with its bands and its law."""

from __future__ import annotations

from typing import Any

import numpy as np

from tokenspace import theory
from tokenspace.errors import InputError
from tokenspace.figures.base import Figure
from tokenspace.figures.sheet import panels_of, spread
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
        width = [_effective_dimension(result.known_model) for _, result in loaded]
        most = sorted(width)[min(MOST_PANELS, len(loaded)) - 1]
        few = [pair for pair, w in zip(loaded, width, strict=True) if w <= most]
        chosen = spread(few, MOST_PANELS)
        figure, panels = panels_of(len(chosen), (4.6, 3.9), 3, shared=False)
        for panel, (point, result) in zip(panels, chosen, strict=True):
            low2, low1, median, high1, high2 = result.quantiles
            panel.fill_between(
                result.n, low2, high2, color="C0", alpha=0.18, label=r"$2\sigma$ of $D$"
            )
            panel.fill_between(
                result.n, low1, high1, color="C0", alpha=0.38, label=r"$1\sigma$ of $D$"
            )
            middle, name = result.mean, "$E[D(n)]$"
            if amplitude_of(result.known_model) == MEDIAN:  # means of such D settle on no value
                middle, name = median, "median of $D(n)$"
            panel.plot(result.n, middle, "o", color="C0", markersize=3.5, label=f"{name} simulated")
            root = _root_upsilon(result)
            if root is not None and np.all(middle > 0):  # else it vanishes and grows like nothing
                scale = float(np.exp(np.mean(np.log(middle / root))))
                panel.plot(
                    result.n,
                    scale * root,
                    "k-",
                    linewidth=1,
                    label=rf"$\lambda\sqrt{{\Upsilon(n)}}$, $\lambda$ = {scale:.4f}",
                )
            panel.set(xscale="log", yscale="log", title=point.label, xlabel="$n$ (tokens)")
            panel.minorticks_off()
            panel.legend(fontsize=8)
        for panel in panels[::3]:
            panel.set_ylabel("$D(n)$ (norm of a token = 1)")
        return figure


def _effective_dimension(model: Any) -> float:
    return 0.0 if model is None else float(model.terms[0].features.effective_dimension)


def _root_upsilon(result: Any) -> np.ndarray | None:
    """sqrt(Upsilon(n)), of given tokens from their psi's; None where there are no correlations."""
    if result.known_model is not None:
        if not result.known_model.law.has_correlations:
            return None
        return np.sqrt(theory.upsilon(result.known_model, result.n))
    found = None if result.joint is None else result.cosine_upsilon().mean
    return np.sqrt(found) if found is not None and np.all(found > 0) else None
