"""Given tokens against a copy: arrays where they are said to be, and a table of shares."""

import re

import numpy as np
import pytest

from tokenspace_benchmarks import reading


@pytest.mark.parametrize("offset", [0, 16])
def test_arrays_begin_where_it_is_said(offset):
    tokens = np.arange(12, dtype=np.float16).reshape(3, 4)
    placed = reading.placed(tokens, offset)
    assert placed.ctypes.data % reading.LINE == offset
    np.testing.assert_array_equal(placed, tokens)


def test_contestants_do_what_they_are_called():
    a, b = np.random.default_rng(0).standard_normal((2, 64, reading.DIM), dtype=np.float32)
    target = np.zeros_like(a)
    calls = reading.contestants(a, b, target)
    calls["copy"]()
    np.testing.assert_array_equal(target, a)
    assert calls["D(n)"]()[1] == {} and len(calls["D(n) and psi's"]()[1]) == 4
    took = reading.race({"none": lambda: None, "some": lambda: sum(range(100_000))}, 3)
    assert took["some"] > 10 * took["none"]


def test_table(capsys):
    pytest.importorskip("numba")
    assert reading.main(["64"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 8 and lines[2].startswith("| float32, on a line |")
    assert all(re.search(r"ms( \| \d+\.\d\d){3} \|$", line) for line in lines[2:])
    assert reading.main(["x"]) == 2 and "[TOKENS]" in capsys.readouterr().err
