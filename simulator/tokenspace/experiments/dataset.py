"""A folder of results as one labelled array (xarray), with what follows from them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from tokenspace.errors import InputError, TokenspaceError
from tokenspace.experiments.axes import short_names
from tokenspace.experiments.expand import is_zipped
from tokenspace.experiments.layout import Grid, as_grid, axis_values
from tokenspace.experiments.results import Loaded, load_folder
from tokenspace.experiments.store import read_config
from tokenspace.statistics.amplitude import theoretical_amplitude
from tokenspace.statistics.derived import Derived, derive
from tokenspace.statistics.quantiles import QUANTILES
from tokenspace.statistics.streaming import PSI
from tokenspace.statistics.verdict import require_tolerance

SOURCE = "folder"  # attribute: where the results lie
DESCRIPTIONS = {  # variable -> (dimensions beside those of the points, what it is)
    "mean": (("n",), "E[D(n)], by the estimator of the point"),
    "standard_error": (("n",), "standard error of mean"),
    "std": (("n",), "standard deviation of D(n) over replicates"),
    "mean_square": (("n",), "E[D(n)^2]"),
    "theory": (("n",), "amplitude of D(n) by the theory, when the point was stored"),
    "z": (("n",), "log(amplitude / theory) over its standard error; NaN where either is unknown"),
    "quantiles": (("quantile", "n"), "quantiles of D(n)"),
    "gamma": (("n_middle",), "local exponent of D between adjacent n"),
    "gamma_error": (("n_middle",), "standard error of gamma, from the covariance across n"),
    "gamma_theory": (("n_middle",), "local exponent of theory"),
    "regime": ((), "regime at the largest n, or those that a 95 % interval of gamma allows"),
    "n_balance": ((), "tokens at which pairs weigh as much as tokens; infinite: none seen"),
    "n_balance_error": ((), "standard error of n_balance"),
    "n_balance_low": ((), "lower end of the 95 % interval of n_balance"),
    "n_balance_high": ((), "upper end of the 95 % interval of n_balance"),
    "verdict": ((), "PASS, FAIL or UNDECIDED against the theory; empty where there is no model"),
    "largest_deviation": ((), "largest relative deviation of the amplitude from the theory"),
    "realised_psi_equal": (("n",), "mean cosine of equal tokens of both branches"),
    "realised_psi_within": (("n",), "mean cosine of different tokens of a branch"),
    "realised_psi_cross": (("n",), "mean cosine of different tokens of different branches"),
    "realised_psi_delta": (("n",), "realised_psi_within - realised_psi_cross"),
    "realised_psi_cross_AA": (("n",), "mean cosine of different tokens of branch A"),
    "realised_psi_cross_BB": (("n",), "mean cosine of different tokens of branch B"),
}
COORDINATES = {
    "n": "number of tokens",
    "n_middle": "geometric mean of adjacent n",
    "quantile": "probability of a quantile",
    "label": "what the point is called",
    "replicates": "Monte Carlo draws of the point, 0 where there is no point",
    "sampler": "how it was drawn",
}
UNITS = {"n": "tokens", "n_middle": "tokens", "n_balance": "tokens", "mean": "norm of a token"}
UNITS |= {k: UNITS["mean"] for k in ("standard_error", "std", "theory", "quantiles")}
UNITS |= {f"n_balance_{k}": "tokens" for k in ("error", "low", "high")}


def open_results(
    folder: str | Path, *, layout: str = "auto", tolerance: float | None = None
) -> xr.Dataset:
    """A sweep's results as one labelled Dataset; every variable says in its attributes what it is.

    The Dataset's own attributes name the folder, from which `plot` draws it.

    Variables: mean, standard_error, std, mean_square, quantiles of D, realised_psi_... where
    measured, and theory, the amplitude as it was when the point was stored. Coordinates: label,
    sampler, replicates and every axis of the sweep, by as much of the end of its path as no other
    axis shares ("axis.NAME" where the name is taken). Points with different grids are aligned on
    the union of n; what a point does not report is NaN.

    Args:
        folder: the --out folder of a sweep.
        layout: "auto": the axes of a grid sweep are dimensions, `ds.sel(psi_cross=0.2)`, and points
            that are not there are NaN with an empty label; zipped sweeps and those of cases have
            one dimension `point`.
            "points": always that one.
        tolerance: adds what follows from the numbers: gamma, n_balance, regime, z, the largest
            deviation and the verdict of `Result.check` at this tolerance, with errors. Needs the
            models (a point whose model cannot be built has none of these), and a few milliseconds a
            point.

    Raises:
        InputError: see `load_results`; a layout or tolerance that is none.
    """
    if layout not in ("auto", "points"):
        raise InputError(f"layout = {layout!r} is not allowed; it must be 'auto' or 'points'")
    if tolerance is not None:
        require_tolerance(tolerance)
    loaded = load_folder(Path(folder))
    n = np.unique(np.concatenate([f.result.n for f in loaded]))
    shared: dict[str, Any] = {"n": n, "quantile": list(QUANTILES)}
    data = _numbers(loaded, n)
    if tolerance is not None:
        followed = [derive(f.result, tolerance) for f in loaded]
        middle = np.unique(np.concatenate([d.n_middle for d in followed]))
        shared["n_middle"] = middle
        data |= _derived(followed, [f.result.n for f in loaded], n, middle)
    coordinates: dict[str, Any] = {
        "label": np.array([f.point.label for f in loaded]),
        "replicates": np.array([f.result.replicates for f in loaded]),
        "sampler": np.array([f.result.sampler for f in loaded]),
    }
    axes = {a: [f.point.axes.get(a) for f in loaded] for a in _axes(loaded)}
    names = _named(list(axes), taken={*DESCRIPTIONS, *COORDINATES, "point"})
    values = {names[a]: axis_values(v) for a, v in axes.items()}
    together = "case" in axes or (len(axes) > 1 and is_zipped(read_config(Path(folder))))
    grid = as_grid(values) if layout == "auto" and not together else None
    if grid is None:
        grid = Grid({"point": None}, (np.arange(len(loaded)),), (len(loaded),))
        coordinates |= values
    dims = tuple(grid.values)
    dataset = xr.Dataset(
        {k: ((*dims, *DESCRIPTIONS[k][0]), _words(grid.place(v))) for k, v in data.items()},
        {k: (dims, _words(grid.place(v))) for k, v in coordinates.items()}
        | {k: v for k, v in grid.values.items() if v is not None}
        | shared,
        {SOURCE: str(Path(folder).resolve())},
    )
    paths = {short: axis for axis, short in names.items()}
    for name, variable in dataset.variables.items():
        _describe(variable.attrs, str(name), paths)
    return dataset


def _axes(loaded: list[Loaded]) -> list[str]:
    """The axes of all points, in the order in which they vary."""
    return list(dict.fromkeys(a for f in loaded for a in f.point.axes))


def _named(axes: list[str], taken: set[str]) -> dict[str, str]:
    """What each axis is called: its short name, or more of it where something else has the name."""
    out = {}
    for axis, name in short_names(axes).items():
        while name in taken:
            name = f"axis.{name}"
        taken.add(name)
        out[axis] = name
    return out


def _describe(attributes: dict[str, Any], name: str, paths: dict[str, str]) -> None:
    if name in DESCRIPTIONS:
        attributes["description"] = DESCRIPTIONS[name][1]
    elif name in COORDINATES:
        attributes["description"] = COORDINATES[name]
    else:
        attributes["description"] = f"axis {paths[name]} of the sweep"
    if name in UNITS:
        attributes["units"] = UNITS[name]


def _words(values: np.ndarray) -> np.ndarray:
    """Words of any length, which files keep better than those of the longest one's."""
    return values.astype(object) if values.dtype.kind == "U" else values


def _numbers(loaded: list[Loaded], n: np.ndarray) -> dict[str, np.ndarray]:
    """What is stored of each point, points first, on the union of all n."""
    names = ["mean", "standard_error", "std", "mean_square", "theory"]
    names += [realised(k) for k in PSI if any(k in (f.result.correlations or {}) for f in loaded)]
    out = {k: np.full((len(loaded), len(n)), np.nan) for k in names}
    out["quantiles"] = np.full((len(loaded), len(QUANTILES), len(n)), np.nan)
    for k, f in enumerate(loaded):
        r, at = f.result, np.searchsorted(n, f.result.n)
        out["mean"][k, at] = r.mean
        out["standard_error"][k, at] = r.standard_error
        out["std"][k, at] = r.std
        out["mean_square"][k, at] = r.mean_square.mean
        out["theory"][k, at] = _theory(f)
        out["quantiles"][k][:, at] = r.quantiles
        for name, estimate in (r.correlations or {}).items():
            out[realised(name)][k, at] = estimate.mean
    return out


def realised(psi: str) -> str:
    """What a measured psi is called beside an axis of its name, which is the model's."""
    return f"realised_{psi}"


def _derived(
    derived: list[Derived], grids: list[np.ndarray], n: np.ndarray, middle: np.ndarray
) -> dict[str, np.ndarray]:
    """What follows from each point, points first, on the union of all n and of all n_middle."""
    out: dict[str, np.ndarray] = {}
    for name in Derived._fields[1:]:
        dims, _ = DESCRIPTIONS[name]
        rows = [getattr(d, name) for d in derived]
        if not dims:
            out[name] = np.array(rows)
            continue
        union = n if dims == ("n",) else middle
        out[name] = np.full((len(derived), len(union)), np.nan)
        for k, (d, grid) in enumerate(zip(derived, grids, strict=True)):
            own = grid if dims == ("n",) else d.n_middle
            out[name][k, np.searchsorted(union, own)] = rows[k]
    return out


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
