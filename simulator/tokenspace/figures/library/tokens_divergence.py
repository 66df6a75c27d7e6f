"""The divergence of given tokens with its bands and the one-lambda law."""

from __future__ import annotations

from typing import Any

import numpy as np

from tokenspace.errors import InputError
from tokenspace.figures.token_panels import NO_DIFFERENCE, OfTokens, panels
from tokenspace.registry import register
from tokenspace.statistics.scale import LOG, PLAIN

FITS = {
    LOG: ("k-", r"$\lambda\sqrt{\Upsilon(n)}$, least squares in log"),
    PLAIN: ("C3--", r"the same as the paper fits it: unweighted, every $n$"),
}
FITTED = r"$E[D(n)]$ of the pairs that $\lambda$ is fitted to, which reach all these $n$"
NO_LAMBDA = "no $\\lambda$: $D$ or $\\Upsilon$ is 0 at some $n$"


@register
class TokensDivergence(OfTokens):
    meaning = (
        "E[D(n)] with 1 and 2 sigma bands of D and lambda sqrt(Upsilon(n)), of given tokens; "
        "lambda fitted in two ways."
    )
    order = 230

    def draw(self, loaded: list[Any]) -> Any:
        """A panel a group; lambda sqrt(Upsilon) is of the pairs that it is fitted to, at each n."""
        return panels(
            loaded, _draw, "$D(n)$", "Divergence of given tokens", xscale="log", yscale="log"
        )


def _draw(axes: Any, result: Any) -> str:
    if not result.mean.any():
        return NO_DIFFERENCE
    n = result.n
    if result.replicates > 1:  # one pair has no band
        low2, low1, _, high1, high2 = np.where(result.quantiles > 0, result.quantiles, np.nan)
        axes.fill_between(n, low2, high2, color="C0", alpha=0.18, label=r"$2\sigma$ of $D$")
        axes.fill_between(n, low1, high1, color="C0", alpha=0.38, label=r"$1\sigma$ of $D$")
    axes.plot(
        n,
        np.where(result.mean > 0, result.mean, np.nan),
        "o",
        color="C0",
        markersize=3.5,
        label="$E[D(n)]$",
    )
    fitted = result.reached()
    if fitted is not result:
        mean = np.where(fitted.mean > 0, fitted.mean, np.nan)
        axes.plot(fitted.n, mean, "ko", markersize=5, markerfacecolor="none", label=FITTED)
    root = np.sqrt(np.maximum(fitted.cosine_upsilon().mean, 0.0))
    for by, (style, label) in FITS.items():
        try:
            scale = fitted.scale_fit(by=by).mean
        except InputError:  # D or Upsilon is 0 somewhere
            axes.text(0.95, 0.05, NO_LAMBDA, ha="right", fontsize=8, transform=axes.transAxes)
            break
        axes.plot(fitted.n, scale * root, style, linewidth=1, label=label)
    return ""
