"""What reads a sweep: `check` and `figures`, and files that are damaged."""

import json
import shlex

import numpy as np
import pytest
from commands import CONFIG, SWEPT, call

import tokenspace as ts
from tokenspace.figures import suited


def test_failed_check_exits_1(capfd, write, tmp_path):
    call(capfd, "sweep", write(CONFIG), "--out", tmp_path / "r")
    point = next((tmp_path / "r" / "points").glob("*.npz"))
    with np.load(point) as data:
        arrays = dict(data)
    arrays["mean"] = arrays["mean"] * 1.2
    np.savez(point, **arrays)
    status, out, _ = call(capfd, "check", tmp_path / "r")
    assert status == 1 and "FAIL" in out


def test_corrupt_point_is_named(capfd, write, tmp_path):
    call(capfd, "sweep", write(CONFIG), "--out", tmp_path / "r")
    point = next((tmp_path / "r" / "points").glob("*.npz"))
    point.write_bytes(point.read_bytes()[:200])
    for command in (("check", tmp_path / "r"), ("sweep", write(CONFIG), "--out", tmp_path / "r")):
        status, _, err = call(capfd, *command)
        assert status == 2 and point.name in err.replace("\n", "") and "--redo` puts" in err
    with pytest.warns(UserWarning, match=f"now: {point.name}.damaged"):
        status, out, _ = call(capfd, "sweep", write(CONFIG), "--out", tmp_path / "r", "--redo")
    assert status == 0 and "1 of 1 point computed" in out


def test_figures(capfd, write, tmp_path):
    config = SWEPT.replace("[run]", '[run]\nstatistics = ["correlations"]').replace("3000", "200")
    call(capfd, "sweep", write(config), "--out", tmp_path / "r")
    status, out, _ = call(capfd, "figures", "--results", tmp_path / "r", "--out", tmp_path / "f")
    files = sorted(p.name for p in (tmp_path / "f").iterdir())
    drawn = suited(ts.load_results(tmp_path / "r"))
    assert status == 0 and {"growth", "divergence", "correlations"} < set(drawn)
    assert files == sorted(f"{name}.{kind}" for name in drawn for kind in ("png", "svg"))
    for path in (tmp_path / "f").iterdir():
        start = path.read_bytes()[:200]
        assert start.startswith(b"\x89PNG") if path.suffix == ".png" else b"<?xml" in start
        assert path.stat().st_size > 10_000


def test_commands_to_go_on_with_can_be_typed(capfd, write, tmp_path):
    """Whatever the folder is called."""
    folder = tmp_path / "it's <b>\n new"
    for command in (("sweep", write(CONFIG), "--out", folder), ("status", folder)):
        _, out, _ = call(capfd, *command)
        assert shlex.split(out.split("next: ")[1]) == ["tokenspace", "check", str(folder)]


def test_a_folder_that_cannot_be_read_is_not_said_to_be_damaged(capfd, write, tmp_path):
    loop, file = tmp_path / "loop", tmp_path / "file"
    loop.symlink_to(loop)
    file.write_text("")
    for command in ("status", "check", "report"):
        status, _, err = call(capfd, command, loop)
        assert status == 2 and "its contents may be sound" in " ".join(err.split())
        assert "delete" not in err
    for place in (loop, file):
        status, _, err = call(capfd, "sweep", write(CONFIG), "--out", place)
        assert status == 2 and "is no folder; choose another --out" in " ".join(err.split())


def test_a_folder_of_a_later_version_is_read_by_that(capfd, write, tmp_path):
    (tmp_path / "sweep.json").write_text(json.dumps({"format": 99}))
    for command in (("check", tmp_path), ("sweep", write(CONFIG), "--out", tmp_path)):
        status, _, err = call(capfd, *command)
        assert status == 2 and "with the tokenspace that wrote it" in " ".join(err.split())
        assert "delete" not in err
