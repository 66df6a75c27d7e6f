"""The table of README.md: every cell from a result file, columns only where there is one."""

import json

import pytest

from tokenspace.errors import InputError
from tokenspace_benchmarks import table
from tokenspace_benchmarks.ahead_of_time.record import Record
from tokenspace_benchmarks.harness import FORMAT, Timing

SIZE = "N = 1024, d = 1024"


@pytest.fixture
def folder(tmp_path):
    """Results of a CPU alone."""

    def timing(case, contestant, ours, median):
        return vars(Timing(case, contestant, ours, median, median, median, 1.0, 3))

    timings = [
        timing(f"D(n), AR(1), {SIZE}", "tokens", True, 0.5),
        timing(f"D(n), AR(1), {SIZE}", "NumPy SFC64, structured", False, 4.0),
        timing(f"D(n), AR(1), {SIZE}", "PyTorch, structured", False, 3.0),
        timing(f"D(n), AR(1), {SIZE}", "JAX, dense", False, 2.0),
        timing("given tokens, N = 16384, d = 1024", "divergence and psi, numba", True, 0.25),
    ]
    document = {"format": FORMAT, "device": "cpu", "limits": {}, "timings": timings}
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "latest.json").write_text(json.dumps(document))
    return tmp_path


def row(folder, label):
    (line,) = (x for x in table.table(folder).splitlines() if x.startswith(f"| {label} |"))
    return [cell.strip() for cell in line.split("|")[2:-1]]


def record(program, rate, implementation="xla"):
    counted = dict.fromkeys(Record.__dataclass_fields__) | {"notes": []}
    return counted | {
        "program": program,
        "implementation": implementation,
        "bound_numbers_per_s": rate,
    }


def compiled(folder, device, *records):
    (folder / f"{device}-compiled").mkdir()
    path = folder / f"{device}-compiled" / "latest.json"
    path.write_text(json.dumps({"device": device, "records": records}))
    return path


def test_measured_columns(folder):
    assert row(folder, "`tokens`, D(n), AR(1)") == ["3 (PyTorch)", "0.5"]
    assert row(folder, "`collapsed`, D(n), AR(1)")[1] == table.NONE
    assert row(folder, "given tokens, D(n) and psi's, N = 16,384") == [table.NONE, "0.25"]


def test_compiled_columns(folder):
    name, numbers = "D(n), AR(1): tokens", 1024 * 1024
    slow, fast = record(name, numbers * 10.0), record(name, numbers * 40.0, "pallas")
    read = record("given tokens: divergence and psi", 2 * 16384 * 1024 * 8)
    compiled(folder, "v5e", slow, fast, read)
    heads = table.table(folder).splitlines()[0]
    assert heads.endswith(f"| TPU v5e, {table.ESTIMATE} |") and "H100" not in heads
    assert row(folder, "`tokens`, D(n), AR(1)")[2:] == ["0.025"]
    assert row(folder, "given tokens, D(n) and psi's, N = 16,384")[2:] == ["0.12"]
    assert row(folder, "`tokens`, D(n), equicorrelated")[2:] == [table.NONE]
    compiled(folder, "h100", slow)
    assert f"| H100, {table.ESTIMATE} | TPU v5e, {table.ESTIMATE} |" in table.table(folder)
    assert row(folder, "`tokens`, D(n), AR(1)")[2:] == ["0.1", "0.025"]


def test_bad_records_are_named(folder):
    path = compiled(folder, "h100", {"program": "x"})
    with pytest.raises(InputError, match=r"h100-compiled.*bound_numbers_per_s"):
        table.table(folder)
    path.write_text("[")
    with pytest.raises(InputError, match="not what `make ahead-of-time` writes"):
        table.table(folder)


def test_written_between_the_marks():
    text = f"a\n{table.BEGIN}\nold\n{table.END}\nz\n"
    assert table.written(text, "new") == text.replace("old", "new")
    with pytest.raises(InputError, match="no table to replace"):
        table.written("nothing", "new")
