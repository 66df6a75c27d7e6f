"""`tokenspace forecast` as a user runs it."""

import json
import re
from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest

from tokenspace.cli import forecasts
from tokenspace.scaling import forecast, outcome
from tokenspace.scaling.ahead import forecast_at
from tokenspace.scaling.curves import read_curves
from tokenspace.scaling.laws import known_laws

N = np.array([1, 8, 16, 32, 64, 128, 256, 384])
INSIDE = "Inside a curve's data, where no interval was tested: 1 forecast."
TOP = ("--top", "100", "--chance", "1")
WAVE = 0.01 * np.array([1, -2, 1, 2, -1, -1, 2, -2])


@pytest.fixture
def csv(tmp_path):
    """Eight benchmarks of a model, in each the first point confounded."""
    lines = ["model,benchmark,n,score,confound"]
    for k in range(8):
        score = (60 + k) * (1 - 0.6 * N**-0.5) * np.exp(np.roll(WAVE, k))
        score[0] *= 0.5
        lines += [
            f"m,b{k},{n},{s:.4f},{'odd' if n == 1 else ''}" for n, s in zip(N, score, strict=True)
        ]
    path = tmp_path / "curves.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_tables_and_words(call, csv):
    laws = "power,saturating"
    status, out, err = call("forecast", csv, "--law", laws, "--curves")
    assert status == 0 and "8 curves: forecasts of the scores at the last 3 n" in out
    assert "Nearer than the power law, beyond chance over curves: saturating by" in out
    assert "Curves count as independent: no column" in out  # a benchmark each, and one model
    assert "without: odd:" in out and "m / b7" in out and "nan" not in out
    assert "Confounds: the model was trained" not in out  # that is said of the paper's curves


def test_gains_that_are_no_gain_are_not_told(call, csv):
    """Curves bent so that a crossover or an offset does nothing for a power law, but for rounding."""
    lines = ["model,benchmark,n,score"]
    for k in range(8):
        score = (60 + k) * (1 - 0.9 * N**-0.5) * np.exp(0.5 * np.roll(WAVE, k))
        lines += [f"m,b{k},{n},{s:.6f}" for n, s in zip(N, score, strict=True)]
    csv.write_text("\n".join(lines) + "\n")
    status, out, _ = call("forecast", csv, "--law", "power,crossover,offset")
    assert status == 0 and "-0 %" not in out and "-0.0 %" not in out
    assert "by 0 %" not in out and " 0 % (" in out


def test_json_holds_every_number(call, csv):
    status, out, _ = call("forecast", csv, "--law", "power,saturating", "--rolling", "--json")
    found = json.loads(out)
    assert status == 0 and set(found) == {"all points", "without: odd"}
    rows = {r["law"]: r for r in found["all points"]["skill"]}
    assert rows["power"]["curves"] == 8 and rows["power"]["cases"] == 8 * (4 + 3 + 2 + 1)
    assert rows["no change"]["held"] is None
    assert len(found["all points"]["errors"]) == 8


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            ["--hold", "5"],
            "no curve is long enough to forecast its scores at the last 5 n from at least 4 others "
            "at 3 different n; the longest has 8 different n",
        ),
        (["--chance", "25"], "--chance needs --top"),
        (["--top", "50"], "m / b0: score[2] = 51.5126 is not allowed: on the logit scale"),
        (["--law", "cubic"], "law = 'cubic' is not allowed"),
        (["--loss", "cubes"], "one of squares, huber"),
    ],
)
def test_refuses_in_words(call, csv, options, words):
    status, out, err = call("forecast", csv, *options)
    assert status == 2 and out == "" and words in " ".join(err.split())


@pytest.mark.parametrize("command", ["fit", "plan-tokens", "forecast", "joint"])
def test_names_of_curves_turn_no_line_round_and_short_curves_cost_no_other(call, tmp_path, command):
    scores = zip((1, 8, 16, 64, 128), (5, 6, 6.5, 7, 7.2), strict=True)
    rows = ["model,n,score", *(f"a\u202ex,{n},{s}" for n, s in scores), "b,1,2", "b,8,3"]
    (tmp_path / "c.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    more = ("--hold", 1) if command == "forecast" else ()
    status, out, err = call(command, tmp_path / "c.csv", *more)
    assert status == 0 and "\u202e" not in out + err
    assert "left out" in (out + err).lower()


def test_every_forecast_goes_into_a_file(call, csv, tmp_path):
    out = tmp_path / "all.csv"
    laws = ("--law", "power,saturating")
    status, said, _ = call("forecast", csv, *laws, "--hold", 2, "--out", out)
    table = pd.read_csv(out)
    assert status == 0 and str(out) in said.replace("\n", "")
    assert set(table["points"]) == {"all points", "without: odd"}
    assert len(table) == 2 * 8 * 2 * 4  # subsets, curves, n, forecasters
    first = table[(table["curve"] == "m / b3") & (table["law"] == "power")].iloc[0]
    assert first["model"] == "m" and first["n"] == 256 and first["low"] < first["forecast"]
    status, _, err = call("forecast", csv, "--out", tmp_path / "none" / "all.csv")
    assert status == 2 and "must be a file FILE.csv in a folder that exists" in err


def test_one_forecast_of_each_curve_at_other_n(call, csv, tmp_path):
    out = tmp_path / "ahead.csv"
    with csv.open("a") as rows:
        rows.write("m,short,1,5,\nm,short,8,6,\n")
    status, said, _ = call("forecast", csv, "--at", "0.5,512,40000", "--out", out)
    table = pd.read_csv(out)
    over = (table["high"] > 100).sum()
    assert status == 0 and "m / b7" in said and forecasts.GROWN_LOG in said
    for note in (
        "Farther than any that was tested, over 72 times the last n: 8 forecasts.",
        "Below a curve's smallest n, where no interval was tested: 8 forecasts.",
        f"{over} intervals end above 100: where scores are per cent, --top 100 keeps them below",
        "Left out, too few points: 1 curve.",
        "Points that the column confound names are used too.",
    ):
        assert note in said
    assert list(table["curve"]) == [f"m / b{k}" for k in range(8) for _ in range(3)]
    (curve, *_), one = read_curves(csv), table[table["n"] == 512].iloc[0]
    want = forecast_at(curve.n, curve.score, 512).iloc[0]
    assert list(one[["forecast", "low", "high"]]) == pytest.approx(
        list(want[["forecast", "low", "high"]])
    )
    row = next(line for line in said.splitlines() if "m / b0 " in line and " 512 " in line)
    assert f"{want['low']:.4g} to {want['high']:.4g}" in row and f"{want['forecast']:.4g}" in row
    status, said, _ = call("forecast", csv, "--at", "512", "--json")
    found = json.loads(said)
    assert (
        found["left_out"] == 1
        and found["intervals"] == forecasts.GROWN_LOG
        and len(found["forecasts"]) == 8
    )
    assert found["follow_no_law"] == []
    assert found["forecasts"][0]["low"] == pytest.approx(want["low"])
    status, said, _ = call("forecast", csv, "--at", "512", "--law", "power")
    assert forecasts.OWN in said and "These intervals grow" not in said
    status, said, _ = call("forecast", csv, "--at", "512", "--top", "100")
    assert forecasts.GROWN_ODDS in said and "end above 100" not in said


@pytest.mark.parametrize(
    ("at", "options", "said", "unsaid"),
    [
        ("384,512", (), (forecasts.GROWN_LOG, INSIDE), (forecasts.UNMEASURED,)),
        ("384", (), (INSIDE,), ("These intervals grow", forecasts.UNMEASURED)),
        ("512", (), (forecasts.GROWN_LOG,), (INSIDE, forecasts.UNMEASURED)),
        ("512", ("--law", "power,offset"), (forecasts.UNMEASURED,), ("These intervals grow",)),
        ("512", ("--loss", "huber"), (forecasts.UNMEASURED,), ("These intervals grow",)),
        ("512", TOP, (forecasts.UNMEASURED,), ("These intervals grow",)),
    ],
)
def test_intervals_are_told_only_where_they_were_measured(call, csv, at, options, said, unsaid):
    lines = csv.read_text().splitlines()
    csv.write_text("\n".join(lines[: 1 + len(N)]))  # the first curve alone
    out = call("forecast", csv, "--at", at, *options)[1]
    assert all(text in out for text in said) and not any(text in out for text in unsaid)
    found = json.loads(call("forecast", csv, "--at", at, *options, "--json")[1])
    assert found["intervals"] == " ".join(said)


def test_laws_that_intervals_were_measured_of_are_those_there_are():
    assert set(forecasts.MEASURED) == set(known_laws())


def test_curves_that_no_law_follows_are_named_as_in_plans(call, tmp_path):
    """An S that rises at n = 80, beside a power law; the odds of the S are a power law too."""
    n = np.array([1, 4, 9, 16, 36, 64, 100, 144, 256, 576])
    scores = {"s": 20 + 50 / (1 + (80 / n) ** 3), "p": 20 * n**0.1, "short": 20 * n[:4] ** 0.1}
    rows = [f"{k},{m},{v}" for k, own in scores.items() for m, v in zip(n, own, strict=False)]
    (tmp_path / "c.csv").write_text("\n".join(["model,n,score", *rows]))
    words = "None of the laws follows the scores of 1 curve, as `plan-tokens` finds by a spline; "
    words += "forecasts of them are of laws that do not fit: s."
    assert words in call("forecast", tmp_path / "c.csv", "--at", 576)[1]
    planned = json.loads(call("plan-tokens", tmp_path / "c.csv", "--json")[1])
    assert [p["curve"] for p in planned if p["follows_no_law"]] == ["s"]
    found = json.loads(call("forecast", tmp_path / "c.csv", "--at", 576, "--json")[1])
    assert found["follow_no_law"] == ["s"]
    assert "None of the laws" not in call("forecast", tmp_path / "c.csv", "--at", 9, *TOP[:2])[1]


def test_forecasts_of_many_curves_at_other_n_are_cut(call, tmp_path):
    lines = [f"b{k},{n},{n**0.3:.5f}" for k in range(41) for n in N]
    (tmp_path / "c.csv").write_text("\n".join(["benchmark,n,score", *lines]) + "\n")
    status, out, _ = call("forecast", tmp_path / "c.csv", "--at", "512", "--law", "power")
    assert status == 0 and "the first and last 8 of 41" in out and "--out FILE.csv" in out
    assert [k for k in range(41) if f" b{k} " in out] == [*range(8), *range(33, 41)]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--at", "5;6"], "--at 5;6: must be numbers of tokens with commas between them"),
        (["--at", "5,0"], "--at 5,0: must be numbers of tokens"),
        (["--at", "5", "--rolling"], "leave --hold, --rolling and --curves out"),
        (["--at", "5", "--curves"], "leave --hold, --rolling and --curves out"),
        (["--at", "5", "--hold", "3"], "leave --hold, --rolling and --curves out"),
        (["--rolling", "--hold", "2"], "leave --hold out, or leave --rolling out"),
    ],
)
def test_what_cannot_be_foretold_at(call, csv, options, words):
    status, out, err = call("forecast", csv, *options)
    assert status == 2 and out == "" and words in " ".join(err.split())


def test_cells_have_one_p_and_its_clustering(call, tmp_path):
    """Seven models and seven benchmarks in two splits: one p by the more cautious, no split."""
    rng = np.random.default_rng(0)
    lines = ["a_model_of_this_name,benchmark,split,n,score"]
    for k in range(98):
        score = (60 + k) * (1 - 0.6 * N**-0.5) * np.exp(0.02 * rng.standard_normal(len(N)))
        name = f"m{k % 7},b{k // 14},{'dev' if k % 14 < 7 else 'test'}"
        lines += [f"{name},{n},{s:.4f}" for n, s in zip(N, score, strict=True)]
    (tmp_path / "c.csv").write_text("\n".join(lines) + "\n")
    status, out, _ = call("forecast", tmp_path / "c.csv", "--law", "power,logarithm")
    assert status == 0 and "split" not in out
    cells = re.findall(r"-?\d+ % \(([^)]*)\)", out[: out.index("skill: 1 less")])
    assert len(cells) == 6 and all(re.fullmatch(r"[\d.e-]+(, [a-z_.]+)?", c) for c in cells)
    named = {c.split(", ")[1] for c in cells if ", " in c}
    assert named <= {"a_model_of_t..", "benchmark"}
    assert ("(p by " in out) == (not named)


@pytest.mark.parametrize("command", ["fit", "forecast", "plan-tokens"])
def test_the_table_that_is_read_is_not_written_over(call, csv, command):
    before = csv.read_bytes()
    status, _, err = call(command, csv, "--out", csv.parent / "." / csv.name)
    assert status == 2 and "is the table of scores itself" in " ".join(err.split())
    assert csv.read_bytes() == before


def test_errors_of_many_curves_are_pooled_and_cut(call, tmp_path):
    """50 curves: medians of each model, and the curves at both ends."""
    rng = np.random.default_rng(0)
    lines = ["model,benchmark,n,score"]
    for k in range(50):
        score = 60 * (1 - 0.6 * N**-0.5) * np.exp(0.02 * rng.standard_normal(len(N)))
        lines += [f"m{k % 5},b{k},{n},{s:.4f}" for n, s in zip(N, score, strict=True)]
    path = tmp_path / "many.csv"
    path.write_text("\n".join(lines) + "\n")
    status, out, _ = call("forecast", path, "--law", "power", "--curves")
    out = " ".join(out.split())
    assert status == 0 and "Median error of the curves of a model" in out
    assert all(f" m{k} " in out for k in range(5))
    assert sum(f"/ b{k} " in out for k in range(50)) == 16 and "--out FILE.csv" in out


def test_only_what_was_not_reached_is_named_after_an_interruption(call, csv, monkeypatch):
    """The second of four subsets has no outcome, the third has one, and the fourth is stopped."""
    real, calls = outcome.judge, []

    def judge(*given):
        calls.append(given)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return None if len(calls) == 2 else real(*given)

    monkeypatch.setattr(outcome, "judge", judge)
    lines = [line + "late" * line.startswith("m,b0,384") for line in csv.read_text().splitlines()]
    csv.write_text("\n".join(lines) + "\n")
    status, out, err = call("forecast", csv, "--law", "power,saturating")
    assert status == 130 and "without: late:" in out and "without: odd:" not in out
    assert "stopped: without all confounds: not forecast" in err


def test_progress_goes_on_from_one_subset_to_the_next(call, csv, monkeypatch):
    seen = []

    class Bar:
        def add_task(self, name, total):
            assert total == 16  # eight curves, all points and without: odd

        def update(self, task, completed):
            seen.append(completed)

    monkeypatch.setattr(forecasts, "progress_bar", lambda *_: nullcontext(Bar()))
    monkeypatch.setattr("tokenspace.scaling.points.SQUARES", 4 * len(N) ** 2)
    assert call("forecast", csv, "--law", "power")[0] == 0
    assert seen == [4, 8, 8, 13, 16, 16]  # curves of seven points take less memory


def test_what_was_done_before_an_interruption_is_shown(call, csv, monkeypatch):
    real, calls = outcome.judge, []

    def judge(*given):
        calls.append(given)
        if len(calls) == stops:
            raise KeyboardInterrupt
        return real(*given)

    monkeypatch.setattr(outcome, "judge", judge)
    stops = 2
    status, out, err = call("forecast", csv, "--law", "power,saturating")
    assert status == 130 and "all points:" in out and "stopped: without: odd: not forecast" in err
    stops = len(calls) + 1
    status, out, err = call("forecast", csv, "--law", "power,saturating")
    assert status == 130 and out == "" and "all points, without: odd: not forecast" in err


def test_fits_of_many_curves_are_told_by_model_and_the_ends_and_kept_whole(call, tmp_path):
    """104 curves of four models: exponents of each, 16 curves, and a file that misses none."""
    lines, rising = ["model,benchmark,n,score"], np.array([1, 4, 16, 64])
    for k in range(104):
        lines += [
            f"m{k % 4},b{k},{n},{s:.6f}" for n, s in zip(rising, rising ** (k / 100), strict=True)
        ]
    path, kept = tmp_path / "many.csv", tmp_path / "fits.csv"
    path.write_text("\n".join(lines) + "\n")
    status, out, _ = call("fit", path, "--law", "power", "--out", kept)
    out = " ".join(out.split())
    assert status == 0 and all(f" m{k} 26 " in out for k in range(4))
    assert "-0.5000 -0.9000 to -0.1000" in out  # the median of m0, and of 80 % of its 26 curves
    assert sum(f"/ b{k} " in out for k in range(104)) == 16
    assert "8 of least and the 8 of largest alpha" in out and "--out FILE.csv" in out
    table = pd.read_csv(kept)
    assert list(table["alpha"]) == pytest.approx([-k / 100 for k in range(104)], abs=1e-5)
    assert (table["alpha_low"] <= table["alpha"]).all() and (table["law"] == "power").all()
    status, _, err = call("fit", path, "--out", tmp_path / "fits.txt")
    assert status == 2 and "must be a file FILE.csv" in err


@pytest.mark.parametrize(
    ("points", "words"),
    [
        (5, "; the longest has 5 different n; --hold 1 forecasts 1 curve of 2"),
        (6, "different n; --hold 2 forecasts 1 curve of 2; --hold 1 does 2"),
        (4, "the longest has 4 different n; `tokenspace fit` takes 3 different n"),
    ],
)
def test_short_curves_are_told_what_works(call, tmp_path, points, words):
    """A curve of so many n, and one that is a point shorter."""
    path = tmp_path / "short.csv"
    rows = [f"{m},{n},{n**0.1}" for m, k in (("a", points), ("b", points - 1)) for n in N[:k]]
    path.write_text("\n".join(["model,n,score", *rows]))
    status, _, err = call("forecast", path)
    assert status != 0 and words in " ".join(err.split())


def test_forecasts_of_one_curve_are_where_it_is_said(call, tmp_path):
    path, out = tmp_path / "one.csv", tmp_path / "all.csv"
    path.write_text("\n".join(["n,score", *(f"{n},{n**0.1}" for n in N)]))
    said = call("forecast", path, "--law", "power", "--out", out)[1]
    assert "One curve says nothing of others; its forecasts: --out FILE.csv." in said
    assert set(pd.read_csv(out)["law"]) == {"power", "no change"}


def test_errors_count_in_the_command_as_in_python(call, tmp_path):
    path = tmp_path / "errors.csv"
    score = 30 * N**0.1 * np.exp(WAVE)
    rows = [f"{n},{s},{0.02 * s}" for n, s in zip(N, score, strict=True)]
    path.write_text("\n".join(["n,score,standard_error", *rows]))
    found = json.loads(call("forecast", path, "--at", "900", "--law", "power,offset", "--json")[1])
    want = forecast_at(N, score, 900, "power,offset", error=0.02 * score)
    assert found["forecasts"][0]["high"] == pytest.approx(want["high"].item(), rel=1e-9)
    call("forecast", path, "--law", "power,offset", "--hold", 2, "--out", tmp_path / "all.csv")
    kept = pd.read_csv(tmp_path / "all.csv").query("points == 'all points'")
    kept = kept.set_index("law").loc["stacked", "high"]
    held = forecast.forecast(N, score, 2, "power,offset", error=0.02 * score)
    np.testing.assert_allclose(kept, held.set_index("law").loc["stacked", "high"], rtol=1e-8)
