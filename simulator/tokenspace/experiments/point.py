"""Compute one point of a sweep and keep it: here, in a worker process, or on another machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tokenspace.errors import InputError, Interrupted
from tokenspace.experiments import hosts
from tokenspace.experiments.config import read_experiment
from tokenspace.experiments.damaged import Unusable
from tokenspace.experiments.experiment import DEFAULT, Execution, Point
from tokenspace.experiments.groups import groups
from tokenspace.experiments.partial import decode, read_partial, save_partial
from tokenspace.experiments.results import made_here
from tokenspace.experiments.simulate import run_experiment
from tokenspace.experiments.store import encode_point, point_file, save_point
from tokenspace.experiments.together import NONE, Hooks, OutOfMemory, Stop, run_group
from tokenspace.registry import load_plugin
from tokenspace.statistics.result import Result
from tokenspace.statistics.streaming import Accumulator


def run_point(point: Point, execution: Execution = DEFAULT, **hooks: Any) -> Result:
    """Simulate one point; hooks are progress, stop, keep and begun, as in `simulate`."""
    return run_experiment(point.experiment, execution, **hooks)


def run_points(
    points: Sequence[Point], execution: Execution = DEFAULT, hooks: Hooks = NONE
) -> Iterator[tuple[Point, Result]]:
    """Each point and its result as it is finished; those of one shape are drawn together.

    Raises:
        Interrupted: `stop` said so; what was seen was kept.
    """
    asked = False
    for group in (group.without(hooks.done) for group in groups(points, execution)):
        alone, seen = {p.key: p for p in group.points}, {}
        if group.plans:
            _stop_between(hooks.stop if asked else None)
            asked = True
            try:
                for point, result in run_group(group, execution, hooks):
                    del alone[point.key]
                    yield point, result
            except OutOfMemory as out:
                seen = out.seen
        for point in alone.values():
            _stop_between(hooks.stop if asked else None)
            asked = True
            begun = seen.get(point.key) or hooks.begun(point)
            keep = partial(hooks.keep, point)
            try:
                result = run_point(point, execution, stop=hooks.stop, begun=begun, keep=keep)
            except Interrupted as interrupted:
                keep(interrupted.seen)
                raise
            yield point, result


def _stop_between(stop: Stop | None) -> None:
    if stop is not None and hosts.any_host(stop()):
        raise Interrupted("stopped between two points")


def complete_points(
    folder: Path,
    points: Sequence[Point],
    execution: Execution,
    stop: Stop | None,
    strict: bool = False,
) -> Iterator[tuple[Point, bool]]:
    """Run points from where they were left; each is stored and then given.

    Args:
        folder, points, execution, stop, strict: as in `run_sweep`.

    Yields:
        A point, and whether it was computed here: not where another run finished it meanwhile.

    Raises:
        Interrupted: after what was seen of unfinished points was kept.
    """
    writer, others = hosts.is_writer(), list[Point]()

    def done(point: Point) -> bool:
        there = hosts.any_host(writer and _is_there(point_file(folder, point.key), strict))
        if there:
            others.append(point)
        return there

    def begun(point: Point) -> Accumulator | None:
        kept = hosts.bytes_from_writer(read_partial(folder, point) if writer else None)
        return None if kept is None else decode(kept, point)

    def keep(point: Point, seen: Accumulator) -> None:
        if writer:
            save_partial(folder, point, seen)

    for point, result in run_points(points, execution, Hooks(begun, keep, stop, done)):
        if writer:
            save_point(folder, point, encode_point(point, result))
        yield point, True
        yield from ((others.pop(), False) for _ in range(len(others)))
    yield from ((point, False) for point in others)


def _is_there(file: Path, strict: bool) -> bool:
    """Whether a point has its file; with `strict`, one that the versions that are here computed."""
    try:
        return file.exists() and (not strict or made_here(file))
    except Unusable:
        return False


def pack_point(point: Point) -> dict[str, Any]:
    """A point as plain data, to be sent to another process: no code travels with it."""
    return {
        "label": point.label,
        "axes": point.axes,
        "key": point.key,
        "tables": point.experiment.canonical(),
    }


def unpack_point(packed: dict[str, Any], plugins: Sequence[str]) -> Point:
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
