"""`joint` and `plan-tokens` as a user runs them."""

import json

import numpy as np
import pandas as pd
import pytest

from tokenspace.cli.joint_tables import p_words
from tokenspace.scaling.joint import per_model

N = [1, 8, 16, 64, 128, 256, 512]


@pytest.fixture
def csv(tmp_path):
    """Two benchmarks of each of two models, n_balance 40."""
    rng = np.random.default_rng(0)
    lines = ["model,benchmark,n,score"]
    for model in "ab":
        for benchmark, beta in (("x", 0.2), ("y", 0.4)):
            for n in N:
                score = 20 * (n * (n + 40) / 41) ** (beta / 2) * np.exp(0.01 * rng.normal())
                lines.append(f"{model},{benchmark},{n},{score}")
    path = tmp_path / "curves.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_what_names_the_model_is_said_where_no_column_is_called_so(call, csv):
    text = csv.read_text()
    swapped = ["{1},{0},{2},{3}".format(*line.split(",")) for line in text.splitlines()]
    csv.write_text("\n".join(swapped) + "\n")  # model stands second
    status, out, err = call("joint", csv, "--runs", 99, "--json")
    assert status == 0 and {r["model"] for r in json.loads(out)["fits"]} >= {"a", "b"}
    assert "names the model" not in err
    csv.write_text(text.replace("model,", "llm[x],", 1))
    status, out, err = call("joint", csv, "--runs", 99, "--json")
    assert status == 0 and {r["model"] for r in json.loads(out)["fits"]} >= {"a", "b"}
    assert "llm[x] names the model, as no column is called model" in err


def test_joint(call, csv):
    status, out, _ = call("joint", csv, "--runs", 99)
    assert status == 0 and "a, b" not in out
    for words in (
        "all together",
        "all points",
        "sharing",
        "no change",
        "2 (a)",
        "4 (all together)",
    ):
        assert words in out, words
    status, out, _ = call("joint", csv, "--runs", 99, "--json")
    found = json.loads(out)
    assert [r["model"] for r in found["fits"]] == [
        "a",
        "a",
        "b",
        "b",
        "all together",
        "all together",
    ]
    first = found["fits"][0]
    ((low, high),) = first["regions"]["chi-square"]
    assert low < first["n_balance"] < high and first["crossover"]
    assert first["tests"]["need"]["p"]["independent"] == 0.01 and found["power"] == {}


def test_joint_with_power(call, csv):
    lines = csv.read_text().splitlines()
    csv.write_text("\n".join(k for k in lines if not k.startswith("b,")))
    status, out, _ = call("joint", csv, "--runs", 99, "--power", "--hold", 5)
    assert status == 0 and "Power at 5 %, a" in out and "noise x 0.25, 7 n" in out
    assert "too short to hold 5 n out" in out


def test_joint_of_many_models_counts_them_and_shows_the_ends(call, csv):
    lines = csv.read_text().splitlines()
    own = [k.split(",", 1)[1] for k in lines if k.startswith("a,")]
    rows = [f"m{model},{row}" for model in range(25) for row in own]
    csv.write_text("\n".join([lines[0], *rows]))
    status, out, _ = call("joint", csv, "--runs", 99)
    assert status == 0 and "how many models" in out and "the 8 of 25 models" in out
    assert "All 50 rows: --json." in out and "every model" in out
    assert "25 models: not fitted all together" in out and "all together │" not in out


def test_joint_fits_before_an_interruption_are_shown(call, csv, monkeypatch):
    real = per_model.fit_joint
    found = []

    def fit(*given, **options):
        if len(found) == 2:
            raise KeyboardInterrupt
        found.append(real(*given, **options))
        return found[-1]

    monkeypatch.setattr(per_model, "fit_joint", fit)
    status, out, err = call("joint", csv, "--runs", 99)
    assert status == 130 and "stopped: 2 of 6 joint fits were made" in err
    assert "(a)" in out and "(b)" not in out


def test_joint_says_what_is_wrong(call, csv):
    csv.write_text("model,n,score\na,1,2\na,8,3\na,16,4\n")
    status, _, err = call("joint", csv)
    assert status == 2 and "no curve has 4 different n" in err


def test_an_n_balance_of_a_law_that_is_refused_is_told(call, csv, tmp_path):
    """Slopes that grow from nothing, where one n_balance at most doubles them."""
    rng, path = np.random.default_rng(0), tmp_path / "s.csv"
    lines = [
        f"m,{b},{n},{20 * np.exp(b * np.log(n) ** 2 + 0.01 * rng.normal())}"
        for b in (0.03, 0.04, 0.05)
        for n in 2 ** np.arange(10)
    ]
    path.write_text("\n".join(["model,benchmark,n,score", *lines]))
    said = " ".join(call("joint", path)[1].split())
    assert "m, all points (<= 0.001); m, without each curve's smallest n (" in said
    assert "where the curves' shape refuses its law (p <= 0.001): 2 of 2 rows, m, all" in said
    assert "n_balance can: 0 of 3 (m). The others need not follow the law: see shape." in said
    assert "says nothing where" not in call("joint", csv)[1]


def test_plan_tokens(call, csv):
    asked = ("--parameters", "7e9", "--layers", 32, "--width", 4096, "--text", 64)
    status, out, _ = call("plan-tokens", csv, "--keep", 0.9, *asked)
    assert status == 0 and "a / x" in out and "%" in out
    assert "7e+09 parameters, attention of 32 layers of width 4096, 64 text tokens" in " ".join(
        out.split()
    )
    assert "Standard errors" not in out
    status, out, _ = call("plan-tokens", csv, "--keep", 0.9, "--json")
    found = json.loads(out)
    assert len(found) == 4 and found[0]["keep"] == 0.9 and found[0]["flops"] is None
    assert all(1 <= p["low"] <= p["n"] <= p["high"] <= 512 for p in found)


def test_plans_of_curves_that_follow_no_law_are_named(call, tmp_path):
    """Four S-shaped curves, of which three are named, and a power law; what a small n costs."""
    rng, path, n = np.random.default_rng(8), tmp_path / "s.csv", 2.0 ** np.arange(10)
    shapes = {k: 20 + 40 / (1 + (30 / n) ** 1.5) for k in "abcd"} | {"law": 20 * n**0.1}
    lines = [
        f"{model},{k},{s * np.exp(0.005 * rng.normal())}"
        for model, score in shapes.items()
        for k, s in zip(n, score, strict=True)
    ]
    path.write_text("\n".join(["model,n,score", *lines]))
    kept = tmp_path / "plans.csv"
    status, out, _ = call("plan-tokens", path, "--out", kept)
    said = " ".join(out.split())
    assert status == 0 and "4 of 5: the spline has nearly all weight" in said
    assert "follows these curves: a, b, c, and 1 more." in said
    table = pd.read_csv(kept)
    assert list(table["follows_no_law"]) == [True] * 4 + [False]
    assert (table["low"][:4] < 142).all() and (table["high"][:4] > 142).all()  # the true n is 142
    found = json.loads(call("plan-tokens", path, "--json")[1])
    assert [one["follows_no_law"] for one in found] == [True] * 4 + [False]
    out = call("plan-tokens", path, "--keep", 0.1, "--parameters", "7e9")[1]
    assert "5 of 5: the share is reached at the smallest n already." in out
    assert "0.2% (0.2% to 0.2%)" in out


def test_plans_of_many_curves_are_told_by_model_or_by_the_ends(call, csv, tmp_path, monkeypatch):
    """Four curves of two models, where a table shows three rows, and then one."""
    monkeypatch.setattr("tokenspace.cli.plan_tokens.MANY", 3)
    out = call("plan-tokens", csv)[1]
    assert "Share of the largest n" in out and "a / x" not in out and "Every curve: --json" in out
    monkeypatch.setattr("tokenspace.cli.plan_tokens.MANY", 1)
    monkeypatch.setattr("tokenspace.cli.plan_tokens.ENDS", 1)
    kept = tmp_path / "plans.csv"
    out = call("plan-tokens", csv, "--out", kept)[1]
    plans = pd.read_csv(kept).sort_values("needed", kind="stable")["curve"]
    assert [name in out for name in plans] == [True, False, False, True]
    assert "the 1 of 4 curves that need the least share" in " ".join(out.split())


def test_plans_in_a_file_join_on_n(call, csv, tmp_path):
    """exp(log 512) is 511.99999999999994."""
    status, _, _ = call("plan-tokens", csv, "--keep", 0.999, "--out", tmp_path / "plans.csv")
    plans = pd.read_csv(tmp_path / "plans.csv")
    assert status == 0 and list(plans["of_n"]) == [512] * 4 and (plans["high"] <= 512).all()


@pytest.mark.parametrize("command", [("joint", "--runs", 99), ("plan-tokens",)])
def test_errors_that_only_weigh_are_said(call, csv, command):
    """Errors ten times as large change nothing, and that is said."""
    said = []
    for error in (0.5, 5):
        head, *rows = csv.read_text().splitlines()[:15]
        own = csv.with_name(f"{error}.csv")
        own.write_text("\n".join([f"{head},standard_error", *(f"{r},{error}" for r in rows)]))
        status, out, _ = call(command[0], own, *command[1:])
        assert status == 0 and "however large the errors are said to be" in out
        said.append(out)
    assert said[0] == said[1]


def test_a_curve_without_noise_bends_no_way(call, csv):
    csv.write_text("model,n,score\n" + "".join(f"m,{n},50\n" for n in (16, 32, 64, 128, 256)))
    status, out, _ = call("joint", csv, "--runs", 99)
    assert status == 0 and "no n_balance can: 0 of 1 (m)" in out


def test_plan_tokens_leaves_out_what_is_too_short(call, csv):
    names = csv.read_text().splitlines()
    curves = len(json.loads(call("plan-tokens", csv, "--json")[1]))
    csv.write_text("\n".join([*names, "c,short,1,2", "c,short,8,3", ""]))
    status, out, err = call("plan-tokens", csv, "--json")
    assert status == 0 and len(json.loads(out)) == curves
    assert "left out, fewer than 5 different n: c / short" in err
    csv.write_text("\n".join([names[0], "c,short,1,2", "c,short,8,3", ""]))
    status, _, err = call("plan-tokens", csv)
    assert status == 2 and "c / short: a fit needs at least 3" in err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--keep", 95), "keep = 95.0 is not allowed"),
        (("--layers", 32), "need --parameters"),
        (("--parameters", "7e9", "--layers", 32), "both layers and width"),
    ],
)
def test_plan_tokens_says_what_is_wrong(call, csv, options, words):
    status, _, err = call("plan-tokens", csv, *options)
    assert status == 2 and words in err


def test_the_least_p_of_a_bootstrap_is_a_bound():
    assert [p_words(k / 1000, 999) for k in (1, 2, 160, 1000)] == [
        "<= 0.001",
        "0.002",
        "0.160",
        "1.000",
    ]
    assert p_words(0.01, 99) == "<= 0.01"
