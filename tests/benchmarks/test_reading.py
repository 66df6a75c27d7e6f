"""Given tokens against a copy: arrays where they are said to be, and a table of shares."""

from collections import Counter
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from tokenspace_benchmarks import reading

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("offset", [0, 16])
def test_arrays_begin_where_it_is_said(offset):
    tokens = np.arange(12, dtype=np.float16).reshape(3, 4)
    placed = reading.placed(tokens, offset)
    assert placed.ctypes.data % reading.LINE == offset
    np.testing.assert_array_equal(placed, tokens)


def test_contestants_do_what_they_are_called():
    pytest.importorskip("numba")
    a, b = np.random.default_rng(0).standard_normal((2, 64, 128), dtype=np.float32)
    target = np.zeros_like(a)
    calls = reading.contestants(a, b, target)
    calls["copy"]()
    np.testing.assert_array_equal(target, a)
    assert calls["D(n)"]()[1] == {} and len(calls["D(n) and psi's"]()[1]) == 4
    assert calls["psi's in the cache"]() is None
    assert set(reading.SHARES) | {"copy"} == set(calls)
    took = reading.race({"none": lambda: None, "some": lambda: sum(range(100_000))}, 3)
    assert took["some"] > 10 * took["none"]


def test_in_the_cache_as_many_tokens_are_read(monkeypatch):
    loops = pytest.importorskip("tokenspace_kernels.given_tokens_loops")
    read = []
    monkeypatch.setattr(
        loops, "sum_pieces", lambda x, y, rows, pieces, *_: read.append((rows, pieces))
    )
    reading.in_cache(*np.zeros((2, 1100, 8), np.float32))()
    assert sum(pieces[1].sum() for _, pieces in read) == 1100
    assert all(rows.max() == reading.CACHED - 1 for rows, _ in read)


def test_runs_add_to_a_file_and_make_a_table(capsys, tmp_path, monkeypatch):
    took = {"copy": 3e-3, **dict.fromkeys(reading.SHARES, 4e-3), "D(n)": 2e-3}
    monkeypatch.setattr(reading, "race", lambda calls, repeats: took)
    path, page = tmp_path / "runs.csv", tmp_path / "page.md"
    for cores in (1, 1, 2):
        monkeypatch.setattr(reading, "cores", lambda cores=cores: cores)
        assert reading.main(["run", str(path), "64"]) == 0
        took["D(n) and psi's"] -= 5e-4
    rows = reading.from_csv(path.read_text())
    assert len(rows) == 3 * 3 * 3 * 2 and reading.written(rows) == path.read_text()
    page.write_text(f"before {reading.BEGIN} old {reading.END} after")
    assert reading.main(["page", str(path), str(page)]) == 0
    first, *lines, last = page.read_text().splitlines()
    assert first == f"before {reading.BEGIN}" and last == f"{reading.END} after"
    assert len(lines) == 2 + 9 and "psi's, one core" in lines[0] and "psi's, 2 cores" in lines[0]
    both = "0.75 to 0.86 | 0.75 to 0.86 | 1.00 to 1.00 | 1.00 to 1.00"
    assert lines[2] == f"| float32, d = 256 | {both} | 0.75 to 0.75 | 1.50 to 1.50 |"
    assert reading.main(["x"]) == 2 and "run CSV" in capsys.readouterr().err


def test_the_page_is_made_of_runs_of_every_format():
    """Shares are those of one machine: none so far off that a row is of something else."""
    page = (DOCS / "samplers.md").read_text()
    rows = reading.from_csv((DOCS / "reading.csv").read_text())
    assert reading.in_page(page, rows) == page
    cases = [
        (*case, n)
        for case in product(reading.DIMS, reading.FORMATS, reading.OFFSETS)
        for n in (1, 2)
    ]
    runs = Counter((r.dim, r.format, r.offset, r.cores) for r in rows)
    assert set(runs) == set(cases) and min(runs.values()) >= 2
    for r in rows:  # psi's take what reading, D(n) and their own arithmetic do, but for other work
        others = r.read, r.divergence, r.cached
        assert 0.3 < r.psi < 1.1 * min(others)
        assert 1 < r.copy < 30
