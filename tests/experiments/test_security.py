"""Data that others made: it names no code, leads nowhere, and takes no memory that it does not fill.

See docs/threat_model.md, which says what is trusted.
"""

import io
import json
import os
import socket
import struct
import sys
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from commands import call
from folders import CONFIG, SHELL, npz, only_file, read, refused, to_format_2, with_branches

import tokenspace as ts
from tokenspace.errors import InputError
from tokenspace.experiments.canonical import hash_of
from tokenspace.experiments.config import ConfigError, points_of
from tokenspace.experiments.results import load_point
from tokenspace.report import html


def said_by(capfd, *arguments):
    """(exit status, all that was printed on one line) of a command."""
    status, out, err = call(capfd, *arguments)
    return status, " ".join((out + err).split())


CALLS = {
    "branches": SHELL,
    "within": {"model": "branches", "within": SHELL},
    "in a sum": {"model": "branches", "within": {"sum": [SHELL, {"model": "white"}]}},
}


@pytest.mark.parametrize("branches", CALLS.values(), ids=CALLS)
def test_a_configuration_runs_no_command(tmp_path, capfd, monkeypatch, branches):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"os:system.*--plugin MODULE"):
        points_of(CONFIG | {"branches": branches})
    written = json.dumps(branches).replace(":", "=").replace("os=system", "os:system")
    text = "\n".join(
        (
            "tokens = { count = 64 }",
            "features = { model = 'isotropic', dim = 8 }",
            "run = { replicates = 3 }",
            f"branches = {written}",
        )
    )
    (tmp_path / "c.toml").write_text(text)
    for command in (("run", "c.toml"), ("sweep", "c.toml", "--out", "r")):
        status, said = said_by(capfd, *command)
        assert status == 2 and "'os:system' is not a" in said and "--plugin MODULE" in said
    assert not (tmp_path / "exploded").exists()


@pytest.mark.once
@pytest.mark.parametrize("old", [False, True], ids=["this format", "format 2"])
@pytest.mark.parametrize("branches", CALLS.values(), ids=CALLS)
def test_a_stored_folder_runs_no_command(folder, capfd, monkeypatch, branches, old):
    mean = load_point(only_file(folder))[1].mean
    if old:
        to_format_2(folder, CONFIG | {"branches": branches})
    else:
        with_branches(folder, branches)
    ((_, result),) = ts.load_results(folder)
    np.testing.assert_array_equal(result.mean, mean)  # numbers need no model
    if old:
        with pytest.warns(UserWarning, match="no theory.*os:system"):
            data = ts.open_results(folder)
        assert np.isnan(data["theory"]).all()
    else:
        data = ts.open_results(folder)
        assert np.isfinite(data["theory"]).all()
    np.testing.assert_array_equal(data["mean"][0], mean)
    with pytest.raises(InputError, match=r"os:system.*--plugin MODULE"):
        _ = result.model
    status, said = said_by(capfd, "check", folder)
    assert status == 0 and "1 point: 1 UNDECIDED" in said and "delete" not in said
    assert "its numbers are sound" in said and "--plugin MODULE" in said
    monkeypatch.setattr(html, "draw_all", lambda *_, **__: [])  # one is drawn below
    assert said_by(capfd, "report", folder)[0] == 0
    assert "1 UNDECIDED" in (folder / "report.html").read_text()
    one = ("--figure", "divergence")
    status, said = said_by(capfd, "figures", "--results", folder, "--out", folder / "f", *one)
    assert status == 0 and "1 of 1 point drawn without theory" in said and "os:system" in said
    assert not Path("exploded").exists() and not (folder / "exploded").exists()


def test_links_lead_nowhere(folder, capfd, tmp_path):
    file = only_file(folder)
    outside = tmp_path / "outside.npz"
    file.rename(outside)
    file.symlink_to(outside)
    assert "symbolic link" in refused(file)
    for command in (("check", folder), ("report", folder)):
        status, said = said_by(capfd, *command)
        assert status == 2 and "symbolic link" in said
    with pytest.raises(InputError, match="symbolic link"):
        ts.run_sweep(CONFIG, folder)
    file.unlink()
    file.symlink_to(tmp_path / "nowhere")  # a link that dangles is no missing point
    with pytest.raises(InputError, match="symbolic link"):
        ts.run_sweep(CONFIG, folder)


@pytest.mark.parametrize("name", ["sweep.json", "points"])
def test_a_part_that_is_a_link_is_refused(folder, tmp_path, name):
    (folder / name).rename(tmp_path / "elsewhere")
    (folder / name).symlink_to(tmp_path / "elsewhere")
    for use in (ts.load_results, ts.open_results, lambda f: ts.run_sweep(CONFIG, f)):
        with pytest.raises(InputError, match="symbolic link"):
            use(folder)


def test_a_report_is_not_written_through_a_link(folder, tmp_path, capfd):
    (tmp_path / "precious").write_text("mine")
    (folder / "report.html").symlink_to(tmp_path / "precious")
    status, said = said_by(capfd, "report", folder)
    assert status == 2 and "symbolic link" in said
    assert (tmp_path / "precious").read_text() == "mine"


@pytest.mark.parametrize("key", ["../../outside", "/etc/passwd", "", "A" * 16, "0" * 15, 5, None])
def test_keys_name_files_of_the_folder_only(folder, key):
    sweep = json.loads((folder / "sweep.json").read_text())
    sweep["points"][0][2] = key
    (folder / "sweep.json").write_text(json.dumps(sweep))
    with pytest.raises(InputError, match="list of points is damaged"):
        ts.load_results(folder)


def test_a_pipe_does_not_hang(folder):
    file = only_file(folder)
    file.unlink()
    os.mkfifo(file)
    assert "no ordinary file" in refused(file)
    (folder / "sweep.json").unlink()
    os.mkfifo(folder / "sweep.json")
    with pytest.raises(InputError, match="no ordinary file"):
        ts.load_results(folder)


class Bomb:
    def __reduce__(self):
        return os.system, ("touch exploded",)


@pytest.mark.parametrize("name", ["mean", "meta", "extra"])
def test_pickles_and_object_arrays_are_refused(folder, name):
    file = only_file(folder)
    arrays, meta = read(file)
    buffer = io.BytesIO()
    members = arrays | {"meta": np.frombuffer(json.dumps(meta).encode(), np.uint8)}
    np.savez(buffer, **members | {name: np.array([Bomb()], dtype=object)}, allow_pickle=True)
    file.write_bytes(buffer.getvalue())
    assert "not plain numbers" in refused(file)


def peak_of(path):
    """Most memory taken while a file is refused, and why it was."""
    tracemalloc.start()
    why = refused(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak, why


def with_member(file, name, body, compression=zipfile.ZIP_STORED):
    """The file of a point with one more member, or another in the place of one."""
    arrays, meta = read(file)
    arrays.pop(name, None)
    buffer = io.BytesIO(npz(arrays, meta))
    with zipfile.ZipFile(buffer, "a", compression) as archive:
        archive.writestr(f"{name}.npy", body)
    file.write_bytes(buffer.getvalue())


def array_bytes(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["covariance", "bomb"])
def test_zip_bombs_are_refused_before_they_grow(folder, name):
    file = only_file(folder)
    with_member(file, name, array_bytes(np.zeros(4_000_000)), zipfile.ZIP_DEFLATED)
    assert file.stat().st_size < 100_000
    peak, why = peak_of(file)
    assert "compressed" in why and peak < 2_000_000


def test_a_member_that_claims_more_than_the_file_is_refused(folder):
    file = only_file(folder)
    with_member(file, "bomb", array_bytes(np.zeros(4)))
    data = bytearray(file.read_bytes())
    place = data.rindex(b"PK\x01\x02")  # the last entry of the directory: both its sizes
    data[place + 20 : place + 28] = struct.pack("<II", 2**31, 2**31)
    file.write_bytes(data)
    peak, why = peak_of(file)
    assert "declares more than it holds" in why and peak < 2_000_000


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (42, 2**31, "not where the file says"),  # the member begins beyond the end
        (42, 7, "not where the file says"),  # or where none does
        (16, 1, "damaged"),  # another checksum
        (8, 1, "not where the file says"),  # encrypted
    ],
)
def test_a_directory_that_lies_is_refused(folder, place, value, words):
    file = only_file(folder)
    with_member(file, "more", array_bytes(np.zeros(4)))
    data = bytearray(file.read_bytes())
    entry = data.rindex(b"PK\x01\x02") + place
    data[entry : entry + 4] = struct.pack("<I", value)
    file.write_bytes(data)
    assert words in refused(file)


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ("(4000000000,)", "declares shape"),
        ("(-1,)", "negative"),
        ("(99999999999999999999999999,)", "declares shape"),
        ("(4,) " + " " * 3000, "header"),
        ("(" * 200 + ")" * 200, "result file"),
    ],
)
def test_headers_that_lie_are_refused(folder, shape, words):
    file = only_file(folder)
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    body = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(32)
    with_member(file, "mean", body)
    peak, why = peak_of(file)
    assert words in why and peak < 2_000_000


def test_a_huge_header_is_not_read(folder):
    file = only_file(folder)
    body = b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**31) + b"{" + bytes(64)
    with_member(file, "mean", body)
    peak, why = peak_of(file)
    assert "characters" in why and peak < 2_000_000


@pytest.mark.parametrize("name", ["mean", "covariance", "quantiles", "square_covariance", "theory"])
def test_arrays_must_fit_the_grid(folder, name):
    file = only_file(folder)
    with_member(file, name, array_bytes(np.zeros((3, 7))))
    assert "shape" in refused(file)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("count", 0),
        ("count", "many"),
        ("label", 5),
        ("axes", []),
        ("versions", {"jax": {}}),
        ("seconds", "long"),
        ("device", None),
        ("format", 99),
        ("sources", "none"),
        ("count", 2**32 + 1),
        ("seconds", -1.0),
        ("seconds", True),
        ("seed", {"a": 1}),
        ("seed", 10**400),
        ("label", "x\ud800y"),
        ("axes", {"a": "\ud800"}),
    ],
)
def test_words_of_a_wrong_kind_are_refused(folder, field, value):
    file = only_file(folder)
    arrays, meta = read(file)
    file.write_bytes(npz(arrays, meta | {field: value}))
    assert "not a complete result file" in refused(file)


def test_tables_nested_without_end_are_refused_in_words(folder):
    within = {"model": "white"}
    for _ in range(300):
        within = {"sum": [within]}
    with_branches(folder, {"model": "branches", "within": within})
    ((_, result),) = ts.load_results(folder)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(500)
    try:
        with pytest.raises(InputError, match="nested too deep"):
            _ = result.model
    finally:
        sys.setrecursionlimit(limit)


@pytest.mark.parametrize("tables", [5, [], {"terms": 3}, {"terms": [3]}, {"terms": []}, {}])
def test_stored_tables_of_a_wrong_kind_are_refused_in_words(folder, tables):
    file = only_file(folder)
    arrays, meta = read(file)
    meta["experiment"] = tables
    if not isinstance(tables, dict):
        file.write_bytes(npz(arrays, meta))
        assert "not a complete result file" in refused(file)
        return
    meta["key"] = hash_of(tables, meta["sources"])
    other = file.with_name(f"{meta['key']}.npz")
    other.write_bytes(npz(arrays, meta))
    with pytest.raises(InputError, match="its model cannot be built"):
        _ = load_point(other)[1].model


def test_a_report_is_not_written_into_a_pipe(folder, capfd):
    os.mkfifo(folder / "report.html")
    status, said = said_by(capfd, "report", folder)
    assert status == 2 and "no ordinary file" in said


def test_strays_with_odd_names_do_not_stop_a_sweep(folder):
    only_file(folder).unlink()
    (point,) = points_of(CONFIG)
    (folder / f".{'9' * 23}@{socket.gethostname()}@x.tmp").touch()
    (folder / "points" / f".{point.key}.partial").mkdir()
    assert ts.run_sweep(CONFIG, folder) == (1, 1)
