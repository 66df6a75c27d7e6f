"""From one device to many hosts: the same numbers everywhere, and a clear end when one dies."""

import os
import signal

import commands
import numpy as np
import psutil
import pytest
from folders import CONFIG
from processes import call, free_port, kill, start, sweep_file, wait_for

import tokenspace as ts
from tokenspace.errors import InputError
from tokenspace.experiments import pool
from tokenspace.experiments.config import points_of
from tokenspace.experiments.shards import parse_shard, shard_of, work_of

ALL_SAMPLERS = """
[tokens]
count = 96
points = 7
[features]
model = "power_law"
dim = 12
decay = 0.5
[law]
model = "student_t"
df = 5.0
[run]
replicates = 333
seed = 3
[[case]]
name = "collapsed"
run = { sampler = "collapsed" }
branches = { model = "equicorrelated", psi_equal = 0.1, psi_within = 0.3, psi_cross = 0.1 }
[[case]]
name = "partial sums"
run = { sampler = "partial_sums" }
branches = { model = "branches", within = { model = "power_law", decay = 0.4 } }
[[case]]
name = "tokens, whole"
run = { sampler = "tokens" }
branches = { model = "branches", within = { model = "power_law", decay = 0.4 } }
[[case]]
name = "psi"
run = { statistics = ["correlations"] }
branches = { model = "branches", within = { model = "exponential", length = 8 } }
"""


def equal(one, other):
    """Whether two folders hold bit for bit the same numbers for the same points."""
    pairs = list(zip(ts.load_results(one), ts.load_results(other), strict=True))
    for (p, r), (q, s) in pairs:
        assert p.key == q.key
        for a, b in (
            (r.mean, s.mean),
            (r.covariance, s.covariance),
            (r.mean_square.mean, s.mean_square.mean),
            (r.quantiles, s.quantiles),
        ):
            np.testing.assert_array_equal(a, b)
        for name, estimate in (r.correlations or {}).items():
            np.testing.assert_array_equal(estimate.mean, s.correlations[name].mean)
    return len(pairs)


@pytest.fixture(scope="module")
def one_device(tmp_path_factory):
    folder = tmp_path_factory.mktemp("one")
    (folder / "all.toml").write_text(ALL_SAMPLERS)
    status, out = call("sweep", folder / "all.toml", "--out", folder / "results")
    assert status == 0, out
    return folder


@pytest.mark.once
def test_many_devices_give_the_same_bits(one_device, tmp_path):
    config = one_device / "all.toml"
    status, out = call("sweep", config, "--out", tmp_path / "3", "--devices", 3, devices=4)
    assert status == 0, out
    assert equal(one_device / "results", tmp_path / "3") == 4
    assert ts.load_results(tmp_path / "3")[0][1].device == "3 x cpu"
    status, out = call("sweep", config, "--out", tmp_path / "9", "--devices", 9, devices=2)
    assert status == 2 and "from 1 to 2" in out and "Traceback" not in out


def distributed(config, folder, port, index, processes=2, devices=2):
    where = ("--coordinator", f"127.0.0.1:{port}", "--processes", processes, "--process-id", index)
    return start("sweep", config, "--out", folder, "--distributed", *where, devices=devices)


def test_two_hosts_give_the_same_bits(tmp_path):
    config, port = sweep_file(tmp_path / "c.toml", 2), free_port()
    both = [distributed(config, tmp_path / "r", port, k) for k in (0, 1)]
    outs = [p.communicate(timeout=240)[0] for p in both]
    assert [p.returncode for p in both] == [0, 0], outs
    assert "2 of 2 points computed" in outs[0] and "points computed" not in outs[1]
    ts.run_sweep(config, tmp_path / "alone")
    assert equal(tmp_path / "alone", tmp_path / "r") == 2


@pytest.mark.slow
def test_two_hosts_of_many_devices_give_the_same_bits(one_device, tmp_path):
    port = free_port()
    both = [distributed(one_device / "all.toml", tmp_path / "r", port, k) for k in (0, 1)]
    outs = [p.communicate(timeout=240)[0] for p in both]
    assert [p.returncode for p in both] == [0, 0], outs
    assert "4 of 4 points computed" in outs[0] and "points computed" not in outs[1]
    assert equal(one_device / "results", tmp_path / "r") == 4


@pytest.mark.slow
def test_a_lost_host_ends_the_run_in_words_and_the_sweep_resumes(tmp_path):
    config = sweep_file(tmp_path / "c.toml", 6, 2048, 512, 500, "tokens")
    folder, port = tmp_path / "r", free_port()
    first, second = (distributed(config, folder, port, k, devices=1) for k in (0, 1))
    wait_for(lambda: len(list(folder.glob("points/*.npz"))) >= 1)
    children = psutil.Process(second.pid).children()
    for process in (*children, psutil.Process(second.pid)):
        process.kill()
    second.communicate(timeout=60)
    out, _ = first.communicate(timeout=120)
    assert first.returncode == 1, out
    assert "another one died or was lost" in out and "start all processes again" in out
    assert "Traceback" not in out
    stored = {p.name: p.stat().st_mtime_ns for p in folder.glob("points/*.npz")}
    assert 1 <= len(stored) < 6
    status, out = call("sweep", config, "--out", folder)
    assert status == 0 and f"{6 - len(stored)} of 6 points computed" in out
    for name, written in stored.items():
        assert (folder / "points" / name).stat().st_mtime_ns == written


@pytest.mark.once
def test_distributed_options_are_checked(tmp_path):
    config = sweep_file(tmp_path / "c.toml", 1)
    status, out = call("sweep", config, "--out", tmp_path / "r", "--processes", 2)
    assert status == 2 and "need --distributed" in out
    out = call("sweep", config, "--out", tmp_path / "r", "--distributed", "--workers", 2)[1]
    assert "excludes --workers" in out
    bare = {k: "" for k in os.environ if k.startswith(("SLURM", "OMPI", "KUBERNETES"))}
    status, out = call("sweep", config, "--out", tmp_path / "r", "--distributed", **bare)
    assert status == 2 and "--coordinator HOST:PORT" in out and "Traceback" not in out


def test_workers_and_shards_share_one_folder(tmp_path, monkeypatch):
    config = sweep_file(tmp_path / "c.toml", 9)
    ts.run_sweep(config, tmp_path / "serial")
    monkeypatch.setattr(pool, "SECONDS_TO_START", 0.0)  # else so few points are done here
    started, shares = [], pool._shares
    monkeypatch.setattr(pool, "_shares", lambda n: started.append(n) or shares(n))
    assert ts.run_sweep(config, tmp_path / "pool", workers=2) == (9, 9) and started == [2]
    assert equal(tmp_path / "serial", tmp_path / "pool") == 9
    for k in (2, 3, 1):
        assert ts.run_sweep(config, tmp_path / "shards", shard=f"{k}/3") == (3, 3)
    assert equal(tmp_path / "serial", tmp_path / "shards") == 9


def test_workers_start_where_they_pay_each_on_its_cores(tmp_path, monkeypatch):
    few = points_of(sweep_file(tmp_path / "few.toml", 9))
    assert pool.worthwhile(few, 2) == 1
    dear = points_of(sweep_file(tmp_path / "dear.toml", 3, 2048, 512, 2000, "tokens"))
    assert (pool.worthwhile(dear, 2), pool.worthwhile(dear, 8)) == (2, 3)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 5, 7}, raising=False)
    assert pool._shares(2) == [{0, 2, 7}, {1, 5}]
    assert pool._shares(6) == [{0}, {1}, {2}, {5}, {7}, {0, 1, 2, 5, 7}]


@pytest.mark.slow
def test_shards_side_by_side_share_one_folder(tmp_path):
    config = sweep_file(tmp_path / "c.toml", 9)
    ts.run_sweep(config, tmp_path / "serial")
    shards = [
        start("sweep", config, "--out", tmp_path / "shards", "--shard", f"{k}/3") for k in (1, 2, 3)
    ]
    outs = [p.communicate(timeout=120)[0] for p in shards]
    assert all("3 of 3 points computed" in o for o in outs), outs
    assert equal(tmp_path / "serial", tmp_path / "shards") == 9


def test_shards_are_checked():
    assert parse_shard("2/8") == (2, 8)
    for bad in ("0/2", "3/2", "1", "a/b", "1/0", "-1/2", "1/2/3", "½/1", ""):
        with pytest.raises(InputError, match="1 <= i <= N"):
            parse_shard(bad)


@pytest.mark.slow
def test_a_killed_worker_is_reported_and_the_sweep_resumes(tmp_path):
    config = sweep_file(tmp_path / "c.toml", 6, 2048, 512, 400, "tokens")
    folder = tmp_path / "r"
    process = start("sweep", config, "--out", folder, "--workers", 2)
    wait_for(lambda: len(list(folder.glob("points/*.npz"))) >= 1)
    workers = [
        c
        for c in psutil.Process(process.pid).children(recursive=True)
        if "spawn_main" in " ".join(c.cmdline())
    ]
    workers[-1].kill()
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 1 and "worker process died" in out and "resume" in out, out
    assert "Traceback" not in out
    stored = len(list(folder.glob("points/*.npz")))
    status, out = call("sweep", config, "--out", folder, "--workers", 2)
    assert status == 0 and f"{6 - stored} of 6 points computed" in out


@pytest.mark.slow
def test_dask_finishes_when_a_worker_is_killed(tmp_path):
    distributed = pytest.importorskip("distributed")
    config = sweep_file(tmp_path / "c.toml", 5, 2048, 512, 300, "tokens")
    folder = tmp_path / "r"
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        process = start("sweep", config, "--out", folder, "--scheduler", cluster.scheduler_address)
        wait_for(lambda: len(list(folder.glob("points/*.npz"))) >= 1)
        os.kill(next(iter(cluster.workers.values())).pid, signal.SIGKILL)
        out, _ = process.communicate(timeout=240)
        assert process.returncode == 0 and "5 of 5 points computed" in out, out
    status, out = call("sweep", config, "--out", tmp_path / "serial")
    assert status == 0
    assert equal(tmp_path / "serial", folder) == 5


@pytest.mark.once
def test_no_scheduler_there(tmp_path, capfd, monkeypatch):
    pytest.importorskip("distributed")
    from tokenspace.experiments import cluster

    monkeypatch.setattr(cluster, "SECONDS_TO_CONNECT", 1)
    config = sweep_file(tmp_path / "c.toml", 1)
    where = f"tcp://127.0.0.1:{free_port()}"
    folder = tmp_path / "r"
    status, out, err = commands.call(capfd, "sweep", config, "--out", folder, "--scheduler", where)
    assert status == 2 and where in " ".join(err.split()) and "cannot be reached" in err, out + err


@pytest.mark.once
@pytest.mark.parametrize(
    ("number", "status", "workers", "replicates"),
    [
        (signal.SIGINT, 130, 1, 300),
        pytest.param(signal.SIGTERM, 143, 2, 900, marks=pytest.mark.slow),
    ],
)
def test_signals_end_in_good_order(tmp_path, number, status, workers, replicates):
    """The point at work is kept as far as it went, and the rest is the same as without a signal."""
    config = sweep_file(tmp_path / "c.toml", 3, 2048, 512, replicates, "tokens")
    folder = tmp_path / "r"
    more = ("--workers", workers) if workers > 1 else ()
    process = start("sweep", config, "--out", folder, *more)
    wait_for(lambda: (folder / "points").exists() and len(list(folder.glob("points/*.npz"))) >= 1)
    out = kill(process, number)
    assert process.returncode == status, out
    assert number.name in out and "resume with: tokenspace sweep" in out and "Traceback" not in out
    assert list((folder / "points").glob(".*.partial"))
    done, out = call("sweep", config, "--out", folder)
    assert done == 0 and ts.open_results(folder, layout="points").sizes["point"] == 3
    assert not list((folder / "points").glob(".*.partial"))
    assert any("before an interruption" in " ".join(r.notes) for _, r in ts.load_results(folder))
    ts.run_sweep(config, tmp_path / "whole")
    assert equal(tmp_path / "whole", folder) == 3


def test_shards_have_the_same_work_and_every_point_once():
    dims = {"model": "isotropic", "dim": {"sweep": [4, 16, 64, 256, 1024, 4096, 5, 17, 65, 257]}}
    run = {"replicates": 100, "sampler": "tokens"}
    points = points_of(CONFIG | {"features": dims, "run": run, "tokens": {"count": 512}})
    parts = [shard_of(points, k, 3) for k in (1, 2, 3)]
    assert sorted(p.key for part in parts for p in part) == sorted(p.key for p in points)
    work = [sum(work_of(p.experiment) for p in part) for part in parts]
    dearest = max(work_of(p.experiment) for p in points)
    assert max(work) == dearest  # d = 4,096 is more than all others, and 1,024 than the rest
    assert sorted(len(part) for part in parts) == [1, 1, 8]
    equal = points_of(CONFIG | {"run": {"replicates": {"sweep": [100] * 9}, "seed": 1}})
    assert [len(shard_of(equal, k, 4)) for k in (1, 2, 3, 4)] == [3, 2, 2, 2]
