"""`run` and `sweep`: verdicts, and what goes on where it was left."""

import json

import numpy as np
from commands import CONFIG, SWEPT, call

import tokenspace as ts


def test_run_prints_a_verdict(capfd, write):
    status, out, _ = call(capfd, "run", write(CONFIG))
    assert status == 0 and "PASS" in out and "n_balance" in out
    status, out, _ = call(capfd, "run", write(CONFIG), "--json")
    document = json.loads(out)
    assert document["check"]["verdict"] == "PASS" and document["sampler"] == "collapsed"


def test_an_empty_path_is_not_the_folder_one_stands_in(capfd, write, tmp_path, monkeypatch):
    config = write(SWEPT)
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    for asked, what in (
        (("sweep", config, "--out", ""), "--out"),
        (("sweep", config, "--out="), "--out"),
        (("forecast", "--at", ""), "--at"),
        (("check", ""), "what follows 'check'"),
        (("check", "--", ""), "what follows '--'"),
        (("",), "what follows 'tokenspace'"),
    ):
        status, out, err = call(capfd, *asked)
        assert status == 2 and not out and f"error: {what} is empty" in err
    assert not list(here.iterdir())


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
