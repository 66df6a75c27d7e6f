"""What reads a sweep: `check` and `figures`, and files that are damaged."""

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
