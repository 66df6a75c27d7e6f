"""Results on disk: one atomic file a point, named by the fingerprint of its experiment.

A folder holds `sweep.json` (format, configuration, and label, axes and key of every point) and
`points/<key>.npz` (arrays, with the experiment's canonical tables and how it was computed inside as
JSON). Nothing is pickled and nothing in a file names code: numbers are read without building a
model, and a model is built from registered classes when it is asked for. Reading finished points is
in `results.py`, unfinished ones in `partial.py`, folders of format 2 in `format_2.py`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tokenspace.errors import InputError, NoExactResult
from tokenspace.experiments.arrays import pack
from tokenspace.experiments.canonical import FORMAT
from tokenspace.experiments.expand import LARGEST_SWEEP
from tokenspace.experiments.experiment import Point
from tokenspace.files import (
    Refused,
    discard,
    read_bytes,
    require_no_link,
    sweep_up,
    write_atomically,
)
from tokenspace.statistics.amplitude import theoretical_amplitude
from tokenspace.statistics.result import Result

HOW = ("sampler", "method", "reason", "kernels", "device", "seed", "seconds", "versions")
LARGEST_POINT = 1 << 36  # bytes, far above what a point of the largest grid takes
KEY = re.compile(r"[0-9a-f]{16}")

Listed = tuple[str, dict[str, Any], str]  # label, axes and key of a point in sweep.json


def point_file(folder: Path, key: str) -> Path:
    """Where a finished point is kept.

    Raises:
        InputError: the key is none, so that it names no file of the folder.
    """
    if KEY.fullmatch(key) is None:
        raise InputError(f"{folder}: {key!r} is not the key of a point")
    return folder / "points" / f"{key}.npz"


def names_of_points(folder: Path) -> frozenset[str]:
    """Names of all that lies where finished points are kept, links too: asked for once, not each.

    Raises:
        InputError: the place cannot be listed.
    """
    try:
        return frozenset(os.listdir(folder / "points"))
    except FileNotFoundError:
        return frozenset()
    except OSError as error:
        raise InputError(f"{folder / 'points'}: cannot be listed ({error})") from None


def partial_file(folder: Path, point: Point) -> Path:
    """Where an unfinished point is kept."""
    return point_file(folder, point.key).with_name(f".{point.key}.partial")


def as_array(value: Any) -> np.ndarray:
    """JSON as an array of bytes, to be kept beside arrays of numbers."""
    return np.frombuffer(json.dumps(value).encode(), np.uint8)


def encode_point(point: Point, result: Result) -> bytes:
    """A finished point as the bytes of its file."""
    experiment = point.experiment
    meta = {
        "format": FORMAT,
        "key": point.key,
        "label": point.label,
        "axes": point.axes,
        "experiment": experiment.canonical(),
        "sources": experiment.sources(),
        **{k: getattr(result, k) for k in HOW},
        "notes": list(result.notes),
        "count": result.replicates,
    }
    arrays = {
        "n": result.n,
        "mean": result.divergence.mean,
        "covariance": result.divergence.covariance,
        "square_mean": result.mean_square.mean,
        "square_covariance": result.mean_square.covariance,
        "quantiles": result.quantiles,
        "quantile_intervals": result.quantile_intervals,
        "theory": _theory(result),
    }
    if result.joint is not None:
        arrays |= {"joint_mean": result.joint.mean, "joint_covariance": result.joint.covariance}
    for name in ("median", "geometric"):
        found = getattr(result, name)
        if found is not None:
            arrays |= {name: found.mean, f"{name}_covariance": found.covariance}
    if result.control is not None:
        by = result.control
        arrays |= {"control_mean": by.divergence.mean, "control_gain": by.gain}
        arrays |= {"control_covariance": by.divergence.covariance}
    for name, estimate in (result.correlations or {}).items():
        arrays[f"{name}.mean"] = estimate.mean
        arrays[f"{name}.standard_error"] = estimate.standard_error
    return pack({"meta": as_array(meta), **arrays})


def _theory(result: Result) -> np.ndarray:
    """The theory beside the numbers, so that both are read without building a model."""
    try:
        return np.asarray(theoretical_amplitude(result.model, result.n), np.float64)
    except NoExactResult:
        return np.full(len(result.n), np.nan)


def save_point(folder: Path, point: Point, encoded: bytes) -> Path:
    """Write one finished point (see `encode_point`); returns its file."""
    path = point_file(folder, point.key)
    write_atomically(path, encoded)
    discard(partial_file(folder, point))
    return path


def begin(folder: Path, config: dict[str, Any], points: Sequence[Point] = ()) -> None:
    """Claim a folder for a sweep, or make sure that it holds this very sweep.

    Of several processes that start at once the first to write wins. A folder that holds the same
    points, however they are written, is this sweep.

    Raises:
        InputError: the folder holds another sweep, or one of an older format.
    """
    path = folder / "sweep.json"
    for part in (path, folder / "points"):
        require_no_link(part)
    listed = [[p.label, p.axes, p.key] for p in points]
    wanted = {"format": FORMAT, "config": config, "points": listed}
    if not path.exists():
        write_atomically(path, _as_file(wanted), only_new=True)
    config_there, points_there = read_sweep(folder)
    if points_there is None:
        raise InputError(
            f"{folder} holds results of format 2, which are read but not added to: choose another "
            "--out folder, or move this one away"
        )
    wanted = json.loads(json.dumps(wanted))  # as it is read back: tuples are lists
    if config_there != wanted["config"]:
        keys = [key for *_, key in points_there]
        if not keys or keys != [p.key for p in points]:
            lines = "\n".join(f"  {d}" for d in differences(config_there, wanted["config"]))
            raise InputError(
                f"{folder} holds results of another configuration:\n{lines}\n"
                "Choose another --out folder, or restore the configuration"
            )
    if [list(p) for p in points_there] != wanted["points"]:
        # e.g. a class was edited, and with it the points' keys
        write_atomically(path, _as_file(wanted))
    sweep_up(folder)
    sweep_up(folder / "points")


def _as_file(sweep: dict[str, Any]) -> bytes:
    return json.dumps(sweep, indent=1).encode()  # indented JSON takes Python several times as long


def read_config(folder: Path) -> dict[str, Any]:
    """The configuration that a folder of results was made with; raises as `read_sweep`."""
    return read_sweep(folder)[0]


def read_sweep(folder: Path) -> tuple[dict[str, Any], list[Listed] | None]:
    """Configuration and points of a folder of results; no points for a folder of format 2.

    Raises:
        InputError: there is none, or it cannot be read.
    """
    path = folder / "sweep.json"
    require_no_link(folder / "points")
    try:
        text = read_bytes(path).decode("utf-8")
        whole = json.loads(text)
        if not isinstance(whole, dict):
            raise ValueError("it is no table")
        if "format" not in whole:
            return whole, None
        if whole["format"] != FORMAT:
            raise InputError(
                f"{path}: format {whole['format']!r} is not one that this version reads: read it "
                "with the tokenspace that wrote it, and choose another --out folder for new results"
            )
        config, points = whole["config"], whole["points"]
        if not isinstance(config, dict) or not isinstance(points, list):
            raise ValueError("its list of points is damaged")
        if len(points) > LARGEST_SWEEP:
            raise ValueError(f"it lists {len(points):,} points; at most {LARGEST_SWEEP:,} are read")
        if not all(map(_is_listed, points)):
            raise ValueError("its list of points is damaged")
        if "\\u" in text:  # else all its words can be shown and written
            json.dumps(points, ensure_ascii=False).encode()
        return config, [tuple(p) for p in points]
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(
            f"{folder}: no results here (sweep.json is missing); run `tokenspace sweep`"
        ) from None
    except InputError:
        raise
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror or error}); if it is there, its contents "
            "may be sound"
        ) from None
    except (Refused, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            f"{path}: cannot be read ({error}). Finished points are safe: delete it and run "
            "`tokenspace sweep` with its configuration again, or choose another --out folder"
        ) from None


def _is_listed(entry: Any) -> bool:
    return (
        isinstance(entry, list)
        and len(entry) == 3
        and isinstance(entry[0], str)
        and isinstance(entry[1], dict)
        and isinstance(entry[2], str)
        and KEY.fullmatch(entry[2]) is not None
    )


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
