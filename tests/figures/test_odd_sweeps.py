"""Sweeps of one token count, and of names that are longer than their places."""

import dataclasses
from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pytest

import tokenspace as ts
from tokenspace import figures
from tokenspace.figures.base import NothingToShow
from tokenspace.figures.style import lines

LONG = "a_parameter_with_a_very_long_name_of_a_plugin_which_says_it_all"
MODEL = ts.TokenModel(ts.equicorrelated(0.1, 0.3, 0.1), ts.Isotropic(8))


@pytest.fixture(scope="module")
def one_n():
    """A 2 x 2 sweep of one token count."""
    result = ts.simulate(MODEL, [8], 50)
    loaded = []
    for within in (0.2, 0.4):
        for cross in (0.0, 0.1):
            model = ts.TokenModel(ts.equicorrelated(0.1, within, cross), ts.Isotropic(8))
            point = SimpleNamespace(
                label=f"{within}, {cross}", axes={"psi_within": within, "psi_cross": cross}
            )
            loaded.append((point, dataclasses.replace(result, model=model)))
    return loaded


def panels(figure):
    return [axes for axes in figure.axes if axes.get_label() != "<colorbar>" and axes.axison]


def test_what_has_slopes_only_is_refused_by_name_and_left_out_of_all(one_n, tmp_path):
    with pytest.raises(NothingToShow, match="slopes between token counts"):
        figures.draw_all(one_n, tmp_path, ("png",), only=["exponent_diagram"])
    names = [p.stem for p in figures.draw_all(one_n, tmp_path, ("png",))]
    assert names == ["phase_diagram", "growth", "divergence", "balance"]


def test_the_phase_diagram_keeps_what_one_n_has(one_n):
    (axes,) = panels(figures.draw("phase_diagram", one_n))
    assert axes.get_title() == "largest deviation from the theory"
    several = [
        (SimpleNamespace(label="", axes=point.axes | {"third": k}), result)
        for point, result in one_n
        for k in range(2)
    ]
    figure = figures.draw("phase_diagram", several)
    assert [a.get_title() for a in panels(figure)] == ["third = 0", "third = 1"]
    assert figure.get_suptitle().startswith("largest deviation from the theory")


def test_a_sweep_of_nothing_is_refused(one_n):
    none = [(p, dataclasses.replace(r, model=None, control=None)) for p, r in one_n]
    with pytest.raises(NothingToShow, match="no point has any"):
        figures.draw("phase_diagram", none)
    with pytest.raises(NothingToShow, match="at no point is it a number"):
        figures.draw("balance", none)
    with pytest.raises(NothingToShow, match="at no point is it a number"):
        figures.draw("balance", [])
    assert ts.plot(none).get_suptitle().startswith("D(n)")  # the first that shows something


def test_one_n_has_strokes_for_the_theory(one_n):
    axes = panels(figures.draw("growth", one_n[:2]))[0]
    exact = [x for x in axes.lines if x.get_marker() == "_"]
    want = [ts.theory.expected_divergence(r.model, r.n)[0] for _, r in one_n[:2]]
    np.testing.assert_allclose([x.get_ydata()[0] for x in exact], want)


def test_a_name_in_two_lines():
    assert lines("short", 10) == "short"
    assert lines("some words and more", 10) == "some words\nand more"
    assert lines("x" * 30, 10) == "x" * 10 + "\nxxxx...xxx"
    assert all(len(part) <= 10 for part in lines("a bc " * 9, 10).split("\n"))


@pytest.mark.parametrize(
    "name", ["exponent_diagram", "growth", "balance", "divergence", "correlations", "phase_diagram"]
)
def test_long_names_stay_in_their_places(name):
    """Titles apart from each other, and words at the sides no longer than the picture."""
    result = ts.simulate(MODEL, [1, 2, 4], 50, statistics=("divergence", "correlations"))
    loaded = []
    for x in range(2):
        for y in range(2):
            axes = {f"{LONG}_x": x, f"{LONG}_y": y}
            loaded.append((SimpleNamespace(label=f"{LONG} {x} {y}", axes=axes), result))
    figure = figures.draw(name, loaded)
    figure.canvas.draw()
    titles = [a.title.get_window_extent() for a in panels(figure) if a.get_title()]
    assert len(titles) > 1
    assert not any(a.overlaps(b) for a, b in combinations(titles, 2))
    columns = len({round(a.get_position().x0, 2) for a in panels(figure)})
    height, width = figure.bbox.height, figure.bbox.width / columns
    beside = [a.yaxis.label for a in figure.axes] + [getattr(figure, "_supylabel", None)]
    below = [a.xaxis.label for a in figure.axes]
    for words in filter(None, beside):
        assert words.get_window_extent().height <= height
    for words in below:
        assert words.get_window_extent().width <= width
