"""`run` and `sweep`: verdicts, what goes on where it was left, what a kill leaves."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from commands import CONFIG, SWEPT, call

import tokenspace as ts


def test_run_prints_a_verdict(capfd, write):
    status, out, _ = call(capfd, "run", write(CONFIG))
    assert status == 0 and "PASS" in out and "n_balance" in out
    status, out, _ = call(capfd, "run", write(CONFIG), "--json")
    document = json.loads(out)
    assert document["check"]["verdict"] == "PASS" and document["sampler"] == "collapsed"


def test_sweep_resumes_and_opens(capfd, write, tmp_path):
    out_folder = tmp_path / "r"
    assert "3 of 3 points computed" in call(capfd, "sweep", write(SWEPT), "--out", out_folder)[1]
    next((out_folder / "points").glob("*.npz")).unlink()
    assert "1 of 3 points computed" in call(capfd, "sweep", write(SWEPT), "--out", out_folder)[1]
    status, out, _ = call(capfd, "check", out_folder, "--json")
    assert status == 0 and len(json.loads(out)["points"]) == 3
    dataset = ts.open_results(out_folder)
    assert list(dataset["psi_within"].values) == [0.2, 0.3, 0.5]
    np.testing.assert_allclose(dataset["mean"], dataset["theory"], rtol=0.02)
    assert {"mean", "standard_error"} <= set(dataset.to_dataframe().columns)
    status, _, err = call(capfd, "sweep", write(SWEPT.replace("3000", "2000")), "--out", out_folder)
    assert status == 2 and "run.replicates: 3000 in the folder, 2000 now" in err


@pytest.mark.once
def test_killed_sweep_loses_nothing(write, tmp_path):
    values = ", ".join(f"{v:.3f}" for v in np.linspace(0.15, 0.6, 12))
    config = write(CONFIG.replace("psi_within = 0.3", f"psi_within = {{ sweep = [{values}] }}"))
    folder = tmp_path / "r"
    command = [sys.executable, "-m", "tokenspace", "sweep", str(config), "--out", str(folder)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    deadline = time.time() + 120
    while len(list(folder.glob("points/*.npz"))) < 3 and time.time() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = {p.name: p.stat().st_mtime_ns for p in folder.glob("points/*.npz")}
    assert len(done) >= 3
    finished = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"{12 - len(done)} of 12 points computed" in finished.stdout
    for name, written in done.items():  # nothing finished was computed twice
        assert (folder / "points" / name).stat().st_mtime_ns == written
    assert ts.open_results(folder, layout="points").sizes["point"] == 12
