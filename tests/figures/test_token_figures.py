"""Figures of given tokens, and the paper's formula figures: what they show."""

from types import SimpleNamespace

import numpy as np
import pytest

import tokenspace as ts
from tokenspace import figures
from tokenspace.figures.given import FEWER, MOST_PANELS, of_tokens
from tokenspace.figures.library import alpha_paper, upsilon_paper

RNG = np.random.default_rng(0)
TOKENS = [RNG.standard_normal((12 - k, 6)).astype("f4") + 1 for k in range(6)]


@pytest.fixture(scope="module")
def loaded():
    results = [ts.measure([h + k / 2 for h in TOKENS], pairs="all", grid=12 - 1) for k in range(3)]
    return [
        (SimpleNamespace(label=f"m layer {k}", model="m", part="language", layer=k), r)
        for k, r in enumerate(results)
    ]


def test_they_suit_tokens_alone(loaded):
    assert len(of_tokens()) == 7
    assert set(of_tokens()) <= set(figures.suited(loaded))
    assert not set(of_tokens()) & set(figures.suited([]))
    assert set(of_tokens()) <= set(figures.suited([(SimpleNamespace(label="x"), loaded[0][1])]))
    model = ts.TokenModel(ts.equicorrelated(0.2, 0.3, 0.1), ts.Isotropic(4))
    drawn = [(loaded[0][0], ts.simulate(model, 8, 4))]
    assert not set(of_tokens()) & set(figures.suited(drawn))


def test_the_divergence_of_given_tokens_has_the_lambda_of_its_fit(loaded):
    for (_, result), axes in zip(loaded, figures.draw("divergence", loaded).axes, strict=True):
        law = axes.lines[-1]
        scale = result.scale_fit().mean
        assert f"= {scale:.4f}" in law.get_label()
        root = np.sqrt(result.cosine_upsilon().mean)
        np.testing.assert_allclose(law.get_ydata(), scale * root)


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("name", of_tokens())
def test_draws(loaded, name):
    figure = figures.draw(name, loaded)
    figure.canvas.draw()
    panels = [axes for axes in figure.axes if axes.get_title()]
    assert len(panels) == (1 if "depth" in name or "balance" in name else 3)


def test_panels_show_what_was_measured(loaded):
    for (_, result), axes in zip(
        loaded, figures.draw("tokens_divergence", loaded).axes, strict=False
    ):
        dots, in_log, plain, _ = axes.lines
        np.testing.assert_array_equal(dots.get_ydata(), result.mean)
        root = np.sqrt(result.cosine_upsilon().mean)
        np.testing.assert_allclose(in_log.get_ydata(), result.scale_fit().mean * root)
        np.testing.assert_allclose(plain.get_ydata(), result.scale_fit(by="plain").mean * root)


def test_panels_say_where_fewer_than_half_of_the_pairs_are_left(loaded):
    for (_, result), axes in zip(loaded, figures.draw("tokens_within", loaded).axes, strict=False):
        (line,) = [x for x in axes.lines if x.get_label() == FEWER]
        assert set(line.get_xdata()) == {result.reached().n[-1]} < {*result.n[:-1]}
    alike = [(loaded[0][0], ts.measure(np.stack([h[:7] for h in TOKENS]), pairs="all"))]
    lines = figures.draw("tokens_within", alike).axes[0].lines
    assert FEWER not in [x.get_label() for x in lines]


@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("name", ["tokens_divergence", "tokens_within"])
def test_the_legend_fits_into_the_figure(loaded, name, groups):
    figure = figures.draw(name, loaded[:groups])
    figure.canvas.draw()
    (legend,) = figure.legends
    box = legend.get_window_extent()
    assert box.x0 >= 0 and box.x1 <= figure.bbox.width


def test_many_groups_are_spread_over_twelve_panels(loaded):
    many = [loaded[0]] * 30
    figure = figures.draw("tokens_within", many)
    assert len(figure.axes) == MOST_PANELS
    assert "(18 more are not shown)" in figure.get_suptitle()


def test_depth_shows_n_balance_of_every_layer(loaded):
    (axes,) = figures.draw("tokens_balance_depth", loaded).axes
    (line,) = [x for x in axes.lines if x.get_linestyle() == "-" and len(x.get_xdata()) == 3]
    want = np.array([r.n_balance().mean for _, r in loaded])
    want[~(np.isfinite(want) & (want > -1))] = np.nan
    np.testing.assert_allclose(line.get_ydata(), want)


def test_the_papers_upsilon_is_the_formula_and_most_of_its_curves_belong_to_no_model():
    """1 - 0.7 < 0.9 - psi_cross up to 0.5; and 1 + 0.7 < 0.9 + psi_cross at 0.9."""
    valid = [upsilon_paper.belongs_to_a_model(c) for c in upsilon_paper.PSI_CROSS]
    assert valid == [False, False, False, True, True, False]
    for psi_cross, answer in zip(upsilon_paper.PSI_CROSS, valid, strict=True):
        two = np.array([[1, 0.9, 0.7, psi_cross], [0.9, 1, psi_cross, 0.7]])
        joint = np.vstack([two, two[:, [2, 3, 0, 1]]])
        assert (np.linalg.eigvalsh(joint).min() > -1e-12) == answer
    (axes,) = figures.draw("upsilon_paper", []).axes
    n = np.arange(1, 17)
    for line, psi_cross, answer in zip(axes.lines, upsilon_paper.PSI_CROSS, valid, strict=True):
        np.testing.assert_allclose(
            line.get_ydata() ** 2, n * 0.3 + n * (n - 1) * (0.9 - psi_cross), rtol=1e-12
        )
        assert line.get_linestyle() == ("-" if answer else "--")
    assert axes.get_xscale() == axes.get_yscale() == "linear"


def test_the_papers_alpha_is_the_formula():
    (axes,) = figures.draw("alpha_paper", []).axes
    n = np.arange(2, 51)
    for line, balance in zip(axes.lines, alpha_paper.BALANCES, strict=True):
        want = np.log((1 + balance) / (n + balance)) / np.log(n) / 2 - 0.5
        np.testing.assert_allclose(line.get_ydata()[1:], want, rtol=1e-9)
    assert axes.get_xscale() == "linear" and len(axes.lines) == 6
