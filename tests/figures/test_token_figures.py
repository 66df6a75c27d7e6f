"""Figures of given tokens, and the paper's formula figures: what they show."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

import tokenspace as ts
from tokenspace import figures
from tokenspace.figures.labelled import Labelled
from tokenspace.figures.library import alpha_paper, upsilon_paper
from tokenspace.figures.library.tokens_divergence import FITTED
from tokenspace.figures.token_choice import chosen, named
from tokenspace.figures.token_panels import FEWER, MOST_PANELS, NO_DIFFERENCE, of_tokens
from tokenspace.statistics.balance import balance_curve
from tokenspace.tokens.folders import Measured

RNG = np.random.default_rng(0)
TOKENS = [RNG.standard_normal((12 - k, 6)).astype("f4") + 1 for k in range(6)]


@pytest.fixture(scope="module")
def loaded():
    results = [ts.measure([h + k / 2 for h in TOKENS], pairs="all", grid=12 - 1) for k in range(3)]
    return [
        (Measured(f"m layer {k}", f"m layer {k}", "m", "language", k, r), r)
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
        fitted, scale = result.reached(), result.scale_fit().mean
        assert f"= {scale:.4f}" in law.get_label() and len(fitted.n) < len(result.n)
        root = np.sqrt(fitted.cosine_upsilon().mean)  # of the same pairs, up to the n they reach
        assert not np.allclose(root, np.sqrt(result.cosine_upsilon().mean[: len(root)]), rtol=1e-3)
        np.testing.assert_array_equal(law.get_xdata(), fitted.n)
        np.testing.assert_allclose(law.get_ydata(), scale * root)


@pytest.mark.every_case
@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("name", of_tokens())
def test_draws(loaded, name):
    figure = figures.draw(name, loaded)
    figure.canvas.draw()
    panels = [axes for axes in figure.axes if axes.get_title()]
    assert len(panels) == (0 if "depth" in name else 3)
    assert len(figure.axes) == (1 if "depth" in name else 3)


def test_panels_show_what_was_measured(loaded):
    for (_, result), axes in zip(
        loaded, figures.draw("tokens_divergence", loaded).axes, strict=False
    ):
        dots, fitted, in_log, plain, _ = axes.lines
        np.testing.assert_array_equal(dots.get_ydata(), result.mean)
        of = result.reached()
        assert 3 < len(of.n) < len(result.n) and fitted.get_label() == FITTED
        np.testing.assert_array_equal(fitted.get_ydata(), of.mean)
        root = np.sqrt(of.cosine_upsilon().mean)
        np.testing.assert_allclose(in_log.get_ydata(), result.scale_fit().mean * root)
        np.testing.assert_allclose(plain.get_ydata(), result.scale_fit(by="plain").mean * root)


@pytest.mark.parametrize(("pairs", "bands"), [(1, 0), (2, 2)])
def test_one_pair_has_no_bands_and_the_legend_names_none(pairs, bands):
    a, b = np.random.default_rng(2).standard_normal((2, pairs, 9, 4))
    figure = figures.draw("tokens_divergence", groups_of(ts.measure(a, b), ("language", 1)))
    said = [text.get_text() for text in figure.legends[0].get_texts()]
    assert sum("sigma" in text for text in said) == len(figure.axes[0].collections) == bands


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


LONG = "llava-hf/llava-v1.6-mistral-7b-hf-tuned-on-long-documents-12000"


def groups_of(result, *parts, model=LONG):
    """Groups of a model, parts given as (name, layers)."""
    return [
        (Measured(name, name, model, part, k, result), result)
        for part, layers in parts
        for k in range(layers)
        for name in [f"{part}_{k}"]
    ]


def test_of_many_groups_each_part_has_panels_and_those_without_are_named(loaded):
    _, result = loaded[0]
    groups = groups_of(result, ("vision", 30), ("projected", 1))
    groups += groups_of(result, ("language", 9), model="m")
    figure = figures.draw("tokens_within", groups)
    titles = [axes.get_title().split("\n")[-1] for axes in figure.axes]
    assert len(titles) == MOST_PANELS and {"vision_0", "vision_29", "projected_0"} <= set(titles)
    assert {"language_0", "language_8"} <= set(titles)
    assert "(12 of 40 groups)" in figure.get_suptitle()
    said = figure.legends[0].get_title().get_text().replace("\n", " ")
    _, left = chosen(groups, MOST_PANELS)
    assert len(left) == 28 and said.endswith(named(left, True))
    assert said.count("12000 vision ") == said.count("m language ") == 1
    assert named(groups_of(result, ("a", 3), ("b", 1)), False) == "a 0 to 2; b 0"


def test_titles_of_long_names_do_not_overprint(loaded):
    _, result = loaded[0]
    groups = groups_of(result, ("language", 4)) + groups_of(result, ("x", 2), model="y" * 90)
    figure = figures.draw("tokens_balance", groups)
    figure.canvas.draw()
    boxes = [axes.title.get_window_extent() for axes in figure.axes]
    for k, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:k])
        assert box.x0 >= 0 and box.x1 <= figure.bbox.width


@pytest.mark.filterwarnings("error::UserWarning", "ignore::DeprecationWarning")  # of libraries
def test_tokens_that_are_all_alike_are_said_to_be():
    same = ts.measure(np.ones((4, 5, 3)), pairs="all")
    for name in of_tokens():
        figure = figures.draw(name, groups_of(same, ("language", 1)))
        figure.canvas.draw()
        said = [text.get_text() for text in figure.axes[0].texts]
        assert (NO_DIFFERENCE in said) == (name in ("tokens_divergence", "tokens_balance"))


def apart(strength):
    """Tokens of pictures that have something of their own, so strong beside their noise."""
    rng = np.random.default_rng(1)
    own = strength * rng.standard_normal((6, 1, 6))
    return ts.measure(own + rng.standard_normal((6, 11, 6)), pairs="all", grid=11)


def test_balance_curves_have_the_intervals_of_their_ratio():
    result = apart(2.0)
    axes = figures.draw("tokens_balance", groups_of(result, ("language", 1))).axes[0]
    psi = result.correlations
    value, low, high = balance_curve(
        result.n, psi["psi_equal"], psi["psi_delta"], result.cosine_upsilon()
    )
    drawn, _, (bars,) = axes.containers[0].lines
    np.testing.assert_array_equal(drawn.get_xdata(), result.n[1:])
    want = np.where(np.isfinite(value), value, np.nan)[1:]
    np.testing.assert_array_equal(drawn.get_ydata(), want)
    bounded = (low > -1) & (high < 10 * result.n[-1])
    assert bounded.sum() > 3
    for k in np.flatnonzero(bounded):
        np.testing.assert_allclose(bars.get_segments()[k - 1][:, 1], [low[k], high[k]])
    (line,) = [x for x in axes.lines if x.get_label() == "$y = n$"]
    np.testing.assert_array_equal(line.get_xdata(), line.get_ydata())


@pytest.mark.parametrize("scales", [False, True])
def test_no_point_of_a_balance_curve_is_rounding(scales):
    """Answers that begin alike, D = 0 or not: beyond, the curve of all tokens is there."""
    rng = np.random.default_rng(5)
    a, b = rng.standard_normal((2, 8, 24, 6)) + rng.standard_normal((2, 8, 1, 6))
    b[:, :5] = a[:, :5] * (np.exp(rng.standard_normal((8, 5, 1))) if scales else 1)
    result = ts.measure(a, b, grid=24)
    psi = result.correlations
    begin, drawn = result.n <= 5, result.n > 5
    assert np.any(psi["psi_delta"].mean[begin] > 0) and scales == result.mean[:2].all()
    axes = figures.draw("tokens_balance", groups_of(result, ("language", 1))).axes[0]
    line, _, (bars,) = axes.containers[0].lines
    values = dict(zip(line.get_xdata(), line.get_ydata(), strict=True))
    assert np.isnan([values[n] for n in result.n[begin] if n > 1]).all()
    want = balance_curve(result.n, psi["psi_equal"], psi["psi_delta"], result.cosine_upsilon())[0]
    above = drawn & np.isfinite(want)
    assert above.sum() > 3
    np.testing.assert_array_equal([values[n] for n in result.n[above]], want[above])


def test_panels_of_psi_have_bars_of_two_standard_errors():
    result = apart(2.0)
    axes = figures.draw("tokens_within", groups_of(result, ("language", 1))).axes[0]
    for container in axes.containers:
        drawn, _, (bars,) = container.lines
        middle = drawn.get_ydata()
        (psi,) = [
            e
            for e in result.correlations.values()
            if np.array_equal(e.mean, middle, equal_nan=True)
        ]
        for k in np.flatnonzero(np.isfinite(psi.standard_error)):
            ends = middle[k] + np.array([-2, 2]) * psi.standard_error[k]
            np.testing.assert_allclose(bars.get_segments()[k][:, 1], ends)
    assert len(axes.containers) >= 2


def test_depth_shows_n_balance_of_every_layer(loaded):
    (axes,) = figures.draw("tokens_balance_depth", loaded).axes
    (line,) = [x for x in axes.lines if x.get_linestyle() == "-" and len(x.get_xdata()) == 3]
    want = np.array([r.n_balance().mean for _, r in loaded])
    want[~(np.isfinite(want) & (want > -1))] = np.nan
    np.testing.assert_allclose(line.get_ydata(), want)


def test_depth_tells_parts_of_a_model_of_a_long_name_apart(loaded):
    parts = [
        (Measured("x", "x", "m" * 100, part, k, result), result)
        for part in ("vision", "language")
        for k, (_, result) in enumerate(loaded)
    ]
    figure = figures.draw("tokens_exponent_depth", parts)
    said = [text.get_text() for text in figure.legends[0].get_texts()]
    assert said[1:] == ["vision", "language"]
    parts += groups_of(loaded[0][1], ("vision", 1), model="n")
    figure = figures.draw("tokens_exponent_depth", parts)
    said = [text.get_text() for text in figure.legends[0].get_texts()]
    assert [text.rsplit(", ")[1] for text in said[1:]] == ["vision", "language", "vision"]


def bars_of(axes):
    """Layer, value and both ends of what is drawn against depth."""
    drawn, _, (bars,) = axes.containers[0].lines
    ends = np.array(bars.get_segments())[:, :, 1]
    return drawn.get_xdata(), drawn.get_ydata(), ends


def test_bars_of_exponents_against_depth_are_95_percent_intervals():
    """Of the slope from n = 1 to the last n, of Student's t: they fail if twice as long."""
    results = [apart(strength) for strength in (0.5, 2.0)]
    groups = [(g, r) for (g, _), r in zip(groups_of(results[0], ("a", 2)), results, strict=True)]
    layer, value, ends = bars_of(figures.draw("tokens_exponent_depth", groups).axes[0])
    np.testing.assert_array_equal(layer, [0, 1])
    for result, slope, (low, high) in zip(results, value, ends, strict=True):
        first, last = result.mean[[0, -1]]
        assert slope == pytest.approx(np.log(last / first) / np.log(11))
        to_slope = np.array([-1 / first, 1 / last]) / np.log(11)
        covariance = result.divergence.covariance[np.ix_([0, -1], [0, -1])]
        reach = stats.t.ppf(0.975, 5) * np.sqrt(to_slope @ covariance @ to_slope)  # six pictures
        np.testing.assert_allclose([low, high], [slope - reach, slope + reach], rtol=1e-9)


def test_bars_of_n_balance_against_depth_are_its_interval():
    result = apart(2.0)
    figure = figures.draw("tokens_balance_depth", groups_of(result, ("language", 1)))
    _, value, ends = bars_of(figure.axes[0])
    found = result.n_balance()
    assert found.interval[0] >= 0 and np.isfinite(found.interval[1])
    np.testing.assert_allclose(value, found.mean)
    np.testing.assert_allclose(ends[0], found.interval)


def test_points_of_correlations_that_are_not_constant_are_hollow():
    rng = np.random.default_rng(3)
    h = np.cumsum(rng.standard_normal((9, 30, 4)), axis=1) + 5 * rng.standard_normal((9, 1, 4))
    results = apart(2.0), ts.measure(h[:, ::-1], pairs="all", grid=30)
    assert [r.n_balance().constant for r in results] == [True, False]
    groups = [(g, r) for (g, _), r in zip(groups_of(results[0], ("a", 2)), results, strict=True)]
    (axes,) = figures.draw("tokens_balance_depth", groups).axes
    (hollow,) = [line for line in axes.lines if line.get_markerfacecolor() == "white"]
    assert list(hollow.get_xdata()) == [1]
    assert all(line.get_zorder() < hollow.get_zorder() for line in axes.lines if line != hollow)


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("name", of_tokens())
def test_of_one_pair_errors_are_said_to_be_unknown(name):
    """No bar, and no title that speaks of bars; nothing is left empty without a word."""
    result = ts.measure(*np.random.default_rng(2).standard_normal((2, 12, 5)), grid=12)
    figure = figures.draw(name, groups_of(result, ("language", 1)))
    figure.canvas.draw()
    said = figure.get_suptitle().replace("\n", " ")
    assert "2 s.e." not in said and "95 %" not in said
    if name == "tokens_balance_depth":
        assert "at least 3 token counts and 2" in figure.axes[0].texts[0].get_text()
    elif name != "tokens_divergence":
        assert "errors unknown" in said
        both = groups_of(result, ("a", 1)) + groups_of(apart(2.0), ("b", 1))
        assert ", where known" in figures.draw(name, both).get_suptitle().replace("\n", " ")


def test_axes_without_a_point_say_why():
    """Steps of noise: their sums do not grow, so that no n_balance is seen."""
    still = np.diff(np.random.default_rng(5).standard_normal((8, 12, 4)), axis=1)
    result = ts.measure(still, pairs="all", grid=11)
    assert np.isinf(result.n_balance().mean)
    for name, group, said in (
        ("tokens_balance_depth", groups_of(result, ("a", 2)), "is seen in any layer"),
        ("tokens_exponent_depth", [(Labelled("x"), result)], "no group says its layer"),
    ):
        figure = figures.draw(name, group)
        (axes,) = figure.axes
        assert said in axes.texts[0].get_text() and not len(axes.get_yticks())
        assert "95 %" not in figure.get_suptitle()


def test_a_label_is_enough():
    """Results of one's own, with a label and nothing else, have a panel of that name."""
    figure = figures.draw("tokens_within", [(SimpleNamespace(label="mine"), apart(1.0))])
    assert figure.axes[0].get_title() == "mine"


@pytest.mark.parametrize(("strength", "arrows"), [(2.0, 0), (0.4, 2)])
def test_depth_points_to_the_edge_where_an_interval_is_not_bounded(strength, arrows):
    result = apart(strength)
    assert np.isinf(result.n_balance().interval[1]) == bool(arrows)
    (axes,) = figures.draw("tokens_balance_depth", groups_of(result, ("language", 2))).axes
    assert len(axes.texts) == arrows
    to_axes = axes.transData + axes.transAxes.inverted()
    for arrow in axes.texts:  # to the edge at the height 1, and seen
        assert to_axes.transform(arrow.xyann)[1] < 0.93


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


@pytest.mark.parametrize("name", of_tokens())
def test_sequences_of_one_token_are_drawn_or_say_why(name, tmp_path):
    """No psi of two tokens is known, and axes of logarithms without a number cannot be drawn."""
    result = ts.measure([h[:1] for h in TOKENS], pairs="all")
    figure = figures.draw(name, [(Measured("m", "m", "m", "language", 0, result), result)])
    figure.savefig(tmp_path / "one.png")
    if name in ("tokens_within", "tokens_across"):
        (said,) = [text.get_text() for text in figure.axes[0].texts]
        assert "no two" in said
