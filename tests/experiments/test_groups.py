"""Points of one shape in one device program: what they get alone, counted, bounded and killed."""

import collections
import subprocess
import sys

import jax
import numpy as np
import pytest
from folders import CONFIG
from processes import environment, free_port, kill, sweep_file, wait_for

import tokenspace as ts
from tokenspace.errors import Interrupted
from tokenspace.experiments import groups as module
from tokenspace.experiments import placement, together
from tokenspace.experiments.config import points_of
from tokenspace.experiments.experiment import Execution
from tokenspace.experiments.groups import groups
from tokenspace.experiments.point import run_points
from tokenspace.experiments.run import Run
from tokenspace.experiments.shards import BATCHES_OF_A_WORKER, batches, work_of
from tokenspace.experiments.status import status_of
from tokenspace.experiments.together import Hooks
from tokenspace.sampling import plan
from tokenspace.sampling.plan import stacked

PSI = {"model": "equicorrelated", "psi_equal": 0.1, "psi_cross": 0.05}


def swept(points, psi=None, **run):
    """A configuration of points of one shape, each with a seed of its own."""
    values = [0.1 + 0.8 * k / points for k in range(points)]
    return CONFIG | {
        "tokens": {"count": 64, "points": 5},
        "branches": PSI | {"psi_within": {"sweep": psi or values}},
        "run": {"replicates": 300, "seed": "independent"} | run,
    }


@pytest.fixture
def as_accelerator(monkeypatch):
    """Kernels that an accelerator would run, and as many slots as it has."""
    monkeypatch.setenv("TOKENSPACE_KERNELS", "xla")
    monkeypatch.setitem(module.MOST_SLOTS, "cpu", 64)


@pytest.fixture
def programs(monkeypatch):
    """How often a device program is called, and how many different ones are compiled."""
    counts = collections.Counter()
    for name in ("draw_block", "draw_blocks"):
        found = getattr(placement, name)
        found.clear_cache()

        def counted(*arguments, name=name, found=found):
            counts["calls"] += 1
            before = found._cache_size()
            out = found(*arguments)
            counts["compiled"] += found._cache_size() - before
            return out

        monkeypatch.setattr(placement, name, counted)
    return counts


def results(points, execution=None, hooks=together.NONE):
    return {p.key: r for p, r in run_points(points, execution or Execution(), hooks)}


def require_equal(one, other):
    assert one.keys() == other.keys()
    for key, r in one.items():
        assert r.replicates == other[key].replicates
        np.testing.assert_array_equal(r.mean, other[key].mean)
        np.testing.assert_array_equal(r.covariance, other[key].covariance)


def test_64_points_of_one_shape_are_one_program_called_once(as_accelerator, programs, monkeypatch):
    points = points_of(swept(64))
    grouped = results(points)
    assert programs == {"calls": 1, "compiled": 1}
    programs.clear()
    monkeypatch.setitem(module.MOST_SLOTS, "cpu", 1)
    require_equal(results(points), grouped)
    assert programs == {"calls": 64, "compiled": 1}


def test_a_last_group_needs_no_program_of_its_own(as_accelerator, programs):
    assert len(results(points_of(swept(70)))) == 70
    assert programs == {"calls": 2, "compiled": 1}


@pytest.mark.parametrize(
    ("law", "run"),
    [
        ({"model": "student_t", "df": 5.0}, {"sampler": "partial_sums"}),
        ({"model": "gaussian"}, {"sampler": "tokens", "replicates": 1500}),
        ({"model": "gaussian"}, {"target_relative_error": 0.02, "replicates": 4000}),
    ],
)
def test_every_point_gets_what_it_gets_alone(as_accelerator, monkeypatch, law, run):
    """Its seed, more blocks than one, and its own early stop."""
    config = swept(4, psi=[0.15, 0.3, 0.6, 0.9], **run) | {"law": law}
    points = points_of(config)
    together = results(points)
    monkeypatch.setitem(module.MOST_SLOTS, "cpu", 1)
    alone = results(points)
    require_equal(alone, together)
    if "target_relative_error" in run:
        assert len({r.replicates for r in alone.values()}) > 1
        assert all("stopped after" in " ".join(r.notes) for r in together.values())


@pytest.mark.slow
def test_psi_agree_to_rounding(as_accelerator, monkeypatch):
    points = points_of(swept(3, statistics=["correlations"], replicates=64))
    together = results(points)
    monkeypatch.setitem(module.MOST_SLOTS, "cpu", 1)
    for key, r in results(points).items():
        np.testing.assert_array_equal(r.mean, together[key].mean)
        for name, estimate in r.correlations.items():
            other = together[key].correlations[name].mean
            np.testing.assert_allclose(estimate.mean, other, rtol=0, atol=1e-6)


def test_shapes_go_apart_and_a_cpu_draws_each_alone(monkeypatch):
    config = swept(6) | {"features": {"model": "isotropic", "dim": {"sweep": [16, 32]}}}
    points = points_of(config)
    assert [len(g.points) for g in groups(points, Execution())] == [1] * 12
    monkeypatch.setenv("TOKENSPACE_KERNELS", "xla")
    monkeypatch.setitem(module.MOST_SLOTS, "cpu", 64)
    found = list(groups(points, Execution()))
    assert [(len(g.points), g.slots) for g in found] == [(6, 8), (6, 8)]
    assert all(len({p.experiment.model.dim for p in g.points}) == 1 for g in found)


def test_the_size_of_a_group_follows_from_memory(as_accelerator):
    points = points_of(swept(40))
    (whole,) = groups(points, Execution())
    each = whole.plans[0].bytes_of_block
    small = list(groups(points, Execution(max_memory=9.0 * each)))
    assert {g.slots for g in small} == {8} and [len(g.points) for g in small] == [8] * 5
    one = list(groups(points, Execution(max_memory=1.5 * each)))
    assert sum(len(g.points) for g in one) == 40 and not any(g.plans for g in one)


@pytest.mark.parametrize("devices", [1, 3])
def test_every_device_has_room_for_the_rows_of_all(devices):
    plans = [
        plan(ts.TokenModel(ts.equicorrelated(0.1, 0.5, 0.05), ts.Isotropic(4)), 64, "dense")
    ] * 2
    each, here = plans[0].bytes_of_block, [jax.devices()[0]] * devices
    execution = Execution(max_memory=10.0 * each)
    slots = module._slots(plans[0], here, execution, 64)
    rows = jax.tree.leaves(stacked(plans, slots * devices))
    gathered = slots * (each + sum(x.nbytes for x in jax.tree.leaves(plans[0].arrays)))
    assert slots in (2, 4, 8) and sum(x.nbytes for x in rows) + gathered <= 10 * each


@pytest.mark.once
def test_memory_that_runs_out_makes_calls_smaller(as_accelerator, monkeypatch):
    points, sizes = points_of(swept(2)), []
    wanted = results(points)
    sample = placement.Stack.sample

    def full(self, items):
        sizes.append(self.slots)
        if self.slots > least:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: out of memory")
        return sample(self, items)

    monkeypatch.setattr(placement.Stack, "sample", full)
    least = 1
    require_equal(wanted, results(points))
    assert sizes == [2, 1, 1]
    least = 0  # not even one block: each is drawn alone
    require_equal(wanted, results(points))


@pytest.mark.once
def test_a_stopped_group_keeps_every_point_and_goes_on(as_accelerator, monkeypatch):
    monkeypatch.setitem(module.MOST_SLOTS, "cpu", 4)
    points = points_of(swept(4, replicates=3000, target_relative_error=1e-6))
    kept = {}
    hooks = Hooks(keep=lambda p, seen: kept.update({p.key: seen}), stop=lambda: True)
    with pytest.raises(Interrupted):
        results(points, hooks=hooks)
    assert [s.count for s in kept.values()] == [1024] * 4
    again = results(points, hooks=Hooks(begun=lambda p: kept.get(p.key)))
    require_equal(results(points), again)
    assert all("1024 of the replicates were drawn before" in r.notes[0] for r in again.values())


def test_a_group_whose_points_had_all_ended_when_kept_draws_nothing(as_accelerator, monkeypatch):
    points, seen = points_of(swept(3)), {}
    after = Run.after

    def kept(run, samples):
        found = after(run, samples)
        seen.setdefault(run.experiment.seed, []).append(found.seen)
        return found

    monkeypatch.setattr(Run, "after", kept)
    wanted = results(points)
    monkeypatch.setattr(placement.Stack, "sample", None)
    hooks = Hooks(begun=lambda p: seen[p.experiment.seed][-1])
    require_equal(wanted, results(points, hooks=hooks))


def test_kernels_on_the_host_draw_each_point_alone(as_accelerator, monkeypatch):
    monkeypatch.setenv("TOKENSPACE_KERNELS", "reference")
    points = points_of(swept(2, replicates=4))
    assert [(len(g.points), g.plans) for g in groups(points, Execution())] == [(1, []), (1, [])]


HOST = """
import sys
from tokenspace import cli
from tokenspace.experiments import groups
groups.MOST_SLOTS["cpu"] = 4
sys.argv = ["tokenspace", *sys.argv[1:]]
cli.main()
"""


@pytest.mark.slow
def test_groups_over_two_hosts_of_two_devices(tmp_path, monkeypatch):
    config, port = sweep_file(tmp_path / "c.toml", 21, replicates=1500), free_port()
    where = ["--distributed", "--coordinator", f"127.0.0.1:{port}", "--processes", "2"]
    command = [sys.executable, "-c", HOST, "sweep", str(config), "--out", str(tmp_path / "r")]
    known = environment(2, TOKENSPACE_KERNELS="xla", TOKENSPACE_DISTRIBUTED_CHILD="1")
    both = [subprocess.Popen([*command, *where, "--process-id", str(k)], env=known) for k in (0, 1)]
    assert [p.wait(timeout=240) for p in both] == [0, 0]
    monkeypatch.setenv("TOKENSPACE_KERNELS", "xla")
    ts.run_sweep(config, tmp_path / "alone")
    there = {p.key: r for p, r in ts.load_results(tmp_path / "r")}
    assert len(there) == 21 and {r.device for r in there.values()} == {"4 x cpu"}
    require_equal({p.key: r for p, r in ts.load_results(tmp_path / "alone")}, there)


KILLED = """
import sys
from tokenspace.experiments import groups, sweep
groups.MOST_SLOTS["cpu"] = 4
sweep.run_sweep(*sys.argv[1:3])
"""


@pytest.mark.once
def test_kill_9_loses_the_unfinished_group_at_most(tmp_path, monkeypatch):
    monkeypatch.setenv("TOKENSPACE_KERNELS", "xla")
    config, folder = sweep_file(tmp_path / "c.toml", 200), tmp_path / "r"
    command = [sys.executable, "-c", KILLED, str(config), str(folder)]
    process = subprocess.Popen(command, env=environment())
    wait_for(lambda: len(list(folder.glob("points/*.npz"))) >= 5)
    kill(process)
    stored = {p.name: p.stat().st_mtime_ns for p in folder.glob("points/*.npz")}
    assert 5 <= len(stored) < 200
    assert status_of(folder).done == len(stored)
    assert ts.run_sweep(config, folder) == (200 - len(stored), 200)
    for name, written in stored.items():
        assert (folder / "points" / name).stat().st_mtime_ns == written
    assert ts.open_results(folder, layout="points").sizes["point"] == 200


def test_a_run_passes_over_groups_that_another_has_finished(as_accelerator, tmp_path):
    """The other comes when the first of six groups of two is drawn, and half of it is stored."""
    config, other = swept(2, replicates=50), []
    config["features"] = {"model": "isotropic", "dim": {"sweep": [4, 5, 6, 7, 8, 9]}}

    def told(finished, total, point):
        if finished == 1 and not other:
            other.append(ts.run_sweep(config, tmp_path))

    assert ts.run_sweep(config, tmp_path, told) == (2, 12) and other == [(11, 12)]


def test_batches_keep_the_order_and_share_the_work():
    points = points_of(swept(100))
    parts = batches(points, 2)
    assert [p for part in parts for p in part] == points
    assert len(parts) >= 2 * BATCHES_OF_A_WORKER
    assert max(len(p) for p in parts) - min(len(p) for p in parts[:-1]) <= 1
    dear = points_of(swept(3, replicates=10**8))
    assert [len(p) for p in batches(dear, 1)] == [1, 1, 1] and work_of(dear[0].experiment) > 1e11
