"""An unfinished point on disk: what was accumulated of it, to go on from.

It is as large for a billion replicates as for some thousands: sums, histograms and the replicates
of the last segment, not the samples. A file that is damaged, or was made on another kind of device
or with other versions, is discarded: its replicates can be drawn again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from tokenspace.experiments.arrays import pack, unpack
from tokenspace.experiments.experiment import Experiment, Point
from tokenspace.experiments.store import LARGEST_POINT, as_array, partial_file
from tokenspace.files import discard, read_bytes, write_atomically
from tokenspace.provenance import device_name, versions
from tokenspace.statistics.amplitude import wants_logs
from tokenspace.statistics.quantiles import Sketch
from tokenspace.statistics.streaming import SEGMENT, Accumulator, Sums, begin

NAMES = ("divergence", "psi_equal", "psi_cross_AA", "psi_cross_BB", "psi_cross_AB")


def save_partial(folder: Path, point: Point, seen: Accumulator) -> None:
    """Keep what was seen of a point that is not finished."""
    data = pack({"meta": as_array(_made_by(point)), **to_arrays(seen)})
    write_atomically(partial_file(folder, point), data)


def read_partial(folder: Path, point: Point) -> bytes | None:
    """What `save_partial` kept on this kind of device and with these versions, or None."""
    path = partial_file(folder, point)
    try:
        data = read_bytes(path, LARGEST_POINT)
        if decode(data, point) is not None:
            return data
    except FileNotFoundError:
        return None
    except Exception:  # whatever is wrong with it, its replicates can be drawn again
        discard(path)
    return None


def decode(data: bytes, point: Point) -> Accumulator | None:
    """The accumulator in the bytes of a file of ours; None if it was made by others."""
    arrays = unpack(data)
    if json.loads(arrays.pop("meta").tobytes()) != _made_by(point):
        return None
    return from_arrays(point.experiment, arrays)


def to_arrays(seen: Accumulator) -> dict[str, np.ndarray]:
    """The state of an accumulator as arrays of numbers."""
    out = {
        "count": np.array([seen.joint.count]),
        "mean": seen.joint.mean,
        "scatter": seen.joint.scatter,
        "rows": seen.sketch.rows,
        "counts": seen.sketch.counts,
        "first": seen.sketch.first,
    }
    if seen.psi is not None:
        out |= {"psi_mean": seen.psi.mean, "psi_scatter": seen.psi.scatter}
    if seen.logs is not None:
        out |= {"log_mean": seen.logs.mean, "log_scatter": seen.logs.scatter}
    return out | {f"pending.{k}": v for k, v in seen.pending.items()}


def from_arrays(experiment: Experiment, arrays: dict[str, np.ndarray]) -> Accumulator:
    """The accumulator of `to_arrays`.

    Raises:
        ValueError, KeyError: arrays are missing, or have shapes that no accumulator of this
            experiment has.
    """
    psi, logs = "correlations" in experiment.statistics, wants_logs(experiment.model)
    pending = {k.removeprefix("pending."): v for k, v in arrays.items() if k.startswith("pending.")}
    (count,) = arrays["count"].tolist()
    seen = Accumulator(
        experiment.grid,
        Sums(count, arrays["mean"], arrays["scatter"]),
        Sums(count, arrays["psi_mean"], arrays["psi_scatter"]) if psi else None,
        Sums(count, arrays["log_mean"], arrays["log_scatter"]) if logs else None,
        Sketch(arrays["rows"], arrays["counts"], arrays["first"]),
        pending,
    )
    if not _fits(seen, begin(experiment.grid, psi, logs), NAMES if psi else NAMES[:1]):
        raise ValueError("it is no accumulator of this experiment")
    if not 0 <= count == seen.sketch.count or seen.count > experiment.replicates:
        raise ValueError("its numbers of replicates disagree")
    return seen


def _fits(seen: Accumulator, empty: Accumulator, names: tuple[str, ...]) -> bool:
    """Whether all arrays have the shapes and types that they have in an accumulator."""
    m, own, other = len(seen.n), seen.sketch, empty.sketch
    sums = [(seen.joint, empty.joint)]
    if seen.psi is not None and empty.psi is not None:
        sums.append((seen.psi, empty.psi))
    if seen.logs is not None and empty.logs is not None:
        sums.append((seen.logs, empty.logs))
    pairs = [(getattr(a, k), getattr(b, k)) for a, b in sums for k in ("mean", "scatter")]
    alike = all(a.shape == b.shape and a.dtype == b.dtype for a, b in pairs)
    waiting = list(seen.pending.values())
    return (
        alike
        and bool(np.isfinite(seen.joint.mean).all() and np.isfinite(seen.joint.scatter).all())
        and own.rows.ndim == 2 == own.counts.ndim
        and own.rows.shape[1] == len(own.counts) == len(own.first) == m
        and (own.rows.dtype, own.counts.dtype, own.first.dtype)
        == (other.rows.dtype, other.counts.dtype, other.first.dtype)
        and bool(np.all(own.counts >= 0))
        and (not waiting or set(seen.pending) == set(names))
        and all(v.dtype == np.float32 and v.shape == waiting[0].shape for v in waiting)
        and all(v.ndim == 2 and v.shape[1] == m and len(v) < SEGMENT for v in waiting)
    )


def _made_by(point: Point) -> dict[str, Any]:
    return {"key": point.key, "device": device_name(), "versions": versions()}
