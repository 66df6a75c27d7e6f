"""`joint` and `plan-tokens` as a user runs them."""

import json
from functools import partial
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from tokenspace.cli import joint_tables
from tokenspace.cli.joint_tables import decided, p_words, ranges
from tokenspace.scaling import plan
from tokenspace.scaling.joint import per_model
from tokenspace.scaling.joint.stated import StatedErrors

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
    own = [line[2:] for line in text.splitlines() if line[0] == "a"]
    csv.write_text("\n".join(["benchmark,vision_tokens,score", *own]) + "\n")
    status, out, err = call("joint", csv, "--runs", 99, "--json")
    assert status == 0 and {r["model"] for r in json.loads(out)["fits"]} == {"one model"}
    assert "all curves are taken for one model's, as no column is called model" in err


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
    assert first["runs"] == 99


def test_joint_with_power(call, csv):
    lines = csv.read_text().splitlines()
    csv.write_text("\n".join(k for k in lines if not k.startswith("b,")))
    status, out, _ = call("joint", csv, "--runs", 99, "--power", "--hold", 5)
    assert status == 0 and "Power at 5 %, a" in out and "noise x 0.25, 7 n" in out
    assert "too short to hold 5 n out" in out


@pytest.mark.once
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


@pytest.mark.once
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
    true = call("joint", csv)[1]
    assert "says nothing where" not in true and "is not decided" not in true
    said = " ".join(call("joint", path, "--runs", 99)[1].split())
    assert "is not decided for 2 of 2 rows, m, all points; m, without each curve's smallest" in said
    assert "of 99 draws p is 0.01 at least, and a shape is refused at p <= 0.001." in said
    assert "--runs 999 decides." in said and "says nothing where" not in said


def test_plan_tokens(call, csv):
    asked = ("--parameters", "7e9", "--layers", 32, "--width", 4096, "--text", 64)
    status, out, _ = call("plan-tokens", csv, "--keep", 0.9, *asked)
    assert status == 0 and "a / x" in out and "%" in out
    assert "7e+09 parameters, attention of 32 layers of width 4096, 64 text tokens" in " ".join(
        out.split()
    )
    said = out
    status, out, _ = call("plan-tokens", csv, "--keep", 0.9, "--json")
    found = json.loads(out)
    assert len(found) == 4 and found[0]["keep"] == 0.9 and found[0]["flops"] is None
    rests = [one["curve"] for one in found if one["rests_on_laws"]]
    words = f"{len(rests)} of 4: the interval rests on the laws: {', '.join(rests)}."
    assert rests and words in " ".join(said.split())
    assert "take the interval without a law (of --out: low_spline" in " ".join(said.split())
    assert all(1 <= p["low"] <= p["n"] <= p["high"] <= 512 for p in found)


def test_a_plan_says_the_level_of_its_interval(call, csv, monkeypatch):
    of_level = partial(plan.plan_curves, level=0.8)
    monkeypatch.setattr(plan, "plan_curves", of_level)
    monkeypatch.setattr(plan.TokenPlan, "rests_on_laws", True)
    said = " ".join(call("plan-tokens", csv)[1].split())
    assert "80 % interval" in said and "80 % interval: over the" in said and "95 %" not in said
    assert "more often than in 40 %, where 80 % promises 20 %." in said


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
    assert [one["rests_on_laws"] for one in found] == list(table["rests_on_laws"]) == [False] * 5
    assert "rests on the laws" not in said
    out = call("plan-tokens", path, "--keep", 0.1, "--parameters", "7e9")[1]
    assert "5 of 5: the share is reached at the smallest n already." in out
    assert "0.2 % (0.2 % to 0.2 %)" in out


def test_plans_of_many_curves_are_told_by_model_or_by_the_ends(call, csv, tmp_path, monkeypatch):
    """Four curves of two models, where a table shows three rows, and then one."""
    monkeypatch.setattr("tokenspace.cli.plan_tokens.MANY", 3)
    out = call("plan-tokens", csv)[1]
    assert "Share of the largest n" in out and "a / x" not in out.split("Every curve: --json")[0]
    monkeypatch.setattr("tokenspace.cli.plan_tokens.MANY", 1)
    monkeypatch.setattr("tokenspace.cli.plan_tokens.ENDS", 1)
    kept = tmp_path / "plans.csv"
    out = call("plan-tokens", csv, "--out", kept)[1]
    plans = pd.read_csv(kept).sort_values("needed", kind="stable")["curve"]
    shown = out.split("Every curve")[0]
    assert [name in shown for name in plans] == [True, False, False, True]
    assert "the 1 of 4 curves that need the least share" in " ".join(out.split())


def test_plans_in_a_file_join_on_n(call, csv, tmp_path):
    """exp(log 512) is 511.99999999999994."""
    status, _, _ = call("plan-tokens", csv, "--keep", 0.999, "--out", tmp_path / "plans.csv")
    plans = pd.read_csv(tmp_path / "plans.csv")
    assert status == 0 and list(plans["of_n"]) == [512] * 4 and (plans["high"] <= 512).all()


def test_how_large_the_scatter_is_beside_the_errors_is_said(call, csv):
    """Errors ten times as large change nothing else of `joint`; plans they change."""
    said, plans = [], []
    for error in (0.01, 0.1):
        head, *rows = csv.read_text().splitlines()[:15]
        own = csv.with_name(f"{error}.csv")
        own.write_text(
            "\n".join(
                [
                    f"{head},standard_error",
                    *(f"{r},{error * float(r.split(',')[-1])}" for r in rows),
                ]
            )
        )
        status, out, _ = call("joint", own, "--runs", 99)
        (line,) = [k for k in out.splitlines() if "standard errors say" in k]
        assert status == 0 and ", one factor for 2 curves (p = " in line
        said.append((float(line.split(" times as")[0].split()[-1]), out.replace(line, "")))
        plans.append(json.loads(call("plan-tokens", own, "--json")[1]))
        assert "standard errors say" not in call("plan-tokens", own)[1]
    (ratio, rest), (other, same) = said
    assert ratio == pytest.approx(10 * other, rel=0.1) and rest == same
    width = np.array([[np.log(p["high"] / p["low"]) for p in found] for found in plans])
    assert np.all(width[1] > width[0])


def test_errors_of_no_one_factor_are_said_to_weigh():
    for ratios, words in (
        (
            [0.51, np.nan, 4.02],
            "scatter 0.51 to 4 times as much as their standard errors say, no one",
        ),
        ([np.nan, 1.26], "scatter 1.3 times as much as their standard errors say: errors weigh"),
    ):
        assert words in joint_tables._errors(StatedErrors(np.array(ratios), 2.9, 0.003, False))
    for others, words in (
        ([], "one factor for 2 curves (p = 0.053): noise is the errors times it."),
        ([np.nan], "times it, and that of 1 curve without errors is its scatter."),
    ):
        found = StatedErrors(np.array([0.9, 1.2, *others]), 1.1, 0.053, True)
        assert joint_tables._errors(found).endswith(words)


def test_a_curve_without_noise_bends_no_way(call, csv):
    csv.write_text("model,n,score\n" + "".join(f"m,{n},50\n" for n in (16, 32, 64, 128, 256)))
    status, out, _ = call("joint", csv, "--runs", 99)
    assert status == 0 and "no n_balance can: 0 of 1 (m)" in out
    assert "In brackets" not in out  # as nothing is left open


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
        (("--keep", 95), "--keep 95 is not allowed; it must be a share between 0 and 1, such as "),
        (("--keep", 95), "or 95%: write 0.95 or 95%"),
        (("--keep", "0.5.5"), "--keep 0.5.5 is not allowed"),
        (("--parameters", "7 billion"), "--parameters 7 billion is not allowed; it must be a"),
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


def test_an_end_has_the_digits_that_the_draws_decide():
    """Down to the second digit of its error; two at least, and never more than three."""
    said = [decided(123.45, error) for error in (0.0, 0.1, 9.0, 11.0, 60.0, 1e9, float("inf"))]
    assert said == ["123", "123", "123", "123", "123", "120", "120"]
    assert decided(0.012345, 0.002) == "0.0123" and decided(0.012345, 0.1) == "0.012"
    assert decided(12_345.0, 1e5) == "12000" and decided(40.0, 0.0) == "40.0"
    inf = float("inf")
    intervals = [(0.0, 1.234), (12.34, 56.78), (123.4, inf)]
    words = ranges(intervals, lambda end: end if end > 50 else 0.0)
    assert words == "below 1.23, 12.3 to 57, above 120"
    assert ranges([], abs) == "nothing" and ranges([(0.0, inf)], abs) == "everything"


def test_what_is_printed_of_a_fit_has_its_own_errors():
    """At least and at most at two errors of the limit up and down; n_balance to its set."""
    fit = SimpleNamespace(
        crossover=True,
        n_balance=28.634,
        regions=lambda: [(0.0, 1.0), (9.97, 106.0)],
        excluded=lambda kind, errors: [(0.0, 9.974 - errors)],
        end_error=lambda end, kind: 0.3 * (kind == "blocks"),
    )
    assert joint_tables._drawn(fit) == "below 9.97\n(below 8.01; below 11.9)"
    assert joint_tables._excluded(fit, "independent") == "below 9.97"
    fit.end_error = lambda end, kind: 50.0 * (kind == "blocks")
    assert joint_tables._excluded(fit, "blocks") == "below 10"
    assert joint_tables._excluded(fit, "independent") == "below 9.97"
    assert joint_tables._balance(fit) == "29"
    fit.regions = lambda: [(27.0, 30.0)]
    assert joint_tables._balance(fit) == "28.6"


def test_one_curve_shares_nothing(call, tmp_path):
    path = tmp_path / "one.csv"
    path.write_text("n,score\n" + "".join(f"{n},{n**0.3 + n % 3}\n" for n in N))
    out = call("joint", path, "--runs", 99)[1]
    assert len([k for k in out.splitlines() if k.count("│") == 10 and "│ -       │" in k]) == 2
    assert "is not decided" not in out


def test_what_a_plan_takes_and_tells(call, tmp_path):
    """95% and 7B as 0.95 and 7e9; perplexities; why `fit` may name another law."""
    path = tmp_path / "my.csv"
    rows = zip((4, 16, 36, 64, 144, 576), (41, 50.1, 55.3, 57.2, 60, 61.9), strict=True)
    path.write_text("model,n,VQA,PPL\n" + "".join(f"m,{n},{s},{1000 / s}\n" for n, s in rows))
    plain = call("plan-tokens", path, "--keep", 0.95, "--parameters", "7e9", "--json")[1]
    assert call("plan-tokens", path, "--keep", "95%", "--parameters", "7B", "--json")[1] == plain
    assert [one["falls"] for one in json.loads(plain)] == [False, True]
    out = " ".join(call("plan-tokens", path)[1].split())
    assert "1 of 2: the scores fall with n: m / PPL; higher is taken for better;" in out
    assert "`fit` may prefer another one, as its AICc pays per parameter" in out
