"""docs/shared_balance.md is made of what `make shared-balance` finds."""

import importlib.util
import re
from pathlib import Path

import pytest

from tokenspace.scaling.curves import read_curves
from tokenspace.scaling.joint.family import Family
from tokenspace.scaling.joint.forecast import forecast_joint, skill
from tokenspace.scaling.joint.ratios import ratios
from tokenspace.scaling.joint.sensitivity import by_model
from tokenspace.scaling.subsets import subsets

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
    rows = 0
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
            rows += 1
    assert rows == 8


def test_words_of_the_page_are_those_of_its_tables():
    """What the text says of excluded values and coverage."""
    lines = [k.split(" | ") for k in table("fits").splitlines() if "with" in k and "|" in k]
    ends = [tuple(map(float, cells[4].split(" to "))) for cells in lines if "question" in cells[0]]
    assert len(ends) == 8 and all(low <= 60 and high >= 400 for low, high in ends)
    p = [float(c[7].split(", ")[1].rstrip(") ")) for c in lines]
    assert max(p) < 0.05, "shape is refused in every row"
    sets = [k.split(" | ") for k in table("sets").splitlines()[3:] if k.startswith("|")]
    common = [c for c in sets if c[1] == "0.5"]
    assert {f"{min(float(c[2]) for c in common):.0f}"} <= {"56", "57"}
    assert min(float(c[3]) for c in sets) >= 91
    assert all(float(c[4]) >= 93 for c in [k.split(" | ") for k in held_lines("plans")])


def held_lines(mark):
    return [k for k in table(mark).splitlines()[3:] if k.startswith("|")]


@pytest.mark.slow
def test_tables_are_made_by_the_command():
    made = script().parts(400)
    for mark in ("fits", "forecasts", "power"):
        assert "\n".join(made[mark]()) + "\n" == table(mark), mark
