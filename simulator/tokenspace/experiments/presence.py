"""Who works on a sweep: a record of every run, read from any machine that sees the folder.

A run keeps a file in `runs/` that it locks while it lives and touches every few seconds. The kernel
drops a lock when its process ends, however it ends: on the machine of the run its death is seen at
once, and a later process of the same number is not taken for it. On other machines, where locks say
little, a run that is silent for half a minute is taken for dead. Times of files are compared with
the time of a file written now, so that clocks of machines do not matter.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenspace.errors import InputError, Interrupted
from tokenspace.files import Refused, discard, read_bytes, require_no_link, write_atomically

try:
    import fcntl
except ImportError:  # Windows: others see a run by its touches alone
    fcntl = None  # type: ignore[assignment]

BEAT = 5.0  # seconds between two touches
SILENT = 30.0  # seconds without one after which a run on another machine is taken for dead
FORGOTTEN = 3600.0  # seconds after which the next run removes what is left of such a one
LARGEST = 1 << 16  # bytes of a record
LAST = "last_end.json"
ENDS = ("finished", "stopped", "failed")
# what a record that is damaged, or is somebody else's, raises when it is read
UNREADABLE = (ValueError, KeyError, TypeError, OverflowError, RecursionError)


@dataclass(frozen=True)
class Worker:
    """A run that did not say that it ended.

    host, process: where it runs, "" and 0 where its record cannot be read; here: on this machine;
    silent: seconds since its last sign; alive: whether it is at work; begun: when it began, by the
    clock of the folder, and turn: see `at_work`, None where its record does not say.
    """

    host: str
    process: int
    here: bool
    silent: float
    alive: bool
    begun: float | None = None
    turn: int | None = None


@dataclass(frozen=True)
class End:
    """How the last run ended that said so: "finished" its points, "stopped" or "failed".

    host, process: where it ran; points: how many it was to compute; ago: seconds since then.
    """

    host: str
    process: int
    how: str
    points: int
    ago: float


@contextmanager
def at_work(folder: Path, points: int) -> Iterator[int]:
    """Within the context everybody sees that a run computes so many points of the folder.

    It gives the turn of this run: 0 or 1, if no run that began before it and is at work has that
    turn, else a number above 1 that is drawn. Where the record cannot be written the run goes on
    without one, at turn 0.

    Raises:
        InputError: `runs/` is a symbolic link.
    """
    runs = _runs(folder)
    about = {"host": socket.gethostname(), "process": os.getpid()}
    how, done = "failed", threading.Event()
    handle, path = _record(runs, about)
    touched = handle if os.utime in os.supports_fd else path
    beat = threading.Thread(target=_beat, args=(touched, done), daemon=True)
    if handle is not None:
        beat.start()
    try:
        yield 0 if handle is None else _say_turn(folder, path, handle)
        how = "finished"
    except (Interrupted, KeyboardInterrupt):
        how = "stopped"
        raise
    finally:
        done.set()
        if handle is not None:
            with suppress(InputError):
                end = json.dumps(about | {"how": how, "points": points})
                write_atomically(runs / LAST, end.encode())
            discard(path)
            beat.join(BEAT)
            if not beat.is_alive():  # else it may touch whatever file has this number next
                os.close(handle)


def _runs(folder: Path) -> Path:
    """Where records are kept."""
    runs = folder / "runs"
    require_no_link(runs)
    return runs


def _record(runs: Path, about: dict[str, Any]) -> tuple[int | None, Path]:
    """A new record, open and locked before it has its name, and where it is; None: there is none.

    What is left of dead runs is removed.
    """
    name = f"{about['process']}@{secrets.token_hex(8)}"
    path, handle = runs / f"{name}.json", None
    try:
        runs.mkdir(parents=True, exist_ok=True)
        _sweep_up(runs)
        new = path.with_suffix(".tmp")
        handle = os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        about = about | {"begun": os.fstat(handle).st_mtime}
        if _lock(handle):
            about = about | {"machine": _machine()}
        os.write(handle, json.dumps(about).encode())
        os.replace(new, path)
    except OSError:
        if handle is not None:
            os.close(handle)
        return None, path
    return handle, path


def _say_turn(folder: Path, record: Path, handle: int) -> int:
    """The turn of a run, written to its record; of two that begin at once the names decide."""
    turn = _turn(folder, record)
    with suppress(OSError, Refused, *UNREADABLE):
        told = json.loads(read_bytes(record, LARGEST))
        os.lseek(handle, 0, os.SEEK_SET)
        os.write(handle, json.dumps(told | {"turn": turn}).encode())
    return turn


def _turn(folder: Path, record: Path) -> int:
    """The turn of a run, by the records of those that are at work and began before it."""
    now, begun, turns = clock(folder), {}, {}
    for path in record.parent.glob("*@*.json"):
        with suppress(OSError):
            worker = _worker(path, now)
            if path == record or worker.alive:
                begun[path], turns[path] = (worker.begun or 0.0, path.name), worker.turn
    if (own := begun.get(record)) is None:
        return 0
    taken = {turns[path] for path, when in begun.items() if when < own}
    free = {0, 1} - taken
    if not free or None in taken:  # it may have the turn that seems free
        return 2 + secrets.randbelow(1 << 30)
    return min(free)


def _lock(handle: int) -> bool:
    """Lock a record, where there are locks."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _beat(record: int | Path, done: threading.Event) -> None:
    """Touch a record until its run is done."""
    while not done.wait(BEAT):
        with suppress(OSError):  # a full or absent disk may be back at the next touch
            os.utime(record)


def _sweep_up(runs: Path) -> None:
    """Remove records of runs that are dead here, or forgotten elsewhere."""
    now = clock(runs.parent)
    for path in runs.glob("*@*.*"):
        with suppress(OSError):
            worker = _worker(path, now)
            if (worker.here or worker.silent > FORGOTTEN) and not worker.alive:
                path.unlink(missing_ok=True)


def workers_of(folder: Path, now: float) -> list[Worker]:
    """Runs of a folder that did not say that they ended, those at work first.

    Args:
        folder: the --out folder of a sweep.
        now: seconds since the epoch, see `clock`.

    Raises:
        InputError: `runs/` is a symbolic link.
    """
    found = []
    with suppress(OSError):
        for path in sorted(_runs(folder).glob("*@*.json")):
            with suppress(OSError):  # it ended meanwhile
                found.append(_worker(path, now))
    return sorted(found, key=lambda w: (not w.alive, w.silent))


def last_end(folder: Path, now: float) -> End | None:
    """How the last run of a folder ended that said so; None where none did."""
    path = folder / "runs" / LAST
    try:
        told = json.loads(read_bytes(path, LARGEST))
        how, points = told["how"], told["points"]
        if how not in ENDS or type(points) is not int:
            return None
        return End(*_who(told), how, points, max(now - path.lstat().st_mtime, 0.0))
    except (OSError, *UNREADABLE):
        return None


def clock(folder: Path) -> float:
    """Seconds since the epoch by the clock that stamps the files of a folder; else this machine's.

    Nothing is left there.

    Raises:
        InputError: `runs/` is a symbolic link.
    """
    with suppress(OSError), tempfile.TemporaryFile(dir=_runs(folder)) as file:
        return os.fstat(file.fileno()).st_mtime
    return time.time()


def _worker(path: Path, now: float) -> Worker:
    """What a record says; OSError where there is none."""
    silent, begun, turn = now - path.lstat().st_mtime, None, None
    try:
        told = json.loads(read_bytes(path, LARGEST))
        who, here = _who(told), told.get("machine") == _machine()
        begun = float(told["begun"]) if type(told.get("begun")) in (int, float) else None
        turn = told["turn"] if type(told.get("turn")) is int else None
    except (Refused, PermissionError, *UNREADABLE):
        who, here = ("", 0), False
    alive = abs(silent) < SILENT  # more in the future: by another clock, which tells nothing
    if here and (held := _held(path)) is not None:
        alive = held
    return Worker(*who, here, silent, alive, begun, turn)


def _who(told: dict[str, Any]) -> tuple[str, int]:
    """host and process of a record.

    Raises:
        KeyError, TypeError: it does not say.
    """
    host, process = told["host"], told["process"]
    if not isinstance(host, str) or type(process) is not int:
        raise TypeError("host and process are of a wrong kind")
    return host, process


def _held(path: Path) -> bool | None:
    """Whether a process of this machine holds the lock of a record; None where there are none."""
    if fcntl is None:
        return None
    with open(path, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return None
    return False


def _machine() -> str:
    """Names this machine, this time that it runs: of all that share its locks."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        boot = ""
    return f"{socket.gethostname()} {boot}".strip()
