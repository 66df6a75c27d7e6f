"""Points of a sweep in several processes of one machine, each storing what it finishes."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

from tokenspace.errors import Interrupted, WorkerDied
from tokenspace.experiments.experiment import Execution, Point
from tokenspace.experiments.interrupt import graceful
from tokenspace.experiments.point import complete_points, pack_point, unpack_point
from tokenspace.experiments.shards import batches, work_of
from tokenspace.registry import plugins

SECONDS_TO_START = 2.0  # a worker: Python, JAX and the first compilation; measured
WORK_OF_A_SECOND = 2.5e10  # multiply-adds, as `shards.py` counts them; measured on two cores

_told: Any = None  # in a worker: the event by which the parent asks to stop
_plugins: tuple[str, ...] = ()  # in a worker: the parent's


def worthwhile(points: Sequence[Point], workers: int) -> int:
    """That many workers, or one where it is done before several have started and shared it."""
    least = SECONDS_TO_START * WORK_OF_A_SECOND * workers / max(workers - 1, 1)
    work = 0.0
    for point in points:
        work += work_of(point.experiment)
        if work > least:
            return min(workers, len(points))
    return 1


def _shares(workers: int) -> list[set[int]]:
    """Cores of each worker, so that their threads do not compete; all where there are too few."""
    if not hasattr(os, "sched_getaffinity"):
        return [set()] * workers
    cores = sorted(os.sched_getaffinity(0))
    return [set(cores[k::workers]) or set(cores) for k in range(workers)]


def _start(event: Any, modules: tuple[str, ...], shares: list[set[int]]) -> None:
    global _told, _plugins
    _told, _plugins = event, modules
    number = int(multiprocessing.current_process().name.rpartition("-")[2])  # they are consecutive
    if own := shares[number % len(shares)]:
        os.sched_setaffinity(0, own)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End a worker whose parent was killed: it would wait for work for ever."""
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
        os._exit(1)


def _work(
    folder: Path, packed: list[dict[str, Any]], execution: Execution, strict: bool
) -> tuple[int, int]:
    """Complete points; how many were before it was asked to stop, and how many of these here."""
    finished = here = 0
    with graceful() as asked, suppress(Interrupted):
        points = [unpack_point(p, _plugins) for p in packed]
        stop = lambda: asked() or _told.is_set()  # noqa: E731
        for _, computed in complete_points(folder, points, execution, stop, strict):
            finished, here = finished + 1, here + computed
    return finished, here


def run_in_pool(
    folder: Path,
    points: list[Point],
    execution: Execution,
    workers: int,
    tell: Callable[[int, Point], None],
    stop: Callable[[], bool] | None,
    strict: bool = False,
) -> int:
    """Complete the points in `workers` spawned processes (a fork after JAX started would hang).

    How many were computed here: as `complete_points` tells.

    Raises:
        WorkerDied: one ended by itself, e.g. for want of memory.
        Interrupted: `stop` said so, after the workers have kept what they drew.
    """
    context = multiprocessing.get_context("spawn")
    event, shares = context.Event(), _shares(workers)
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # they share the devices
    finished = here = 0
    with ProcessPoolExecutor(workers, context, _start, (event, plugins(), shares)) as pool:
        pending: dict[Future[tuple[int, int]], Point] = {
            pool.submit(_work, folder, [pack_point(p) for p in batch], execution, strict): batch[-1]
            for batch in batches(points, workers)
        }
        try:
            while pending:
                for future in wait(pending, timeout=0.2, return_when=FIRST_COMPLETED).done:
                    point = pending.pop(future)
                    if not future.cancelled() and (more := future.result())[0]:
                        finished, here = finished + more[0], here + more[1]
                        tell(finished, point)
                if stop is not None and stop() and not event.is_set():
                    event.set()
                    for future in pending:
                        future.cancel()
        except BrokenProcessPool:
            raise WorkerDied(
                f"a worker process died (out of memory?) with {finished} of {len(points)} points "
                "finished and stored; run the sweep again to resume, perhaps with fewer --workers"
            ) from None
        except BaseException:
            event.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    if finished < len(points):
        raise Interrupted.between(finished, len(points))
    return here
