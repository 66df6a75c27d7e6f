"""Who works on a sweep: seen at once on the same machine, after a while on others."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

import pytest
from processes import environment, wait_for

from tokenspace.errors import InputError, Interrupted
from tokenspace.experiments import presence
from tokenspace.experiments.presence import SILENT, at_work, clock, last_end, workers_of

NOW = 1e9
RUN = """
import sys, time
from pathlib import Path
from tokenspace.experiments.presence import at_work
with at_work(Path(sys.argv[1]), 3):
    print("at work", flush=True)
    time.sleep(600)
"""


def record(folder, text, silent=0.0, name="1@a.json"):
    """The record of a run that was last touched so many seconds before NOW."""
    (folder / "runs").mkdir(exist_ok=True)
    path = folder / "runs" / name
    path.write_text(text if isinstance(text, str) else json.dumps(text))
    os.utime(path, (NOW, NOW - silent))
    return path


def elsewhere(**more):
    return {"host": "node7", "process": 12, "machine": "node7 another"} | more


def test_a_killed_run_is_seen_at_once(tmp_path):
    command = [sys.executable, "-c", RUN, str(tmp_path)]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment())
    assert run.stdout.readline() == "at work\n"
    (worker,) = workers_of(tmp_path, clock(tmp_path))
    assert worker.alive and worker.here and worker.process == run.pid
    os.kill(run.pid, signal.SIGKILL)
    os.waitid(os.P_PID, run.pid, os.WEXITED | os.WNOWAIT)  # dead, but its number is still there
    (worker,) = workers_of(tmp_path, clock(tmp_path))
    assert not worker.alive and 0 <= worker.silent < SILENT
    run.communicate()
    with at_work(tmp_path, 1):  # what is left of it goes with the next run
        assert [w.process for w in workers_of(tmp_path, clock(tmp_path))] == [os.getpid()]


def test_a_number_that_another_process_has_now_is_not_the_run(tmp_path):
    record(tmp_path, {"host": "here", "process": os.getpid(), "machine": presence._machine()})
    (worker,) = workers_of(tmp_path, NOW)
    assert worker.here and not worker.alive


@pytest.mark.parametrize(
    "silent, alive", [(0, True), (SILENT - 1, True), (SILENT + 1, False), (-SILENT - 1, False)]
)
def test_elsewhere_signs_of_life_decide(tmp_path, silent, alive):
    record(tmp_path, elsewhere(), silent)
    (worker,) = workers_of(tmp_path, NOW)
    assert (worker.alive, worker.here, worker.silent) == (alive, False, silent)
    assert (worker.host, worker.process) == ("node7", 12)


def test_where_there_are_no_locks_signs_of_life_decide_here_too(tmp_path, monkeypatch):
    monkeypatch.setattr(presence, "fcntl", None)
    with at_work(tmp_path, 1):
        now = clock(tmp_path)
        (worker,) = workers_of(tmp_path, now)
        assert worker.alive and not workers_of(tmp_path, now + 2 * SILENT)[0].alive


def test_a_run_is_touched_while_it_lives_and_leaves_no_record(tmp_path, monkeypatch):
    monkeypatch.setattr(presence, "BEAT", 0.01)
    with at_work(tmp_path, 1):
        (path,) = (tmp_path / "runs").glob("*.json")
        os.utime(path, (0, 0))
        wait_for(lambda: path.stat().st_mtime > 0, 10)
    assert [p.name for p in (tmp_path / "runs").iterdir()] == [presence.LAST]


@pytest.mark.parametrize(
    "error, how", [(None, "finished"), (Interrupted("asked"), "stopped"), (OSError(), "failed")]
)
def test_a_run_says_how_it_ended(tmp_path, error, how):
    assert last_end(tmp_path, NOW) is None
    with suppress(Interrupted, OSError), at_work(tmp_path, 5):
        if error is not None:
            raise error
    end = last_end(tmp_path, clock(tmp_path) + 100)
    assert (end.how, end.points, end.process) == (how, 5, os.getpid()) and 90 < end.ago < 200
    os.utime(tmp_path / "runs" / presence.LAST, (NOW, NOW))
    assert last_end(tmp_path, NOW + 7).ago == pytest.approx(7)


def test_no_other_file_is_touched_when_a_run_is_over(tmp_path, monkeypatch):
    """Its thread may be at a touch just then, by the number of a file that is another's next."""
    begun, touch = threading.Event(), os.utime

    def slow(record, *times):
        begun.set()
        time.sleep(0.1)
        touch(record, *times)

    monkeypatch.setattr(presence, "BEAT", 0.001)
    monkeypatch.setattr(os, "utime", slow)
    monkeypatch.setattr(os, "supports_fd", {slow})
    before = {t.ident for t in threading.enumerate()}
    with at_work(tmp_path, 1):
        assert begun.wait(10)
        monkeypatch.setattr(presence, "BEAT", 10)
    with (tmp_path / "other").open("w") as other:
        touch(tmp_path / "other", (NOW, NOW))
        time.sleep(0.3)
        assert os.fstat(other.fileno()).st_mtime == NOW
    assert {t.ident for t in threading.enumerate()} <= before


def test_the_clock_is_that_of_the_files(tmp_path, monkeypatch):
    (tmp_path / "runs").mkdir()
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: NOW)
    assert abs(clock(tmp_path) - now) < 60 and not list((tmp_path / "runs").iterdir())
    assert clock(tmp_path / "nowhere") == NOW  # where nothing can be written, this machine's


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[1]",
        "{}",
        '{"host": 3, "process": 4}',
        '{"host": "x", "process": 4, "begun": 1' + "0" * 400 + "}",
        "[" * 5000,
        "x" * (1 << 17),
    ],
)
def test_a_damaged_record_is_a_run_by_its_signs_of_life(tmp_path, text):
    record(tmp_path, text)
    record(tmp_path, text, 9999, name="2@a.json")
    assert [(w.host, w.alive) for w in workers_of(tmp_path, NOW)] == [("", True), ("", False)]
    record(tmp_path, text, name=presence.LAST)
    assert last_end(tmp_path, NOW) is None


def test_pipes_and_folders_do_not_hang_and_links_are_refused(tmp_path):
    (tmp_path / "runs").mkdir()
    os.mkfifo(tmp_path / "runs" / "1@a.json")
    (tmp_path / "runs" / "2@a.json").mkdir()
    (tmp_path / "runs" / "3@a.json").symlink_to(tmp_path)
    assert {w.host for w in workers_of(tmp_path, NOW)} == {""}
    with at_work(tmp_path, 1):
        pass
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "runs").symlink_to(tmp_path / "runs")
    for use in (clock, lambda f: workers_of(f, NOW), lambda f: at_work(f, 1).__enter__()):
        with pytest.raises(InputError, match="symbolic link"):
            use(tmp_path / "r")


def test_a_run_goes_on_where_no_record_can_be_written(tmp_path):
    (tmp_path / "runs").write_text("")
    with at_work(tmp_path, 1):
        assert workers_of(tmp_path, NOW) == [] and last_end(tmp_path, NOW) is None


def test_the_next_run_removes_what_is_forgotten_elsewhere(tmp_path):
    old, young = record(tmp_path, elsewhere(), name="1@a.json"), tmp_path / "runs" / "2@a.json"
    young.write_text(json.dumps(elsewhere()))
    with at_work(tmp_path, 1):
        assert young.exists() and not old.exists()


ORPHAN = """
import multiprocessing, time
from tokenspace.experiments import pool
def work(ready):
    pool._start(None, (), [set()])
    ready.set()
    time.sleep(600)
if __name__ == "__main__":
    spawn = multiprocessing.get_context("spawn")
    ready = spawn.Event()
    worker = spawn.Process(target=work, args=(ready,))
    worker.start()
    ready.wait()
    print(worker.pid, flush=True)
    time.sleep(600)
"""


@pytest.mark.slow
def test_workers_end_when_the_command_is_killed(tmp_path):
    (tmp_path / "run.py").write_text(ORPHAN)
    command = [sys.executable, str(tmp_path / "run.py")]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment())
    worker = int(run.stdout.readline())
    os.kill(worker, 0)
    run.kill()
    run.wait()

    def gone():
        with suppress(ProcessLookupError):
            os.kill(worker, 0)
            return open(f"/proc/{worker}/stat").read().rsplit(") ", 1)[1][0] == "Z"
        return True

    wait_for(gone, 30)
    run.communicate()


def test_no_two_runs_at_work_take_points_in_one_order(tmp_path):
    """Nor one that begins when the first has ended, beside the second; nor two more at once."""
    with at_work(tmp_path, 1) as first:
        second = at_work(tmp_path, 1)
        assert (first, second.__enter__()) == (0, 1)
    with at_work(tmp_path, 1) as again, at_work(tmp_path, 1) as third, at_work(tmp_path, 1) as more:
        assert again == 0 and third > 1 and more > 1 and third != more
        turns = [worker.turn for worker in workers_of(tmp_path, clock(tmp_path))]
        assert sorted(turns) == sorted([0, 1, third, more])
    second.__exit__(None, None, None)
    with at_work(tmp_path, 1) as alone:
        assert alone == 0
