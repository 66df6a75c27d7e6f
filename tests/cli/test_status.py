"""How far a sweep is, by the names and times of its files, and who works on it."""

import json
import os

import numpy as np
import pytest
from folders import CONFIG

import tokenspace as ts
from tokenspace.experiments.config import points_of
from tokenspace.experiments.presence import BEAT, SILENT, at_work
from tokenspace.experiments.status import _rate, status_of

SWEPT = CONFIG | {"features": {"model": "isotropic", "dim": {"sweep": list(range(1, 9))}}}
NOW = 1e9


@pytest.fixture
def folder(tmp_path):
    """Six of eight points, one every ten seconds, the last of them ten seconds ago; one begun."""
    ts.run_sweep(SWEPT, tmp_path)
    keys = [p.key for p in points_of(SWEPT)]
    files = [tmp_path / "points" / f"{key}.npz" for key in keys]
    files[6].rename(files[6].with_name(f".{keys[6]}.partial"))
    files[7].unlink()
    for k, file in enumerate(files[:6]):
        os.utime(file, (NOW, NOW - 10 * (6 - k)))
    os.utime(files[6].with_name(f".{keys[6]}.partial"), (NOW, NOW - 3))
    return tmp_path


def test_done_begun_missing_and_time_left(folder):
    found = status_of(folder, NOW)
    assert (found.points, found.done) == (8, 6) and not found.finished
    assert found.begun == ("dim = 7",) and found.missing == ("dim = 7", "dim = 8")
    assert found.last == 3 and not found.busy
    np.testing.assert_allclose([found.rate, found.remaining], [0.1, 20])
    with at_work(folder, 2):
        assert status_of(folder).busy


def test_an_interruption_does_not_slow_the_rate(folder):
    keys = [p.key for p in points_of(SWEPT)][:3]
    for k, key in enumerate(keys):
        os.utime(folder / "points" / f"{key}.npz", (NOW, NOW - 90_000 + k))
    np.testing.assert_allclose(status_of(folder, NOW).rate, 0.1)


@pytest.mark.parametrize("every", [3.0, 60.0, 150.0])
@pytest.mark.parametrize("together", [1, 64, 128, 512])
def test_points_that_come_in_groups_come_at_the_rate_of_groups(together, every):
    """A device writes a group of points at once: 2 ms from file to file, then nothing."""
    group = 2e-3 * np.arange(together)
    times = NOW + np.concatenate([k * every + group for k in range(300)])
    assert _rate(times[:together]) is None
    assert _rate(times) == pytest.approx(together / every, rel=0.01)
    later = np.concatenate([times - 1e5, times])  # interrupted for a day
    assert _rate(later) == pytest.approx(together / every, rel=0.01)


def test_files_that_vanish_meanwhile_are_not_there(folder, monkeypatch):
    listed = list(os.scandir(folder / "points"))
    (folder / "points" / ".x.tmp").write_text("")
    with_stray = list(os.scandir(folder / "points"))
    (folder / "points" / ".x.tmp").unlink()
    real = os.scandir
    monkeypatch.setattr(
        os, "scandir", lambda path: with_stray if path.name == "points" else real(path)
    )
    assert len(with_stray) == len(listed) + 1 and status_of(folder, NOW).done == 6


def test_before_the_first_point_nothing_is_known(folder):
    for file in (folder / "points").iterdir():
        file.unlink()
    found = status_of(folder)
    assert found.done == 0 and found.last is found.rate is found.remaining is None
    assert not found.busy


def test_the_command_says_it_in_words_and_as_json(call, folder):
    _, out, _ = call("status", folder)
    assert "6 of 8 points finished" in out and "begun: dim = 7" in out
    assert "nobody is at work; the command" in out
    assert f"last run: process {os.getpid()} on " in out and "finished its 8 points" in out
    document = json.loads(call("status", folder, "--json")[1])
    assert document["missing"] == ["dim = 7", "dim = 8"] and document["busy"] is False
    ts.run_sweep(SWEPT, folder)
    assert "next: tokenspace check" in call("status", folder)[1]


def test_who_is_at_work_in_words(call, folder):
    with at_work(folder, 2):
        assert f"at work: process {os.getpid()} on " in call("status", folder)[1]
    record = folder / "runs" / "7@x.json"
    record.write_text('{"host": "node\x1b7", "process": 7}'.replace("\x1b", "\\u001b"))
    assert "process 7 on node\\x1b7" in call("status", folder)[1]
    now = os.stat(record).st_mtime
    for ahead, said in ((-3 * SILENT, "is silent since"), (3 * SILENT, "ahead of this one")):
        os.utime(record, (now, now + ahead))
        out = call("status", folder)[1]
        assert "nobody is at work" in out and said in out and "finished its" not in out
    record.write_text("")
    assert "a run whose record is damaged" in call("status", folder)[1]
    assert BEAT < SILENT / 3


def test_a_folder_without_a_sweep_is_refused(call, tmp_path):
    status, _, err = call("status", tmp_path)
    assert status == 2 and "sweep.json is missing" in err


def test_links_are_no_points(folder):
    (key,) = [p.key for p in points_of(SWEPT)][7:]
    (folder / "points" / f"{key}.npz").symlink_to(folder / "sweep.json")
    assert status_of(folder, NOW).done == 6
