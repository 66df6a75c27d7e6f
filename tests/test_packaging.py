"""A wheel, built from the sdist and installed by itself, works and brings its data."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
def test_wheel_installs_and_runs(tmp_path):
    source = tmp_path / "source"
    kept_out = (".git", ".venv*", "build", "demo", "*.egg-info", "__pycache__", "kernel-ipc-*")
    skip = shutil.ignore_patterns(*kept_out)  # the last are sockets of notebooks that were killed
    shutil.copytree(ROOT, source, ignore=skip)
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", tmp_path, source],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")  # made from the sdist, so that one holds all that it needs
    inside = set(zipfile.ZipFile(wheel).namelist())
    assert {
        "tokenspace/py.typed",
        "tokenspace/__init__.pyi",
        "tokenspace/data/demo.toml",
        "tokenspace/data/benchmark_scores.csv",
        "tokenspace/report/page/page.html",
        "tokenspace_benchmarks/results/cpu/latest.json",
    } <= inside
    venv.create(tmp_path / "env")
    python = tmp_path / "env" / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python]
    subprocess.run([*pip, "install", "--quiet", "--no-deps", "--no-index", wheel], check=True)
    # Dependencies come from this environment's packages; its own tokenspace is a .pth, not seen.
    environment = {**os.environ, "PYTHONPATH": sysconfig.get_path("purelib")}
    code = (
        "import tokenspace as ts, tokenspace.kernels, tokenspace_kernels, sys;"
        "assert ts.kernels.normals is tokenspace_kernels.normals;"
        "assert ts.__file__.startswith(sys.prefix), ts.__file__;"
        "r = ts.simulate(ts.TokenModel(ts.equicorrelated(.2, .3, .1), ts.Isotropic(8)), 16, 200);"
        "from tokenspace.scaling.curves import read_curves; assert len(read_curves()) == 36;"
        "import importlib.util as u; assert u.find_spec('kernels') is None"
    )
    subprocess.run([python, "-c", code], check=True, env=environment, cwd=tmp_path)
    command = tmp_path / "env" / "bin" / "tokenspace"
    out = subprocess.run(
        [command, "doctor"],
        check=True,
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert "computes on" in out.stdout
