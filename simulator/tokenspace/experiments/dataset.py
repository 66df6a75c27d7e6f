"""A folder of results as one labelled array (xarray)."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from tokenspace.errors import TokenspaceError
from tokenspace.experiments.results import Loaded, load_folder
from tokenspace.statistics.amplitude import theoretical_amplitude
from tokenspace.statistics.quantiles import QUANTILES


def _theory(loaded: Loaded) -> np.ndarray:
    """The theory stored beside the numbers; files of format 2 have none, so it is computed."""
    if loaded.theory is not None:
        return loaded.theory
    result = loaded.result
    try:
        return theoretical_amplitude(result.model, result.n)
    except TokenspaceError as error:
        warnings.warn(f"no theory: {error}", stacklevel=3)
        return np.full(len(result.n), np.nan)


def open_results(folder: str | Path) -> xr.Dataset:
    """A sweep's results as one labelled Dataset with dimensions point and n.

    Variables: mean, standard_error, std, mean_square and (quantile, point, n) quantiles of D, psi's
    where measured, and the theory's amplitude as it was when the point was stored; coordinates:
    label, every sweep axis ("axis.NAME" where NAME is taken), sampler, replicates. Points with
    different grids are aligned on the union of n; what a point does not report is NaN.

    Args:
        folder: the --out folder of a sweep.

    Raises:
        InputError: see `load_results`.
    """
    loaded = load_folder(Path(folder))
    grid = np.unique(np.concatenate([f.result.n for f in loaded]))
    shape = (len(loaded), len(grid))
    names = ["mean", "standard_error", "std", "mean_square", "theory"]
    names += sorted({k for f in loaded for k in (f.result.correlations or {})})
    data = {k: np.full(shape, np.nan) for k in names}
    quantiles = np.full((len(QUANTILES), *shape), np.nan)
    for k, f in enumerate(loaded):
        r, at = f.result, np.searchsorted(grid, f.result.n)
        data["mean"][k, at] = r.mean
        data["standard_error"][k, at] = r.standard_error
        data["std"][k, at] = r.std
        data["mean_square"][k, at] = r.mean_square.mean
        data["theory"][k, at] = _theory(f)
        quantiles[:, k, at] = r.quantiles
        for name, estimate in (r.correlations or {}).items():
            data[name][k, at] = estimate.mean
    coordinates: dict[str, Any] = {
        "n": grid,
        "quantile": list(QUANTILES),
        "label": ("point", [f.point.label for f in loaded]),
        "replicates": ("point", [f.result.replicates for f in loaded]),
        "sampler": ("point", [f.result.sampler for f in loaded]),
    }
    for axis in sorted({a for f in loaded for a in f.point.axes}):
        values = [f.point.axes.get(axis) for f in loaded]
        simple = all(type(v) is float or (type(v) is int and abs(v) < 2**63) for v in values)
        name = axis
        while name in data or name in coordinates or name in ("point", "quantiles"):
            name = f"axis.{name}"  # an axis called as something else is here
        coordinates[name] = ("point", values if simple else [str(v) for v in values])
    variables: dict[str, Any] = {k: (("point", "n"), v) for k, v in data.items()}
    variables["quantiles"] = (("quantile", "point", "n"), quantiles)
    return xr.Dataset(variables, coordinates)
