"""Signals that ask a long run to end: the first is remembered, so work can end in good order."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Asked:
    """Which signal asked to stop, if any; call it to learn whether one did."""

    signal: signal.Signals | None = None

    def __call__(self) -> bool:
        return self.signal is not None

    @property
    def status(self) -> int:
        """The exit status that shells expect: 130 after SIGINT, 143 after SIGTERM."""
        return 128 + (self.signal or 0)


@contextmanager
def graceful() -> Iterator[Asked]:
    """Within the context a first SIGINT or SIGTERM is only remembered; a second acts as usual."""
    asked = Asked()
    if threading.current_thread() is not threading.main_thread():
        yield asked  # Python delivers signals to the main thread only
        return
    before = {s: signal.getsignal(s) for s in SIGNALS}

    def remember(number: int, frame: Any) -> None:
        asked.signal = signal.Signals(number)
        for s, handler in before.items():
            signal.signal(s, handler)

    for s in SIGNALS:
        signal.signal(s, remember)
    try:
        yield asked
    finally:
        for s, handler in before.items():
            signal.signal(s, handler)
