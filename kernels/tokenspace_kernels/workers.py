"""Threads of a CPU that share work, as many as this process may use."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np


@dataclass(frozen=True)
class Workers:
    """Threads that share a list of tasks; the caller is one of them."""

    number: int
    pool: ThreadPoolExecutor

    def share(self, work: np.ndarray, function: Callable[[slice], None]) -> None:
        """Call `function` on consecutive slices of the tasks, each of about the same work."""
        done = np.cumsum(work)
        shares = done[-1] * np.arange(1, self.number) / self.number
        edges = [0, *(np.searchsorted(done, shares) + 1).tolist(), len(work)]
        slices = [slice(x, min(y, len(work))) for x, y in pairwise(edges)]
        waiting = [self.pool.submit(function, s) for s in slices[1:]]
        try:
            function(slices[0])
        finally:
            wait(waiting)  # they write to what the caller gave, even if this one failed
        for w in waiting:
            w.result()


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@cache
def everyone() -> Workers:
    """As many workers as there are cores, kept for the next call."""
    return Workers(cores(), ThreadPoolExecutor(cores()))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=everyone.cache_clear)  # threads do not follow a fork


def share(tasks: int, function: Callable[[slice], None]) -> None:
    """Call `function` on slices of equal tasks, side by side."""
    everyone().share(np.ones(tasks), function)
