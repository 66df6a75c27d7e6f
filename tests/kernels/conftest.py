"""Kernels on the cores of a CPU, with as many threads as a test wants."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tokenspace_kernels import workers


@pytest.fixture
def with_threads(monkeypatch):
    """From now on so many threads share the work, whatever the machine has."""
    with ExitStack() as pools:

        def use(number):
            pool = pools.enter_context(ThreadPoolExecutor(number))
            monkeypatch.setattr(workers, "everyone", lambda: workers.Workers(number, pool))

        yield use
