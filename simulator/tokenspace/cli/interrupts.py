"""Ctrl-C at any moment of a command: it ends with exit status 130, and without a traceback."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from tokenspace.errors import TokenspaceError

LATER = 0.05  # seconds


@contextmanager
def interruptible() -> Iterator[None]:
    """Within the context SIGINT raises `KeyboardInterrupt`, again where Python would drop it.

    What it ends in ends the process with status 130, an import that was cut off too. Where SIGINT
    is ignored, as in jobs of a shell's background, and in other threads nothing is changed.
    """
    before, hook = signal.getsignal(signal.SIGINT), sys.unraisablehook
    here = threading.current_thread() is threading.main_thread()
    if not here or before is signal.SIG_IGN:
        yield
        return
    seen: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        seen.append(number)
        raise KeyboardInterrupt

    def dropped(args: Any) -> None:
        """Of a `__del__`, or of what is called at a collection of garbage, as JAX's own is."""
        if isinstance(args.exc_value, KeyboardInterrupt):
            threading.Timer(LATER, os.kill, (os.getpid(), signal.SIGINT)).start()
        else:
            hook(args)

    signal.signal(signal.SIGINT, interrupt)
    sys.unraisablehook = dropped
    try:
        yield
    except SystemExit:
        raise
    except BaseException as error:
        if seen and not _has_its_own_message(error):
            sys.exit(128 + signal.SIGINT)
        raise
    finally:
        signal.signal(signal.SIGINT, before)
        sys.unraisablehook = hook


def _has_its_own_message(error: BaseException) -> bool:
    """Whether it is an error for people that no interrupt made: by itself, or through an import."""
    if not isinstance(error, TokenspaceError):
        return False
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, (KeyboardInterrupt, ImportError)):
        cause = cause.__cause__ or cause.__context__
    return cause is None
