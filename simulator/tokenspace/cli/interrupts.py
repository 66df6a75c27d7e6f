"""Ctrl-C at any moment of a command: it ends with exit status 130, and without a traceback."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

DEAF = "_xla_gc_callback"  # of JAX, at each collection of garbage: what it raises is dropped
LATER = 0.05  # seconds


@contextmanager
def interruptible() -> Iterator[None]:
    """Within the context SIGINT raises `KeyboardInterrupt` where that is heard.

    What it ends in ends the process with status 130, an import that was cut off too. Where SIGINT
    is ignored, as in jobs of a shell's background, and in other threads nothing is changed.
    """
    before = signal.getsignal(signal.SIGINT)
    here = threading.current_thread() is threading.main_thread()
    if not here or before is signal.SIG_IGN:
        yield
        return
    seen: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        seen.append(number)
        while frame is not None:
            if frame.f_code.co_name == DEAF:
                threading.Timer(LATER, os.kill, (os.getpid(), number)).start()
                return
            frame = frame.f_back
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    except SystemExit:
        raise
    except BaseException:
        if seen:
            sys.exit(128 + signal.SIGINT)
        raise
    finally:
        signal.signal(signal.SIGINT, before)
