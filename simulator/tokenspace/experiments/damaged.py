"""Result files that cannot be used: all of them named at once, and put aside when asked to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tokenspace.errors import InputError
from tokenspace.printable import counted

NAMED = 10  # of many files
ASIDE = ".damaged"  # added to the name of a file that is put aside


class Unusable(InputError):
    """A result file and why it cannot be used; damaged: False where it may be sound."""

    def __init__(self, path: Path, why: str, damaged: bool = True) -> None:
        self.path, self.why, self.damaged = path, why, damaged
        super().__init__(f"{path}: {why}; {_what_to_do(damaged, not damaged)}")


def all_of(found: Mapping[Path, Unusable], old: bool = False) -> InputError:
    """One error for all of these files: the first ten by name, how many there are, what to do.

    old: the folder is of a format that is read and not added to, so that nothing is computed anew.
    """
    first, *others = found.values()
    if not others:
        advice = _what_to_do(first.damaged, not first.damaged, old)
        return InputError(f"{first.path}: {first.why}; {advice}")
    lines = [f"  {path.name}: {one.why}" for path, one in list(found.items())[:NAMED]]
    if len(found) > NAMED:
        lines.append(f"  ... and {len(found) - NAMED:,} more")
    damaged = sum(one.damaged for one in found.values())
    advice = _what_to_do(damaged > 0, damaged < len(found), old)
    listed = "\n".join(lines)
    many = counted(len(found), "result file")
    return InputError(f"{first.path.parent}: {many} cannot be used:\n{listed}\n{advice}")


def _what_to_do(damaged: bool, unreadable: bool, old: bool = False) -> str:
    """What helps: of damaged files, and of those that cannot be read now."""
    said = []
    if damaged and old:
        said.append(
            "the folder is of format 2, to which nothing is added: move what is damaged away, and "
            "the rest is read"
        )
    elif damaged:
        said.append(
            "`tokenspace sweep CONFIG --out DIR --redo` puts what is damaged aside, as "
            f"NAME{ASIDE}, and computes only that and what is missing"
        )
    if unreadable:
        said.append(
            "if a file is there that cannot be read, its contents may be sound: make it readable, "
            "or move it away"
        )
    return "; ".join(said)


def put_aside(paths: Sequence[Path], read: Callable[[Path], Any]) -> str:
    """Give files names that no result has, and say so. Nothing is lost or written over.

    Each is read once more: another run may have put it aside, and a whole one in its place.

    Args:
        paths: damaged files.
        read: raises `Unusable` for a file that is damaged.

    Returns:
        What was done, in words; nothing where no file is damaged any more.

    Raises:
        InputError: one cannot be renamed.
    """
    moved = [_renamed(path) for path in paths if _is_damaged(path, read)]
    aside = [path.name for path in moved if path is not None]
    if not aside:
        return ""
    named = ", ".join(aside[:NAMED]) + (", ..." if len(aside) > NAMED else "")
    files = counted(len(aside), "damaged file is", "damaged files are")
    return f"{files} put aside, to be computed anew; in {paths[0].parent} now: {named}"


def _is_damaged(path: Path, read: Callable[[Path], Any]) -> bool:
    try:
        read(path)
    except Unusable as error:
        return error.damaged
    return False


def _renamed(path: Path) -> Path | None:
    """Its new name; None where it is there no more."""
    aside, count = path.with_name(path.name + ASIDE), 1
    while aside.exists() or aside.is_symlink():
        count += 1
        aside = path.with_name(f"{path.name}{ASIDE}.{count}")
    try:
        path.rename(aside)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"{path}: cannot be renamed ({error.strerror or error})") from None
    return aside
