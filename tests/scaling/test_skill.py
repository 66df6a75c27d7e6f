"""Who forecasts best: skill, its test, and what becomes of it without some points."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tokenspace.scaling.curves import Curve, read_curves
from tokenspace.scaling.fit import chosen_method
from tokenspace.scaling.forecast import STACKED
from tokenspace.scaling.outcome import Outcome, groupings, judge
from tokenspace.scaling.skill import by_curve, flip_test, holm, skill
from tokenspace.scaling.subsets import subsets

METHOD = chosen_method("power", 0.95)


def made(errors):
    """Cases of one origin and step: law -> error on each curve."""
    rows = [
        {"curve": k, "origin": 7, "step": 1, "law": law, "error": e, "log score": 0.0, "held": True}
        for law, values in errors.items()
        for k, e in enumerate(values)
        if np.isfinite(e)
    ]
    return pd.DataFrame(rows)


def test_skill_is_one_less_the_geometric_mean_of_ratios():
    cases = made({"power": [0.1, 0.4], "a": [0.05, 0.1], "no change": [0.2, 0.2]})
    table = skill(cases).set_index("law")
    assert table.loc["a", "skill over power"] == pytest.approx(1 - np.sqrt(0.5 * 0.25))
    three = skill(made({"power": [0.1, 0.4, 0.1], "a": [0.05, 0.1, 0.05]})).set_index("law")
    assert three.loc["a", "skill over power"] == pytest.approx(1 - np.cbrt(0.5 * 0.25 * 0.5))
    assert table.loc["power", "skill over no change"] == pytest.approx(1 - np.sqrt(0.5 * 2))
    assert np.isnan(table.loc["power", "skill over power"])
    assert table.loc["a", "rms error"] == pytest.approx(np.sqrt((0.05**2 + 0.1**2) / 2))
    assert list(table["best"]) == [2, 0, 0] and table.index[0] == "a"


def test_forecasters_that_do_alike_are_all_best():
    table = skill(made({"a": [0.0, 0.2], "power": [5e-5, 0.1], "no change": [0.3, 0.3]}))
    assert table.set_index("law")["best"].to_dict() == {"a": 1, "power": 2, "no change": 0}


def test_only_shared_cases_are_compared():
    cases = made({"power": [0.1, 0.1], "a": [0.05, np.nan], "no change": [0.1, 0.1]})
    table = skill(cases).set_index("law")
    assert table.loc["a", "skill over power"] == pytest.approx(0.5)
    assert table.loc["a", "curves"] == 1
    assert np.isnan(by_curve(cases).loc[1, "a"])


def test_flips_by_hand():
    """1, 2 and 3 with every sign: 2 of 8 sums reach 6, and 4 reach 4; in two clusters 2 of 4."""
    assert flip_test(np.array([1.0, 2, 3]), np.arange(3)) == pytest.approx(0.25)
    assert flip_test(np.array([-1.0, 2, 3]), np.arange(3)) == pytest.approx(0.5)
    assert flip_test(np.array([1.0, 2, 3]), np.array([0, 1, 1])) == pytest.approx(0.5)
    assert flip_test(np.ones(30), np.arange(30)) == pytest.approx(1 / 20_000)


def test_flips_of_thousands_of_clusters_fit_into_memory():
    tracemalloc.start()
    try:
        assert flip_test(np.ones(2000), np.arange(2000)) == pytest.approx(1 / 20_000)
        assert tracemalloc.get_traced_memory()[1] < 100e6  # at once they take 640 MB
    finally:
        tracemalloc.stop()


def test_flips_keep_their_level():
    """5 % of tables without a difference, in clusters that share one; curves alone: far more."""
    rng = np.random.default_rng(1)
    cluster = np.repeat(np.arange(10), 4)
    runs = [rng.normal(size=10)[cluster] + 0.3 * rng.normal(size=40) for _ in range(200)]
    clustered = np.mean([flip_test(d, cluster) < 0.05 for d in runs])
    alone = np.mean([flip_test(d[:12], np.arange(12)) < 0.05 for d in runs])
    assert clustered < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200) and alone > 0.2


def test_holm_by_hand():
    """0.01, 0.02, 0.04 count 3, 2 and 1 times; 0.03 after 0.04 is 0.04."""
    given = pd.Series({"a": 0.04, "none": np.nan, "b": 0.01, "c": 0.02})
    assert holm(given).dropna().to_dict() == pytest.approx({"b": 0.03, "c": 0.04, "a": 0.04})
    raised = holm(pd.Series([0.02, 0.03, 0.9, 0.5]))
    assert list(raised) == pytest.approx([0.08, 0.09, 1.0, 1.0])


def test_words_count_how_many_were_compared():
    """One of seven that is better at p = 0.02 is what chance may do; alone it is not."""
    rng = np.random.default_rng(2)
    curves = 10
    off = {f"law {k}": 0.1 * np.exp(0.3 * rng.standard_normal(curves)) for k in range(6)}
    better = 0.1 * np.exp(np.r_[[-0.2] * 9, 0.2])
    alone = made({"power": [0.1] * curves, "better": better})
    table = skill(alone).set_index("law")
    p = table.loc["better", "p over power by curve"]
    assert 0.05 / 7 < p < 0.05
    several = skill(made({"power": [0.1] * curves, "better": better} | off))
    names = {k: str(k) for k in range(curves)}
    said = {
        len(t): " ".join(Outcome(names, alone, by_curve(alone), t, 0, {"curve": curves}).words())
        for t in (skill(alone), several)
    }
    assert "Nearer than the power law" in said[2] and "better by" in said[2]
    assert "No forecaster is nearer than the power law" in said[8]
    few = Outcome(names, alone, by_curve(alone), several, 0, {"model": 8})
    assert few.words() == ["Too few for a test of 7 forecasters together: model (8)."]
    two = Outcome(names, alone, by_curve(alone), skill(alone), 0, {"model": 5})
    assert two.words() == ["Too few for a test: model (5)."]


def test_curves_belong_together_by_any_name_that_several_have():
    """By columns of whatever name, each way once; not by a metric, one for all, or one for each."""
    rng = np.random.default_rng(0)
    n = np.array([1, 4, 16, 64, 256.0])
    made = [Curve(str(k), n, n**0.3 * np.exp(0.1 * rng.standard_normal(5))) for k in range(12)]
    known = [{"model": str(k % 4), "benchmark": str(k // 4)} for k in range(12)]
    want = judge([replace(c, labels=own) for c, own in zip(made, known, strict=True)], METHOD, 1)
    other = [
        {"method": own["model"], "task": own["benchmark"], "id": c.name, "of": "a", "metric": "f"}
        | {"full_name": f"the {own['model']}"}
        | ({} if c.name == "0" else {"metric": "g"})
        for c, own in zip(made, known, strict=True)
    ]
    found = judge([replace(c, labels=own) for c, own in zip(made, other, strict=True)], METHOD, 1)
    assert want.clusters == {"model": 4, "benchmark": 3}
    assert found.clusters == found.to_dict()["clusters"] == {"method": 4, "task": 3}
    told = "p over no change by "
    for renamed, way in (("method", "model"), ("task", "benchmark")):
        pd.testing.assert_series_equal(
            found.skill[told + renamed], want.skill[told + way], check_names=False
        )
    assert not any("independent" in said for said in found.words())
    alone = judge([replace(c, labels={"id": c.name}) for c in made], METHOD, 1)
    assert alone.clusters == {"curve": 12}
    assert any(said.startswith("Curves count as independent") for said in alone.words())


def test_the_p_that_is_shown_is_the_largest_of_enough_clusters():
    """By five models none is below 2^-4; of the others the largest counts, and is named."""
    rng = np.random.default_rng(1)
    curves = 30
    cases = made({"power": [0.1] * curves, "a": 0.09 * np.exp(0.1 * rng.normal(size=curves))})
    labels = {
        "model": [str(k // 6) for k in range(curves)],
        "six": [str(k // 5) for k in range(curves)],
        "fifteen": [str(k // 2) for k in range(curves)],
    }
    row = skill(cases, labels).set_index("law").loc["a"]
    by = {way: row[f"p over power by {way}"] for way in labels}
    assert by["model"] >= 2**-4 > by["six"] > by["fifteen"]
    assert (row["p over power"], row["p over power from"]) == (by["six"], "six")
    few = skill(cases, {"model": labels["model"]}).set_index("law").loc["a"]
    assert np.isnan(few["p over power"]) and few["p over power from"] == ""
    assert few["p over power by model"] == by["model"]


@pytest.mark.parametrize(
    ("labels", "want"),
    [
        ({"benchmark": "abcdabcd", "split": "ddddtttt"}, {"benchmark": 4}),
        ({"benchmark": "abcdefgh", "setting": "ddddtttt"}, {"setting": 2, "curve": 8}),
        ({"benchmark": "abcdefgh", "split": "ddddtttt"}, {"curve": 8}),
        ({"benchmark": "abcdabcd", "setting": "ddddtttt"}, {"benchmark": 4, "setting": 2}),
        ({"benchmark": "abcdefgh", "model": "mmmnnnoo"}, {"model": 3}),
        ({"setting": "ddttddtt", "other": "ddddtttt"}, {"setting": 2, "other": 2}),
    ],
)
def test_what_groups_curves(labels, want):
    """Two groups are conditions: curves that a name tells apart then count as independent too."""
    n = np.array([1.0, 4, 16, 64])
    curves = [
        Curve(str(k), n, n, {way: names[k] for way, names in labels.items()}) for k in range(8)
    ]
    assert {way: len(set(names)) for way, names in groupings(curves).items()} == want


def test_words_name_the_two_that_are_conditions():
    n = np.array([1, 4, 16, 64, 256.0])
    rng = np.random.default_rng(0)
    curves = [
        Curve(
            str(k),
            n,
            n**0.3 * np.exp(0.1 * rng.standard_normal(5)),
            {"id": str(k), "of": "ab"[k % 2]},
        )
        for k in range(8)
    ]
    said = judge(curves, METHOD, 1).words()
    assert said[-2] == (
        "Curves count as independent: no column, metric and split aside, tells groups of them "
        "apart, but for the two of of."
    )
    assert said[-1] == "Too few for a test: of (2)."


def test_words_of_intervals_by_distance():
    """By hand: of a law 1 of 4, of the stack 1 of 2 near, 1 of 1 at 16 times, 0 of 1 beyond."""
    held = {"power": [True, False, False, False], STACKED: [True, False, True, False]}
    rows = [
        {"curve": 0, "origin": 7, "step": k + 1, "law": law, "error": 0.1, "log score": 0.0}
        | {"held": one, "times last n": times}
        for law, every in held.items()
        for k, (one, times) in enumerate(zip(every, (2, 4.000000000001, 16, 16.1), strict=True))
    ]
    cases = pd.DataFrame(rows)
    outcome = Outcome({0: "a"}, cases, by_curve(cases), skill(cases), 0, {"curve": 1})
    assert outcome.intervals() == [
        "95 % intervals of power held 25 % of the scores: a law's interval takes the law for true.",
        "Those of stacked, which grow beyond the data, held 50 %, fewer than they promise: up to "
        "4 times the last n: 50 % of 2, 4 to 16 times: 100 % of 1, beyond 16 times: 0 % of 1.",
    ]
    far = cases[cases["times last n"] > 5]
    said = Outcome({0: "a"}, far, by_curve(far), skill(far), 0, {}).intervals()[1]
    assert ": 4 to 16 times the last n: 100 % of 1, beyond 16 times: 0 % of 1." in said
    few = cases.drop(index=3)  # no forecast by the power law beyond: the table has no such case
    said = Outcome({0: "a"}, few, by_curve(few), skill(few), 0, {}).intervals()[1]
    assert "held 50 %" in said and "beyond 16 times: 0 % of 1" in said
    alone = cases[cases["law"] == "power"]
    assert len(Outcome({0: "a"}, alone, by_curve(alone), skill(alone), 0, {}).intervals()) == 1


def test_subsets_of_the_papers_curves():
    found = subsets(read_curves())
    assert [sum(len(c.n) for c in part) for part in found.values()] == [360, 324, 356, 320]
    assert next(iter(found)) == "all points" and list(found)[-1] == "without all confounds"


def test_subsets_by_training():
    n = np.array([1.0, 4, 16, 64])
    curves = [Curve(k, n, n, trained=t) for k, t in (("a", "yes"), ("b", "no"), ("c", "no"))]
    found = subsets(curves)
    assert [c.name for c in found["pruned without training"]] == ["b", "c"]
    assert [len(c.n) for c in found["trained for each n, without smallest n"]] == [3]


def test_subsets_of_as_many_curves_at_the_same_n_are_not_the_same():
    n = np.array([1.0, 4, 16, 64])
    found = subsets([Curve(k, n, n, trained=t) for k, t in (("a", "yes"), ("b", "no"))])
    assert [c.name for c in found["trained for each n"]] == ["a"]
    assert [c.name for c in found["pruned without training"]] == ["b"]


def test_short_curves_are_left_out_and_counted():
    n = np.array([1, 4, 16, 64, 256.0])
    curves = [Curve("long", n, n**0.3), Curve("short", n[:4], n[:4])]
    outcome = judge(curves, chosen_method("power,logarithm", 0.95), 1)
    assert outcome.names == {0: "long"} and outcome.left_out == 1
    thrice = [Curve("thrice", np.repeat(n, 3), np.arange(1.0, 16))]
    assert judge(thrice, METHOD, 2).curves == 1 and judge(thrice, METHOD, 3) is None
    assert judge(curves[1:], chosen_method("power", 0.95), 1) is None


def test_cases_that_a_forecaster_lacks_count_for_nobody():
    """Of an early, hard origin the second law has no forecast: it is not better for that."""
    late = made({"power": [0.1], "a": [0.2], "no change": [0.3]})
    early = made({"power": [0.9], "no change": [0.9]}).assign(origin=5)
    table = by_curve(pd.concat([late, early]))
    assert table.loc[0].to_dict() == pytest.approx({"power": 0.1, "a": 0.2, "no change": 0.3})
    other = made({"power": [np.nan, 0.5], "no change": [np.nan, 0.6]})  # none of a at all
    table = by_curve(pd.concat([late, other]))
    assert table.loc[1, "power"] == 0.5 and np.isnan(table.loc[1, "a"])
