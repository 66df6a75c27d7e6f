"""Values in stored results that no simulation gives: refused, renamed or shown harmless."""

import json

import numpy as np
import pytest
from commands import call
from folders import CONFIG, npz, only_file, read, refused

import tokenspace as ts
from tokenspace.errors import InputError


def broken(arrays, name, value):
    array = arrays[name].copy()
    array.flat[-1] = value  # of a covariance, an entry of its diagonal
    return arrays | {name: array}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mean", np.nan),
        ("mean", np.inf),
        ("mean", 1e308),
        ("n", 2**62),
        ("mean", -1.0),
        ("covariance", np.nan),
        ("covariance", -1.0),
        ("quantiles", np.nan),
        ("square_mean", -1.0),
        ("square_covariance", np.inf),
    ],
)
def test_numbers_that_no_simulation_gives_are_refused(folder, name, value):
    file = only_file(folder)
    arrays, meta = read(file)
    file.write_bytes(npz(broken(arrays, name, value), meta))
    assert (repr(name) if name != "n" else "grid") in refused(file)


@pytest.mark.parametrize("names", [["x"], ["psi_equal"]])
def test_correlations_are_all_five_or_none(folder, names):
    file = only_file(folder)
    arrays, meta = read(file)
    for name in names:
        arrays |= {f"{name}.mean": arrays["mean"], f"{name}.standard_error": arrays["mean"]}
    file.write_bytes(npz(arrays, meta))
    assert "its arrays are" in refused(file)


def listed(folder, label="a", axes=None, times=1):
    """Write another label and other axes of the only point into sweep.json."""
    sweep = json.loads((folder / "sweep.json").read_text())
    sweep["points"] = [[label, axes or {}, sweep["points"][0][2]]] * times
    (folder / "sweep.json").write_text(json.dumps(sweep))


def test_words_that_cannot_be_written_are_refused(folder):
    listed(folder, "x\ud800y")
    with pytest.raises(InputError, match="cannot be read"):
        ts.load_results(folder)
    listed(folder, axes={"a": "\ud800"})
    with pytest.raises(InputError, match="cannot be read"):
        ts.load_results(folder)


def test_a_list_of_points_is_bounded(folder):
    listed(folder, times=100_001)
    with pytest.raises(InputError, match="lists 100,001 points"):
        ts.load_results(folder)


def test_axes_may_be_called_like_variables(folder):
    names = ["mean", "n", "quantile", "quantiles", "point", "label", "theory", "axis.mean"]
    listed(folder, axes=dict.fromkeys(names, 5) | {"huge": 10**400})
    data = ts.open_results(folder, layout="points")
    assert data["mean"].shape == (1, len(data["n"]))
    assert ts.open_results(folder)["mean"].size == data["mean"].size
    assert data["axis.n"].item() == 5 and data["axis.axis.mean"].item() == 5


def test_labels_do_not_steer_the_terminal(folder, capfd):
    listed(folder, "a\x1b]0;title\x07\x9b2J")
    _, out, err = call(capfd, "check", folder)
    said = " ".join((out + err).split())
    assert r"a\x1b]0;title\x07\x9b2J" in said and not {"\x1b", "\x07", "\x9b"} & set(said)


DAMAGE = {
    "missing": None,
    "nan": lambda a: a * np.nan,
    "negative": lambda a: -abs(a) - 1,
    "huge": lambda a: a * 0 + 1e300,
    "zero": lambda a: a * 0,
    "shape": lambda a: a[..., :-1],
    "whole": lambda a: np.zeros(a.shape, int),
}


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("law", [{"model": "unit_norm"}, {"model": "student_t", "df": 1.5}])
def test_whatever_an_array_holds_it_is_refused_or_answered(tmp_path, law):
    """No array, of whatever a stranger put there, ends in a traceback or a warning of NumPy."""
    run = {"replicates": 600, "statistics": ["correlations"]}
    ts.run_sweep(CONFIG | {"tokens": {"count": 16, "points": 5}, "law": law, "run": run}, tmp_path)
    file = only_file(tmp_path)
    arrays, meta = read(file)
    refusals = 0
    for name in arrays:
        for damage in DAMAGE.values():
            changed = {k: v for k, v in arrays.items() if k != name}
            if damage is not None:
                changed[name] = np.asarray(damage(arrays[name]))
            file.write_bytes(npz(changed, meta))
            try:
                ((_, result),) = ts.load_results(tmp_path)
            except InputError:
                refusals += 1
                continue
            for ask in ("check", "local_exponent", "n_balance", "scale_fit", "interval"):
                try:
                    repr(getattr(result, ask)())
                except InputError:
                    refusals += 1
    assert refusals > 3 * len(arrays)
