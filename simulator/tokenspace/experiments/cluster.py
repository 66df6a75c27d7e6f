"""Points of a sweep on the workers of a Dask scheduler; results come back and are stored here.

Workers need tokenspace and the modules of own models (`--plugin`) installed, but no file system in
common with this machine. Set XLA_PYTHON_CLIENT_PREALLOCATE=false and one thread a worker where they
share a GPU. Points go out as plain data, and results come back as the bytes of files.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tokenspace.errors import InputError, Interrupted, TokenspaceError, WorkerDied
from tokenspace.experiments.experiment import Execution, Point
from tokenspace.experiments.point import pack_point, run_point, unpack_point
from tokenspace.experiments.store import encode_point, save_point
from tokenspace.registry import plugins

SECONDS_TO_CONNECT = 10


def compute(packed: dict[str, Any], execution: Execution, modules: tuple[str, ...]) -> bytes:
    """A finished point as bytes, on a worker."""
    point = unpack_point(packed, modules)
    return encode_point(point, run_point(point, execution))


def run_on_dask(
    folder: Path,
    points: list[Point],
    execution: Execution,
    scheduler: str,
    tell: Callable[[int, Point], None],
    stop: Callable[[], bool] | None,
) -> None:
    """Compute the points on the workers of a scheduler; points of a worker that dies go to others.

    Raises:
        InputError: Dask is not installed, or the scheduler cannot be reached.
        WorkerDied: a point took several workers down with it.
        Interrupted: `stop` said so; points at work are given up.
    """
    try:
        from distributed import Client, KilledWorker, as_completed
    except ImportError:
        raise InputError("--scheduler needs Dask: pip install 'tokenspace[dask]'") from None
    try:
        client = Client(scheduler, timeout=SECONDS_TO_CONNECT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise InputError(f"--scheduler {scheduler}: cannot be reached ({error})") from None
    with client:
        futures = {
            client.submit(
                compute, pack_point(point), execution, plugins(), key=f"tokenspace-{point.key}"
            ): point
            for point in points
        }
        for finished, future in enumerate(as_completed(futures, loop=client.loop), start=1):
            point = futures[future]
            try:
                save_point(folder, point, future.result())
            except KilledWorker as error:
                raise WorkerDied(
                    f"{point.label}: the workers that tried it died ({error.last_worker.address} "
                    f"last); {finished - 1} of {len(points)} points are stored, run again to resume"
                ) from None
            except TokenspaceError:
                raise
            except (ImportError, AttributeError) as error:
                raise InputError(
                    f"--scheduler {scheduler}: a worker cannot compute ({error}); install the same "
                    "tokenspace there"
                ) from None
            tell(finished, point)
            if stop is not None and stop() and finished < len(points):
                client.cancel(list(futures))
                raise Interrupted.between(finished, len(points))
