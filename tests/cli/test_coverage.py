"""`coverage`."""

import json

import pytest


def test_coverage(call, tmp_path, monkeypatch):
    from tokenspace.experiments import coverage

    work = [(coverage.cover, coverage.Case("Gaussian", 4), 5)]
    monkeypatch.setattr(coverage, "tasks", lambda: work)
    out = tmp_path / "c.csv"
    status, said, _ = call("coverage", "--runs", 20, "--out", out)
    assert status == 0 and "E[D]: goal 93 to 97 %" in said and str(out.with_suffix(".md")) in said
    assert len(out.read_text().splitlines()) == 1 + 7
    assert out.with_suffix(".md").read_text().startswith("# Coverage\n")
    status, said, _ = call("coverage", "--runs", 20, "--json")
    rows = json.loads(said)
    assert status == 0 and {r["quantity"] for r in rows} >= {"E[D]", "n_balance"}
    assert all(0 <= r["lowest"] <= r["highest"] <= 1 and "met" in r for r in rows)


@pytest.mark.parametrize("out", ["c.txt", "nothing/c.csv", "folder.csv"])
def test_coverage_says_where_it_cannot_write(call, tmp_path, out):
    (tmp_path / "folder.csv").mkdir()
    status, said, err = call("coverage", "--out", tmp_path / out)
    assert (
        status == 2 and said == "" and "FILE.csv in a folder that exists" in " ".join(err.split())
    )
