"""Pictures in two lines: of a result, of several, of a sweep's Dataset and of a part of it."""

import numpy as np
import pytest
from folders import CONFIG
from matplotlib.figure import Figure

import tokenspace as ts
from tokenspace.errors import InputError

BRANCHES = CONFIG["branches"] | {
    "psi_within": {"sweep": [0.2, 0.3, 0.4]},
    "psi_cross": {"sweep": [0.05, 0.1]},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweep")
    ts.run_sweep(CONFIG | {"branches": BRANCHES, "run": {"replicates": 100}}, folder)
    return folder


def test_a_dataset_and_its_parts(folder):
    data = ts.open_results(folder)
    whole = ts.plot(data)
    assert isinstance(whole, Figure) and len(whole.axes) == 8  # the phase diagram, with bars
    line = ts.plot(data.sel(psi_cross=0.1), "growth")
    lines = [x for x in line.axes[0].lines if x.get_linestyle() == "-"]
    wanted = [r for p, r in ts.load_results(folder) if p.axes["branches.psi_cross"] == 0.1]
    assert len(lines) == len(wanted) == 3
    for drawn, result in zip(lines, wanted, strict=True):
        exact = ts.theory.expected_divergence(result.model, result.n)
        np.testing.assert_allclose(drawn.get_ydata(), exact)
    one = ts.plot(data.sel(psi_cross=0.1, psi_within=0.3))
    assert [a.get_title() for a in one.axes] == ["psi_within = 0.3, psi_cross = 0.1"]
    assert len(ts.plot(data, "phase_diagram", x="psi_cross").axes) == 8


def test_figures_of_layers_are_drawn_of_results_that_say_none():
    a, b = np.random.default_rng(0).normal(size=(2, 5, 32, 8)).astype(np.float32)
    for name in ("tokens_balance_depth", "tokens_exponent_depth"):
        (text,) = ts.measure(a, b).plot(name).axes[0].texts
        assert text.get_text() == "no group says its layer"


def test_results_lists_and_dictionaries(folder):
    loaded = ts.load_results(folder)
    results = [r for _, r in loaded[:2]]
    assert results[0].plot().axes[0].get_title() == "100 replicates"
    assert isinstance(results[0].plot("exponent_diagram"), Figure)
    assert isinstance(ts.plot(loaded), Figure)
    legend = ts.plot({"a": results[0], "b": results[1]}).axes[0].get_legend()
    assert [t.get_text().split()[0] for t in legend.get_texts()] == ["a", "b"]
    legend = ts.plot(results).axes[0].get_legend()
    assert [t.get_text()[:8] for t in legend.get_texts()] == ["result 0", "result 1"]


def test_given_tokens_have_no_model_and_are_drawn():
    a, b = np.random.default_rng(0).normal(size=(2, 5, 32, 8)).astype(np.float32)
    result = ts.measure(a, b)
    for name in ("divergence", "exponent_diagram", "correlations", "balance", "growth"):
        figure = result.plot(name)
        figure.canvas.draw()
        assert figure.axes


@pytest.mark.parametrize(
    ("draw", "words"),
    [
        (lambda f: ts.plot(3), "int cannot be drawn"),
        (lambda f: ts.plot([]), "no results"),
        (lambda f: ts.plot([3]), "3 is no Result"),
        (lambda f: ts.plot([("a", ts.load_results(f)[0][1])]), "'a' is no point of load_results"),
        (lambda f: ts.plot(ts.load_results(f)[0][1], "tokens_within"), "no psi_cross_AA"),
        (lambda f: ts.plot(ts.open_results(f), "growht"), "did you mean 'growth'"),
        (lambda f: ts.plot(ts.open_results(f), "growth", x="psi_cross"), "no option 'x'"),
        (lambda f: ts.plot(ts.open_results(f).drop_attrs()), "does not say which results"),
        (lambda f: ts.load_results(f)[0][1].plot(size="3"), "no option 'size'"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_words(folder, draw, words):
    with pytest.raises(InputError, match=words):
        draw(folder)
