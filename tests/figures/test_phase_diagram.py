"""The phase diagram of sweeps over two axes and more."""

import dataclasses

import numpy as np
import pytest
from folders import CONFIG

import tokenspace as ts
from tokenspace import figures
from tokenspace.errors import InputError
from tokenspace.figures.base import NothingToShow

BRANCHES = CONFIG["branches"] | {
    "psi_within": {"sweep": [0.1, 0.11, 0.3, 0.5]},
    "psi_cross": {"sweep": [0.05, 0.1]},
}
TWO = CONFIG | {"branches": BRANCHES, "run": {"replicates": 200}}
MORE = TWO | {"features": {"model": "isotropic", "dim": {"sweep": [4, 8, 16]}}}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    folders = [tmp_path_factory.mktemp(name) for name in ("two", "more")]
    for config, folder in zip((TWO, MORE), folders, strict=True):
        ts.run_sweep(config, folder)
    return [ts.load_results(folder) for folder in folders]


def meshes(figure):
    return [p.collections[0] for p in figure.axes if p.get_xlabel()]


def test_cells_are_what_each_point_found(loaded):
    figure = figures.draw("phase_diagram", loaded[0], x="psi_cross", y="psi_within")
    regime, gamma, balance, deviation = (m.get_array() for m in meshes(figure))
    assert gamma.shape == (4, 2)  # psi_within upwards
    names = dict(enumerate(ts.theory.REGIMES))
    for k, (_, result) in enumerate(loaded[0]):
        row, column = divmod(k, 2)
        assert gamma[row, column] == result.local_exponent().mean[-1]
        found = ts.theory.regime(result.local_exponent().mean[-1:])[0]
        assert names[int(regime[row, column])] == found
        off = np.max(abs(result.check().amplitude.deviation))
        np.testing.assert_allclose(deviation[row, column], off)
        fitted = result.n_balance().mean
        assert (
            balance[row, column] == pytest.approx(fitted)
            or not 1e-3 < fitted / np.median(balance) < 1e3
        )


def test_the_line_is_where_n_is_n_balance(loaded):
    figure = figures.draw("phase_diagram", loaded[0], x="psi_cross", y="psi_within")
    (_, line, *_) = figure.axes[0].collections
    (path,) = line.get_paths()
    cross, within = path.vertices.T
    assert np.ptp(cross) > 0.01
    np.testing.assert_allclose(within - cross, (1 - 0.2) / (64 + 1), rtol=1e-6)
    assert ts.theory.n_balance(ts.equicorrelated(0.2, 0.1 + 0.8 / 65, 0.1)) == pytest.approx(64)


def test_axes_that_go_together_have_no_area(loaded):
    diagonal = [p for p in loaded[1] if p[0].axes["branches.psi_within"] == 0.3][:2]
    together = [
        (dataclasses.replace(p, axes={"x": k, "y": 2 * k}), r) for k, (p, r) in enumerate(diagonal)
    ]
    with pytest.raises(NothingToShow, match="x and y go together"):
        figures.draw("phase_diagram", together)


def test_a_line_is_spoken_of_only_where_there_is_one(loaded):
    crossed = figures.draw("phase_diagram", loaded[0])
    assert crossed.get_suptitle().startswith("line:")
    linear = [p for p in loaded[0] if p[0].axes["branches.psi_within"] > 0.2]
    figure = figures.draw("phase_diagram", linear)
    assert figure.get_suptitle() == r"$n = n_{balance}$ is not crossed here"
    assert len(figure.axes[0].collections) == 1


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 1e308, 10**400, None, "w", True])
def test_values_that_cannot_be_drawn_are_no_axis(loaded, value):
    strange = [
        (dataclasses.replace(p, axes={"x": value if k else 1, "y": k // 2, "z": k % 2}), r)
        for k, (p, r) in enumerate(loaded[0][:4])
    ]
    figure = figures.draw("phase_diagram", strange, x="y", y="z")
    figure.canvas.draw()
    with pytest.raises(InputError, match="is no axis"):
        figures.draw("phase_diagram", strange, x="x")


def test_more_axes_have_a_panel_each(loaded):
    figure = figures.draw("phase_diagram", loaded[1], x="psi_cross", y="psi_within")
    panels = [a for a in figure.axes if a.get_title()]
    assert [a.get_title() for a in panels] == ["dim = 4", "dim = 8", "dim = 16"]
    norms = {(p.collections[0].norm.vmin, p.collections[0].norm.vmax) for p in panels}
    last = [result.local_exponent().mean[-1] for _, result in loaded[1]]
    assert norms == {(min(last), max(last))}  # one scale for all
    assert (figure.get_supxlabel(), figure.get_supylabel()) == ("psi_cross", "psi_within")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"x": "psi_croos"}, "--x 'psi_croos' is no axis"),
        ({"x": "dim", "y": "dim"}, "two different axes"),
    ],
)
def test_axes_that_it_cannot_have_are_refused_in_words(loaded, options, words):
    with pytest.raises(InputError, match=words):
        figures.draw("phase_diagram", loaded[1], **options)


def test_it_suits_sweeps_of_two_axes_only(loaded):
    assert "phase_diagram" in figures.suited(loaded[0])
    assert "phase_diagram" not in figures.suited(loaded[0][:1])
    with pytest.raises(InputError, match="no option 'x'"):
        figures.draw("alpha", loaded[0], x="psi_cross")
