"""What was compiled, as a table and as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

SPOKEN = {  # what sets a bound
    "issue": "instructions issued",
    "integer": "integer lanes",
    "arithmetic": "arithmetic lanes",
    "special": "special functions",
    "memory": "load and store lanes",
    "bandwidth": "bandwidth of memory",
    "cycles": "estimated cycles",
}


def label(record: dict[str, Any]) -> str:
    """Program, and implementation where it is not plain JAX."""
    implementation = record["implementation"]
    return record["program"] + ("" if implementation == "xla" else f" ({implementation})")


def table(document: dict[str, Any]) -> Any:
    """A table of rich, one row a program."""
    from rich.table import Table

    out = Table(title=f"{document['device']}, compiled, not run", title_justify="left")
    out.add_column("program")
    columns = ("temporaries MiB", "launches step / run", "registers", "spills B")
    rest = ("instructions a number", "cycles a step", "cycles", "bound 1e9 numbers/s", "set by")
    for column in (*columns, *rest):
        out.add_column(column, justify="right")
    for r in document["records"]:
        launches = (r["launches_step"], r["launches_run"])
        out.add_row(
            label(r),
            f"{r['temporaries'] / 2**20:.1f}",
            "-" if launches[0] is None else f"{launches[0]} / {launches[1]}",
            _or_dash(r["registers"]),
            _or_dash(r["spills"]),
            _or_dash(r["instructions_a_number"], ".1f"),
            _or_dash(r["cycles_step"], ",.0f"),
            _or_dash(r["cycles"], ",.0f"),
            f"{r['bound_numbers_per_s'] / 1e9:.1f}",
            SPOKEN.get(r["bound_by"], r["bound_by"]),
        )
    return out


def _or_dash(value: float | None, form: str = "") -> str:
    return "-" if value is None else format(value, form)


def roofline(document: dict[str, Any]) -> Any:
    """Bound of every program; on a GPU beside the instructions that a number takes, by kind."""
    import matplotlib.pyplot as plt

    records = list(reversed(document["records"]))
    kinds = list(dict.fromkeys(k for r in records for k in r["instructions"] or {}))
    width = (1, 1) if kinds else (1,)
    figure, panels = plt.subplots(
        1, len(width), figsize=(6 + 4.5 * len(width), 0.35 * len(records) + 1.9), squeeze=False
    )
    rows = range(len(records))
    if kinds:
        left = [0.0] * len(records)
        for kind in kinds:
            counts = [r["instructions"].get(kind, 0.0) for r in records]
            panels[0][0].barh(rows, counts, left=left, label=kind)
            left = [a + b for a, b in zip(left, counts, strict=True)]
        for row, total in enumerate(left):
            panels[0][0].text(total, row, f" {total:.3g}", va="center", fontsize=9)
        panels[0][0].set_xlabel("instructions a number, by kind")
        panels[0][0].legend(
            loc="lower left", bbox_to_anchor=(0, 1), ncols=4, frameon=False, fontsize=8
        )
        panels[0][0].margins(x=0.12)
    bounds = panels[0][-1]
    colours = {by: f"C{k}" for k, by in enumerate(SPOKEN)}
    seen: set[str] = set()
    for row, r in enumerate(records):
        by, rate = r["bound_by"], r["bound_numbers_per_s"]
        bounds.barh(row, rate, color=colours[by], label=None if by in seen else SPOKEN[by])
        bounds.text(rate, row, f" {rate:.3g}", va="center", fontsize=9)
        seen.add(by)
    bounds.set(xscale="log", xlabel="bound, numbers/s (normals drawn, or given numbers read)")
    bounds.margins(x=0.12)
    bounds.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=len(seen),
        frameon=False,
        fontsize=8,
        title="set by" if len(seen) > 1 else None,
    )
    panels[0][0].set_yticks(rows, [label(r) for r in records], fontsize=8)
    if kinds:
        bounds.set_yticks([])
    figure.suptitle(f"{document['device']}: compiled, not run", x=0.01, ha="left")
    figure.tight_layout()
    return figure


def draw(document: dict[str, Any], folder: Path) -> Path:
    """Draw `roofline.png` of a result file into a folder."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure = roofline(document)
    path = folder / "roofline.png"
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return path
