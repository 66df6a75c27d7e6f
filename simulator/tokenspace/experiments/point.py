"""Compute one point of a sweep and keep it: here, in a worker process, or on another machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tokenspace.errors import InputError, Interrupted
from tokenspace.experiments import hosts
from tokenspace.experiments.config import read_experiment
from tokenspace.experiments.experiment import DEFAULT, Execution, Point
from tokenspace.experiments.partial import decode, read_partial, save_partial
from tokenspace.experiments.simulate import run_experiment
from tokenspace.experiments.store import encode_point, save_point
from tokenspace.registry import load_plugin
from tokenspace.statistics.result import Result

Stop = Callable[[], bool]


def run_point(point: Point, execution: Execution = DEFAULT, **hooks: Any) -> Result:
    """Simulate one point; hooks are progress, stop, keep and begun, as in `simulate`."""
    return run_experiment(point.experiment, execution, **hooks)


def complete_point(folder: Path, point: Point, execution: Execution, stop: Stop | None) -> None:
    """Run a point from where it was left, and store it; when stopped, keep what was seen.

    Raises:
        Interrupted: after that was kept.
    """
    writer = hosts.is_writer()
    kept = hosts.bytes_from_writer(read_partial(folder, point) if writer else None)
    begun = None if kept is None else decode(kept, point)
    keep = (lambda seen: save_partial(folder, point, seen)) if writer else None
    try:
        result = run_point(point, execution, stop=stop, begun=begun, keep=keep)
    except Interrupted as interrupted:
        if keep is not None:
            keep(interrupted.seen)
        raise
    if writer:
        save_point(folder, point, encode_point(point, result))


def pack_point(point: Point) -> dict[str, Any]:
    """A point as plain data, to be sent to another process: no code travels with it."""
    return {
        "label": point.label,
        "axes": point.axes,
        "key": point.key,
        "tables": point.experiment.canonical(),
    }


def unpack_point(packed: dict[str, Any], plugins: Iterable[str]) -> Point:
    """The point that another process sent, built from the classes that are registered here.

    Args:
        packed: from `pack_point`.
        plugins: modules that the command which started this process was given.

    Raises:
        InputError: a plugin cannot be imported, or a class is not the one of the sender.
    """
    for module in plugins:
        load_plugin(module)
    label, key = packed["label"], packed["key"]
    experiment = read_experiment(packed["tables"], label)
    if experiment.fingerprint != key:
        raise InputError(
            f"{label}: this process has another version of the model's class than the command that "
            "sent the point; install the same files on every machine"
        )
    return Point(label, packed["axes"], experiment, key)
