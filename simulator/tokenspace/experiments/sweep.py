"""Many points: run what is missing, store each as it finishes, end in good order when asked to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tokenspace.errors import InputError, Interrupted
from tokenspace.experiments import hosts
from tokenspace.experiments.config import Point, load, points_of
from tokenspace.experiments.experiment import simulate
from tokenspace.experiments.store import (
    begin,
    encode_point,
    load_partial,
    load_point,
    point_file,
    save_partial,
    save_point,
)
from tokenspace.statistics.result import Result

Progress = Callable[[int, int, Point], Any]


@dataclass(frozen=True)
class Options:
    """How points are computed, whichever way they are spread: see `simulate`."""

    devices: int | None = None
    max_memory: float | None = None


def run_point(point: Point, options: Options = Options(), **hooks: Any) -> Result:
    """Simulate one point of a configuration; hooks are progress, stop, keep and begun."""
    run = point.run()
    return simulate(
        point.model(),
        point.grid(),
        run.replicates,
        run.seed,
        run.sampler,
        run.statistics,
        run.target_relative_error,
        devices=options.devices,
        max_memory=options.max_memory,
        **hooks,
    )


def complete_point(
    folder: Path, point: Point, options: Options, stop: Callable[[], bool] | None
) -> None:
    """Run a point from where it was left, and store it; when stopped, keep what was drawn.

    Raises:
        Interrupted: after the samples were kept.
    """
    writer = hosts.is_writer()
    names = ("divergence", "psi_equal", "psi_cross_AA", "psi_cross_BB", "psi_cross_AB")
    wanted = names if "correlations" in point.run().statistics else names[:1]
    kept = load_partial(folder, point) if writer else None
    kept = hosts.samples_from_writer(kept, len(point.grid()), wanted)
    keep = (lambda samples: save_partial(folder, point, samples)) if writer else None
    try:
        result = run_point(point, options, stop=stop, begun=kept, keep=keep)
    except Interrupted as interrupted:
        if keep is not None:
            keep(interrupted.samples)
        raise
    if writer:
        save_point(folder, point, encode_point(point, result))


def parse_shard(text: str) -> tuple[int, int]:
    """ "i/N" as (i, N), 1 <= i <= N.

    Raises:
        InputError: anything else.
    """
    first, slash, second = text.partition("/")
    if slash and first.isdecimal() and second.isdecimal() and 1 <= int(first) <= int(second):
        return int(first), int(second)
    raise InputError(f"--shard {text!r} is not allowed; it must be i/N with 1 <= i <= N, e.g. 2/8")


def run_sweep(
    config: str | Path | dict[str, Any],
    folder: str | Path,
    progress: Progress | None = None,
    *,
    shard: str | None = None,
    workers: int = 1,
    scheduler: str | None = None,
    devices: int | None = None,
    max_memory: float | None = None,
    stop: Callable[[], bool] | None = None,
) -> tuple[int, int]:
    """Run the points that the folder does not hold yet; returns (computed now, points in all).

    Several runs may share one folder, on one machine or many: files appear whole or not at all.

    Args:
        config: a TOML file, or the same as a dictionary.
        folder: where results are kept; created when missing.
        progress: called with (points finished, points in all, next or last point).
        shard: "i/N": only the i-th of N parts of the points.
        workers: processes that compute points side by side on this machine. They are spawned, so
            a script that asks for them needs the usual `if __name__ == "__main__":`.
        scheduler: address of a Dask scheduler on whose workers points are computed.
        devices, max_memory: as in `simulate`.
        stop: asked now and then whether to stop, by raising `Interrupted`.

    Raises:
        ConfigError: the configuration cannot be used; every problem is listed.
        InputError: the folder holds another configuration or a corrupt file, or an option is off.
        WorkerDied: a worker process ended; what was finished is stored.
        Interrupted: `stop` said so; the point at work was kept as far as it went.
    """
    points, raw = (points_of(config), config) if isinstance(config, dict) else load(config)
    folder, options = Path(folder), Options(devices, max_memory)
    if not isinstance(workers, int) or isinstance(workers, bool) or workers < 1:
        raise InputError(f"workers = {workers!r} is not allowed; it must be an integer >= 1")
    if workers > 1 and scheduler is not None:
        raise InputError(
            "workers and scheduler exclude each other: a scheduler has its own workers"
        )
    part = points
    if shard is not None:
        number, parts = parse_shard(shard)
        part = points[number - 1 :: parts]
    missing = _missing(folder, raw, part)
    done = len(part) - len(missing)

    def tell(finished: int, point: Point) -> None:
        if progress is not None:
            progress(done + finished, len(part), point)

    if missing:
        tell(0, missing[0])
        if scheduler is not None:
            from tokenspace.experiments.cluster import run_on_dask

            run_on_dask(folder, missing, options, scheduler, tell, stop)
        elif workers > 1:
            from tokenspace.experiments.pool import run_in_pool

            run_in_pool(folder, missing, options, workers, tell, stop)
        else:
            _run_here(folder, missing, options, tell, stop)
    return len(missing), len(part)


def _missing(folder: Path, raw: dict[str, Any], part: list[Point]) -> list[Point]:
    """Points that the folder does not hold; those that it holds must be sound."""
    there = np.zeros(len(part), bool)
    problem: InputError | None = None
    if hosts.is_writer():
        try:
            begin(folder, raw)
            for k, point in enumerate(part):
                path = point_file(folder, point)
                if path.exists():
                    load_point(path)  # nothing wrong is passed over in silence
                    there[k] = True
        except InputError as error:
            problem = error
    if hosts.any_host(problem is not None):
        raise problem or InputError(f"{folder}: process 0 cannot use it; see its message")
    there = hosts.from_writer(there)
    return [point for point, found in zip(part, there, strict=True) if not found]


def _run_here(
    folder: Path,
    missing: list[Point],
    options: Options,
    tell: Callable[[int, Point], None],
    stop: Callable[[], bool] | None,
) -> None:
    for k, point in enumerate(missing):
        complete_point(folder, point, options, stop)
        tell(k + 1, missing[min(k + 1, len(missing) - 1)])
        if stop is not None and k + 1 < len(missing) and hosts.any_host(stop()):
            raise Interrupted.between(k + 1, len(missing))
