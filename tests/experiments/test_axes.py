"""Axes: ranges of values, short names, points chosen by value, values set from outside."""

import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
from folders import CONFIG

import tokenspace as ts
from tokenspace.errors import InputError
from tokenspace.experiments.axes import short_names, values_of
from tokenspace.experiments.config import (
    ConfigError,
    points_of,
    read_configuration,
    read_experiment,
)
from tokenspace.experiments.experiment import Experiment
from tokenspace.experiments.overrides import override
from tokenspace.experiments.select import select

WITHIN = {"sweep": {"from": 0, "to": 0.9, "points": 10}}
CROSS = {"sweep": [0.0, 0.2, 0.4]}
GRID = CONFIG | {
    "branches": {
        "model": "equicorrelated",
        "psi_equal": 0.1,
        "psi_within": WITHIN,
        "psi_cross": CROSS,
    }
}
SKIP = {"sweep": {"invalid": "skip"}}


def values(axis):
    problems = []
    return values_of(axis, "x", problems), problems


def test_ranges_are_short_decimals_from_end_to_end():
    assert values(WITHIN["sweep"]) == ([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9], [])
    assert values({"from": 1, "to": 0.5, "points": 2})[0] == [1.0, 0.5]


def test_ranges_of_whole_numbers_stay_whole():
    doubled, _ = values({"from": 2, "to": 1024, "points": 10, "scale": "log"})
    assert doubled == [2**k for k in range(1, 11)] and all(type(v) is int for v in doubled)
    assert all(type(v) is float for v in values({"from": 2.0, "to": 4.0, "points": 3})[0])


def test_the_ends_of_a_range_are_what_was_written():
    assert values({"from": 0.1234567890123, "to": 1.0, "points": 2})[0] == [0.1234567890123, 1.0]
    assert values({"from": 1234567890123, "to": 1234567890125, "points": 2})[0][0] == 1234567890123


def test_an_evenly_spaced_axis_through_zero_holds_zero():
    """Of a range, and of a list that somebody made with linspace."""
    listed = np.linspace(-0.9, 0.3, 13).tolist()
    assert 0 not in listed
    for axis in ({"from": -0.9, "to": 0.3, "points": 13}, listed):
        found, problems = values(axis)
        assert not problems and found.count(0) == 1
        np.testing.assert_allclose(found, listed, rtol=1e-11, atol=1e-15)


def test_numbers_that_are_meant_to_be_small_stay():
    for axis in ([1e-17, 1.0], [1e-17, 1e-9, 1.0], [5e-17, 0.3, 0.7], [0, 1e-17, 2e-17]):
        assert values(axis)[0] == axis
    assert values([-(10**400), 0.5, 10**400])[0] == [-(10**400), 0.5, 10**400]
    small = {"from": 1e-17, "to": 1.0, "points": 3}
    assert values(small)[0][0] == 1e-17


def test_log_ranges_have_equal_factors():
    found, _ = values({"from": 1e-3, "to": 1.0, "points": 7, "scale": "log"})
    np.testing.assert_allclose(np.diff(np.log10(found)), 0.5, atol=1e-11)


@pytest.mark.parametrize(
    ("axis", "words"),
    [
        ([], "at least one value"),
        (3, "at least one value"),
        ({"from": 0, "to": 1}, "x.sweep.points: missing"),
        ({"from": 0, "to": 1, "points": 3, "scale": "log"}, "needs from > 0"),
        ({"from": 0, "to": 1, "points": 3, "step": 1}, "x.sweep.step: unknown key"),
        ({"from": 0, "to": 1, "points": 1}, "points = 1 needs from = to"),
        ({"from": 1, "to": 1, "points": 2}, "do not all differ"),
        ({"from": -1e308, "to": 1e308, "points": 3}, "do not all differ"),
        ({"from": 0, "to": 1, "points": 10**9}, "<= 100000"),
        ({"from": "a", "to": 1, "points": 2}, "x.sweep.from"),
    ],
)
def test_what_is_no_axis_is_refused_in_words(axis, words):
    found, (problem, *_) = values(axis)
    assert found == [] and words in problem


def test_points_whose_values_conflict_are_refused_or_left_out_with_their_reasons():
    with pytest.raises(ConfigError, match="not positive semi-definite"):
        points_of(GRID)
    read = read_configuration(GRID | SKIP)
    assert len(read.points) + len(read.skipped) == 30
    # within - cross: 1 - equal + (within - cross)(n - 1) >= 0 needs cross <= within, for many tokens
    left = {(p.axes["branches.psi_within"], p.axes["branches.psi_cross"]) for p in read.points}
    assert {(0.2, 0.2), (0.4, 0.2), (0.4, 0.4)} <= left and not any(w < c for w, c in left)
    label, why = read.skipped[0]
    assert label == "psi_within = 0.0, psi_cross = 0.2" and "positive semi-definite" in why


@pytest.mark.parametrize(
    ("dim", "hint"),
    [
        ([4, 8], "several values are an axis: { sweep = [4, 8] }"),
        ({"from": 4, "to": 8, "points": 2}, "{ sweep = { from = 4, to = 8, points = 2 } }"),
        ([4, "x"], None),
        ([], None),
    ],
)
def test_a_bare_list_or_range_is_told_how_to_be_an_axis(dim, hint):
    features = {"model": "isotropic"}
    with pytest.raises(ConfigError, match="it must be an integer >= 1") as caught:
        points_of(CONFIG | {"features": features | {"dim": dim}})
    said = str(caught.value)
    assert ("axis" in said) == (hint is not None)
    if hint is not None:
        assert said.endswith(hint)
        meant = tomllib.loads(f"dim = {said.partition('axis: ')[2]}")  # as it can be pasted
        assert [
            p.axes["features.dim"] for p in points_of(CONFIG | {"features": features | meant})
        ] == [4, 8]


def test_mistakes_are_refused_and_not_left_out():
    with pytest.raises(ConfigError, match="psi_croos: unknown key"):
        points_of(override(GRID | SKIP, ["branches.psi_croos=1"]))
    with pytest.raises(ConfigError, match="psi_equal: 'a' is not"):
        points_of(override(GRID | SKIP, ["branches.psi_equal='a'"]))
    with pytest.raises(ConfigError, match="leaves no point"):
        points_of(override(GRID | SKIP, ["branches.psi_within=-0.5"]))


def test_axes_are_called_by_as_much_of_their_path_as_tells_them_apart():
    names = short_names(["branches.within.length", "branches.cross.length", "features.dim", "case"])
    assert list(names.values()) == ["within.length", "cross.length", "dim", "case"]


@pytest.mark.parametrize(
    ("only", "within"),
    [
        (["psi_within=0.4,0.6", "psi_cross=0"], [0.4, 0.6]),
        (["branches.psi_within=:0.3", "psi_cross=0.2"], [0.2, 0.3]),
        (["psi_within=0.85:", "psi_cross=0.20000000000000001"], [0.9]),
    ],
)
def test_points_are_chosen_by_the_values_of_their_axes(only, within):
    chosen = select(points_of(GRID | SKIP), only)
    assert [p.axes["branches.psi_within"] for p in chosen] == within


@pytest.mark.parametrize(
    ("only", "words"),
    [
        ("psi_within", "AXIS=VALUE"),
        ("psi_with=1", "did you mean 'psi_within'"),
        ("psi_cross=0.3", "leaves no point; branches.psi_cross takes 0.0, 0.2, 0.4"),
    ],
)
def test_conditions_that_choose_nothing_are_refused_in_words(only, words):
    with pytest.raises(InputError, match=words):
        select(points_of(GRID | SKIP), [only])


def test_points_are_chosen_by_case_and_by_model():
    laws = {"sweep": [{"model": "gaussian"}, {"model": "unit_norm"}]}
    cases = {"case": [{"name": "a, b"}, {"name": "c", "law": laws}]}
    assert len(select(points_of(CONFIG | cases), ["case=a, b"])) == 1
    (point,) = select(points_of(CONFIG | cases), ["case=c", "law=unit_norm"])
    assert point.axes["law"] == {"model": "unit_norm"}


def test_settings_change_the_file_and_every_case_that_has_the_table():
    cases = [
        {"name": "a"},
        {"name": "b", "run": {"replicates": 7}},
        {"name": "c", "law": {"model": "gaussian"}},
    ]
    raw = CONFIG | {"case": cases}
    changed = override(raw, ["run.replicates=5", "law.model=unit_norm", "sweep.mode=zip"])
    assert [p.experiment.replicates for p in points_of(changed)] == [5, 5, 5]
    assert {type(p.experiment.model.law).__name__ for p in points_of(changed)} == {"UnitNorm"}
    assert changed["sweep"] == {"mode": "zip"} and raw["case"][1]["run"] == {"replicates": 7}
    inner = override(
        {"branches": {"sum": [{"scale": 1}, {"scale": 2}]}}, ["branches.sum.1.scale=3"]
    )
    assert inner["branches"]["sum"] == [{"scale": 1}, {"scale": 3}]


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("branches.psi_cross", "KEY.PATH=VALUE"),
        ("branches..x=1", "KEY.PATH=VALUE"),
        ("branch.psi_cross=1", "'branch' is no table"),
        ("run.seed=[1", "is no TOML value"),
        ("run.seed=1\nx=2", "one value"),
        ("run.seed.x=1", "no table, so that it has no 'x'"),
        ("tokens.grid.9=1", "is a list of 2"),
    ],
)
def test_settings_that_cannot_be_made_are_refused_in_words(setting, words):
    raw = CONFIG | {"run": {"replicates": 3, "seed": 1}, "tokens": {"count": 2, "grid": [1, 2]}}
    with pytest.raises(InputError, match=words):
        override(raw, [setting])


PAGE = (Path(__file__).parents[2] / "docs" / "configurations.md").read_text()


@pytest.mark.parametrize(
    ("number", "points", "skipped"),
    [(0, 1, 0), (1, 4 * 27, 4 * 3), (2, 1, 0), (3, 1, 0)],
)
def test_what_the_page_on_configurations_shows_is_read(number, points, skipped):
    shown = re.findall(r"```toml\n(.*?)```", PAGE, re.S)
    assert len(shown) == 4
    read = read_configuration(tomllib.loads(shown[number]))
    assert (len(read.points), len(read.skipped)) == (points, skipped)


def test_a_sum_of_models_is_what_python_builds(tmp_path):
    raw = tomllib.loads(re.findall(r"```toml\n(.*?)```", PAGE, re.S)[3])
    (point,) = points_of(raw)
    lags = ts.TokenModel(ts.Branches(ts.Exponential(32.0)), ts.Spectrum([1.0, 1.0, 0.0]))
    equal = ts.TokenModel(ts.equicorrelated(0.1, 0.3, 0.1), ts.Spectrum([0.0, 0.0, 1.0]))
    e = point.experiment
    both = Experiment(lags + equal, e.grid, e.replicates, statistics=("divergence", "correlations"))
    assert e == both == read_experiment(e.canonical())
    assert points_of(raw | {"case": [{"name": "one", **GRID | {"branches": CONFIG["branches"]}}]})


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"branches": CONFIG["branches"]}, "terms: excludes branches"),
        ({"terms": []}, r"must be tables \[\[terms\]\]"),
        ({"terms": [{"features": CONFIG["features"]}]}, "terms.0.branches: None must be a table"),
        ({"terms": [{**{k: CONFIG[k] for k in ("branches", "features")}, "x": 1}]}, "terms.0.x"),
    ],
)
def test_a_sum_that_is_none_is_refused_in_words(changed, words):
    raw = tomllib.loads(re.findall(r"```toml\n(.*?)```", PAGE, re.S)[3])
    with pytest.raises(ConfigError, match=words):
        points_of(raw | changed)
