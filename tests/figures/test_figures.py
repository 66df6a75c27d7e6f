"""Figures: their names and order, sweeps of any size, and one of one's own."""

import dataclasses
from types import SimpleNamespace

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest

import tokenspace as ts
from tokenspace import figures
from tokenspace.figures.base import Figure
from tokenspace.figures.library.forecast_skill import SHOWN, TITLES
from tokenspace.figures.style import distinct, some_labels
from tokenspace.figures.token_panels import of_tokens
from tokenspace.registry import ROOMS, register
from tokenspace.scaling.curves import SHIPPED, read_curves
from tokenspace.scaling.fit import chosen_method
from tokenspace.scaling.outcome import judge

NAMES = (
    "phase_diagram",
    "exponent_diagram",
    "growth",
    "divergence",
    "upsilon",
    "upsilon_paper",
    "alpha",
    "alpha_paper",
    "correlations",
    "balance",
    "shared_balance",
    "measured_curves",
    "forecast_skill",
)


def model(k):
    return ts.TokenModel(ts.equicorrelated(0.1, 0.11 + 0.001 * k, 0.1), ts.Isotropic(8))


@pytest.fixture(scope="module")
def result():
    return ts.simulate(model(0), [1, 2, 4], 50, statistics=("divergence", "correlations"))


def points(result, count):
    """A sweep of that many points; only their models differ."""
    return [
        (SimpleNamespace(label=f"point {k}"), dataclasses.replace(result, model=model(k)))
        for k in range(count)
    ]


def test_names_and_meanings():
    assert figures.names() == NAMES + of_tokens()
    for name in figures.names():
        assert figures.meaning(name).endswith(".") and "\n" not in figures.meaning(name)


@pytest.mark.every_case
@pytest.mark.parametrize(
    "name", NAMES[1:-2]
)  # the last two fit measured curves: the CLI's test draws them
def test_draws_without_keeping(result, name):
    open_before = plt.get_fignums()
    figure = figures.draw(name, points(result, 2))
    assert figure.axes and plt.get_fignums() == open_before


def test_colours_for_any_number():
    tab20 = [tuple(plt.get_cmap("tab20")(k)) for k in (*range(0, 20, 2), *range(1, 20, 2))]
    assert [tuple(c) for c in distinct(20)] == tab20 and [tuple(c) for c in distinct(3)] == tab20[
        :3
    ]
    for count in (0, 1, 21, 500):
        assert len(distinct(count)) == count
    assert len({tuple(c) for c in distinct(100)}) == 100


@pytest.mark.parametrize("count", [0, 1, 12, 13, 500])
def test_labels_for_any_number(count):
    labels = [f"point {k}" for k in range(count)]
    shown, title = some_labels(labels)
    kept = [label for label in shown if not label.startswith("_")]
    assert len(shown) == count
    if count <= 12:
        assert shown == labels and title is None
    else:
        assert len(kept) == 12 and kept[0] == labels[0] and kept[-1] == labels[-1]
        assert [label for label in labels if label in kept] == kept
        assert title == f"{count - 12} of {count} points are not labelled"


@pytest.mark.parametrize(("name", "others"), [("exponent_diagram", 0), ("balance", 1)])
@pytest.mark.parametrize("count", [12, 13, 100])
def test_large_sweeps(result, name, others, count):
    axes = figures.draw(name, points(result, count)).axes[0]
    legend = axes.get_legend()
    assert len(legend.get_texts()) == (count if count <= 12 else 12) + others
    title = legend.get_title().get_text()
    assert title == ("" if count <= 12 else f"{count - 12} of {count} points are not labelled")


def test_divergence_shows_the_points_of_fewest_features(result):
    loaded = points(result, 8)
    for k in (1, 5):
        branches = ts.equicorrelated(0.1, 0.2, 0.1)
        wide = ts.TokenModel(branches, ts.Isotropic(64))
        loaded[k] = (loaded[k][0], dataclasses.replace(result, model=wide))
    titles = [axes.get_title() for axes in figures.draw("divergence", loaded).axes]
    assert titles == [f"point {k}" for k in (0, 2, 3, 4, 6, 7)]


@pytest.mark.parametrize(
    "draw", [lambda: figures.draw("alhpa", []), lambda: figures.meaning("alhpa")]
)
def test_unknown_name(draw):
    with pytest.raises(ts.TokenspaceError, match=r"'alhpa'.*did you mean 'alpha'"):
        draw()


def test_nothing_to_draw():
    with pytest.raises(ts.TokenspaceError, match="none are given"):
        figures.draw("divergence", [])


def test_a_figure_of_ones_own(monkeypatch, tmp_path):
    room = ROOMS["figure"]
    room.names()
    monkeypatch.setattr(room, "_items", {"alpha": room.find("alpha")})

    @register
    class First(Figure):
        meaning = "A line."
        order = 5

        def draw(self, loaded):
            figure, axes = plt.subplots()
            axes.plot(np.arange(3))
            return figure

    assert figures.names() == ("first", "alpha") and figures.meaning("first") == "A line."
    written = figures.draw_all([], tmp_path / "new", ("png",))
    assert written == [tmp_path / "new" / "first.png", tmp_path / "new" / "alpha.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in written)


LAWS = [
    ts.StudentT(1.5, "pair"),
    ts.StudentT(1.5, "token"),
    ts.StudentT(3, "token"),
    ts.StudentT(3, "pair"),
]


@pytest.fixture(scope="module")
def of_laws():
    loaded = []
    for law in LAWS:
        model = ts.TokenModel(ts.equicorrelated(0.1, 0.3, 0.1), ts.Isotropic(8), law)
        found = ts.simulate(model, [1, 2, 4, 8], 60, statistics=("divergence", "correlations"))
        loaded.append((SimpleNamespace(label=repr(law)), found))
    return loaded


@pytest.mark.filterwarnings("error::RuntimeWarning")  # of ours: libraries deprecate
@pytest.mark.parametrize("name", [k for k in NAMES[1:-3] if "paper" not in k])  # of results
def test_laws_without_a_variance_or_an_exact_theory(of_laws, name):
    drawn = figures.draw(name, of_laws)
    drawn.canvas.draw()
    assert drawn.axes


def test_exponents_without_exact_theory_are_points_without_a_line(of_laws):
    (axes,) = figures.draw("exponent_diagram", of_laws).axes
    assert len(axes.containers) == len(LAWS)
    exact = [x for x in axes.lines if len(x.get_xdata()) == 3 and x.get_linestyle() == "-"]
    assert len(exact) == 2  # one scale a pair
    shown = {text.get_text().split("  (")[0] for text in axes.get_legend().get_texts()}
    assert shown == {repr(law) for law in LAWS}


def test_divergence_shows_medians_where_there_is_no_variance(of_laws):
    panels = figures.draw("divergence", of_laws).axes
    for axes, law, (_, found) in zip(panels, LAWS, of_laws, strict=False):
        words = " ".join(text.get_text() for text in axes.get_legend().get_texts())
        assert ("median" in words) == (law.tail <= 2)
        assert ("lambda" in words) == (law != LAWS[1])  # whose tokens have no correlations
        (dots,) = [line for line in axes.lines if line.get_marker() == "o"]
        want = found.quantiles[2] if law.tail <= 2 else found.mean
        np.testing.assert_array_equal(dots.get_ydata(), want)


def test_drawing_into_a_folder_keeps_the_backend(result, tmp_path):
    before = matplotlib.get_backend()
    matplotlib.use("svg")
    try:
        figures.draw_all(points(result, 1), tmp_path, ("png",), ["growth"])
        assert matplotlib.get_backend() == "svg"
    finally:
        matplotlib.use(before)
    assert (tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")


def test_names_are_words_and_no_formulas(result):
    """Dollars, backslashes, lines and lengths of names from anybody; none is hidden."""
    names = ["cost $x_{ $", r"\\frac$\nope$", "a\nb", "\u202ex", "x" * 3000, "_hidden", "plain"]
    figure = ts.plot(dict.fromkeys(names, result), "exponent_diagram")
    figure.canvas.draw()
    (legend,) = [a.get_legend() for a in figure.axes if a.get_legend()]
    said = [text.get_text() for text in legend.get_texts()]
    assert len(said) == len(names) and max(map(len, said)) < 120
    assert said[2].startswith("a b") and said[3].startswith("\\u202ex") and "plain" in said[-1]
    assert figure.get_tightbbox().width < 20  # inches
    figure = ts.plot({"cost $x_{ $": result}, "divergence")
    figure.canvas.draw()
    assert figure.axes[0].get_title() == r"cost \$x_{ \$"


def test_the_balance_figure_says_and_spans_what_it_shows(result):
    """n_balance = 8 and nothing else; lines without points; a panel without a curve says why."""
    alone = dataclasses.replace(result, correlations=None)

    def of(within):
        equal = ts.TokenModel(ts.equicorrelated(0.1, within, 0.1), ts.Isotropic(8))
        return dataclasses.replace(alone, model=equal)

    several = [
        (SimpleNamespace(label="", axes={"within": w, "dim": d}), of(w))
        for w in (0.1, 0.2)
        for d in (1, 2, 3)
    ]
    figure = figures.draw("balance", several)
    assert figure.get_suptitle() == "Balance curve: lines exact, no psi's were measured"
    none, some = figure.axes[:2]
    assert len(none.texts) == 1 and not some.texts
    assert 1 < none.get_ylim()[0] < 2 and 8 < none.get_ylim()[1] < 16
    figure = figures.draw("balance", [several[0], several[3]])
    assert "1 of 2 without a number > 0" in figure.axes[0].get_title()
    seen = figures.draw("balance", points(result, 1)).axes[0].get_title()
    assert seen == "Balance curve: lines exact, points from simulated tokens"


def test_forecasts_of_ones_own_curves(tmp_path):
    """A panel for all points and one without the confound; the number is the median that is told."""
    n, lines = [1, 4, 16, 64, 256], ["benchmark,n,score,confound"]
    for k in range(3):
        lines += [f"b{k},{m},{50 + k + 9 * m**0.3},{'_$odd' if m == 256 else ''}" for m in n]
        lines += [f"b{k},{m},{90 + k}," for m in (512, 1024)]
    path = tmp_path / "c.csv"
    path.write_text("\n".join(lines) + "\n")
    figure = figures.draw("forecast_skill", [], csv=str(path))
    titles = [p.get_title() for p in figure.axes if p.get_visible()]
    assert titles == [
        "all points (3 curves)",
        r"without: _\$odd (3 curves)",
        "without each curve's smallest n (3 curves)",
    ]
    outcome = judge(read_curves(path), chosen_method("auto", 0.95), 1)
    shown = [t.get_text() for t in figure.axes[0].texts]
    want = outcome.errors[list(outcome.skill["law"])[::-1]].median()
    assert shown == [f"{100 * v:.1f} %" for v in want]
    assert {t.get_color() for t in figure.axes[0].texts} == {"black"}
    path.write_text(path.read_text() + "".join(f"short,{m},{9 * m**0.3},\n" for m in n))
    figure = figures.draw("forecast_skill", [], csv=str(path))
    names = [t.get_text() for t in figure.axes[0].get_yticklabels()]
    texts = dict(zip(names, figure.axes[0].texts, strict=True))  # of the shortest no broken law
    assert [k for k, t in texts.items() if t.get_color() == "grey"] == ["broken"]
    assert [k for k, t in texts.items() if t.get_text().endswith("%\n3 of 4")] == ["broken"]
    with pytest.raises(ts.TokenspaceError, match="hold = no is not allowed"):
        figures.draw("forecast_skill", [], csv=str(path), hold="no")
    with pytest.raises(ts.TokenspaceError, match="no curve is long enough"):
        figures.draw("forecast_skill", [], csv=str(path), hold="9")


def test_forecasts_of_every_file_of_curves_are_drawn():
    assert set(SHOWN) == set(TITLES) == set(SHIPPED)
