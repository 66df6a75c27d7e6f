"""Points of a sweep on the workers of a Dask scheduler; results come back and are stored here.

Workers need tokenspace and the modules of own models (`--plugin`) installed, but no file system in
common with this machine. Set XLA_PYTHON_CLIENT_PREALLOCATE=false and one thread a worker where they
share a GPU. Points go out as plain data, and results come back as the bytes of files.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from tokenspace.errors import InputError, Interrupted, TokenspaceError, WorkerDied
from tokenspace.experiments.experiment import Execution, Point
from tokenspace.experiments.point import pack_point, run_points, unpack_point
from tokenspace.experiments.shards import batches
from tokenspace.experiments.store import encode_point, save_point
from tokenspace.registry import plugins

SECONDS_TO_CONNECT = 10


def compute(
    packed: list[dict[str, Any]], execution: Execution, modules: tuple[str, ...]
) -> dict[str, bytes]:
    """Key -> finished point as bytes, on a worker."""
    points = [unpack_point(p, modules) for p in packed]
    return {
        point.key: encode_point(point, result) for point, result in run_points(points, execution)
    }


def run_on_dask(
    folder: Path,
    points: list[Point],
    execution: Execution,
    scheduler: str,
    tell: Callable[[int, Point], None],
    stop: Callable[[], bool] | None,
) -> None:
    """Compute points on the workers of a scheduler, in batches; those of a worker that dies go to
    others.

    Raises:
        InputError: Dask is not installed, or the scheduler cannot be reached.
        WorkerDied: a batch took several workers down with it.
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
                compute,
                [pack_point(p) for p in batch],
                execution,
                plugins(),
                key=f"tokenspace-{sha256(' '.join(p.key for p in batch).encode()).hexdigest()}",
            ): batch
            for batch in batches(points, max(1, sum(client.nthreads().values())))
        }
        finished = 0
        for future in as_completed(futures, loop=client.loop):
            batch = futures[future]
            try:
                encoded = future.result()
                for point in batch:
                    save_point(folder, point, encoded[point.key])
            except KilledWorker as error:
                raise WorkerDied(
                    f"{batch[0].label}: the workers that tried it died "
                    f"({error.last_worker.address} last); {finished} of {len(points)} points are "
                    "stored, run again to resume"
                ) from None
            except TokenspaceError:
                raise
            except (ImportError, AttributeError) as error:
                raise InputError(
                    f"--scheduler {scheduler}: a worker cannot compute ({error}); install the same "
                    "tokenspace there"
                ) from None
            finished += len(batch)
            tell(finished, batch[-1])
            if stop is not None and stop() and finished < len(points):
                client.cancel(list(futures))
                raise Interrupted.between(finished, len(points))
