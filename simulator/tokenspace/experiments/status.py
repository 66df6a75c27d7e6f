"""How far a sweep is, seen from any machine that sees its folder."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tokenspace.errors import InputError
from tokenspace.experiments.damaged import Unusable, all_of
from tokenspace.experiments.presence import End, Worker, clock, last_end, workers_of
from tokenspace.experiments.results import labels_of, load
from tokenspace.experiments.store import point_file, read_sweep
from tokenspace.files import require_no_link

# The present rate is of so many points and waits for a first file, whichever reaches further back.
RECENT, WAITS = 100, 3
BETWEEN = 10  # points come in groups where some gaps are so many times shorter than the longest
PAUSE = 10.0  # times the usual time without a file: the run was held up, as by a machine asleep
SHORTEST_PAUSE = 120.0  # seconds
USUAL = 9  # gaps, the last ones, whose median is usual too


@dataclass(frozen=True)
class Status:
    """Points of a sweep and the files that stand for them.

    points: in all, each experiment once; done: finished, in files that readers take; begun: labels
    of points that are kept unfinished; missing: labels of points without a file; last: seconds
    since a file was last written, None where there is none; rate: points finished a second lately,
    by all who work on it, None where nobody does or that is not known yet; workers: runs that are
    at work or died; ended: how the last run that finished did, None where none has; unusable:
    labels of points whose file is damaged or cannot be read; why: what is wrong with them and what
    to do.
    """

    points: int
    done: int
    begun: tuple[str, ...]
    missing: tuple[str, ...]
    last: float | None
    rate: float | None
    workers: tuple[Worker, ...] = ()
    ended: End | None = None
    unusable: tuple[str, ...] = ()
    why: str = ""

    @property
    def finished(self) -> bool:
        """Whether every point is there."""
        return self.done == self.points

    @property
    def busy(self) -> bool:
        """Whether somebody is at work."""
        return any(worker.alive for worker in self.workers)

    @property
    def remaining(self) -> float | None:
        """Seconds until all is done at the present rate; None where that is not known.

        Points that cost more than the last ones take longer than that, by as much.
        """
        return None if self.rate is None else (self.points - self.done) / self.rate


def status_of(folder: str | Path, now: float | None = None) -> Status:
    """How far the sweep of a folder is. Files are read as their readers do, about 0.5 ms each.

    Args:
        folder: the --out folder of a sweep.
        now: seconds since the epoch, the present by the folder's clock when left out.

    Raises:
        InputError: there is no sweep.
    """
    folder = Path(folder)
    labels = labels_of(folder)
    written = _written(folder / "points")
    at = {key: written[f"{key}.npz"] for key in labels if f"{key}.npz" in written}
    unusable = _unusable([point_file(folder, key) for key in at])
    begun = [key for key in labels if f".{key}.partial" in written and key not in at]
    times = [*at.values(), *(written[f".{key}.partial"] for key in begun)]
    now = clock(folder) if now is None else now
    workers = tuple(workers_of(folder, now))
    since = [w.begun for w in workers if w.alive and w.begun is not None]
    return Status(
        points=len(labels),
        done=len(at) - len(unusable),
        begun=tuple(labels[key] for key in begun),
        missing=tuple(label for key, label in labels.items() if key not in at),
        last=max(now - max(times), 0.0) if times else None,
        rate=_rate(np.sort(list(at.values())), min(since), now) if since else None,
        workers=workers,
        ended=last_end(folder, now),
        unusable=tuple(labels[path.stem] for path in unusable),
        why=str(all_of(unusable, read_sweep(folder)[1] is None)) if unusable else "",
    )


def _unusable(paths: list[Path]) -> dict[Path, Unusable]:
    """Which of these files no reader takes: damaged, of other points, or of impossible numbers."""
    found = {}
    for path in paths:
        try:
            load(path)
        except Unusable as error:
            found[path] = error
    return found


def _written(folder: Path) -> dict[str, float]:
    """When each ordinary file of a folder was written."""
    require_no_link(folder)
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise InputError(f"{folder}: cannot be read ({error.strerror or error})") from None
    written = {}
    for entry in entries:
        with suppress(FileNotFoundError):  # temporary files come and go while a sweep runs
            about = entry.stat(follow_symlinks=False)
            if stat.S_ISREG(about.st_mode):
                written[entry.name] = about.st_mtime
    return written


def _rate(times: np.ndarray, begun: float, now: float) -> float | None:
    """Points a second, of points finished at these times by runs of which the first began then.

    Points of a group are drawn together and written one after the other, so a rate counts from the
    end of one group to the end of another; each point that comes alone is a group. It is known when
    it is of a longer time than the wait for the first file, in which a whole group was drawn: while
    the first group is written its points seem to come alone, but then by less than a factor of 2.
    """
    times = times[times > begun]
    if len(times) < 2:
        return None
    wait, gaps = float(times[0]) - begun, np.diff(times)
    usual = max(wait, float(np.median(gaps[-USUAL:])))
    pauses = np.flatnonzero(gaps > max(SHORTEST_PAUSE, PAUSE * usual))
    times = times[pauses[-1] + 1 :] if len(pauses) else times
    gaps = np.diff(np.append(times, now))
    recent = min(len(times) - RECENT, int(np.searchsorted(times, times[-1] - WAITS * wait)))
    longest = max(gaps[max(recent, 0) : -1], default=np.inf)
    ends = np.flatnonzero(gaps > longest / BETWEEN)
    if len(ends) < 3:
        return None
    first = ends[max(int(np.searchsorted(ends, recent, "right")) - 1, 0)]
    span = float(times[ends[-1]] - times[first])
    return float(ends[-1] - first) / span if span > wait else None
