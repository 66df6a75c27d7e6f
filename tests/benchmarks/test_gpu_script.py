"""The script for a real device, tried without one: what it names exists, what fails is said."""

import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "benchmarks" / "gpu.sh"


def run(folder, **variables):
    """Exit status and output."""
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "PYTHON": sys.executable, **variables}
    done = subprocess.run([SCRIPT, folder], capture_output=True, text=True, env=environment)
    return done.returncode, done.stdout + done.stderr


def test_names_what_exists():
    """Its steps are tested one by one; this holds the script together, quickly."""
    modules = set(re.findall(r"-m (\w+[\w.]*) ", SCRIPT.read_text())) - {"gpu"}
    assert modules == {"tokenspace", "pytest", "tokenspace_benchmarks.random_quality"}
    assert all(find_spec(module) for module in modules)


def test_is_refused_without_a_device_or_an_interpreter(tmp_path):
    status, said = run(tmp_path, PYTHON=str(tmp_path / "none"))
    assert status == 2 and "make install" in said
    status, said = run(tmp_path)
    assert status == 2 and "JAX sees no accelerator" in said


def test_every_failure_is_said_and_the_next_step_goes_on(tmp_path):
    """An interpreter whose tests fail and whose benchmarks are killed for their time."""
    fake = tmp_path / "python"
    fake.write_text('#!/bin/sh\ncase "$2" in pytest) exit 3;; tokenspace) kill -9 $$;; esac\n')
    fake.chmod(0o755)
    status, said = run(tmp_path, PYTHON=str(fake), QUICK="1")
    assert status == 1
    assert "FAILED: tests: exit status 3" in said and "benchmarks: out of time, or killed" in said
    assert "done: random numbers" in said
    assert "FAILED: doctor,tests,benchmarks; all in" in said


@pytest.mark.slow
def test_runs_in_one_call(tmp_path):
    """On a CPU: GPU tests are skipped, the rest runs in small."""
    status, said = run(tmp_path, QUICK="1", DRAWS="4000000")
    assert status == 0, said[-4000:]
    (latest,) = tmp_path.rglob("latest.json")
    assert json.loads(latest.read_text())["timings"]
    assert json.loads((latest.parent / "random_quality.json").read_text())["passed"]
    assert (latest.parent / "roofline.png").stat().st_size > 10_000
