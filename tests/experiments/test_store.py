"""The store under kill -9, full and read-only disks, several writers, and damaged files."""

import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from folders import CONFIG, npz, only_file
from folders import read as arrays_of
from processes import COMMAND, call, environment, start, sweep_file

import tokenspace as ts
from tokenspace.errors import InputError
from tokenspace.experiments import results, sweep
from tokenspace.experiments.config import points_of
from tokenspace.experiments.damaged import Unusable, put_aside
from tokenspace.experiments.results import load_point
from tokenspace.experiments.status import status_of
from tokenspace.experiments.store import begin
from tokenspace.report import html

HERE = Path(__file__).parents[1]

# Forks a process that stores points as fast as it can, and kills it at a random moment, many times.
# Points are not simulated anew: what is tested is how they are kept.
KILLER = """
import os, random, signal, sys, time
from pathlib import Path
from tokenspace.experiments import point as points, sweep
from tokenspace.experiments.results import load_point

config, template, folder = map(Path, sys.argv[1:4])
point, result = load_point(template)
rng = random.Random(1)
for attempt in range(int(sys.argv[4])):
    child = os.fork()
    if child == 0:
        points.run_point = lambda point, execution, **hooks: result
        sweep.run_sweep(config, folder / str(attempt // 10))
        os._exit(0)
    time.sleep(rng.uniform(0.05, 1.2))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
"""


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A configuration of one point, and its file."""
    folder = tmp_path_factory.mktemp("template")
    config = sweep_file(folder / "one.toml", 1)
    ts.run_sweep(config, folder / "r")
    (file,) = (folder / "r" / "points").glob("*.npz")
    return file


@pytest.mark.once
@pytest.mark.parametrize("kills", [6, pytest.param(25, marks=pytest.mark.slow)])
def test_kills_lose_nothing(tmp_path, template, kills):
    config = sweep_file(tmp_path / "c.toml", 150)
    command = [sys.executable, "-c", KILLER, config, template, tmp_path / "r", str(kills)]
    subprocess.run(command, check=True, env=environment(), timeout=300)
    want = load_point(template)[1]
    stored = list((tmp_path / "r").glob("*/points/*.npz"))
    assert len(stored) > kills  # kills came in the middle of much work
    for path in stored:
        assert path.stem == load_point(path)[0].key
        np.testing.assert_array_equal(load_point(path)[1].mean, want.mean)
    before = {p: p.stat().st_mtime_ns for p in stored}
    status, out = call("sweep", config, "--out", tmp_path / "r" / "0")
    assert (
        status == 0 and ts.open_results(tmp_path / "r" / "0", layout="points").sizes["point"] == 150
    ), out
    assert not list((tmp_path / "r" / "0").rglob("*.tmp"))  # strays were swept up
    for path, written in before.items():  # nothing finished was computed twice
        assert path.stat().st_mtime_ns == written


@pytest.mark.once
def test_a_file_too_large_for_the_disk(tmp_path):
    """EFBIG stands for any refusal to write: no traceback, nothing half written, resumes."""
    config, folder = sweep_file(tmp_path / "c.toml", 2), tmp_path / "r"
    limited = ["bash", "-c", 'ulimit -f 2; exec "$@"', "bash"]  # KiB a file
    done = subprocess.run(
        [*limited, *COMMAND, "sweep", config, "--out", folder],
        capture_output=True,
        text=True,
        env=environment(),
    )
    assert done.returncode == 2 and "cannot be written" in done.stderr, done.stderr
    assert "free space" in done.stderr and "Traceback" not in done.stderr
    assert not list(folder.rglob("*.npz")) and not list(folder.rglob("*.tmp"))
    assert call("sweep", config, "--out", folder)[0] == 0


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 KiB, where this process may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    try:
        done = subprocess.run(mount, capture_output=True)
    except OSError:
        pytest.skip("no mount command")
    if done.returncode:
        pytest.skip("file systems cannot be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.once
def test_full_and_read_only_disk(small_disk, tmp_path):
    config, folder = sweep_file(tmp_path / "c.toml", 60), small_disk / "r"
    status, out = call("sweep", config, "--out", folder)
    assert status == 2 and "No space left" in out and "Traceback" not in out
    finished = sorted(folder.rglob("*.npz"))
    assert finished and not list(folder.rglob("*.tmp"))
    for path in finished:
        load_point(path)
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    status, out = call("sweep", config, "--out", folder)
    assert status == 2 and "Read-only" in out and "choose another --out folder" in out
    assert ts.open_results(folder, layout="points").sizes["point"] == len(finished)


def test_folder_that_is_a_file(tmp_path):
    (tmp_path / "r").write_text("")
    status, out = call("sweep", sweep_file(tmp_path / "c.toml", 1), "--out", tmp_path / "r")
    assert status == 2 and "cannot be written" in out and "Traceback" not in out


@pytest.mark.once
def test_two_writers_of_one_sweep(tmp_path):
    config, folder = sweep_file(tmp_path / "c.toml", 12), tmp_path / "r"
    both = [start("sweep", config, "--out", folder) for _ in range(2)]
    outs = [p.communicate(timeout=120)[0] for p in both]
    assert [p.returncode for p in both] == [0, 0], outs
    assert ts.open_results(folder, layout="points").sizes["point"] == 12


@pytest.mark.slow
def test_two_sweeps_on_one_folder(tmp_path):
    """One wins, the other is told what differs; never a mixture."""
    one = sweep_file(tmp_path / "a.toml", 3)
    other = sweep_file(tmp_path / "b.toml", 3, dim=9)
    for attempt in range(3):
        folder = tmp_path / str(attempt)
        both = [start("sweep", c, "--out", folder) for c in (one, other)]
        outs = [p.communicate(timeout=120)[0] for p in both]
        assert sorted(p.returncode for p in both) == [0, 2], outs
        assert "features.dim" in outs[[p.returncode for p in both].index(2)]
        assert len({r.model.dim for _, r in ts.load_results(folder)}) == 1


def test_first_writer_wins(tmp_path):
    begin(tmp_path, {"a": 1})
    with pytest.raises(InputError, match="a: 1 in the folder, 2 now"):
        begin(tmp_path, {"a": 2})
    begin(tmp_path, {"a": 1})


def test_damaged_files_are_refused_or_read_right(tmp_path, template):
    want, rng = load_point(template)[1], random.Random(0)
    whole, refused = template.read_bytes(), 0
    path = tmp_path / template.name
    for attempt in range(600):
        damaged = bytearray(whole)
        if attempt % 3 == 0:
            damaged = damaged[: rng.randrange(len(whole))]
        else:
            for _ in range(rng.choice((1, 1, 5))):
                damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        try:
            got = load_point(path)[1]
        except InputError as error:
            assert path.name in str(error) and "--redo" in str(error)
            refused += 1
            continue
        for field in ("mean", "covariance", "n"):
            np.testing.assert_array_equal(getattr(got, field), getattr(want, field))
        np.testing.assert_array_equal(got.quantiles, want.quantiles)
        assert got.replicates == want.replicates and got.seed == want.seed
    assert refused > 400


def test_strays_of_the_living_are_left_alone(tmp_path):
    import socket

    begin(tmp_path, {})
    mine = tmp_path / f".{os.getpid()}@{socket.gethostname()}@x.tmp"
    dead = tmp_path / f".999999999@{socket.gethostname()}@x.tmp"
    elsewhere = tmp_path / ".1@some.other.host@x.tmp"
    for path in (mine, dead, elsewhere):
        path.write_text("")
    old = tmp_path / ".1@some.other.host@y.tmp"
    old.write_text("")
    os.utime(old, (0, 0))
    begin(tmp_path, {})
    assert mine.exists() and elsewhere.exists() and not dead.exists() and not old.exists()


@pytest.mark.parametrize("count", [2, 10, 12])
def test_all_damaged_files_of_a_sweep_are_named(tmp_path, count):
    config, folder = sweep_file(tmp_path / "c.toml", 13), tmp_path / "r"
    ts.run_sweep(config, folder)
    files = sorted(folder.glob("points/*.npz"))
    for file in files[1:count]:
        file.write_bytes(b"")
    files[0].write_bytes(files[-1].read_bytes())  # sound, but of another experiment
    for read in (ts.load_results, ts.open_results, lambda folder: ts.run_sweep(config, folder)):
        with pytest.raises(InputError, match=f"points: {count} result files cannot be") as told:
            read(folder)
        said = str(told.value)
        assert sum(file.name in said for file in files) == min(count, 10)
        assert said.count(".npz: not a complete result file (") == min(count, 10)
        assert ("... and 2 more" in said) == (count == 12) and said.count("--redo` puts") == 1


def test_damaged_files_are_put_aside_and_computed_anew_when_asked(tmp_path):
    config, folder = sweep_file(tmp_path / "c.toml", 4), tmp_path / "r"
    ts.run_sweep(config, folder)
    whole = {point.key: result.mean for point, result in ts.load_results(folder)}
    first, second, *_ = sorted(folder.glob("points/*.npz"))
    for damage in (b"one", b"two"):
        first.write_bytes(damage)
        second.write_bytes(damage)
        with pytest.warns(UserWarning, match="2 damaged files are put aside") as told:
            assert ts.run_sweep(config, folder, redo=True) == (2, 4)
        assert all(f"{file.name}.damaged" in str(told[0].message) for file in (first, second))
    for point, result in ts.load_results(folder):
        np.testing.assert_array_equal(result.mean, whole[point.key])
    aside = [first.with_name(first.name + end) for end in (".damaged", ".damaged.2")]
    assert [file.read_bytes() for file in aside] == [b"one", b"two"]
    assert ts.run_sweep(config, folder, redo=True) == (0, 4)


def test_a_file_is_read_once_by_redo_and_by_the_report(tmp_path, monkeypatch):
    config, folder, read = sweep_file(tmp_path / "c.toml", 4), tmp_path / "r", []
    ts.run_sweep(config, folder)
    once = results._read
    monkeypatch.setattr(results, "_read", lambda path: read.append(path) or once(path))
    monkeypatch.setattr(html, "draw_all", lambda *_, **__: [])
    assert ts.run_sweep(config, folder, redo=True, strict=True) == (0, 4)
    assert len(read) == len(set(read)) == 4
    html.write_report(folder)
    assert len(read) == 8


def test_several_runs_may_put_aside_the_same_files(tmp_path, monkeypatch):
    """One that was overtaken leaves the whole files of the other alone, and misses what is gone."""
    config, folder = sweep_file(tmp_path / "c.toml", 4), tmp_path / "r"
    ts.run_sweep(config, folder)
    first, second, third, _ = sorted(folder.glob("points/*.npz"))
    for file in (first, second):
        file.write_bytes(b"one")
    listed, aside = sweep.names_of_points, sweep.put_aside

    def overtaken(paths, read):
        with pytest.warns(UserWarning, match="2 damaged files are put aside"):
            assert ts.run_sweep(config, folder, redo=True) == (2, 4)
        second.unlink()
        return aside(paths, read)

    def overtaken_before(folder):
        names = listed(folder)
        third.unlink()
        return names

    def read_before_it_went(path):
        if path != third:
            raise Unusable(path, "half of it")

    with monkeypatch.context() as patch:
        patch.setattr(sweep, "put_aside", lambda *given: patch.undo() or overtaken(*given))
        assert ts.run_sweep(config, folder, redo=True) == (1, 4)
        patch.setattr(sweep, "names_of_points", overtaken_before)
        assert ts.run_sweep(config, folder, redo=True) == (1, 4)
    assert len(list(folder.glob("points/*.damaged"))) == 2
    assert put_aside([third, first.with_name("gone")], read_before_it_went) == ""


def test_numbers_that_cannot_be_are_put_aside_too(tmp_path):
    ts.run_sweep(CONFIG, tmp_path)
    arrays, meta = arrays_of(only_file(tmp_path))
    only_file(tmp_path).write_bytes(npz(arrays | {"mean": -arrays["mean"]}, meta))
    with pytest.raises(InputError, match=r"below 0.* --redo` puts"):
        ts.load_results(tmp_path)
    found = status_of(tmp_path)
    assert found.done == 0 and "below 0" in found.why
    with pytest.warns(UserWarning, match="1 damaged file is put aside"):
        assert ts.run_sweep(CONFIG, tmp_path, redo=True) == (1, 1)
    assert len(ts.load_results(tmp_path)) == 1


@pytest.mark.parametrize("strict", [False, True])
def test_a_second_run_begins_at_the_other_end_and_nothing_is_drawn_twice(tmp_path, strict):
    """It runs while the first one is between two points, and takes all that is left."""
    config, folder, told = sweep_file(tmp_path / "c.toml", 4), tmp_path / "r", []

    def second(finished, total, point):
        if finished == 1 and not told:
            seen = lambda done, total, point: told.append(point.label)  # noqa: E731
            assert ts.run_sweep(config, folder, seen) == (3, 4)

    labels = [point.label for point in points_of(config)]
    assert ts.run_sweep(config, folder, second, strict=strict) == (1, 4)
    assert told == [labels[3], *labels[:0:-1]]
    assert ts.run_sweep(config, folder) == (0, 4)


def test_what_is_damaged_is_put_aside_before_the_rest_is_refused(tmp_path):
    config, folder = sweep_file(tmp_path / "c.toml", 4), tmp_path / "r"
    ts.run_sweep(config, folder)
    first, second, *_ = sorted(folder.glob("points/*.npz"))
    first.write_bytes(b"one")
    second.unlink()
    second.mkdir()
    with (
        pytest.warns(UserWarning, match="1 damaged file is put aside, to be computed anew"),
        pytest.raises(
            InputError, match=r"read \(Is a directory\); .*: make it readable, or move"
        ) as told,
    ):
        ts.run_sweep(config, folder, redo=True)
    assert second.name in str(told.value) and first.name not in str(told.value)
    assert "--redo" not in str(told.value)
    assert not first.exists() and first.with_name(f"{first.name}.damaged").read_bytes() == b"one"
    second.rmdir()
    assert ts.run_sweep(config, folder) == (2, 4)


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), MemoryError("no room")])
def test_what_cannot_be_read_now_is_not_said_to_be_damaged(tmp_path, monkeypatch, error):
    ts.run_sweep(CONFIG, tmp_path)

    def fails(*_):
        raise error

    monkeypatch.setattr(results, "read_bytes", fails)
    with pytest.raises(
        InputError, match=r"cannot be read .*; if a file is there .* its contents may be sound"
    ) as told:
        ts.run_sweep(CONFIG, tmp_path, redo=True)  # nor is it put aside
    assert "damaged" not in str(told.value) and len(list(tmp_path.glob("points/*"))) == 1


@pytest.mark.parametrize("array", ["covariance", "theory", "joint_mean", "psi_cross.mean", "n"])
def test_a_point_without_all_its_arrays_is_not_finished(tmp_path, array):
    """Such as a file in whose directory a bit of the name is another."""
    config = CONFIG | {"run": CONFIG["run"] | {"statistics": ["divergence", "correlations"]}}
    ts.run_sweep(config, tmp_path)
    (file,) = (tmp_path / "points").iterdir()
    name = f"{array}.npy".encode()
    file.write_bytes(file.read_bytes().replace(name, b"b" + name[1:]))
    with pytest.raises(InputError, match="not a complete result file"):
        ts.run_sweep(config, tmp_path)
