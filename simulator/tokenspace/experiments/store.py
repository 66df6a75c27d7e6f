"""Results on disk: one atomic file a point, named by a hash of its configuration.

A folder holds `sweep.json` (the whole configuration) and `points/<key>.npz` (arrays, with the
point's configuration and provenance inside as JSON; nothing is pickled). A file appears complete or
not at all: it is written beside its place, synced, and renamed.
"""

from __future__ import annotations

import io
import json
import os
import socket
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import xarray as xr

from tokenspace.errors import InputError
from tokenspace.experiments.config import Point
from tokenspace.provenance import device_name, versions
from tokenspace.statistics.estimate import QUANTILES, Estimate, Moments
from tokenspace.statistics.result import Result

FORMAT = 2
HOW = ("sampler", "method", "reason", "kernels", "device", "seed", "seconds", "versions")


def _write_atomically(path: Path, data: bytes, only_new: bool = False) -> None:
    """Write beside the place, sync, rename. With `only_new`, leave a file that is there alone."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        prefix = f".{os.getpid()}@{socket.gethostname()}@"
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=prefix, suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            if only_new and _linked(temporary, path):
                return
            os.replace(temporary, path)
        finally:
            Path(temporary).unlink(missing_ok=True)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error.strerror or error}); "
            "free space or choose another --out folder. Finished points are safe"
        ) from None


def _linked(temporary: str, path: Path) -> bool:
    """Put a file in its place unless one is there; False where file systems know no links."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        return True
    except OSError:
        return path.exists()
    return True


def sweep_up(folder: Path) -> None:
    """Remove temporary files of writers that are gone: dead here, or silent for an hour."""
    for stray in folder.glob(".*@*@*.tmp"):
        pid, host, _ = stray.name[1:].split("@", 2)
        here = host == socket.gethostname() and pid.isdecimal()
        try:
            silent = time.time() - stray.stat().st_mtime > 3600
            if silent or (here and not psutil.pid_exists(int(pid))):
                stray.unlink(missing_ok=True)
        except OSError:
            continue  # another process swept it up, or will


def point_file(folder: Path, point: Point) -> Path:
    """Where a finished point is kept."""
    return folder / "points" / f"{point.key}.npz"


def _partial_file(folder: Path, point: Point) -> Path:
    return folder / "points" / f".{point.key}.partial"


def save_partial(folder: Path, point: Point, samples: dict[str, np.ndarray]) -> None:
    """Keep the samples of a point that is not finished, to go on from."""
    buffer = io.BytesIO()
    blob = np.frombuffer(json.dumps(_made_by(point)).encode(), np.uint8)
    np.savez(buffer, meta=blob, **samples)  # type: ignore[arg-type]
    _write_atomically(_partial_file(folder, point), buffer.getvalue())


def load_partial(folder: Path, point: Point) -> dict[str, np.ndarray] | None:
    """Samples kept by `save_partial` on this kind of device and with these versions, or None."""
    path = _partial_file(folder, point)
    try:
        with np.load(path, allow_pickle=False) as data:
            samples = {k: data[k] for k in data.files}
        if json.loads(samples.pop("meta").tobytes()) == _made_by(point):
            return samples
    except FileNotFoundError:
        return None
    except Exception:  # whatever is wrong with it, its replicates can be drawn again
        path.unlink(missing_ok=True)
    return None


def _made_by(point: Point) -> dict[str, Any]:
    return {"key": point.key, "device": device_name(), "versions": versions()}


def encode_point(point: Point, result: Result) -> bytes:
    """A finished point as the bytes of its file."""
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
    buffer = io.BytesIO()
    np.savez(buffer, meta=blob, **arrays)
    return buffer.getvalue()


def save_point(folder: Path, point: Point, encoded: bytes) -> Path:
    """Write one finished point (see `encode_point`); returns its file."""
    path = point_file(folder, point)
    _write_atomically(path, encoded)
    _partial_file(folder, point).unlink(missing_ok=True)
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
    if not path.exists():  # of several writers that start at once, one creates it
        _write_atomically(path, json.dumps(config, indent=1).encode(), only_new=True)
    known = read_config(folder)
    if known != json.loads(json.dumps(config)):
        lines = "\n".join(f"  {d}" for d in differences(known, config))
        raise InputError(
            f"{folder} holds results of another configuration:\n{lines}\n"
            "Choose another --out folder, or restore the configuration"
        )
    sweep_up(folder)
    sweep_up(folder / "points")


def read_config(folder: Path) -> dict[str, Any]:
    """The configuration that a folder of results was made with.

    Raises:
        InputError: there is none, or it cannot be read.
    """
    path = folder / "sweep.json"
    if not path.is_file():
        raise InputError(
            f"{folder}: no results here (sweep.json is missing); run `tokenspace sweep`"
        )
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(config, dict):
            raise ValueError("it is no table")
        return config
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"{path}: cannot be read ({error}); restore it from the configuration file, or choose "
            "another --out folder"
        ) from None


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
    from tokenspace.experiments.config import points_of

    folder = Path(folder)
    points = points_of(read_config(folder), str(folder))
    order = {p.key: k for k, p in enumerate(points)}
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
    from tokenspace.statistics.verdict import theoretical_amplitude

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
