"""docs/forecasts.md says what the shipped curves say."""

import importlib.util
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tokenspace.cli.forecasts import FARTHEST, GROWN, GROWN_LOG, GROWN_ODDS
from tokenspace.scaling.curves import read_curves
from tokenspace.scaling.fit import chosen_method
from tokenspace.scaling.outcome import judge
from tokenspace.scaling.scales import Log, Logit

pytestmark = pytest.mark.once  # numbers of a page

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "forecasts.md").read_text()


def script(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


forecasts = script("forecasts")


@pytest.fixture(scope="module")
def paper():
    return forecasts.outcomes("paper")


def test_tables_of_the_papers_curves(paper):
    for made in (
        forecasts.skill_table(paper["all points"]),
        forecasts.subsets_table(paper),
        forecasts.words(paper),
    ):
        assert made in PAGE, "run: python docs/forecasts.py"


@pytest.mark.slow
@pytest.mark.parametrize("source", ["published", "later", "latest"])
def test_tables_of_other_papers_curves(source):
    found = forecasts.outcomes(source)
    for made in (
        forecasts.skill_table(found["all points"]),
        forecasts.subsets_table(found),
        forecasts.words(found),
    ):
        assert made in PAGE, "run: python docs/forecasts.py"


def rows_of_intervals():
    """Cells of the tables of intervals, by file: of log S, and of the odds of percentages."""
    part = PAGE[PAGE.index("<!-- intervals -->") : PAGE.index("<!-- end of intervals -->")]
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in part.splitlines()]
    rows = [c for c in cells if len(c) == 10 and c[0] in TOLD]
    return {c[0]: c for c in rows[:4]}, {c[0]: c for c in rows[4:]}


TOLD = tuple(forecasts.TITLES)


def test_what_the_command_says_of_intervals_stands_on_the_page():
    """And its growth is the one that every file has when it is left out."""
    log, odds = rows_of_intervals()
    assert set(log) == set(odds) == set(TOLD)
    for rows, text in ((log, GROWN_LOG), (odds, GROWN_ODDS)):
        held = sorted(float(c[5].rstrip(" %")) for c in rows.values())
        far = sorted(int(c[9].split(" to ")[1].split(" %")[0]) for c in rows.values())
        ends = f"{held[0]:.0f} to {held[-1]:.0f}", f"{far[0]} to {far[-1]}"
        assert text == GROWN.format(*ends)
        if rows is log:
            said = f"it holds {ends[0]} %, beyond 16 times the last n {ends[1]} %."
            assert said in " ".join(PAGE.split())
    assert {c[4] for c in log.values()} == {f"{Log().strays:g}"}
    assert all(abs(float(c[4]) - Logit().strays) < 0.011 for c in odds.values())


def test_how_far_intervals_were_tested():
    """From the first four counts of a curve to its last."""
    counts = [np.unique(c.n) for name in TOLD for c in read_curves(name) if c.different > 4]
    assert int(max(n[-1] / n[3] for n in counts)) == FARTHEST


@pytest.mark.slow
def test_tables_of_intervals():
    """On own curves of the laws that the least and the most is of."""
    own = forecasts.on_own_curves(["broken", "power"])
    for made in (forecasts.coverage_of_stack(Log(strays=0.0)), own):
        assert made in PAGE, "run: python docs/forecasts.py intervals"


def test_counts_between_the_papers_laws():
    laws = ["power", "crossover", "saturating"]
    errors = judge(read_curves(), chosen_method(laws, 0.95)).errors[laws]
    saturating = errors["saturating"] < errors[["power", "crossover"]].min(axis=1)
    rest = errors[~saturating]
    alike = abs(rest["crossover"] / rest["power"] - 1) < 1e-5
    crossover = ~alike & (rest["crossover"] < rest["power"])
    power = ~alike & (rest["power"] < rest["crossover"])
    said = " ".join(PAGE.split())
    assert (
        f"best on {saturating.sum()} of the 36 curves, the crossover on {crossover.sum()} and the "
        f"power law on {power.sum()}; on the other {alike.sum()} the crossover lies outside"
    ) in said


@pytest.mark.slow
def test_shares_that_intervals_hold():
    """Of the power law all cells, by the command's own function; Huber's too."""
    cells = [forecasts.held("power", setting) for setting in forecasts.SETTINGS]
    assert f"| power | {' | '.join(cells)} |" in PAGE, "run: python docs/forecasts.py coverage"


def test_plans_of_an_s_shaped_curve():
    """One row, by the command's own function."""
    name = next(iter(forecasts.PLANNED))
    assert forecasts.plans(name) in PAGE, "run: python docs/forecasts.py plans"


def cells_of(section, row):
    """Of a row of a generated table."""
    part = PAGE[PAGE.index(f"<!-- {section} -->") : PAGE.index(f"<!-- end of {section} -->")]
    (line,) = (line for line in part.splitlines() if line.startswith(f"| {row} |"))
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_plans_of_a_shape_that_nothing_was_chosen_by():
    """One cell, in which the three numbers differ, by the command's own function."""
    name = "Weibull: 55 - 25 exp(-(n / 60)^0.6)"
    made = forecasts.unseen(name, forecasts.FEW_TO_MANY[0], 0.03)
    assert made == cells_of("unseen", name)[1], "run: python docs/forecasts.py unseen"


def test_what_is_said_of_intervals_without_a_law_is_in_their_table():
    cells = [re.findall(r"\d+", c) for name in forecasts.UNSEEN for c in cells_of("unseen", name)]
    held, lawless, _ = np.array(cells, int).T
    noisy = lawless.reshape(len(forecasts.UNSEEN), -1)[2:, 1::2]
    words = f"in {sum(lawless >= held)} of these {len(held)} cells; but of the last three shapes, "
    words += f"with noise of 3 %, only {noisy.min()} to {noisy.max()} %."
    assert words in " ".join(PAGE.split())


def test_plans_by_stated_errors():
    """Of seven counts: none, and twice the right ones."""
    name, kinds = "saturating: 70, 0.5, 0.5", list(forecasts.STATED)
    made = forecasts.with_errors(name, 7, (kinds[0], kinds[3]))
    said = cells_of("stated", name)[4:]
    assert made == [said[0], said[3]], "run: python docs/forecasts.py stated"


@pytest.mark.slow
def test_shares_of_plans_that_hold():
    name = "S: 50, 12, 60, 1.5"
    cells = [forecasts.shares(name, m, k) for m in forecasts.COUNTS for k in forecasts.KEEPS]
    assert f"| {name} | {' | '.join(cells)} |" in PAGE, "run: python docs/forecasts.py shares"


def test_s_shapes_that_a_cubic_term_names():
    """Of all curves and counts, and that the test's limit is that of the worst law."""
    s_shapes = script("s_shapes")
    for curve in s_shapes.S_SHAPED:
        made = [s_shapes.named("cubic term", curve, count) for count in s_shapes.COUNTS]
        assert made == cells_of("s-shaped", curve)[::3], "run: python docs/s_shapes.py"
    limit, n = s_shapes.limit("cubic term", 7), s_shapes.COUNTS[7]
    alarms = [
        np.mean(s_shapes.cubic(n, s_shapes.drawn(s_shapes.LAWS, law, 7)) > limit)
        for law in s_shapes.LAWS
    ]
    assert max(alarms) == s_shapes.ALARM


@pytest.mark.slow
def test_s_shapes_that_a_likelihood_ratio_names(monkeypatch):
    s_shapes = script("s_shapes")
    s_shapes.alone(monkeypatch.setattr)
    curve = "S: 50, 12, 60, 1.5"
    made = s_shapes.named("likelihood ratio", curve, 7)
    assert made == cells_of("s-shaped", curve)[4], "run: python docs/s_shapes.py"


def test_rules_of_wider_intervals():
    """By hand: the union where the spline lies outside, halves with how far it is off."""
    widening = script("plan_widening")
    plan = SimpleNamespace(
        n=100.0, low=80.0, high=130.0, smallest=1.0, largest=180.0, outside=0.15,
        by_law={"spline": (150.0, 60.0, 170.0)},
    )  # fmt: skip
    assert widening.union(0.2)(plan) == (80, 130) and widening.union(0.1)(plan) == (60, 170)
    away = 2 * np.log(1.5)
    halves = np.hypot(np.log([100 / 80, 130 / 100]), away)
    want = 100 * np.exp(-halves[0]), min(100 * np.exp(halves[1]), 180)
    assert widening.bent(2.0)(plan) == pytest.approx(want) and want[1] == 180
    bare, law, width = widening.judged(
        [(False, 70.0, [plan]), (True, 90.0, [plan, plan])], widening.union(0.1)
    )
    assert (bare, law) == (1, 1) and width == pytest.approx(np.log(170 / 60) / np.log(130 / 80))
    assert widening.judged([(False, 70.0, [plan])], widening.today)[0] == 0


def test_what_is_said_of_wider_intervals_is_in_their_table():
    """And k = 1.5 is the largest that costs less than 20 % on the curves it is chosen by."""
    said, cost = " ".join(PAGE.split()), script("plan_widening").COST
    union, chosen, more = (
        cells_of("widened", f"chosen by: {rule}") for rule in ("union, 0.1", "bend, 1.5", "bend, 2")
    )
    assert union[1].startswith("0 of") and f"at {union[3].split()[0]} times the width" in said
    assert float(chosen[3].split()[0]) < cost <= float(more[3].split()[0])
    others = [cells_of("widened", f"not chosen by: {k}")[1] for k in ("union, 0.1", "bend, 1.5")]
    assert f"elsewhere {others[0]} cells stay below 85 %" in said and f"leaves {others[1]}." in said
