"""The exponent diagram."""

from __future__ import annotations

from typing import Any

import numpy as np

from tokenspace import theory
from tokenspace.errors import InputError, NoExactResult
from tokenspace.figures.base import Figure, NothingToShow
from tokenspace.figures.sheet import Group, Sheet, numeric_axes
from tokenspace.figures.style import HIDDEN
from tokenspace.registry import register
from tokenspace.statistics.amplitude import theoretical_amplitude
from tokenspace.statistics.exponent import adjacent_slopes

OF_FAMILIES = (0.1, 1.15)  # exponents that are shown of families, and at most along axes
WIDEST = (-0.5, 1.5)
SWING = 0.05  # least change of an exponent that counts as a turn


def scale_of(model: Any) -> float:
    """The token count by which n is divided: n_balance, a length, a block, a row; else 1."""
    if model is None:
        return 1.0
    try:
        balance = theory.n_balance(model)
        if np.isfinite(balance) and balance > 0:
            return balance
    except NoExactResult:
        pass
    return model.terms[0].branches.difference.characteristic_length or 1.0


def exact_slopes(result: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """Mid-points of the grid, and the exact slopes between its points (None where unknown)."""
    middle, to_slopes = adjacent_slopes(result.n)
    if result.known_model is None:
        return middle, None
    try:
        return middle, to_slopes @ np.log(theoretical_amplitude(result.known_model, result.n))
    except NoExactResult:
        return middle, None


def swings(slopes: np.ndarray | None) -> bool:
    """Whether an exponent turns twice or more, as inside blocks and along rows of patches."""
    if slopes is None or not len(slopes):
        return False
    turns, heading, end = 0, 0.0, slopes[0]  # end: the furthest on the way of now
    for value in slopes[1:]:
        if heading * (value - end) > 0:
            end = value
        elif abs(value - end) > SWING:
            turns += heading != 0
            heading, end = value - end, value
    return turns >= 2


@register
class ExponentDiagram(Figure):
    meaning = "The exponent diagram: local exponent of E[D] against n, coloured by an axis."
    order = 10

    def draw(self, loaded: list[Any]) -> Any:
        """Simulated points (± 2 s.e.) on exact slopes.

        Where no axis of numbers tells the points apart, n is in units of each model's own scale,
        and families whose exponents swing have a panel of their own. Models without exact theory
        are points without a line; results without exponents a line.

        Points and lines are slopes between adjacent grid points: blocks and patch grids have
        exponents that swing inside a block, which a derivative would show and no grid resolves.
        """
        exact: dict[int, tuple[np.ndarray, np.ndarray | None]] = {}
        split: list[Group] = []
        scales = [1.0] * len(loaded)
        if families := not numeric_axes(loaded):
            exact = {k: exact_slopes(result) for k, (_, result) in enumerate(loaded)}
            scales = [scale_of(result.known_model) for _, result in loaded]
            swinging = [k for k in exact if swings(exact[k][1])]
            smooth = [k for k in exact if k not in swinging]
            if swinging and smooth:
                split = [
                    Group("families whose exponent is smooth", smooth),
                    Group("families whose exponent swings", swinging),
                ]
        labels = [
            point.label + (f"  (scale {scale:.3g})" if scale != 1 else "")
            for (point, _), scale in zip(loaded, scales, strict=True)
        ]
        sheet = Sheet(loaded, split, (10, 4.5) if split else (10, 6), labels)
        few, empty = len(sheet.panels) <= 2, True
        for axes, rows in sheet.panels:
            axes.set_xscale("log")  # first: where nothing is drawn the limits must be > 0
            for k in rows:
                _, result = loaded[k]
                middle, slopes = exact[k] if k in exact else exact_slopes(result)
                colour, label = sheet.colours[k], sheet.label(k)
                if slopes is not None and np.isfinite(slopes).any():
                    empty = False
                    width = 1.3 if few else 0.8
                    axes.plot(middle / scales[k], slopes, color=colour, lw=width, label=label)
                    label = HIDDEN
                try:
                    found = result.local_exponent()
                except InputError:  # one n, or D = 0 at some: there is no exponent to show
                    continue
                empty = False
                axes.errorbar(
                    found.n / scales[k],
                    found.mean,
                    2 * found.standard_error,
                    fmt="o",
                    color=colour,
                    markersize=3.5 if few else 1.5,
                    capsize=1.5 if few else 0,
                    linewidth=1 if few else 0.5,
                    label=label,
                )
            for level, text in ((0.5, "sublinear, 1/2"), (1.0, "linear, 1")):
                axes.axhline(level, color="black", linestyle="--", linewidth=0.8)
                if few:
                    axes.annotate(
                        text,
                        (1, level),
                        xycoords=("axes fraction", "data"),
                        xytext=(-4, 4),
                        textcoords="offset points",
                        fontsize=9,
                        ha="right",
                    )
            if families:
                axes.set_ylim(*OF_FAMILIES)
        if empty:
            raise NothingToShow(
                "the figure exponent_diagram shows slopes between token counts, but no point has "
                "two with D > 0; choose --figure growth or divergence"
            )
        if not families:  # panels share their scale, which noise shall not set
            first = sheet.panels[0].axes
            first.set_ylim(np.clip(first.get_ylim(), *WIDEST))
        return sheet.finish(
            "Exponents: points simulated, lines exact on the same grid",
            "number of tokens $n$" + (" / scale" if families else ""),
            r"local exponent $\gamma(n) = d\,\log E[D]\,/\,d\,\log n$",
        )
