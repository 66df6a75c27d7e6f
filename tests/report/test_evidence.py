"""What is said of a whole sweep, and the rows of a table, with and without theory."""

import json
from dataclasses import replace

import folders
import numpy as np
import pytest
from commands import call
from folders import npz, read

import tokenspace as ts
from tokenspace.report import html
from tokenspace.report.evidence import evidence_of, statement
from tokenspace.report.verdicts import checks_of, verdict_row
from tokenspace.statistics.evidence import Evidence

WITHIN = {"sweep": [round(0.2 + 0.03 * k, 2) for k in range(20)]}
CONFIG = folders.CONFIG | {
    "tokens": {"count": 64, "points": 7},
    "features": {"model": "isotropic", "dim": 16},
    "branches": folders.CONFIG["branches"] | {"psi_within": WITHIN},
    "run": {"replicates": 100, "seed": "independent"},
}


def seen(folder, tolerance=0.02):
    loaded = ts.load_results(folder)
    return evidence_of(loaded, checks_of(loaded, tolerance))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evidence") / "r"
    ts.run_sweep(CONFIG, folder)
    return folder


@pytest.fixture
def errors_times(folder, tmp_path):
    """A copy of the folder with standard errors so many times as large."""

    def change(factor):
        new = tmp_path / f"r{factor}"
        (new / "points").mkdir(parents=True)
        (new / "sweep.json").write_bytes((folder / "sweep.json").read_bytes())
        for path in (folder / "points").glob("*.npz"):
            arrays, meta = read(path)
            arrays["covariance"] = arrays["covariance"] * factor**2
            (new / "points" / path.name).write_bytes(npz(arrays, meta))
        return new

    return change


@pytest.mark.filterwarnings("error")
def test_a_true_sweep_is_what_chance_gives(folder):
    found = seen(folder)
    assert found.points == 20 and len(found.z) == 80 and found.p_value > 0.01
    said = statement(found)
    assert len(said) == 3 and said[0].startswith("Evidence: 80 independent z-scores, mean ")
    assert "p = " in said[1] and "NOT CHANCE" not in " ".join(said)
    assert said[2].startswith("0 of 20 points failed; chance gives up to 3")


@pytest.mark.parametrize(("factor", "words"), [(2, "too large"), (0.5, "too small")])
def test_wrong_errors_are_named_and_fail_nothing(capfd, errors_times, factor, words):
    changed = errors_times(factor)
    found = seen(changed, 0.2)
    assert found.p_value < 1e-3 and found.std * factor == pytest.approx(1, abs=0.25)
    status, out, _ = call(capfd, "check", changed, "--tolerance", 0.2)
    assert status == 0 and "NOT CHANCE: standard errors are about" in out and words in out
    out = call(capfd, "check", changed, "--json", "--tolerance", 0.2)[1]
    document = json.loads(out)
    assert len(document["points"]) == 20 and document["points"][3]["check"]["verdict"]
    assert document["evidence"]["p_value"] == pytest.approx(found.p_value)
    assert document["evidence"]["statement"] == statement(found)
    assert document["evidence"]["chance"]["std"][0] > 0.8


def test_one_seed_is_one_experiment(capfd, tmp_path):
    config = json.loads(json.dumps(CONFIG))
    config["branches"]["psi_within"]["sweep"] = [0.2, 0.3]
    ts.run_sweep(config | {"run": {"replicates": 50}}, tmp_path / "one")
    status, out, _ = call(capfd, "check", tmp_path / "one")
    assert status == 0 and "all 2 points share seed 0: one experiment seen many times" in out
    assert 'seed = "independent"' in out and "p = " not in out
    document = json.loads(call(capfd, "check", tmp_path / "one", "--json")[1])
    assert document["evidence"]["p_value"] is None
    ts.run_sweep(config | {"run": {"replicates": 50, "seed": {"sweep": [1, 2]}}}, tmp_path / "two")
    said = statement(seen(tmp_path / "two"))
    assert "4 of 4 points share seeds (seed 1: psi_within = 0.2, seed = 1; " in said[0]


def test_many_seeds_and_labels_are_cut_short():
    shared = tuple((s, tuple(f"p{k}" for k in range(5))) for s in range(5))
    said = statement(Evidence(30, 0, np.zeros(25), {}, shared))
    assert "25 of 30 points" in said[0] and said[0].count("p2 and 2 more") == 3
    assert "and 2 more seeds" in said[0] and len(said) == 2


def test_equal_experiments_count_once(tmp_path):
    case = {"branches": CONFIG["branches"] | {"psi_within": 0.3}}
    config = {k: v for k, v in CONFIG.items() if k != "branches"}
    ts.run_sweep(config | {"case": [case | {"name": n} for n in ("a", "b")]}, tmp_path)
    found = seen(tmp_path)
    assert found.points == 1 and len(found.z) == 4 and not found.shared


def test_what_else_is_said():
    z = np.linspace(-2, 2, 60)
    said = statement(Evidence(20, 9, z, {"without exact theory": 2}, ()))
    assert "9 of 18 points failed; chance gives up to 3: NOT CHANCE" in said[2]
    assert said[3] == "Points without z-scores: 2 without exact theory."
    assert (
        "results lie below the theory on the whole" in statement(Evidence(20, 0, z - 1, {}, ()))[1]
    )
    signs = np.tile([-1.0, 1.0], 200)
    assert "z-scores are not normal" in statement(Evidence(20, 0, signs, {}, ()))[1]
    assert "no proof of anything" in statement(Evidence(20, 0, z + 0.4, {}, ()))[1]
    assert "no point has z-scores" in statement(Evidence(1, 0, np.zeros(0), {}, ()))[0]


LAWS = {
    "median": ({"model": "student_t", "df": 1.5, "scale": "pair"}, 1000),
    "unknown": ({"model": "student_t", "df": 1.5, "scale": "token"}, 1000),
    "no rms": ({"model": "student_t", "df": 3.0, "scale": "token"}, 1000),
    "leaning": ({"model": "student_t", "df": 3.0, "scale": "pair"}, 1000),
    "few": ({"model": "gaussian"}, 9),
    "enough": ({"model": "gaussian"}, 10),
}


@pytest.fixture(scope="module")
def of_laws(tmp_path_factory):
    folder = tmp_path_factory.mktemp("laws") / "r"
    branches = CONFIG["branches"] | {"psi_within": 0.3}
    cases = [
        {"name": name, "law": law, "run": {"replicates": count}}
        for name, (law, count) in LAWS.items()
    ]
    ts.run_sweep(CONFIG | {"branches": branches, "case": cases}, folder)
    return folder


@pytest.mark.filterwarnings("error")
def test_points_without_a_word_are_counted(of_laws):
    found = seen(of_laws)
    assert found.points == 6 and len(found.z) == 8  # median, enough
    assert found.left_out == {
        "without exact theory": 2,
        "with fewer than 10,000 replicates": 1,
        "with fewer than 10 replicates": 1,
    }


@pytest.mark.filterwarnings("error")
def test_rows_without_theory_have_no_nan(of_laws, monkeypatch):
    loaded = ts.load_results(of_laws)
    rows = {
        point.label: verdict_row(point.label, result, check)
        for (point, result), check in zip(loaded, checks_of(loaded, 0.02), strict=True)
    }
    for name, cells in rows.items():
        unknown = name in ("unknown", "no rms")
        assert not any("nan" in c for c in cells[1:])
        assert [c == "-" for c in cells] == [unknown and k in (4, 6, 7) for k in range(9)]
    monkeypatch.setattr(html, "draw_all", lambda *_, **__: [])
    page = html.write_report(of_laws).read_text()
    assert "Points without z-scores: 2 without exact theory" in page


def test_one_value_without_an_error_does_not_hide_the_others(folder):
    ((_, result), *_) = ts.load_results(folder)
    check = result.check()
    error = check.amplitude.deviation_error.copy()
    error[0] = np.nan
    cells = verdict_row(
        "", result, replace(check, amplitude=replace(check.amplitude, deviation_error=error))
    )
    assert float(cells[7]) > 0


@pytest.mark.once
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_points_that_cannot_be_judged_stop_nothing(tmp_path, capfd):
    """One replicate, and signs whose differences vanish, beside points that are good."""
    cases = [
        {"name": "one replicate", "run": {"replicates": 1}},
        # of two replicates with seed 7 both have D(1) = 0
        {"name": "zero", "law": {"model": "unit_norm"}, "run": {"replicates": 2, "seed": 7}},
        {"name": "one token", "tokens": {"count": 1, "grid": [1]}},
        {"name": "good", "run": {"replicates": 200}},
    ]
    config = folders.CONFIG | {
        "tokens": {"count": 3, "grid": [1, 2, 3]},
        "features": {"model": "isotropic", "dim": 1},
        "run": {"replicates": 50, "seed": "independent"},
        "case": cases,
    }
    ts.run_sweep(config, tmp_path)
    loaded = ts.load_results(tmp_path)
    assert not loaded[1][1].mean.all()
    checks = checks_of(loaded, 0.5)
    assert [c.verdict for c in checks] == ["UNDECIDED"] * 2 + ["PASS"] * 2
    for check, why in zip(checks, ("2 replicates", "D(n) = 0"), strict=False):
        assert why in check.reason
    found = evidence_of(loaded, checks)
    assert found.judged == 2 and found.left_out["that cannot be judged"] == 2
    for command in ("check", "report"):
        status, out, err = call(capfd, command, tmp_path, "--tolerance", 0.5)
        assert status == 0 and err == "" and "nan" not in out
    document = json.loads(call(capfd, "check", tmp_path, "--json", "--tolerance", 0.5)[1])
    assert [p["check"]["verdict"] for p in document["points"]] == [c.verdict for c in checks]
    with pytest.raises(ts.TokenspaceError, match="tolerance = -1"):
        checks_of(loaded, -1)
