"""How far a sweep is, by the names and times of its files, and who works on it."""

import json
import os

import numpy as np
import pytest
from folders import CONFIG

import tokenspace as ts
from tokenspace.experiments.config import points_of
from tokenspace.experiments.presence import BEAT, SILENT, at_work, clock
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


def begun(folder, ago, name="7@x"):
    """A run on another machine, at work since then."""
    record = folder / "runs" / f"{name}.json"
    record.write_text(json.dumps({"host": "node", "process": 7, "begun": NOW - ago}))
    os.utime(record, (NOW, NOW))


def test_done_begun_missing_and_time_left(folder):
    found = status_of(folder, NOW)
    assert (found.points, found.done) == (8, 6) and not found.finished
    assert found.begun == ("dim = 7",) and found.missing == ("dim = 7", "dim = 8")
    assert found.last == 3 and not found.busy and found.rate is found.remaining is None
    begun(folder, 70)
    begun(folder, 30, "8@x")  # of several that live, the first counts
    begun(folder, 9000, "9@x")
    os.utime(folder / "runs" / "9@x.json", (NOW, NOW - 8000))
    found = status_of(folder, NOW)
    np.testing.assert_allclose([found.rate, found.remaining], [0.1, 20])
    begun(folder, 50)
    np.testing.assert_allclose(status_of(folder, NOW).rate, 0.1)  # what was there before is not
    (folder / "runs" / "7@x.json").write_text('{"host": "node", "process": 7}')  # of an old version
    with at_work(folder, 2):
        found = status_of(folder)
        assert found.busy and found.rate is None
        assert abs(found.workers[0].begun - found.workers[0].silent - clock(folder)) < 60


def history(rng, together, every, compiling=0.0, writing=2e-3, begin=0.0, groups=24):
    """When each point was finished of groups that are drawn and then written file by file."""
    drawn = every * np.exp(0.1 * rng.standard_normal(groups))
    written = writing * rng.uniform(0.5, 1.5, (groups, together))
    gaps = np.hstack([written[:, :1] + drawn[:, None], written[:, 1:]])
    return begin + compiling + np.cumsum(gaps)


@pytest.mark.parametrize("writing", [2e-3, 0.1])
@pytest.mark.parametrize("compiling", [0.0, 0.5, 2.0])  # in times of a group
@pytest.mark.parametrize("every", [0.3, 150.0])
@pytest.mark.parametrize("together", [1, 64])
@pytest.mark.parametrize("how", ["once", "four at a time", "asleep", "resumed"])
def test_of_points_that_cost_alike_the_rate_is_right_within_a_factor_of_two(
    how, together, every, compiling, writing
):
    """Whenever one asks; and it is known for half of the time at least.

    Where costs grow from point to point the present rate foretells less: that is not held here.
    """
    rng, groups = np.random.default_rng(2), 200 if together == 1 else 24
    period = every + together * writing
    times, rate = np.empty(0), together / period
    for _ in range(4 if how == "four at a time" else 1):
        rest = {"compiling": compiling * period, "writing": writing, "groups": groups}
        own = history(rng, together, every, begin=0.1 * period * rng.random(), **rest)
        times = np.append(times, own)
    times.sort()
    if how == "four at a time":
        rate *= 4
    elif how == "asleep":
        times[len(times) // 4 + 1 :] += 36_000
    elif how == "resumed":
        times = np.append(times - 1e5, times)
    own, asked, known = np.append(times[times > 0], times[-1] + every), 0, 0
    for k in np.unique(np.linspace(1, len(own) - 1, 80).astype(int)):
        for now in own[k - 1] + np.array([0.01, 0.9]) * (own[k] - own[k - 1]):
            found = _rate(times[times <= now], 0.0, now)
            asked, known = asked + 1, known + (found is not None)
            assert found is None or rate / 2 < found < 2 * rate
    assert known > asked / 2


@pytest.mark.parametrize("finished", [0, 1, 2])
def test_of_two_points_no_rate_is_known(finished):
    assert _rate(NOW + np.arange(finished), NOW - 0.5, NOW + 3) is None


def one_by_one(*parts, wait=1.0):
    """Finished times, of (points, seconds from one to the next), after that wait."""
    return np.cumsum([wait, *(every for count, every in parts for _ in range(count))])


@pytest.mark.parametrize(
    ("parts", "wait", "rate"),
    [
        ([(1000, 0.2), (50, 1.0)], 1.0, 100 / (50 * 0.2 + 50 * 1.0)),  # of 100 points
        ([(1000, 0.2), (100, 1.0)], 1.0, 1.0),
        ([(2000, 0.1), (500, 0.2)], 60.0, (800 + 500) / 180),  # of three waits, if these are more
        ([(40, 11.95), (1, 119.0), (40, 11.95)], 5.0, 81 / (80 * 11.95 + 119)),
        ([(40, 5.0), (1, 119.0), (40, 5.0)], 5.0, None),  # one long gap is the end of one group
        ([(40, 5.0), (1, 121.0), (40, 5.0)], 5.0, 0.2),
        ([(40, 11.95), (1, 121.0), (40, 11.95)], 5.0, 1 / 11.95),  # longer than 2 min: asleep
        ([(40, 29.5), (1, 290.0), (40, 29.5)], 30.0, 81 / (80 * 29.5 + 290)),
        ([(40, 29.5), (1, 310.0), (40, 29.5)], 30.0, 1 / 29.5),  # and than ten waits
        ([(40, 1.0), (4, 400.0)], 5.0, None),
        ([(40, 1.0), (6, 400.0)], 5.0, 1 / 400),  # that is what points take now
        ([(30, 0.1)], 3.1, None),
        ([(32, 0.1)], 3.1, 10.0),  # of more time than the wait
    ],
)
def test_what_counts_as_recent_as_asleep_and_as_enough(parts, wait, rate):
    times = one_by_one(*parts, wait=wait)
    found = _rate(times, 0.0, times[-1] + parts[-1][1])
    assert found is None if rate is None else found == pytest.approx(rate, rel=0.02)


@pytest.mark.parametrize(("apart", "rate"), [(11.0, 4 / 14), (9.0, 41 / 121)])
def test_groups_are_told_from_points_by_a_factor_of_ten(apart, rate):
    """Four points a second apart and then a longer gap; the last group is half written."""
    times = one_by_one(*[(3, 1.0), (1, apart)] * 10, (1, 1.0))
    assert _rate(times, 0.0, times[-1] + 1.05) == pytest.approx(rate)


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


def test_damaged_files_are_not_finished_and_the_command_says_what_to_do(call, folder):
    ts.run_sweep(SWEPT, folder)
    files = [folder / "points" / f"{p.key}.npz" for p in points_of(SWEPT)]
    whole = files[0].read_bytes()
    files[1].write_bytes(whole)  # of another point
    files[2].write_bytes(whole[:-1])
    found = status_of(folder)
    assert (found.done, found.unusable, found.missing) == (6, ("dim = 2", "dim = 3"), ())
    assert not found.finished
    out = call("status", folder)[1]
    assert "6 of 8 points finished" in out and "2 result files cannot be used" in out
    assert files[2].name in out and "--redo` puts" in out and "next: " not in out


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
