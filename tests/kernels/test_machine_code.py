"""Numba's machine code on disk: found by the next process, and never a reason to fail."""

import json
import shutil
import subprocess
import sys

import pytest
from processes import environment

pytest.importorskip("numba")

PROGRAM = """
import json, sys
import numpy as np
sys.path.insert(0, {sources!r})
{before}
{program}
hits, misses = (
    sum(sum(getattr(e.stats, k).values()) for e in entries) for k in ("cache_hits", "cache_misses")
)
print(json.dumps([hits, misses, numbers]))
"""
MEASURE = """
from tokenspace_kernels import given_tokens_loops as loops
from tokenspace_kernels.given_tokens_cpu import measure
a, b = np.random.default_rng(0).standard_normal((2, 2, 3000, 200)).astype("float32")
a.flags.writeable = {writeable}
out = [measure(a, b, np.array([1, 10, 3000])), measure(a[:, :9], b[:, :9], np.array([2, 9]))]
entries = (loops.measure_short, loops.sum_pieces, loops.add_pieces)
numbers = [x.tolist() for d, psi in out for x in (d, *psi.values())]
"""
SMALL = """
import small
entries, numbers = [small.total], small.total(np.arange(9.0))
"""
LOOP = """
from tokenspace_kernels.machine_code import compiled
@compiled
def total(x):
    found = 0.0
    for k in range(len(x)):
        found += x[k]
    return found
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Cache hits, cache misses and numbers of a process whose cache is in a folder."""
    sources = tmp_path_factory.mktemp("sources")
    (sources / "small.py").write_text(LOOP)

    def call(folder, before="", program=SMALL):
        program = PROGRAM.format(sources=str(sources), before=before, program=program)
        done = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            env=environment(NUMBA_CACHE_DIR=str(folder)),
        )
        assert done.returncode == 0 and done.stderr == "", done.stderr
        return json.loads(done.stdout)

    return call


@pytest.mark.once
def test_the_next_process_compiles_nothing(run, tmp_path):
    hits, compiled, numbers = run(tmp_path, program=MEASURE.format(writeable=True))
    assert hits == 0 and compiled > 1
    for writeable in (True, False):  # the latter as arrays of JAX are
        program = MEASURE.format(writeable=writeable)
        assert run(tmp_path, program=program) == [compiled, 0, numbers]


@pytest.fixture(scope="module")
def filled(run, tmp_path_factory):
    """A folder with the machine code of a small loop, and the number that comes out."""
    folder = tmp_path_factory.mktemp("numba")
    hits, misses, numbers = run(folder)
    assert hits == 0 and misses == 1 and numbers == 36
    return folder, misses, numbers


@pytest.fixture
def copy(filled, tmp_path):
    """Such a folder that a test may spoil."""
    return shutil.copytree(filled[0], tmp_path / "copy")


def test_a_change_of_any_file_of_the_package_is_noticed(run, copy, filled):
    """Loops call loops of other files; Numba alone looks at the file of the one that is called."""
    before = (
        "from tokenspace_kernels import machine_code\n"
        "files = dict((name, rest) for name, *rest in machine_code.stamp())\n"
        "assert {'given_tokens_loops.py', 'random_bits_loops.py', 'random_bits.py'} <= set(files)\n"
        "machine_code.stamp = lambda: 'another'"
    )
    assert run(copy, before) == [0, *filled[1:]]


def test_no_folder_can_be_written(run, tmp_path, filled):
    before = "from numba.core.caching import CacheImpl\nCacheImpl._locator_classes = []"
    assert run(tmp_path, before) == [0, *filled[1:]]
    assert not list(tmp_path.iterdir())


def test_damaged_files_are_made_again(run, copy, filled):
    _, compiled, numbers = filled
    assert run(copy) == [compiled, 0, numbers]  # moved, and as good as before
    for path in copy.rglob("*.nb?"):
        path.write_bytes(path.read_bytes()[:-40])
    assert run(copy)[1:] == [compiled, numbers]
    assert run(copy) == [compiled, 0, numbers]


def test_a_full_disk_is_no_reason_to_fail(run, tmp_path, filled):
    before = (
        "from numba.core.caching import IndexDataCacheFile\n"
        "def full(*_): raise OSError(28, 'No space left on device')\n"
        "IndexDataCacheFile._save_index = full"
    )
    assert run(tmp_path, before)[1:] == [filled[1], filled[2]]
