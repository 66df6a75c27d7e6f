"""Sweeps before they run and in part: `plan`, `--set`, `--only`, points that are left out."""

import json

import pytest

CONFIG = """
[tokens]
count = 64
points = 9
[features]
model = "isotropic"
dim = 8
[branches]
model = "equicorrelated"
psi_equal = 0.1
psi_within = { sweep = { from = 0.1, to = 0.3, points = 3 } }
psi_cross = { sweep = [0.1, 0.2] }
[run]
replicates = 20
[sweep]
invalid = "skip"
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "c.toml"
    path.write_text(CONFIG)
    return path


def test_plan_says_what_a_sweep_then_does(call, config, tmp_path):
    status, out, _ = call("plan", config)
    assert status == 0 and "5 points: about" in out and "1 point is left out" in out
    assert "psi_within = 0.1, psi_cross = 0.2: " in out
    planned = json.loads(call("plan", config, "--json")[1])
    assert not (tmp_path / "r").exists()
    status, out, _ = call("sweep", config, "--out", tmp_path / "r")
    assert status == 0 and "5 of 5 points" in out and "1 point is left out" in out
    swept = json.loads(call("sweep", config, "--out", tmp_path / "r", "--json")[1])
    assert planned["points"] == swept["points"] == 5
    assert planned["skipped"] == swept["skipped"]


def test_a_part_of_a_sweep_goes_into_the_folder_of_the_whole(call, config, tmp_path):
    out = ("--out", tmp_path / "r")
    assert "3 of 3 points computed" in call("sweep", config, *out, "--only", "psi_cross=0.1")[1]
    assert "2 of 5 points computed, 3 there already" in call("sweep", config, *out)[1]
    status, _, err = call("sweep", config, *out, "--set", "run.replicates=30")
    assert status == 2 and "20 in the folder, 30 now" in err


def test_settings_make_one_point_of_many(call, config):
    settings = ("--set", "branches.psi_within=0.3", "--set", "branches.psi_cross=0.1")
    status, out, _ = call("run", config, *settings, "--json")
    assert status == 0 and json.loads(out)["label"] == "run"
    status, _, err = call("run", config, *settings, "--set", "law.model=unit_nrom")
    assert status == 2 and "did you mean 'unit_norm'?" in err


SUM = """
[tokens]
count = 16
points = 5
[run]
replicates = 50
statistics = ["divergence", "correlations"]
[[terms]]
features = { model = "spectrum", eigenvalues = [1.0, 0.5, 0.0] }
branches = { model = "branches", within = { model = "exponential", length = 4 } }
[[terms]]
features = { model = "spectrum", eigenvalues = [0.0, 0.0, 1.0] }
branches = { model = "equicorrelated", psi_equal = 0.1, psi_within = 0.3, psi_cross = 0.1 }
"""


@pytest.mark.slow
def test_a_sum_of_models_takes_every_command(call, tmp_path):
    config, folder = tmp_path / "sum.toml", tmp_path / "r"
    config.write_text(SUM)
    status, out, err = call("run", config)
    assert status == 0 and "d = 3 features, effective dimension 1.8 and 1" in out, err
    for command in (
        ("run", config, "--json"),
        ("plan", config),
        ("sweep", config, "--out", folder),
        ("status", folder),
        ("check", folder),
        ("figures", "--results", folder, "--out", tmp_path / "f", "--figure", "correlations"),
        ("report", folder),
    ):
        status, _, err = call(*command)
        assert status == 0, (command, err)


def test_many_points_left_out_are_counted(call, config, tmp_path):
    axis = "branches.psi_cross={ sweep = { from = 0.1, to = 0.3, points = 9 } }"
    _, out, _ = call("sweep", config, "--out", tmp_path / "r", "--set", axis)
    assert "12 points are left out" in out and "and 7 more; `tokenspace plan" in out


def test_the_reason_of_points_left_out_is_said_once_for_an_axis_that_does_not_matter(call, config):
    _, out, _ = call("plan", config, "--set", "features.dim={ sweep = [4, 8] }")
    assert "2 points are left out" in out and out.count("within - cross") == 1
    assert all(f"dim = {d}, psi_within = 0.1, psi_cross = 0.2" in out for d in (4, 8))


def test_a_check_of_many_points_shows_the_worst_and_counts_all(call, config, tmp_path):
    axis = "features.dim={ sweep = { from = 1, to = 120, points = 120 } }"
    call(
        "sweep",
        config,
        "--out",
        tmp_path / "r",
        "--set",
        axis,
        "--only",
        "psi_cross=0.2",
        "--only",
        "psi_within=0.2",
    )
    _, out, _ = call("check", tmp_path / "r")
    assert "20 more points are not shown" in out and "120 points: " in out
    assert out.count("psi_within = 0.2") == 2 * 100  # a row and a reason each
