"""The table of speeds of README.md: `python -m` this module [PAGE] prints it, or writes it.

Seconds a replicate (a pass, of given tokens): the best peer and ours as measured on a CPU, and the
least that compiled programs allow on accelerators, which were not run. Columns come from the result
files that are committed; one whose file is missing is left out.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tokenspace.covariance import Isotropic, TokenModel
from tokenspace.errors import InputError
from tokenspace.grids import log_grid
from tokenspace.sampling import choose
from tokenspace_benchmarks.ahead_of_time import document
from tokenspace_benchmarks.harness import load, results_folder
from tokenspace_benchmarks.models import BRANCHES, LAWS
from tokenspace_benchmarks.shapes import GIVEN_SHAPES, SHAPES, shapes

BEGIN, END = "<!-- speeds -->", "<!-- end of speeds -->"
COMPILED = {"h100": "H100", "v5e": "TPU v5e"}  # target -> heading
ESTIMATE = "by its compiler's count (compiled)"
NONE = "-"


class Row(NamedTuple):
    """What is measured: its label, case, contestant, how its peers' names end, and the numbers
    that a replicate draws (a pass reads).
    """

    label: str
    case: str
    contestant: str
    peers: str
    numbers: float

    @property
    def program(self) -> str:
        """What compiled programs call it."""
        return f"{self.case.split(', N = ')[0]}: {self.contestant.removesuffix(', numba')}"


def rows() -> Iterator[Row]:
    """All of the table."""
    (shape,), (given,) = shapes("full", SHAPES), shapes("full", GIVEN_SHAPES)
    size = f"N = {shape.tokens}, d = {shape.dim}"
    grid = log_grid(shape.tokens, shape.points)
    model = TokenModel(BRANCHES["equicorrelated"], Isotropic(shape.dim))
    for kind, sampler in (  # the last two take the same time for every covariance
        ("equicorrelated", "tokens"),
        ("AR(1)", "tokens"),
        ("AR(1)", "partial_sums"),
        ("AR(1)", "collapsed"),
    ):
        drawn = choose(model, grid, ("divergence",), sampler).cost.normals
        label = f"`{sampler}`, D(n), {kind}"
        yield Row(label, f"D(n), {kind}, {size}", sampler, "structured", drawn)
    drawn = choose(model, grid, ("divergence", "correlations"), "tokens").cost.normals
    for law in LAWS:
        label = f"`tokens`, D(n) and psi's, {law}"
        yield Row(label, f"D(n) and psi, {law}, {size}", "tokens", "structured", drawn)
    case = f"given tokens, N = {given.tokens}, d = {given.dim}"
    label = f"given tokens, D(n) and psi's, N = {given.tokens:,}"
    read = 2.0 * given.tokens * given.dim
    yield Row(label, case, "divergence and psi, numba", "NumPy", read)


def table(folder: Path) -> str:
    """The table in Markdown, from the result files in a folder."""
    timings: list[dict[str, Any]] = load(folder / "cpu" / "latest.json")["timings"]
    known = document.load(folder)
    bounds = {h: document.rates(known[name]) for name, h in COMPILED.items() if name in known}
    heads = [
        "seconds a replicate",
        "best peer (measured)",
        "ours on this CPU (measured)",
        *(f"{head}, {ESTIMATE}" for head in bounds),
    ]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for row in rows():
        case = {t["contestant"]: t for t in timings if t["case"] == row.case}
        peers = {
            name: t["median"]
            for name, t in case.items()
            if not t["ours"] and name.endswith(row.peers)
        }
        best = min(peers, key=lambda name: peers[name], default=None)
        cells = [
            row.label,
            NONE if best is None else f"{peers[best]:.2g} ({best.split(',')[0]})",
            f"{case[row.contestant]['median']:.2g}" if row.contestant in case else NONE,
        ]
        for found in bounds.values():
            bound = found.get(row.program)
            cells.append(NONE if bound is None else f"{row.numbers / bound:.2g}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def written(text: str, new: str) -> str:
    """A text with what stands between the two marks replaced.

    Raises:
        InputError: the marks are not there.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise InputError(f"no table to replace: the text has no {BEGIN} with {END} after it")
    return f"{before}{BEGIN}\n{new}\n{END}{after}"


if __name__ == "__main__":
    made = table(results_folder())
    for path in map(Path, sys.argv[1:]):
        path.write_text(written(path.read_text(), made))
    if not sys.argv[1:]:
        print(made)
