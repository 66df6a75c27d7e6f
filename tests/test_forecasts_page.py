"""docs/forecasts.md says what the shipped curves say."""

import importlib.util
from pathlib import Path

import pytest

from tokenspace.scaling.curves import read_curves
from tokenspace.scaling.fit import chosen_method
from tokenspace.scaling.outcome import judge

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "forecasts.md").read_text()
spec = importlib.util.spec_from_file_location("forecasts", ROOT / "docs" / "forecasts.py")
forecasts = importlib.util.module_from_spec(spec)
spec.loader.exec_module(forecasts)


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


@pytest.mark.slow
def test_plans_of_all_curves():
    assert forecasts.plans_table() in PAGE, "run: python docs/forecasts.py plans"


@pytest.mark.slow
def test_shares_of_plans_that_hold():
    name = "S: 50, 12, 60, 1.5"
    cells = [forecasts.shares(name, m, k) for m in forecasts.COUNTS for k in forecasts.KEEPS]
    assert f"| {name} | {' | '.join(cells)} |" in PAGE, "run: python docs/forecasts.py shares"
