"""The command line: words for people. Results go to stdout, progress and messages to stderr.

Exit status: 0 done, 1 a check that failed or a worker that died, 2 input that cannot be used, 130
and 143 ended in good order by SIGINT and SIGTERM. One group of commands a file.
"""

from __future__ import annotations

import atexit
import errno
import gc
import io
import os
import sys
import warnings
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import Any

from rich.markup import escape
from typer.main import get_command

# isort: off
from tokenspace.cli import experiments, stored, collect  # noqa: F401  (in order of help)
from tokenspace.cli import fits, forecasts, joint, plan_tokens  # noqa: F401
from tokenspace.cli import measure, fit_tokens, coverage, machine  # noqa: F401

# isort: on
from tokenspace.cli.common import app, messages
from tokenspace.cli.interrupts import interruptible
from tokenspace.errors import InputError, TokenspaceError, WorkerDied
from tokenspace.printable import shown

__all__ = ["app", "main"]

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


@cache
def _commands() -> Any:
    """All commands, made once a process from the functions' signatures: that takes 50 ms."""
    return get_command(app)


def main() -> None:
    """Entry point: turns every expected error into one message and exit status 2."""
    atexit.register(gc.freeze)  # of ten thousand points: garbage is not searched for at the end
    warnings.formatwarning = _as_sentence  # type: ignore[assignment]
    if isinstance(sys.stdout, io.TextIOWrapper):  # names of files need not be words
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        _refuse_empty(sys.argv[1:])
        with interruptible():
            _commands()(prog_name="tokenspace")  # also when it is run as `python -m tokenspace`
    except WorkerDied as error:
        messages.print(
            f"[bold red]error:[/] {escape(shown(error))}", soft_wrap=True, highlight=False
        )
        sys.exit(1)
    except TokenspaceError as error:
        messages.print(
            f"[bold red]error:[/] {escape(shown(error))}", soft_wrap=True, highlight=False
        )
        sys.exit(2)
    except MemoryError as error:
        messages.print(f"[bold red]error:[/] out of memory: {escape(shown(error))}", soft_wrap=True)
        sys.exit(2)
    except BrokenPipeError:  # the reader of our output went away, e.g. `| head`
        _drop_output()
        sys.exit(1)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            path = escape(f"{str(error.filename)[:80]}...")
            messages.print(f"[bold red]error:[/] {path}: the name is too long for a file or folder")
        elif error.errno in NO_ROOM:
            what = error.filename or "the output"
            _no_more(
                f"{what}: cannot be written ({error.strerror}); free space, or write elsewhere"
            )
        elif error.errno == errno.EIO:  # of a read or a write: that it does not say
            what = error.filename or "a file"
            said = f"cannot be read or written ({error.strerror}); see to its disk, or use another"
            _no_more(f"{what}: {said}")
        else:
            raise
        sys.exit(2)


def _refuse_empty(arguments: Sequence[str]) -> None:
    """InputError where an argument is empty: as a path it would be the folder one stands in."""
    for before, text in pairwise(("tokenspace", *arguments)):
        option, equals, value = text.partition("=")
        if not text or (text.startswith("--") and equals and not value):
            named = before.startswith("--") and before != "--"
            what = option or (before if named else f"what follows {before!r}")
            raise InputError(
                f"{what} is empty, perhaps as a variable of the shell is not set; give it a value "
                "(the folder you are in is .), or leave it out"
            )


def _no_more(error: str) -> None:
    """Print an error after which nothing can be printed any more."""
    messages.print(f"[bold red]error:[/] {escape(shown(error))}", soft_wrap=True)
    _drop_output()


def _drop_output() -> None:
    """What is left to be printed goes nowhere: it would fail once more when Python ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _as_sentence(message: Warning | str, category: type[Warning], *_: object) -> str:
    """A warning without the line of code that gave it: of no concern to who runs a command."""
    own = category is UserWarning
    return f"note: {shown(message)}\n" if own else f"{category.__name__}: {shown(message)}\n"
