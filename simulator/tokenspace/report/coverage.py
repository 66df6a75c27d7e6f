"""The coverage study as tables: one a quantity, for a terminal, a page and a CSV file."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from tokenspace.experiments.coverage import LOOKS, SETTLED, Row, look_count
from tokenspace.files import write_atomically
from tokenspace.statistics.control import LEAST

FIRST_LOOKS = "{}, {} and {}".format(*map(look_count, LOOKS))

HEAD = f"""# Coverage

How often intervals and verdicts hold what they promise, by `tokenspace coverage` (`make coverage`);
the numbers are in [coverage.csv](coverage.csv). Every run is an experiment of its own, drawn,
summarised and judged like a user's, on equicorrelated tokens (psi_equal 0.2, psi_within 0.3,
psi_cross 0.1, so n_balance = 3), d equal features, nine n from 1 to 256 (five to 16 where every
token is drawn: lambda, and laws that change tokens one by one).

A cell says in how many of the runs, in %, an interval of 95 % has the exact value inside: the
lowest and the highest share over n. The goal is 93 to 97 %, for wrong verdicts at most 5 %.
**Bold**: a share is off the goal by more than two binomial standard errors.

- *FAIL, true theory* is judged at a tolerance of 1e-6, by the errors alone: the worst case.
- *PASS, theory 2 tolerances off*: of the amplitude, up and down, at the usual tolerance of 2 %.
- *PASS, theory 1 tolerance off*: at a tolerance of three standard errors, which data can just
  pass: here 5 % is the nominal level of each side.
- *quantile p*: where so many replicates bound it on both sides.
- *E[D] after stopping*: runs with a target that the exact error reaches at the first, third or
  eighth look ({FIRST_LOOKS} replicates); many stop a look earlier or later.
- E[D] of laws by token has no formula: it is held to {SETTLED:,} other replicates. From
  {LEAST} replicates on the estimate of unit-norm tokens is the control variate.
- An empty cell would take too long; where every token is drawn, large cells have fewer runs.

Most of what does not reach the goal is the price of heavy tails: few replicates miss the rare large
values, which raise the mean and the variance together, so an interval of E[D] or of rms D lies too
low too often. More replicates help; nothing in few of them says how heavy the tail is.
"""


@dataclass(frozen=True)
class Table:
    """Of one quantity: law, d and a cell for each number of replicates, or None."""

    quantity: str
    goal: tuple[float, float]
    replicates: list[int]
    lines: list[tuple[str, int, list[Row | None]]]


def tables(rows: Sequence[Row]) -> list[Table]:
    """The rows by quantity, law and d, in the order of the study."""
    found = []
    for quantity in dict.fromkeys(r.quantity for r in rows):
        mine = [r for r in rows if r.quantity == quantity]
        replicates = sorted({r.replicates for r in mine})
        by = {(r.law, r.d, r.replicates): r for r in mine}
        lines = [
            (law, d, [by.get((law, d, count)) for count in replicates])
            for law, d in dict.fromkeys((r.law, r.d) for r in mine)
        ]
        found.append(Table(quantity, (mine[0].goal_low, mine[0].goal_high), replicates, lines))
    return found


def shares(row: Row | None) -> str:
    """The lowest and highest share of a row in %, one number where they are one."""
    if row is None:
        return ""
    low, high = f"{100 * row.lowest:.1f}", f"{100 * row.highest:.1f}"
    return low if row.points == 1 or low == high else f"{low} to {high}"


def goal_of(table: Table) -> str:
    """The goal in words."""
    low, high = (f"{100 * g:g}" for g in table.goal)
    return f"at most {high} %" if table.goal[0] == 0 else f"{low} to {high} %"


def page(rows: Sequence[Row]) -> str:
    """docs/coverage.md."""
    met = sum(r.met for r in rows)
    runs = [r.runs for r in rows]
    few, many = (
        f"{n:,} runs has an error of {100 * math.sqrt(0.95 * 0.05 / n):.1f} %"
        for n in (min(runs), max(runs))
    )
    lines = [HEAD, f"{met} of {len(rows)} cells reach the goal. A share of {few}, of {many}."]
    for table in tables(rows):
        head = ["law", "d", *(f"R = {count:,}" for count in table.replicates)]
        lines += ["", f"## {table.quantity}", "", f"Goal: {goal_of(table)}.", ""]
        lines += [_line(head), _line(["---"] * len(head))]
        for law, d, cells in table.lines:
            said = [shares(c) if c is None or c.met else f"**{shares(c)}**" for c in cells]
            lines.append(_line([law, f"{d:,}", *said]))
    return "\n".join(lines) + "\n"


def to_csv(rows: Sequence[Row]) -> str:
    """The rows under the names of their fields."""
    out = io.StringIO()
    write = csv.writer(out, lineterminator="\n").writerow
    write([f.name for f in fields(Row)])
    for row in rows:
        write([f"{x:.5g}" if isinstance(x, float) else x for x in astuple(row)])
    return out.getvalue()


def from_csv(text: str) -> list[Row]:
    """The rows that `to_csv` wrote."""
    kinds = {"str": str, "int": int, "float": float}
    return [
        Row(**{f.name: kinds[str(f.type)](line[f.name]) for f in fields(Row)})
        for line in csv.DictReader(io.StringIO(text))
    ]


def write(rows: Sequence[Row], out: Path) -> list[Path]:
    """FILE.csv and beside it the page FILE.md; returns both."""
    files = [out, out.with_suffix(".md")]
    for file, text in zip(files, (to_csv(rows), page(rows)), strict=True):
        write_atomically(file, text.encode())
    return files


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
