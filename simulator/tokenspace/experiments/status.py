"""How far a sweep is, seen from any machine that sees its folder; no file of a point is opened."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tokenspace.errors import InputError
from tokenspace.experiments import format_2
from tokenspace.experiments.presence import End, Worker, clock, last_end, workers_of
from tokenspace.experiments.store import read_sweep
from tokenspace.files import require_no_link

# The present rate is of so many finished points and seconds, whichever reaches further back.
RECENT, RECENTLY = 100, 60.0
TOGETHER = 1.0  # seconds: files of a group of points come closer than that, one after the other
EARLY = 5.0  # seconds: all that is finished may be one group, whose begin is not known
PAUSE = 10.0  # times the usual time between two points or groups: the sweep was interrupted
SHORTEST_PAUSE = 120.0  # seconds


@dataclass(frozen=True)
class Status:
    """Points of a sweep and the files that stand for them.

    points: in all, each experiment once; done: finished; begun: labels of points that are kept
    unfinished; missing: labels of points without a finished file; last: seconds since a file was
    last written, None where there is none; rate: points finished a second lately, by all who work
    on it, None where that is not known yet; workers: runs that are at work or died; ended: how the
    last run that finished did, None where none has.
    """

    points: int
    done: int
    begun: tuple[str, ...]
    missing: tuple[str, ...]
    last: float | None
    rate: float | None
    workers: tuple[Worker, ...] = ()
    ended: End | None = None

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
        """Seconds until all is done at the present rate; None where that is not known."""
        return None if self.rate is None else (self.points - self.done) / self.rate


def status_of(folder: str | Path, now: float | None = None) -> Status:
    """How far the sweep of a folder is. No file of a point is opened.

    Args:
        folder: the --out folder of a sweep.
        now: seconds since the epoch, the present by the folder's clock when left out.

    Raises:
        InputError: there is no sweep.
    """
    folder = Path(folder)
    config, listed = read_sweep(folder)
    if listed is None:
        listed = [(k, {}, k) for k in format_2.keys_in_order(config, str(folder))]
    labels: dict[str, str] = {}
    for label, _, key in listed:
        labels.setdefault(key, label)
    written = _written(folder / "points")
    at = {key: written[f"{key}.npz"] for key in labels if f"{key}.npz" in written}
    begun = [key for key in labels if f".{key}.partial" in written and key not in at]
    times = [*at.values(), *(written[f".{key}.partial"] for key in begun)]
    now = clock(folder) if now is None else now
    return Status(
        points=len(labels),
        done=len(at),
        begun=tuple(labels[key] for key in begun),
        missing=tuple(label for key, label in labels.items() if key not in at),
        last=max(now - max(times), 0.0) if times else None,
        rate=_rate(np.sort(np.array(list(at.values())))),
        workers=tuple(workers_of(folder, now)),
        ended=last_end(folder, now),
    )


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


def _rate(times: np.ndarray) -> float | None:
    """Points a second, of points that were finished at these times, since nobody was at work.

    Points that come in groups count from the end of one group to the end of another.
    """
    gaps = np.diff(times)
    if len(gaps):
        apart = gaps[gaps > TOGETHER]
        usual = float(np.median(apart if len(apart) > 2 else gaps))
        pauses = np.flatnonzero(gaps > max(SHORTEST_PAUSE, PAUSE * usual))
        times = times[pauses[-1] + 1 :] if len(pauses) else times
    if not len(times) or times[-1] - times[0] <= EARLY:
        return None
    begin = max(min(times[-RECENT:][0], times[-1] - RECENTLY), times[0])
    first = int(np.searchsorted(times, begin, "right")) - 1
    ends = np.flatnonzero(np.diff(times) > TOGETHER)
    if len(ends):
        nearest = int(ends[np.argmin(np.abs(times[ends] - begin))])
        if abs(times[nearest] - begin) <= (times[-1] - begin) / 2:
            first = nearest
    return (len(times) - 1 - first) / float(times[-1] - times[first])
