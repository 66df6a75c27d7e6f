"""A picture of results in one call: of one, of several, of a sweep, or of a part of its Dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import xarray as xr
from matplotlib.figure import Figure

from tokenspace.errors import InputError
from tokenspace.experiments.dataset import SOURCE
from tokenspace.experiments.results import load_results
from tokenspace.figures import draw, suited
from tokenspace.figures.base import NothingToShow
from tokenspace.figures.labelled import Labelled
from tokenspace.statistics.result import Result

ONE = "divergence"  # what is drawn of a single result


def plot(
    data: Result | Sequence[Any] | Mapping[Any, Result] | xr.Dataset,
    figure: str | None = None,
    **options: str,
) -> Figure:
    """Draw results: the pictures of `tokenspace figures`, as a matplotlib Figure.

    Args:
        data: a Result, a list of them or of the pairs of `load_results`, a dictionary label ->
            Result, or the Dataset of `open_results` or a part of it, `ds.sel(psi_cross=0.1)`, whose
            folder must still be there.
        figure: the name of one of the figures, "phase_diagram", "exponent_diagram", "growth",
            "divergence", "correlations", "balance", ...; when left out "divergence" of one result,
            and of several the first that suits them: the phase diagram for two axes and more.
        options: what the figure may be told: x and y, axes of the sweep, of "phase_diagram".

    Raises:
        InputError: data are none of these, no figure has that name, or it has no such option.
    """
    loaded = _pairs(data)
    if not loaded:
        raise InputError("plot: there are no results to draw")
    if figure is not None:
        return draw(figure, loaded, **options)
    *before, last = (ONE,) if len(loaded) == 1 else suited(loaded)
    for name in before:
        with suppress(NothingToShow):
            return draw(name, loaded, **options)
    return draw(last, loaded, **options)


def _pairs(data: Any) -> list[Any]:
    """(point, result) pairs."""
    if isinstance(data, xr.Dataset):
        return _of_dataset(data)
    if isinstance(data, Result):
        return [_named("", data)]
    if isinstance(data, Mapping):
        return [_checked(_named(str(label), result)) for label, result in data.items()]
    if isinstance(data, Sequence) and not isinstance(data, str):
        return [
            _checked(item if isinstance(item, tuple) else _named(f"result {k}", item))
            for k, item in enumerate(data)
        ]
    raise InputError(
        f"plot: {type(data).__name__} cannot be drawn; give a Result, a list or dictionary of "
        "them, or the Dataset of open_results"
    )


def _named(label: str, result: Any) -> tuple[Any, Any]:
    return Labelled(label), result


def _checked(pair: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(pair) != 2 or not isinstance(pair[1], Result):
        raise InputError(f"plot: {pair[-1]!r} is no Result, nor a pair of load_results")
    if not hasattr(pair[0], "label"):
        raise InputError(
            f"plot: {pair[0]!r} is no point of load_results; give labels as a dictionary, "
            "{label: Result}"
        )
    return pair


def _of_dataset(data: xr.Dataset) -> list[Any]:
    """The stored results whose labels are left in a Dataset."""
    folder = data.attrs.get(SOURCE)
    if folder is None or "label" not in data.coords:
        raise InputError(
            "plot: this Dataset does not say which results it shows; take one of open_results, or "
            "a part of it, whose attributes are kept"
        )
    labels = {str(label) for label in data["label"].values.ravel()} - {""}
    return [pair for pair in load_results(folder) if pair[0].label in labels]
