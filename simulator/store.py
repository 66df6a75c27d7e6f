"""Results on disk: one atomic file a point, named by a hash of its configuration.

A folder holds `sweep.json` (the whole configuration) and `points/<key>.npz` (arrays, with the
point's configuration and provenance inside as JSON; nothing is pickled). A file appears complete or
not at all: it is written beside its place, synced, and renamed.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from tokenspace.config import Point
from tokenspace.errors import InputError
from tokenspace.estimate import QUANTILES, Estimate, Moments
from tokenspace.result import Result

FORMAT = 2
HOW = ("sampler", "method", "reason", "kernels", "device", "seed", "seconds", "versions")


def _write_atomically(path: Path, write: Any) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(
            dir=path.parent, prefix=f".{path.name}.", suffix=".tmp"
        )
        try:
            with os.fdopen(handle, "wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error.strerror or error}); "
            "free space or choose another --out folder. Finished points are safe"
        ) from None


def save_point(folder: Path, point: Point, result: Result) -> Path:
    """Write one finished point; returns its file."""
    path = folder / "points" / f"{point.key}.npz"
    meta = {
        "format": FORMAT,
        "key": point.key,
        "label": point.label,
        "axes": point.axes,
        "config": point.config,
        **{k: getattr(result, k) for k in HOW},
        "notes": list(result.notes),
        "count": result.replicates,
    }
    arrays: dict[str, Any] = {
        "n": result.n,
        "mean": result.divergence.mean,
        "covariance": result.divergence.covariance,
        "square_mean": result.mean_square.mean,
        "square_covariance": result.mean_square.covariance,
        "quantiles": result.quantiles,
    }
    for name, estimate in (result.correlations or {}).items():
        arrays[f"{name}.mean"] = estimate.mean
        arrays[f"{name}.standard_error"] = estimate.standard_error
    blob = np.frombuffer(json.dumps(meta).encode(), np.uint8)
    _write_atomically(path, lambda f: np.savez(f, meta=blob, **arrays))
    return path


def load_point(path: Path) -> tuple[Point, Result]:
    """Read one point back, with its model rebuilt from its configuration.

    Raises:
        InputError: the file is truncated, corrupt or not one of ours.
    """
    try:
        with np.load(path, allow_pickle=False) as data:
            arrays = {k: data[k] for k in data.files}
        meta = json.loads(arrays.pop("meta").tobytes())
        point = Point(meta["label"], meta["axes"], meta["config"])
        if meta["format"] != FORMAT or point.key != meta["key"]:
            raise ValueError("its contents do not match its key")
        count = int(meta["count"])
        psi = sorted({k.split(".")[0] for k in arrays if k.endswith(".standard_error")})
        correlations = {
            k: Estimate(arrays[f"{k}.mean"], arrays[f"{k}.standard_error"], count) for k in psi
        }
        result = Result(
            n=arrays["n"],
            divergence=Moments(arrays["mean"], arrays["covariance"], count),
            mean_square=Moments(arrays["square_mean"], arrays["square_covariance"], count),
            quantiles=arrays["quantiles"],
            correlations=correlations or None,
            model=point.model(),
            **{k: meta[k] for k in HOW},
            notes=tuple(meta["notes"]),
        )
    except Exception as error:
        raise InputError(
            f"{path}: not a complete result file ({error}); delete it and run the sweep again, "
            "which computes only what is missing"
        ) from None
    return point, result


def begin(folder: Path, config: dict[str, Any]) -> None:
    """Claim a folder for a sweep, or make sure that it holds this very sweep.

    Raises:
        InputError: the folder holds another configuration (the differences are listed).
    """
    path = folder / "sweep.json"
    if path.exists():
        try:
            known = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise InputError(
                f"{path}: cannot be read ({error}); choose another --out folder"
            ) from None
        if known != json.loads(json.dumps(config)):
            lines = "\n".join(f"  {d}" for d in differences(known, config))
            raise InputError(
                f"{folder} holds results of another configuration:\n{lines}\n"
                "Choose another --out folder, or restore the configuration"
            )
        for stray in (folder / "points").glob(".*.tmp"):
            if stray.stat().st_mtime < path.stat().st_mtime:
                stray.unlink(missing_ok=True)
        return
    _write_atomically(path, lambda f: f.write(json.dumps(config, indent=1).encode()))


def differences(old: Any, new: Any, path: str = "") -> list[str]:
    """Key paths at which two configurations differ, with both values."""
    if isinstance(old, dict) and isinstance(new, dict):
        out = []
        for key in sorted({*old, *new}):
            where = f"{path}.{key}" if path else key
            if key not in old or key not in new:
                side = "only in the folder" if key in old else "only in the new configuration"
                out.append(f"{where}: {side} ({old.get(key, new.get(key))!r})")
            else:
                out += differences(old[key], new[key], where)
        return out
    return [] if old == new else [f"{path}: {old!r} in the folder, {new!r} now"]


def load_results(folder: str | Path) -> list[tuple[Point, Result]]:
    """All finished points of a folder, in the order of the sweep.

    Args:
        folder: the --out folder of a sweep.

    Returns:
        (point, result) pairs; a point has label, axes, config and key.

    Raises:
        InputError: no such folder, no finished point, or a corrupt file.
    """
    from tokenspace.config import points_of

    folder = Path(folder)
    if not (folder / "sweep.json").is_file():
        raise InputError(
            f"{folder}: no results here (sweep.json is missing); run `tokenspace sweep`"
        )
    order = {
        p.key: k
        for k, p in enumerate(
            points_of(json.loads((folder / "sweep.json").read_text()), str(folder))
        )
    }
    found = [load_point(p) for p in sorted((folder / "points").glob("*.npz"))]
    if not found:
        raise InputError(f"{folder}: no finished point yet; run `tokenspace sweep` again to resume")
    return sorted(found, key=lambda pair: order.get(pair[0].key, len(order)))


def open_results(folder: str | Path) -> xr.Dataset:
    """A sweep's results as one labelled Dataset with dimensions point and n.

    Variables: mean, standard_error, std, mean_square and (quantile, point, n) quantiles of D, psi's
    where measured, and the theory's amplitude; coordinates: label, every sweep axis, sampler,
    replicates. Points with different grids are aligned on the union of n; what a point does not
    report is NaN.

    Args:
        folder: the --out folder of a sweep.

    Raises:
        InputError: see `load_results`.
    """
    from tokenspace.verdict import theoretical_amplitude

    loaded = load_results(folder)
    grid = np.unique(np.concatenate([r.n for _, r in loaded]))
    shape = (len(loaded), len(grid))
    names = ["mean", "standard_error", "std", "mean_square", "theory"]
    names += sorted({k for _, r in loaded for k in (r.correlations or {})})
    data = {k: np.full(shape, np.nan) for k in names}
    quantiles = np.full((len(QUANTILES), *shape), np.nan)
    for k, (_, r) in enumerate(loaded):
        at = np.searchsorted(grid, r.n)
        data["mean"][k, at] = r.mean
        data["standard_error"][k, at] = r.standard_error
        data["std"][k, at] = r.std
        data["mean_square"][k, at] = r.mean_square.mean
        data["theory"][k, at] = theoretical_amplitude(r.model, r.n)
        quantiles[:, k, at] = r.quantiles
        for name, estimate in (r.correlations or {}).items():
            data[name][k, at] = estimate.mean
    coordinates: dict[str, Any] = {
        "n": grid,
        "quantile": list(QUANTILES),
        "label": ("point", [p.label for p, _ in loaded]),
        "replicates": ("point", [r.replicates for _, r in loaded]),
        "sampler": ("point", [r.sampler for _, r in loaded]),
    }
    for axis in sorted({a for p, _ in loaded for a in p.axes}):
        values = [p.axes.get(axis) for p, _ in loaded]
        simple = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values)
        coordinates[axis] = ("point", values if simple else [str(v) for v in values])
    variables: dict[str, Any] = {k: (("point", "n"), v) for k, v in data.items()}
    variables["quantiles"] = (("quantile", "point", "n"), quantiles)
    return xr.Dataset(variables, coordinates)
