"""Files that a user names to be read: ordinary ones, no pipe, which would hang, and no device."""

from __future__ import annotations

import stat
from pathlib import Path

from tokenspace.errors import InputError


def require_ordinary(path: Path) -> None:
    """Refuse what is no ordinary file; links to one are followed.

    Raises:
        InputError: there is no such file, no file can have that name, or it is a folder, pipe or
            device.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{path}: no such file") from None
    except OSError as error:  # also a name that no file can have
        raise InputError(f"{_short(path)}: cannot be read ({error.strerror})") from None
    except ValueError as error:  # a name with a zero byte
        raise InputError(f"{_short(path)!r}: cannot be read ({error})") from None
    if not stat.S_ISREG(mode):
        raise InputError(
            f"{path}: is no ordinary file; folders, pipes and devices are not read, so save what "
            "they hold in a file first"
        )


def _short(path: Path) -> str:
    return text if len(text := str(path)) <= 80 else f"{text[:80]}..."
