"""Files of results: written whole or not at all, and read without following anything anywhere.

A folder of results may come from somebody else, so what is read must be an ordinary file of a
bounded size: no symbolic link, pipe or device.
"""

from __future__ import annotations

import os
import secrets
import socket
import stat
import time
from pathlib import Path

import psutil

from tokenspace.errors import InputError

LARGEST = 1 << 30  # bytes of a file of words


class Refused(ValueError):
    """A file that is not read, and why."""


def read_bytes(path: Path, largest: int = LARGEST, links: bool = False) -> bytes:
    """The contents of an ordinary file; `links` may lead to it where a person named the place.

    Raises:
        Refused: it is a symbolic link, no ordinary file, or too large.
        OSError: it cannot be read.
    """
    if not links and path.is_symlink():
        raise Refused("it is a symbolic link, which results never hold")
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)
    flags |= 0 if links else getattr(os, "O_NOFOLLOW", 0)
    handle = os.open(path, flags)
    with os.fdopen(handle, "rb") as file:
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode):
            raise Refused("it is no ordinary file")
        if about.st_size > largest:
            raise Refused(f"it has {about.st_size:,} bytes; at most {largest:,} are read")
        data = file.read(about.st_size + 1)
        if len(data) > about.st_size:
            raise Refused("it has more bytes than it says, or grows while it is read")
        return data


def require_no_link(path: Path) -> None:
    """Raise `InputError` for a part of a results folder that leads elsewhere."""
    if path.is_symlink():
        raise InputError(
            f"{path}: is a symbolic link, which leads out of the folder; put the folder itself "
            "where you want it"
        )


def require_replaceable(path: Path) -> None:
    """Raise `InputError` for a file to be written that is a link, a folder, a pipe or a device."""
    require_no_link(path)
    if path.exists() and not path.is_file():
        raise InputError(f"{path}: is no ordinary file; remove it, or write elsewhere with --out")


def discard(path: Path) -> None:
    """Remove a file that is of no use any more; what cannot be removed is left."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return


def write_atomically(path: Path, data: bytes, only_new: bool = False) -> None:
    """Write beside the place, sync, rename. With `only_new`, leave a file that is there alone.

    Raises:
        InputError: the place cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        name = f".{os.getpid()}@{socket.gethostname()}@{secrets.token_hex(8)}.tmp"
        temporary = path.parent / name
        # as readable for others as this person's files are, which those of tempfile are not
        handle = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            if only_new and _linked(temporary, path):
                return
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise InputError(
            f"{path}: cannot be written: a part of {path.parent} is no folder; "
            "choose another --out folder"
        ) from None
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error.strerror or error}); "
            "free space or choose another --out folder. What was finished is safe"
        ) from None


def _linked(temporary: Path, path: Path) -> bool:
    """Put a file in its place unless one is there; False where file systems know no links."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        return True
    except OSError:
        return path.exists()
    return True


def sweep_up(folder: Path) -> None:
    """Remove temporary files of writers that are gone: dead here, or silent for an hour."""
    for stray in folder.glob(".*@*@*.tmp"):
        pid, host, _ = stray.name[1:].split("@", 2)
        here = host == socket.gethostname() and pid.isdecimal()
        try:
            silent = time.time() - stray.stat().st_mtime > 3600
            if silent or (here and not psutil.pid_exists(int(pid))):
                stray.unlink(missing_ok=True)
        except (OSError, OverflowError):  # OverflowError: no process has such a number
            continue  # another process swept it up, or will
