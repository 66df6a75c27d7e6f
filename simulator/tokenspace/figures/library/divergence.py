"""The divergence with its bands and its law."""

from __future__ import annotations

from typing import Any

import numpy as np

from tokenspace import theory
from tokenspace.errors import InputError
from tokenspace.figures.base import Figure, NothingToShow
from tokenspace.figures.sheet import panels_of
from tokenspace.figures.style import lines, spread
from tokenspace.registry import register
from tokenspace.statistics.amplitude import MEDIAN, amplitude_of

MOST_PANELS = 6
LONGEST_TITLE = 44


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
        loaded = [(point, result) for point, result in loaded if result.mean.any()]
        if not loaded:
            raise NothingToShow("the figure divergence shows D(n), but it is 0 at every point")
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
            if _by_median(result):  # means of such D settle on no value
                middle, name = median, "median of $D(n)$"
            panel.plot(result.n, middle, "o", color="C0", markersize=3.5, label=f"{name} simulated")
            if (law := _law(result, middle)) is not None:
                n, scale, root = law
                label = rf"$\lambda\sqrt{{\Upsilon(n)}}$, $\lambda$ = {scale:.4f}"
                panel.plot(n, scale * root, "k-", linewidth=1, label=label)
            panel.set(xscale="log", yscale="log", xlabel="$n$ (tokens)")
            panel.set_title(lines(point.label, LONGEST_TITLE), fontsize=9)
            panel.minorticks_off()
            panel.legend(fontsize=8)
        for panel in panels[::3]:
            panel.set_ylabel("$D(n)$ (norm of a token = 1)")
        if len(chosen) < len(loaded):
            figure.suptitle(f"{len(chosen)} of {len(loaded):,} points")
        return figure


def _effective_dimension(model: Any) -> float:
    return 0.0 if model is None else float(model.terms[0].features.effective_dimension)


def _by_median(result: Any) -> bool:
    if (model := result.known_model) is None:
        return result.median is not None
    return amplitude_of(model) == MEDIAN


def _law(result: Any, middle: np.ndarray) -> tuple[np.ndarray, float, np.ndarray] | None:
    """n, lambda and sqrt(Upsilon(n)), without a model from the psi's; None where there is none.

    Of given pairs that differ in length both are of those that lambda is fitted to.
    """
    model = result.known_model
    if model is None:
        fitted = result.reached()
        try:
            scale = fitted.scale_fit().mean
        except InputError:  # no psi's, or D or Upsilon is 0 somewhere
            return None
        return fitted.n, scale, np.sqrt(np.maximum(fitted.cosine_upsilon().mean, 0.0))
    if not model.law.has_correlations or not np.all(middle > 0):  # 0 grows like nothing
        return None
    root = np.sqrt(theory.upsilon(model, result.n))
    return result.n, float(np.exp(np.mean(np.log(middle / root)))), root
