"""Many points: run what is missing, store each as it finishes, end in good order when asked to."""

from __future__ import annotations

import os
import random
import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from tokenspace.collector import collector_paused
from tokenspace.errors import InputError, Interrupted
from tokenspace.experiments import hosts
from tokenspace.experiments.cluster import run_on_dask
from tokenspace.experiments.config import Configuration, read_configuration
from tokenspace.experiments.damaged import Unusable, all_of, put_aside
from tokenspace.experiments.experiment import Execution, Point
from tokenspace.experiments.point import complete_points
from tokenspace.experiments.pool import run_in_pool, worthwhile
from tokenspace.experiments.presence import at_work
from tokenspace.experiments.results import load, made_here
from tokenspace.experiments.select import select
from tokenspace.experiments.shards import parse_shard, shard_of
from tokenspace.experiments.store import begin, names_of_points, point_file
from tokenspace.provenance import versions

Progress = Callable[[int, int, Point], Any]


def run_sweep(
    config: str | Path | dict[str, Any] | Configuration,
    folder: str | Path,
    progress: Progress | None = None,
    *,
    only: Sequence[str] = (),
    shard: str | None = None,
    workers: int = 1,
    scheduler: str | None = None,
    devices: int | None = None,
    max_memory: float | None = None,
    stop: Callable[[], bool] | None = None,
    strict: bool = False,
    redo: bool = False,
) -> tuple[int, int]:
    """Run the points that the folder does not hold yet; returns (computed here, points in all).

    Points that are one experiment count once.

    Several runs may share one folder, on one machine or many: files appear whole or not at all. A
    run passes over what others have finished, and takes the points in another order than they do.

    Args:
        config: a TOML file, the same as a dictionary, or what `read_configuration` made of it.
        folder: where results are kept; created when missing.
        progress: called with (points finished, points in all, the point finished last or to begin).
        only: only points whose axes have these values, e.g. "psi_cross=0.1" (see `select.py`).
        shard: "i/N": only the i-th of N parts of those points, of about the same work each.
        workers: processes that compute points side by side on this machine, each on its share of
            the cores; none where the points take less time than starting them. They are spawned, so
            a script that asks for them needs the usual `if __name__ == "__main__":`.
        scheduler: address of a Dask scheduler on whose workers points are computed, several of them
            at once where they are quick.
        devices, max_memory: as in `simulate`.
        stop: asked now and then whether to stop, by raising `Interrupted`.
        strict: compute points anew that other versions of packages computed; without it they are
            used, with a note in their results.
        redo: put damaged files aside, as NAME.damaged, and compute their points anew, once all
            others can be read.

    Raises:
        ConfigError: the configuration cannot be used; every problem is listed.
        InputError: the folder holds another configuration, files that cannot be read or, without
            `redo`, corrupt ones; or an option is off.
        WorkerDied: a worker process ended; what was finished is stored.
        Interrupted: `stop` said so; the point at work was kept as far as it went.
    """
    if not isinstance(config, Configuration):
        config = read_configuration(config)
    points, raw = config.points, config.raw
    folder, execution = Path(folder), Execution(devices, max_memory=max_memory)
    if not isinstance(workers, int) or isinstance(workers, bool) or workers < 1:
        raise InputError(f"workers = {workers!r} is not allowed; it must be an integer >= 1")
    if workers > 1 and scheduler is not None:
        raise InputError(
            "workers and scheduler exclude each other: a scheduler has its own workers"
        )
    part = select(points, only)
    if shard is not None:
        part = shard_of(part, *parse_shard(shard))
    missing = _missing(folder, raw, points, part, strict, redo)
    total = len({point.key for point in part})
    done = total - len(missing)

    def tell(finished: int, point: Point) -> None:
        if progress is not None:
            progress(done + finished, total, point)

    here = 0
    if missing:
        with at_work(folder, len(missing)) if hosts.is_writer() else nullcontext(0) as turn:
            missing = _in_turn(missing, int(hosts.from_writer(np.asarray(turn))))
            tell(0, missing[0])
            if scheduler is not None:
                run_on_dask(folder, missing, execution, scheduler, tell, stop)
                here = len(missing)
            elif workers > 1 and (workers := worthwhile(missing, workers)) > 1:
                here = run_in_pool(folder, missing, execution, workers, tell, stop, strict)
            else:
                here = _run_here(folder, missing, execution, tell, stop, strict)
    return here, total


def _in_turn(points: list[Point], turn: int) -> list[Point]:
    """Points in an order of their own for each of several runs at work, so that these share them.

    One begins at one end and one at the other; more take them at random.

    Args:
        points: all that are missing.
        turn: of the run, see `at_work`.
    """
    if turn < 2:
        return points[:: -1 if turn else 1]
    return random.Random(turn).sample(points, len(points))


def _missing(
    folder: Path,
    raw: dict[str, Any],
    points: list[Point],
    part: list[Point],
    strict: bool,
    redo: bool,
) -> list[Point]:
    """Points of a part that the folder does not hold; those that it holds must be sound.

    Two points that are one experiment share a file, and the first of them stands for both.
    """
    there = np.zeros(len(part), bool)
    problem: InputError | None = None
    if hosts.is_writer():
        try:
            with collector_paused():
                begin(folder, raw, points)
                there = _there(folder, part, strict, redo)
        except InputError as error:
            problem = error
    if hosts.any_host(problem is not None):
        raise problem or InputError(f"{folder}: process 0 cannot use it; see its message")
    there = hosts.from_writer(there)
    missing: dict[str, Point] = {}
    for point, found in zip(part, there, strict=True):
        if not found:
            missing.setdefault(point.key, point)
    return list(missing.values())


def _there(folder: Path, part: list[Point], strict: bool, redo: bool) -> np.ndarray:
    """Of which points the folder holds a file; `InputError` names all that cannot be used.

    With `redo` those are the ones that cannot be read now: damaged ones are put aside before.
    """
    names = names_of_points(folder)
    paths = [point_file(folder, point.key) for point in part]
    made, unusable = {}, {}
    for path in dict.fromkeys(path for path in paths if path.name in names):
        try:  # nothing wrong is passed over in silence; with `redo`, nothing that readers refuse
            same = load(path).result.versions == versions() if redo else made_here(path)
            made[path] = same or not strict
        except Unusable as error:
            if os.path.lexists(path):  # else another run with `redo` has put it aside
                unusable[path] = error
    damaged = [path for path, error in unusable.items() if redo and error.damaged]
    if said := put_aside(damaged, load):
        warnings.warn(said, stacklevel=4)
    if rest := {path: error for path, error in unusable.items() if path not in damaged}:
        raise all_of(rest)
    return np.array([made.get(path, False) for path in paths], bool)


def _run_here(
    folder: Path,
    missing: list[Point],
    execution: Execution,
    tell: Callable[[int, Point], None],
    stop: Callable[[], bool] | None,
    strict: bool,
) -> int:
    finished = here = 0
    try:
        for point, computed in complete_points(folder, missing, execution, stop, strict):
            finished, here = finished + 1, here + computed
            tell(finished, point)
    except Interrupted as interrupted:
        if interrupted.seen is not None:
            raise
        raise Interrupted.between(finished, len(missing)) from None
    return here
