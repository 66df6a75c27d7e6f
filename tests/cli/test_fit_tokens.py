"""`tokenspace fit-tokens`: the tables, JSON, a model to run, and what is refused."""

import json

import numpy as np
import pytest

import tokenspace as ts
from tokenspace.cli.fit_tokens_tables import _show_description

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    h = rng.standard_normal((8, 20, 6)) + 0.5 * rng.standard_normal((8, 1, 6))
    h[:, 1:] += 0.8 * h[:, :-1]
    np.save("pictures.npy", h.astype(np.float32))
    np.save("few.npy", h[:3].astype(np.float32))
    return h.astype(np.float32)


def test_tables(call, files):
    names = ("constant", "exponential", "patch_distance")
    arguments = ["--pairs", "all", "--patches", "4x5", "--config", "m.toml"]
    arguments += [f"--family={name}" for name in names]
    status, out, err = call("fit-tokens", "pictures.npy", *arguments)
    assert status == 0 and err == "" and "nan" not in out
    for said in (
        "patch_distance, hilbert",
        "no model",
        "<- chosen",
        "best",
        "kurtosis",
        "token law",
        "The tokens beside the model",
        "rms D(20)",
        "0: by construction",
    ):
        assert said in out
    fit = ts.fit_tokens(files, pairs="all", family=names, patches=(4, 5))
    assert f"Parameters of {fit.family}" in out
    status, out, err = call("run", "m.toml")
    assert status == 0 and "n_balance" in out and "TokenModel(" in out and "PASS: " in out


def test_an_n_balance_without_an_error_is_not_printed_as_a_number(capsys):
    rng = np.random.default_rng(1)
    h = rng.standard_normal((6, 20, 6)) + 0.12 * rng.standard_normal((6, 1, 6))
    _show_description(ts.describe_tokens(h.astype(np.float32), pairs="all"))
    (row,) = [line for line in capsys.readouterr().out.splitlines() if "n_balance" in line]
    assert row.count("not bounded") == 3 and not any(map(str.isdigit, row))


def test_json_holds_the_same(call, files):
    names = ("constant", "exponential")
    status, out, err = call(
        "fit-tokens", "pictures.npy", "--pairs", "all", "--json", *(f"--family={n}" for n in names)
    )
    assert status == 0 and err == ""
    found = json.loads(out)
    fit = ts.fit_tokens(files, pairs="all", family=names)
    assert found["family"] == fit.family and len(found["ranking"]) == 3
    for name, value in fit.parameters.items():
        assert found["parameters"][name]["mean"] == pytest.approx(float(value.mean), rel=1e-6)
    said = ts.describe_tokens(files, pairs="all")
    assert found["description"]["tokens"]["norm"]["mean"] == pytest.approx(
        float(said.found["norm"].mean)
    )
    assert found["fitted_model"]["features"]["model"] == "spectrum"
    names = [row.name for row in fit.compared]
    assert [row["name"] for row in found["compared"]] == names and "rms D(20)" in names
    assert [row["z"] for row in found["compared"]] == pytest.approx([r.z for r in fit.compared])


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["few.npy", "--pairs", "all"], "at least 4 pictures"),
        (["pictures.npy"], "tokens of both branches are needed"),
        (["pictures.npy", "--pairs", "all", "--patches", "4"], "must be rows x columns"),
        (["pictures.npy", "--pairs", "all", "--patches", "4x4"], "must hold 20 tokens"),
        (
            ["pictures.npy", "--pairs", "all", "--family", "exponental"],
            "did you mean 'exponential'",
        ),
        (["pictures.npy", "--pairs", "all", "--aim", "both"], "one of sums, lags"),
        (["pictures.npy", "--pairs", "all", "--config", "no/m.toml"], "in a folder that exists"),
        (["pictures.npy", "--pairs", "all", "--config", "pictures.npy"], "be a file FILE.toml"),
        (["none.npy", "--pairs", "all"], "none.npy"),
    ],
)
def test_what_is_refused(call, files, arguments, match):
    status, out, err = call("fit-tokens", *arguments)
    assert status == 2 and out == ""
    assert match in " ".join(err.split())
