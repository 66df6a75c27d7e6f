"""Where kernels run: on which device, and on how many threads of a CPU."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import jax
import pytest

from tokenspace_kernels import workers

HAS_GPU = any(d.platform == "gpu" for d in jax.devices())


@pytest.fixture(params=["cpu", pytest.param("gpu", marks=pytest.mark.gpu)])
def device(request):
    if request.param == "gpu" and not HAS_GPU:
        pytest.skip("no GPU here")
    implementation = request.node.callspec.params.get("implementation", "")
    if request.param == "gpu" and implementation.startswith("pallas ("):
        pytest.skip("what is interpreted is tried on a CPU")
    with jax.default_device(jax.devices(request.param)[0]):
        yield request.param


@pytest.fixture
def with_threads(monkeypatch):
    """From now on so many threads share the work, whatever the machine has."""
    with ExitStack() as pools:

        def use(number):
            pool = pools.enter_context(ThreadPoolExecutor(number))
            monkeypatch.setattr(workers, "everyone", lambda: workers.Workers(number, pool))

        yield use
