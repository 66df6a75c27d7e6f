"""Sweeps of any size on one page: colours along an axis, panels for others, legends of a dozen."""

import dataclasses
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest

import tokenspace as ts
from tokenspace import figures
from tokenspace.figures.library.exponent_diagram import exact_slopes, swings
from tokenspace.figures.sheet import groups_beside, numeric_axes
from tokenspace.figures.style import spread


@pytest.fixture(scope="module")
def result():
    model = ts.TokenModel(ts.equicorrelated(0.1, 0.3, 0.1), ts.Isotropic(8))
    return ts.simulate(model, [1, 2, 4, 8], 50)


def sweep(result, **axes):
    """A grid over these axes; the axis psi_within is that of the models."""
    loaded = []
    for values in product(*axes.values()):
        at = dict(zip(axes, values, strict=True))
        branches = ts.equicorrelated(0.1, at.get("psi_within", 0.3), 0.1)
        model = ts.TokenModel(branches, ts.Isotropic(8))
        point = SimpleNamespace(label=str(at), axes={f"branches.{k}": v for k, v in at.items()})
        loaded.append((point, dataclasses.replace(result, model=model)))
    return loaded


CURVES = ["exponent_diagram", "growth", "balance"]
WITHIN = [0.2 + 0.01 * k for k in range(30)]


def panels(figure):
    return [axes for axes in figure.axes if axes.get_label() != "<colorbar>" and axes.axison]


@pytest.mark.parametrize("name", CURVES)
def test_one_axis_is_the_colour_of_curves(result, name):
    figure = figures.draw(name, sweep(result, psi_within=WITHIN))
    (axes,) = panels(figure)
    (bar,) = [a for a in figure.axes if a is not axes]
    assert bar.get_ylabel() == "psi_within" and np.allclose(bar.get_ylim(), (WITHIN[0], WITHIN[-1]))
    lines = [x for x in axes.lines if x.get_linestyle() == "-" and len(x.get_xdata()) > 2]
    assert len(lines) == len({tuple(x.get_color()) for x in lines}) == 30
    legend = axes.get_legend()
    assert len(legend.get_texts() if legend else ()) <= 1  # of the balance line


@pytest.mark.parametrize("name", CURVES)
def test_other_axes_have_a_panel_for_each_value(result, name):
    loaded = sweep(result, psi_within=WITHIN[:2], other=list(range(3)))
    figure = figures.draw(name, loaded)  # the axis of most values is the colour
    titles = [a.get_title() for a in panels(figure)]
    assert titles == [f"psi_within = {w:.4g}" for w in WITHIN[:2]]


@pytest.mark.parametrize("name", CURVES[1:2])  # panels are those of all of them
def test_more_axes_are_at_most_a_dozen_panels_evenly_spread(result, name):
    loaded = sweep(result, psi_within=WITHIN, other=list(range(20)), third=["a", "b"])
    figure = figures.draw(name, loaded)
    assert len(panels(figure)) == 12
    said = figure.get_suptitle()
    assert "6 of 20 values of other" in said and "12 of 30 curves a panel" in said
    assert "third" not in said


def test_an_axis_that_follows_from_another_makes_no_panels(result):
    loaded = sweep(result, psi_within=WITHIN[:6])
    for k, (point, _) in enumerate(loaded):
        point.axes["zipped"] = -k
    (group,), cut = groups_beside(loaded, ["branches.psi_within"])
    assert group.rows == list(range(6)) and not cut
    assert set(numeric_axes(loaded)) == {"branches.psi_within", "zipped"}


def test_spread_keeps_both_ends_and_order():
    for count in (1, 5, 12, 13, 400):
        kept = spread(range(count), 12)
        assert len(kept) == min(count, 12) and kept == sorted(set(kept))
        assert kept[0] == 0 and kept[-1] == count - 1


def test_axes_leave_out_what_shows_no_results(result):
    along = figures.suited(sweep(result, psi_within=WITHIN[:3]))
    assert along == ("exponent_diagram", "growth", "divergence", "balance")
    alone = figures.suited(sweep(result, psi_within=WITHIN[:1]))
    assert {"upsilon", "alpha", "measured_curves"} < set(alone) and "growth" not in alone
    reported = figures.suited(sweep(result, psi_within=WITHIN[:1]), in_report=True)
    of_scores = {"shared_balance", "measured_curves", "forecast_skill"}
    assert set(alone) - of_scores == set(reported)


def slopes_of(branches):
    model = ts.TokenModel(branches, ts.Isotropic(8))
    return exact_slopes(SimpleNamespace(n=ts.log_grid(512, 25), known_model=model))[1]


def test_families_that_swing_have_a_panel_of_their_own(result):
    grid = ts.PatchGrid(16, 32, ts.Exponential(4.0), ts.Exponential(4.0), "hilbert")
    for covariance, want in (
        (ts.Exponential(8.0), False),
        (ts.FractionalGaussianNoise(0.3), False),
        (ts.Block(16), True),
        (grid, True),
    ):
        assert swings(slopes_of(ts.Branches(covariance, 0.1 * covariance))) == want
    assert not swings(slopes_of(ts.equicorrelated(0.1, 0.3, 0.1))) and not swings(None)
    loaded = []
    for name, covariance in (("smooth", ts.Exponential(8.0)), ("swings", ts.Block(16))):
        model = ts.TokenModel(ts.Branches(covariance, 0.1 * covariance), ts.Isotropic(8))
        found = ts.simulate(model, ts.log_grid(512, 25), 20)
        loaded.append((SimpleNamespace(label=name, axes={"case": name}), found))
    figure = figures.draw("exponent_diagram", loaded)
    legends = [[t.get_text() for t in a.get_legend().get_texts()] for a in panels(figure)]
    assert [[t.split("  ")[0] for t in texts] for texts in legends] == [["smooth"], ["swings"]]
