"""One self-contained HTML file for tokens that were measured: figures, tables, provenance.

The page is the Jinja template `page/tokens.html` with the style of the report of a sweep; it has no
script. What folders say of themselves may come from anybody: it is shown, escaped, and nothing of
it is run.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from tokenspace.errors import InputError
from tokenspace.figures.token_panels import of_tokens
from tokenspace.printable import UNKNOWN, between, counted, number, shown, to_error
from tokenspace.provenance import versions
from tokenspace.report.html import figures_of, written
from tokenspace.statistics.result import Result
from tokenspace.tokens.balance import NOT_CONSTANT, said_of_grid
from tokenspace.tokens.bend import said_of_norms
from tokenspace.tokens.collected import is_collected, read_collected
from tokenspace.tokens.describe import TokenDescription
from tokenspace.tokens.folders import Measured


@dataclass(frozen=True)
class Described:
    """What was measured of a group, and what its tokens are like, or why that is not known."""

    measured: Measured
    said: TokenDescription | None
    tokens: int
    why: str = ""


def write_tokens_report(
    found: Sequence[Described], folders: Sequence[str | Path], out: str | Path
) -> Path:
    """Write the report of tokens; returns the file.

    Args:
        found: of each group, in the order in which they are shown.
        folders: that they are from, for the provenance.
        out: the HTML file.

    Raises:
        InputError: no groups, or the file cannot be written.
    """
    from jinja2 import Environment, StrictUndefined

    if not found:
        raise InputError("a report of tokens needs at least one group of them")
    page = files("tokenspace.report") / "page"
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    text = environment.from_string((page / "tokens.html").read_text(encoding="utf-8")).render(
        name=shown(", ".join(Path(folder).resolve().name for folder in folders)),
        style=(page / "page.css").read_text(encoding="utf-8"),
        groups=[_overview(d.measured) for d in found],
        described=[_description(d) for d in found],
        tables=[_table(d.measured) for d in found],
        figures=figures_of([(d.measured, d.measured.result) for d in found], of_tokens()),
        folders=[provenance(folder) for folder in folders],
        written_by=f"tokenspace {versions()['tokenspace']}",
    )
    return written(Path(out), text)


def provenance(folder: str | Path) -> dict[str, str]:
    """Name of a folder, how much is in it, and what its manifest says of model and revision."""
    folder = Path(folder)
    if not is_collected(folder):
        return {"name": shown(folder.resolve().name), "said": "no manifest", "manifest": ""}
    found = read_collected(folder)
    sequences = counted(len(found.sequences), "sequence")
    said = f"{sequences} ({found.kind}), {counted(len(found.groups), 'group')}"
    for name in ("model", "revision"):
        if found.about.get(name):
            said += f"; {name} {found.about[name]}"
    manifest = json.dumps(found.about, indent=1, ensure_ascii=False)
    return {
        "name": shown(folder.resolve().name),
        "said": shown(said),
        "manifest": shown(manifest),
    }


def _overview(m: Measured) -> list[str]:
    """A row a group, at the largest n that half of the pairs reach."""
    result = m.result.reached()
    row = [shown(m.label), f"{result.replicates:,}", str(result.n[-1])]
    row.append(number(result.mean[-1], result.standard_error[-1]))
    row.append(_exponents(m.result)[len(result.n) - 1])
    psi = result.correlations or {}
    for name in ("psi_equal", "psi_within", "psi_cross"):
        row.append(number(psi[name].mean[-1], psi[name].standard_error[-1]))
    try:
        balance = result.n_balance()
        row += [
            to_error(balance.mean, balance.standard_error)
            + ("" if balance.constant else NOT_CONSTANT),
            between(balance.interval, balance.standard_error),
        ]
    except InputError:
        row += [UNKNOWN, UNKNOWN]
    try:
        scale = result.scale_fit()
        row.append(number(scale.mean, scale.standard_error))
    except InputError:
        row.append(UNKNOWN)
    return row


def _exponents(result: Result) -> list[str]:
    """Of each n but the first; unknown where D(n) is 0."""
    try:
        slope = result.local_exponent()
    except InputError:
        return [UNKNOWN] * len(result.n)
    return [UNKNOWN, *map(number, slope.mean, slope.standard_error)]


def _table(m: Measured) -> dict[str, Any]:
    """The rows of `tokenspace measure` of a group."""
    result = m.result
    psi, slopes = result.correlations or {}, _exponents(result)
    root = np.sqrt(np.maximum(result.cosine_upsilon().mean, 0.0))
    try:
        scale = float(result.scale_fit().mean)
    except InputError:
        scale = math.nan
    counts = [result.replicates] * len(result.n) if result.counts is None else result.counts
    rows = [
        [
            str(n),
            f"{counts[k]:,}",
            number(result.mean[k], result.standard_error[k]),
            number(scale * root[k]),
            slopes[k],
            *(
                number(psi[name].mean[k], psi[name].standard_error[k])
                for name in ("psi_equal", "psi_within", "psi_cross", "psi_delta")
            ),
        ]
        for k, n in enumerate(result.n)
    ]
    said = [result.reason, *result.notes, *_of_balance(result)]
    said += filter(None, [said_of_norms([("", result)])])
    return {
        "label": shown(m.label),
        "said": shown("; ".join(said)),
        "rows": rows,
    }


def _of_balance(result: Result) -> list[str]:
    """How far n_balance depends on the grid, where it does."""
    try:
        return [] if result.n_balance().constant else [said_of_grid(result)]
    except InputError:
        return []


def _description(d: Described) -> dict[str, Any]:
    """What `tokenspace fit-tokens` says of tokens beside Gaussian ones."""
    label = shown(d.measured.label)
    if d.said is None:
        return {"label": label, "why": shown(d.why), "tokens": d.tokens, "found": [], "norms": []}
    said = d.said

    return {
        "label": label,
        "why": f"token law {said.law!r}: {said.why}",
        "tokens": d.tokens,
        "found": [
            [name.replace("_", " "), tokens, gaussian or UNKNOWN]
            for name, tokens, gaussian in said.beside_gaussian()
        ],
        "norms": [[name.replace("_", " "), *cells] for name, *cells in said.what_norms_change()],
    }
