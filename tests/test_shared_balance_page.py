"""docs/shared_balance.md is made of what `make shared-balance` finds."""

import importlib.util
import re
from pathlib import Path

import pytest

from tokenspace.scaling.curves import read_curves
from tokenspace.scaling.joint.family import Family
from tokenspace.scaling.joint.forecast import forecast_joint, skill
from tokenspace.scaling.joint.noise import KINDS
from tokenspace.scaling.joint.per_model import by_model, rows, tasks
from tokenspace.scaling.joint.ratios import ratios
from tokenspace.scaling.subsets import subsets

pytestmark = pytest.mark.once  # numbers of a page

DOCS = Path(__file__).parent.parent / "docs"
PAGE = (DOCS / "shared_balance.md").read_text()


def script():
    spec = importlib.util.spec_from_file_location("shared_balance", DOCS / "shared_balance.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def table(mark):
    return PAGE.split(f"<!-- {mark} -->\n")[1].split("<!-- / -->")[0]


def test_ratios_and_forecasts_of_the_page_are_those_of_the_data():
    seen = 0
    fits, forecasts = table("fits"), table("forecasts")
    models = by_model(read_curves())
    for series, curves in zip(("with question", "without question"), models.values(), strict=True):
        for points, some in subsets(curves).items():
            need, sharing, shape = ratios(Family.of(some))
            (line,) = re.findall(rf"\| {re.escape(series)} \| {re.escape(points)} \| .*", fits)
            assert "| none |" in line and need < 1e-9
            assert f"| {sharing:.1f} (" in line and f"| {shape:.1f} (" in line
            found = skill(forecast_joint(some))
            cells = [f"{m:.3f} ({b:.0f})" for m, b in found.to_numpy()]
            assert f"| {series} | {points} | {' | '.join(cells)} |" in forecasts
            seen += 1
    assert seen == 8


def test_words_of_the_page_are_those_of_its_tables():
    """What the text says of excluded values and coverage."""
    lines = [k.split(" | ") for k in table("fits").splitlines() if "with" in k and "|" in k]
    own = [c for c in lines if "question" in c[0]]
    without_first = [c[4] for c in own if "n = 1" in c[1] or "all confounds" in c[1]]
    assert without_first == ["nothing"] * 4
    said = " ".join(PAGE.split())
    least = [re.findall(r"\(([\d.]+) to ([\d.]+);", c[4])[0] for c in own if c[1] == "all points"]
    low, high = (f(float(k[end]) for k in least) for f, end in ((max, 0), (min, 1)))
    assert len(least) == 2 and f"both series (blocks), {low:g} to {high:g} at least" in said
    paper = " ".join((DOCS / "reproduction.md").read_text().split())
    assert f"around 30 ({low:g} to {high:g} at least, by 9,999 draws) is refused by both" in paper
    apart = [tuple(map(float, c[3].split(" to "))) for c in own]
    assert all(low <= 23 and high >= 1100 for low, high in apart)
    p = [float(c[7].split(", ")[1].rstrip(") ")) for c in lines]
    assert max(p) < 0.05, "shape is refused in every row"
    sets = [k.split(" | ") for k in held_lines("sets")]
    together = [c for c in sets if c[2] == "0.5"]
    low, high = (f"{f(float(c[3]) for c in together):.0f}" for f in (min, max))
    assert f"the independent set holds the truth in {low} to {high} %" in said
    low, high = (f"{f(float(c[4]) for c in sets):.0f}" for f in (min, max))
    assert f"that of blocks in {low} to {high} %" in said
    assert len(sets) == 18 and min(float(c[4]) for c in sets) >= 93
    errors = {tuple(c[:2]): c for c in (k.strip("| ").split(" | ") for k in held_lines("errors"))}
    given = [float(v) for (_, how), c in errors.items() if "given" in how for v in c[2:]]
    assert min(given) >= 90
    sizes = [k.strip("| ").split(" | ") for k in held_lines("sizes")]
    right = [c for c in sizes if c[2] == "right"]
    assert len(sizes) == 18 and len(right) == 6 and min(three(sizes, 4)) >= 92
    for lines, column, words in (
        (sizes, 4, "Sets from blocks hold the truth in {} %"),
        (sizes, 5, "where weights alone have {} %"),
        ([c for c in right if c[1] == "6"], 6, "sets of six counts are {} % narrower"),
        ([c for c in right if c[1] == "10"], 6, "narrower and of ten {} %."),
        (sizes, 7, "Shape is rejected in {} %"),
        (sizes, 8, "by weights alone in {} %."),
    ):
        found = three(lines, column)
        assert words.format(f"{min(found):.0f} to {max(found):.0f}") in said
    counts = [k.strip("| ").split(" | ") for k in held_lines("counts")]
    independent, blocks = (max(float(c[k]) for c in counts) for k in (4, 5))
    assert blocks < 5 and "Blocks reject a true shape in less than 5 %" in said
    assert f"independent noise in up to {independent:.0f} %" in said
    tokens = [k.strip("| ").split(" | ") for k in held_lines("tokens")]
    constant = [c for c in tokens if "Markov" not in c[0] and "tokens" in c[3]]
    markov = [c for c in tokens if "Markov" in c[0]]
    alphas = [float(v) for c in constant for v in c[6:8]]
    assert len(constant) == 7 and len(markov) == 3 and min(float(c[5]) for c in constant) >= 93
    assert f"hold it in {min(alphas):.0f} to {max(alphas):.0f} % of runs, of white" in said
    refused = [float(c[8]) for c in constant]
    assert f"True laws are refused in {min(refused):g} to {max(refused):g} % of runs;" in said
    few, all_runs = (float(c[8]) for c in tokens if "levels off" in c[3])
    assert f"levels off in {few:.0f} %" in said and all_runs == 100
    assert {c[9] for c in markov} == {"100.0"} and {c[9] for c in constant} == {"0.0"}
    least = min(float(v) for c in markov for v in c[6:8])
    assert f"hold almost nothing ({least:g} %) or everything" in said
    own = " ".join((DOCS / "your_own_curves.md").read_text().split())
    assert f"in {min(alphas):.0f} to {max(alphas):.0f} % of runs where" in own
    repeats = [k.strip("| ").split(" | ")[2:] for k in held_lines("repeats")]
    assert len(repeats) == 8 and min(float(v) for row in repeats for v in row) >= 93


def test_every_table_of_the_page_is_made_by_the_command():
    """And how few tokens are enough stands in one place."""
    assert re.findall(r"<!-- (\w+) -->", PAGE) == list(script().parts(400))
    (anchor,) = re.findall(r"forecasts\.md#([\w-]+)", PAGE)
    heads = re.findall(r"^## (.+)$", (DOCS / "forecasts.md").read_text(), re.M)
    assert anchor in [head.lower().replace(" ", "-") for head in heads]


def three(lines, column):
    """Numbers of cells that tell three correlations."""
    return [float(v.rstrip(" %")) for c in lines for v in c[column].split("/")]


def held_lines(mark):
    return [k for k in table(mark).splitlines()[3:] if k.startswith("|")]


@pytest.mark.slow
def test_tables_are_made_by_the_command():
    """Of the dear ones the rows of one series, by one kind of noise."""
    assert "\n".join(script().parts(400)["forecasts"]()) + "\n" == table("forecasts")
    own = list(by_model(read_curves()).values())[-1]
    made = script().powers(own, KINDS[-1:])
    assert len(made) > 10 and set(made) <= set(table("power").splitlines())
    (first,) = rows(tasks(read_curves())[:1], runs=script().RUNS)
    assert script().fits([first])[3] in table("fits")
