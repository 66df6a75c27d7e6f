"""Models of one's own: named by the person at the keyboard, known to every process of a command."""

import json
from importlib.metadata import EntryPoint

import numpy as np
import pytest
from processes import COMMAND, call, environment, free_port, start

import tokenspace as ts
from tokenspace import registry
from tokenspace.errors import InputError
from tokenspace.experiments.config import ConfigError, points_of

pytestmark = pytest.mark.once

MODULE = """
import numpy as np
import tokenspace as ts


@ts.register
@ts.model
class Triangle(ts.Stationary):
    '''k(l) = max(1 - l / width, 0).'''

    width: float = ts.parameter("width in tokens", above=0)

    def at_lag(self, lag):
        return np.maximum(1 - lag / self.width, 0.0)
"""
CONFIG = """
tokens = { count = 64, points = 9 }
features = { model = "isotropic", dim = 8 }
branches = { model = "branches", within = { model = "triangle", width = { sweep = [3, 9.0] } } }
run = { replicates = 500 }
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The folder from which commands are given, with a module and a configuration."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_models.py").write_text(MODULE)
    (tmp_path / "c.toml").write_text(CONFIG)
    return tmp_path


def test_a_plugin_on_the_command_line(here):
    """Known to the command and its workers, to nobody else; numbers are read without it."""
    status, out = call("sweep", "c.toml", "--out", "none")
    assert status == 2 and "'triangle' is not a position model" in out and "Traceback" not in out
    plugin = ("--plugin", "own_models")
    status, out = call("sweep", "c.toml", "--out", "r", "--workers", 2, *plugin)
    assert status == 0 and "2 of 2 points computed" in out, out
    status, out = call("sweep", "c.toml", "--out", "r", *plugin)
    assert status == 0 and "0 of 2 points computed" in out, out
    status, out = call("check", "r", *plugin)
    assert status != 2 and "Simulation against theory" in out, out
    assert "triangle" in call("models", *plugin)[1]
    status, out = call("check", "r")
    said = " ".join(out.split())
    assert status == 0 and "2 points: 2 UNDECIDED" in said  # nobody can judge, nothing is refused
    assert "its numbers are sound" in said and "'triangle'" in said
    assert "--plugin" in said and "incomplete" not in said and "delete" not in said
    data = ts.open_results("r")  # in this process, which never saw the module
    np.testing.assert_allclose(data["mean"], data["theory"], rtol=0.2)
    (_, result), _ = ts.load_results("r")
    with pytest.raises(InputError, match="'triangle' is not a position model"):
        _ = result.model


def test_a_plugin_that_is_not_there(here):
    (here / "broken.py").write_text("raise RuntimeError('no')")
    for module in ("nowhere", "broken", "../x", "os:system"):
        status, out = call("models", "--plugin", module)
        assert status == 2 and "cannot be imported" in out and "Traceback" not in out


def test_an_edited_class_is_computed_anew(here):
    command = ("sweep", "c.toml", "--out", "r", "--plugin", "own_models")
    assert "2 of 2 points computed" in call(*command)[1]
    (here / "own_models.py").write_text(MODULE.replace("lag / self.width", "lag / self.width / 2"))
    status, out = call("check", "r", "--plugin", "own_models")
    said = " ".join(out.split())
    assert status == 0 and "2 points: 2 UNDECIDED" in said, out
    assert "the source of Triangle differs from the one" in said, out
    status, out = call(*command)
    assert status == 0 and "2 of 2 points computed" in out, out
    assert (
        ts.open_results("r", layout="points").sizes["point"] == 2
    )  # the stale ones are not among the results
    assert "0 of 2 points computed" in call(*command)[1]


SCRIPT = f"""
import json, sys
{MODULE}

if __name__ == "__main__":
    import tomllib
    config = tomllib.loads(open("c.toml").read())
    for folder, workers in (("one", 1), ("two", 2)):
        print(ts.run_sweep(config, folder, workers=workers))
    pairs = zip(ts.load_results("one"), ts.load_results("two"), strict=True)
    assert all((a.mean == b.mean).all() and p.key == q.key for (p, a), (q, b) in pairs)
    print(ts.load_results("two")[0][1].model)
"""


def test_a_registered_class_in_a_script_with_workers(here):
    import subprocess

    (here / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [COMMAND[0], "script.py"], capture_output=True, text=True, env=environment(), timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("(2, 2)") == 2 and "Triangle(width=3.0)" in done.stdout


@pytest.mark.slow
def test_dask_workers_get_the_plugin(here):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        where = ("--scheduler", cluster.scheduler_address)
        status, out = call("sweep", "c.toml", "--out", "r", "--plugin", "own_models", *where)
        assert status == 0 and "2 of 2 points computed" in out, out
        (here / "own_models.py").write_text(MODULE + "# edited since the worker loaded it\n")
        status, out = call("sweep", "c.toml", "--out", "s", "--plugin", "own_models", *where)
    assert status in (0, 2) and "Traceback" not in out


@pytest.mark.slow
def test_distributed_processes_get_the_plugin(here):
    where = ("--coordinator", f"127.0.0.1:{free_port()}", "--processes", 1, "--process-id", 0)
    process = start(
        "sweep", "c.toml", "--out", "r", "--plugin", "own_models", "--distributed", *where
    )
    out, _ = process.communicate(timeout=180)
    assert process.returncode == 0 and "2 of 2 points computed" in out, out


@pytest.fixture
def installed(here, monkeypatch):
    """As if packages were installed that offer models: one sound, one that cannot be imported."""
    (here / "a_package_of_models.py").write_text(MODULE.replace("@ts.register\n", ""))
    offered = {
        "three_corners": EntryPoint(
            "three_corners", "a_package_of_models:Triangle", "tokenspace.position"
        ),
        "broken": EntryPoint("broken", "a_package_that_is_gone:Thing", "tokenspace.position"),
    }

    def entry_points(group):
        return [e for e in offered.values() if e.group == group]

    monkeypatch.setattr(registry, "entry_points", entry_points)
    monkeypatch.syspath_prepend(here)
    yield
    registry.ROOMS["position"]._items.pop("three_corners", None)


def config(name):
    within = {"model": name, "width": 5.0}
    return {
        "tokens": {"count": 64},
        "features": {"model": "isotropic", "dim": 8},
        "branches": {"model": "branches", "within": within},
        "run": {"replicates": 100},
    }


def test_entry_points_are_loaded_when_they_are_named(installed):
    (point,) = points_of(config("three_corners"))
    assert type(point.experiment.model.branches.within).__name__ == "Triangle"
    assert point.experiment.canonical()["branches"]["within"] == {
        "model": "three_corners",
        "width": 5.0,
    }
    ((name, digest),) = point.experiment.sources()
    assert name == "Triangle" and len(digest) == 16
    with pytest.raises(ConfigError, match=r"a_package_that_is_gone.*cannot be loaded"):
        points_of(config("broken"))
    with pytest.raises(ConfigError, match=r"did you mean 'three_corners'"):
        points_of(config("tree_corners"))


def test_a_point_sent_by_another_version_of_a_class_is_refused(installed):
    from tokenspace.experiments.point import pack_point, unpack_point

    (point,) = points_of(config("three_corners"))
    packed = json.loads(json.dumps(pack_point(point)))
    assert unpack_point(packed, ()).experiment == point.experiment
    with pytest.raises(InputError, match="another version of the model's class"):
        unpack_point(packed | {"key": "0" * 16}, ())
