"""Settings of all tests: as users run, but shapes of different rank never mixed by accident.

JAX stays in its 32-bit mode, which users have: oracles in float64 are NumPy's, and what concerns
64-bit JAX asks for it with `tokenspace.precision.float64`.
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu" if os.environ.get("CI") else "")
if not os.environ["JAX_PLATFORMS"]:
    del os.environ["JAX_PLATFORMS"]

# What JAX compiles is kept, for the other workers, processes and runs of tests: it is the most of
# their time. A program is found by all that it is made of, versions too, and is never out of date.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", f"{Path(__file__).parents[1]}/build/compiled")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
# Workers fill the cores by themselves. Threads of OpenBLAS that wait for one another on a full
# machine spin: an eigenvalue problem of 384 features then takes ten times its processor time.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # some CPUs refuse what they kept, and say so

import jax
import matplotlib
import pytest
from hypothesis import settings

from tokenspace import registry

jax.config.update("jax_numpy_rank_promotion", "raise")
matplotlib.use("Agg")
settings.register_profile("tokenspace", deadline=None, max_examples=50, derandomize=True)
settings.load_profile("tokenspace")


def pytest_addoption(parser):
    parser.addoption(
        "--first-case",
        action="store_true",
        help="each test with its first parameters only, unless it is marked every_case",
    )


@pytest.hookimpl(trylast=True)  # of the cases that -m leaves
def pytest_collection_modifyitems(config, items):
    """What `make test-oldest` runs: every line of a test, not every number that it is tried with."""
    if not config.getoption("first_case"):
        return
    seen, kept, left_out = set(), [], []
    for item in items:
        test = item.nodeid.partition("[")[0]
        again = test in seen and not item.get_closest_marker("every_case")
        (left_out if again else kept).append(item)
        seen.add(test)
    items[:] = kept
    config.hook.pytest_deselected(items=left_out)


@pytest.fixture(autouse=True)
def nothing_registered_stays(monkeypatch):
    """What a test registers, or loads as a plugin, is unknown to the next one."""
    for room in registry.ROOMS.values():
        room._load_ours()
        monkeypatch.setattr(room, "_items", dict(room._items))
        monkeypatch.setattr(room, "_offered", None)
    before = list(registry._plugins)
    monkeypatch.setattr(registry, "_plugins", list(before))
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    for module in set(registry._plugins) - set(before):
        del sys.modules[module]
