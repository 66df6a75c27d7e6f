"""Results as one labelled array: axes are dimensions, what follows has errors, files keep it."""

import re
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from folders import CONFIG

import tokenspace as ts
from tokenspace.errors import InputError
from tokenspace.experiments.layout import as_grid, axis_values

PAGE = Path(__file__).parents[2] / "docs" / "results.md"
BRANCHES = CONFIG["branches"] | {
    "psi_within": {"sweep": [0.3, 0.1, 0.2]},
    "psi_cross": {"sweep": [0.1, 0.2]},
}
SWEPT = CONFIG | {"branches": BRANCHES, "sweep": {"invalid": "skip"}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("swept")
    ts.run_sweep(SWEPT, path)
    return path


def test_axes_of_a_grid_are_dimensions_in_ascending_order(folder):
    data = ts.open_results(folder)
    assert data["mean"].dims == ("psi_within", "psi_cross", "n")
    assert data["psi_within"].values.tolist() == [0.1, 0.2, 0.3]
    for point, result in ts.load_results(folder):
        at = {k.split(".")[1]: v for k, v in point.axes.items()}
        np.testing.assert_array_equal(data["mean"].sel(at), result.mean)
        np.testing.assert_array_equal(data["quantiles"].sel(at), result.quantiles)
        assert data["label"].sel(at) == point.label
    absent = data.sel(psi_within=0.1, psi_cross=0.2)
    assert absent["mean"].isnull().all() and absent["label"] == "" and absent["replicates"] == 0


def test_one_dimension_of_points_where_it_is_asked_for(folder):
    data = ts.open_results(folder, layout="points")
    assert data["mean"].dims == ("point", "n") and data["psi_within"].dims == ("point",)
    assert data.sizes["point"] == 5


def test_points_of_a_folder_share_what_is_equal_of_their_models(folder):
    (_, first), *_, (_, last) = ts.load_results(folder)
    assert first.model.branches != last.model.branches
    assert first.model.features is last.model.features


def test_zipped_sweeps_and_cases_have_points(tmp_path):
    equal = {"psi_within": {"sweep": [0.3, 0.3]}, "psi_cross": {"sweep": [0.1, 0.1]}}
    other = {"psi_within": {"sweep": [0.3, 0.4]}, "psi_cross": {"sweep": [0.1, 0.2]}}
    for name, axes in (("equal", equal), ("other", other)):
        config = CONFIG | {"branches": BRANCHES | axes, "sweep": {"mode": "zip"}}
        ts.run_sweep(config, tmp_path / name)
        data = ts.open_results(tmp_path / name)
        assert data["mean"].dims == ("point", "n")
        assert data["psi_within"].values.tolist() == axes["psi_within"]["sweep"]
    ts.run_sweep(CONFIG | {"case": [{"name": "a"}, {"name": "b"}]}, tmp_path / "c")
    assert ts.open_results(tmp_path / "c")["case"].values.tolist() == ["a", "b"]


def test_what_follows_is_what_each_result_says(folder):
    data = ts.open_results(folder, tolerance=0.05)
    for point, result in ts.load_results(folder):
        at = data.sel({k.split(".")[1]: v for k, v in point.axes.items()})
        gamma, balance, check = result.local_exponent(), result.n_balance(), result.check(0.05)
        np.testing.assert_array_equal(at["gamma"], gamma.mean)
        np.testing.assert_array_equal(at["gamma_error"], gamma.standard_error)
        np.testing.assert_array_equal(at["gamma_theory"], check.exponent.theoretical)
        np.testing.assert_array_equal(at["z"], check.amplitude.z)
        assert at["n_balance"] == balance.mean and at["n_balance_high"] == balance.interval[1]
        assert at["verdict"] == check.verdict and at["regime"] == check.regimes_empirical[-1]
        assert at["largest_deviation"] == np.max(abs(check.amplitude.deviation))
    assert data.sel(psi_within=0.1, psi_cross=0.2)["verdict"] == ""


def test_measured_psis_have_variables_that_say_what_they_are(tmp_path):
    ts.run_sweep(CONFIG | {"run": {"replicates": 20, "statistics": ["correlations"]}}, tmp_path)
    ((_, result),) = ts.load_results(tmp_path)
    data = ts.open_results(tmp_path, layout="points")
    assert len(result.correlations) == 6
    for name, estimate in result.correlations.items():
        np.testing.assert_array_equal(data[f"realised_{name}"][0], estimate.mean)
        assert data[f"realised_{name}"].attrs["description"]


def test_points_that_cannot_be_judged_stand_among_the_others(tmp_path):
    ts.run_sweep(CONFIG | {"run": {"replicates": {"sweep": [1, 300]}}}, tmp_path)
    data = ts.open_results(tmp_path, tolerance=0.02)
    assert data["verdict"].sel({"axis.replicates": 1}) == "UNDECIDED"
    assert data["gamma"].sel({"axis.replicates": 1}).isnull().all()
    assert data["gamma"].sel({"axis.replicates": 300}).notnull().all()


def test_every_variable_says_what_it_is(folder):
    data = ts.open_results(folder, tolerance=0.02)
    assert all(v.attrs["description"] for v in data.variables.values())
    assert data["psi_within"].attrs["description"] == "axis branches.psi_within of the sweep"
    assert data["n"].attrs["units"] == "tokens"


def test_netcdf_and_zarr_keep_it(folder, tmp_path):
    data = ts.open_results(folder, tolerance=0.02)
    data.to_netcdf(tmp_path / "r.nc")
    with xr.open_dataset(tmp_path / "r.nc") as back:
        xr.testing.assert_equal(back.load(), data)
    data.to_zarr(tmp_path / "r.zarr")
    with xr.open_zarr(tmp_path / "r.zarr") as back:
        xr.testing.assert_equal(back.load(), data)


@pytest.mark.parametrize(
    ("given", "words"), [({"layout": "grid"}, "'auto' or 'points'"), ({"tolerance": 0}, "> 0")]
)
def test_what_is_not_allowed_is_refused_in_words(folder, given, words):
    with pytest.raises(InputError, match=words):
        ts.open_results(folder, **given)


def test_models_are_called_by_name_where_that_tells_them_apart():
    one, two = {"model": "student_t", "df": 5.0}, {"model": "student_t", "df": 9.0}
    assert axis_values([one, {"model": "gaussian"}]).tolist() == ["student_t", "gaussian"]
    assert axis_values([one, two]).tolist() == [str(one), str(two)]
    assert axis_values([True, 2]).tolist() == ["true", "2"]
    np.testing.assert_array_equal(axis_values([None, 2]), [np.nan, 2.0])


def test_words_stay_in_their_order_and_sparse_points_are_no_grid():
    words = np.array(["b", "a", "b", "a"])
    grid = as_grid({"w": words, "x": np.array([2.0, 2.0, 1.0, 1.0])})
    assert grid.values["w"].tolist() == ["b", "a"]
    np.testing.assert_array_equal(grid.place(np.arange(4.0)), [[2, 0], [3, 1]])
    assert as_grid({"x": np.arange(200), "y": np.arange(200)}) is None
    assert as_grid({"x": np.array([1, 1])}) is None


def test_the_recipes_of_the_page_run(folder, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").symlink_to(folder)
    code = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S)
    assert len(code) == 4
    scope = {}
    for block in code:
        exec(block, scope)
    assert scope["table"]["verdict"].notna().all() and len(scope["table"]) == 5
    assert scope["axes"].has_data() and scope["figure"].axes and scope["growth"].axes
