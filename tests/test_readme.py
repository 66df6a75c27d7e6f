"""What the README shows must run, and its numbers must be those of the project."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from tokenspace.experiments.config import read_configuration
from tokenspace.experiments.presence import BEAT, SILENT
from tokenspace.scaling.curves import compare_with_least_squares, fit_curves, read_curves
from tokenspace_benchmarks import table

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
SAMPLERS = (ROOT / "docs" / "samplers.md").read_text()
PAPER = (ROOT / "docs" / "reproduction.md").read_text()
MOST_LINES = 150
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_python_example_runs(capsys):
    (code,) = re.findall(r"```python\n(.*?)```", README, re.S)
    exec(code, {})
    assert "PASS" in capsys.readouterr().out


def test_it_is_short_and_begins_with_a_small_picture():
    lines = README.splitlines()
    assert len(lines) < MOST_LINES
    (shown,) = (k for k, line in enumerate(lines) if line.startswith("!["))
    assert shown < 20 and "docs/phase_diagram.png" in lines[shown]
    assert (ROOT / "docs" / "phase_diagram.png").stat().st_size < 200_000


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_to_files(page):
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (page.parent / link).exists(), link


def test_every_command_is_listed():
    from tokenspace.cli import app

    for command in app.registered_commands:
        name = command.callback.__name__.replace("_", "-")
        assert f"`tokenspace {name}" in README, name


def rows_of_fits():
    """The reproduction table, a line a curve: least squares in closed form, ours, differences."""
    curves = read_curves()
    table = compare_with_least_squares(curves, fit_curves(curves, "power"))
    assert table["c off"].max() < 1e-6 and table["alpha off"].max() < 1e-6
    for row in table.itertuples(index=False):
        name, paper_c, c, _, paper_alpha, alpha, _ = row
        yield f"| {name} | {paper_c:.6g} | {c:.6g} | {paper_alpha:.5f} | {alpha:.5f} | < 1e-6 |"


def test_reproduction_table():
    page = (ROOT / "docs" / "fits.md").read_text()
    for row in rows_of_fits():
        assert row in page, row


def test_counts_of_preferred_laws():
    said = " ".join(PAPER[PAPER.index("## What the paper's data say") :].split())
    fits = all_three = [fit for _, fit in fit_curves(read_curves(), "power,crossover,saturating")]
    power, saturating, crossover = (
        [f for f in fits if f.winner == law and not f.flat]
        for law in ("power", "saturating", "crossover")
    )
    clear = [f for f in fits if f.decisive]
    assert not crossover and {f.winner for f in clear} == {"saturating"}
    assert (
        f"{len(power)} of the {len(fits)} curves prefer the power law, {len(saturating)} a "
        f"saturating law and none the crossover law, while {sum(f.flat for f in fits)} are flat"
    ) in said
    assert f"Only {len(clear)} preferences are decisive" in said
    assert f"all {len(clear)} are for the saturating law" in said
    told = [f for f in all_three if not f.flat]
    left_out = Counter(max(f.fits, key=lambda k: f.fits[k].left_out) for f in told)
    assert (
        f"the same {len(told)} curves prefer the saturating law {left_out['saturating']} times, the "
        f"crossover law {left_out['crossover']} and the power law {left_out['power']};"
    ) in said
    six = [fit for _, fit in fit_curves(read_curves())]
    won = Counter(f.winner for f in six if not f.flat)
    assert not won["crossover"] and sum(f.decisive for f in six) == 1
    assert (
        f"prefers the power law {won['power']} times, the saturating law {won['saturating']}, the "
        f"logarithm {won['logarithm']}, the offset law {won['offset']}, the broken law "
        f"{won['broken']} and the crossover law never, and is decisive once"
    ) in said
    rest = [c.keep(c.n > 1) for c in read_curves()]
    fits = [fit for _, fit in fit_curves(rest, "power,crossover,saturating")]
    counts = Counter("flat" if f.flat else f.winner for f in fits)
    decisive = sum(f.decisive for f in fits) or "none"
    assert set(counts) == {"power", "saturating", "flat"}
    without = (
        f"Without n = 1 it is {counts['power']} and {counts['saturating']}, {counts['flat']} flat, "
        f"{decisive} decisive"
    )
    assert without in said


def section_of_forecasts(name):
    """A generated part of docs/forecasts.md, and the cells of its first table by forecaster."""
    page = (ROOT / "docs" / "forecasts.md").read_text()
    part = page[page.index(f"<!-- {name} -->") : page.index(f"<!-- end of {name} -->")]
    rows = {
        cells[0]: cells
        for line in reversed(part.splitlines())
        if len(cells := [c.strip() for c in line.strip("|").split("|")]) == 10
    }
    return part, rows


def test_what_is_said_of_forecasts_stands_on_their_page():
    said = PAPER[PAPER.index("**Forecasts**") : PAPER.index("**Other papers**")]
    paper, rows = section_of_forecasts("paper")
    assert f"(median error {rows['no change'][3]})" in said
    for law, how in (("no change", "by {}, and only"), ("saturating", "(saturating {} nearer")):
        assert how.format(rows[law][8].split(" (")[0]) in " ".join(said.split())
    assert f"p {rows['saturating'][8].split('(')[1].rstrip(')')} over benchmarks" in said
    first, without, *_ = (x for x in paper.splitlines() if x.startswith("- "))
    assert f"beyond chance over benchmarks: no change by {rows['no change'][8][:4]}." in first
    assert "No forecaster is nearer than the power law beyond chance" in without


def test_what_is_said_of_later_curves_stands_on_the_page_of_forecasts():
    said = " ".join(
        PAPER[PAPER.index("**Other papers**") : PAPER.index("**One n_balance**")].split()
    )
    _, rows = section_of_forecasts("later")
    unchanged, saturating = rows["no change"], rows["saturating"]
    assert f"On {saturating[1]} curves" in said and f"held {saturating[6]} of these" in said
    laws = {law: row for law, row in rows.items() if row[7].isdigit()}  # not the second table
    errors = {law: float(row[3].rstrip(" %")) for law, row in laws.items()}
    assert sorted(errors, key=errors.get)[:2] == ["no change", "saturating"]
    assert f"(median error {unchanged[3]})" in said
    assert f"({saturating[3]}; {saturating[8].split(' (')[0]} nearer" in said
    assert f"whose error is {rows['power'][3]})" in said


def test_table_of_speeds_is_that_of_the_committed_results():
    made = table.table(ROOT / "benchmarks" / "results")
    assert table.written(README, made) == README, (
        "run: python -m tokenspace_benchmarks.table README.md"
    )


def test_speeds_of_given_tokens_are_those_recorded():
    document = json.loads((ROOT / "benchmarks" / "results" / "cpu" / "latest.json").read_text())
    at = {(t["case"], t["contestant"]): t["median"] for t in document["timings"]}
    case = "given tokens, N = 16384, d = 1024"
    fast, slow = (1e3 * at[case, f"divergence and psi, {k}"] for k in ("numba", "xla"))
    assert f"take {fast:.0f} ms on the same cores." in SAMPLERS
    assert f"runs without it, takes {slow:.0f} ms" in SAMPLERS


def test_how_much_too_small_errors_of_pairs_that_share_pictures_are():
    """As notebook 06 found it, which is executed."""
    notebook = json.loads((ROOT / "notebooks" / "06_your_own_tokens.ipynb").read_text())
    texts = [o["text"] for c in notebook["cells"] for o in c.get("outputs", []) if "text" in o]
    (said,) = (t for t in map("".join, texts) if "n_balance x " in t)
    found = [round(float(x)) for x in re.findall(r" x ([\d.]+)", said)]
    assert len(found) == 12
    assert f"errors {min(found)} to {max(found)} times too small" in " ".join(README.split())


def test_numbers_of_pages_are_those_of_the_code():
    pages = {p.name: " ".join(p.read_text().split()) for p in PAGES}
    assert f"touches its record in `runs/` of the folder every {BEAT:.0f} s" in pages["slurm.md"]
    assert "one that is silent for half a minute is taken" in pages["slurm.md"] and SILENT == 30
    points = len(read_configuration(ROOT / "sweeps" / "phase_diagram.toml").points)
    assert f"{points:,} models simulated" in pages["README.md"]
