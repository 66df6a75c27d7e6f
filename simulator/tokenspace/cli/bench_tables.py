"""The tables of `bench`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tokenspace.printable import percent

if TYPE_CHECKING:
    from rich.table import Table


def timing_table(timings: list[Any]) -> Table:
    """Benchmark timings, ours with the ratio to the best peer of the case and to the limit."""
    from rich.table import Table

    table = Table(title="Seconds per replicate (or pass)", header_style="bold")
    left = ("case", "contestant")
    for name in (
        *left,
        "median",
        "quartiles",
        "first call, s",
        "against best peer",
        "of the limit",
        "peak MiB",
    ):
        table.add_column(name, justify="left" if name in left else "right")
    for k, t in enumerate(timings):
        rivals = [r.median for r in timings if r.case == t.case and not r.ours]
        ratio = f"{min(rivals) / t.median:,.1f}x" if t.ours and rivals else ""
        table.add_row(
            t.case if k == 0 or timings[k - 1].case != t.case else "",
            t.contestant,
            f"{t.median:.3g}",
            f"{t.low:.3g} to {t.high:.3g}",
            f"{t.first_call:.2g}",
            ratio,
            "" if t.fraction is None else f"{percent(t.fraction)} ({t.floor_by})",
            "" if t.peak_mib is None else f"{t.peak_mib:.0f}",
            end_section=k + 1 == len(timings) or timings[k + 1].case != t.case,
        )
    return table


def slope_table(slopes: list[Any]) -> Table:
    """How time and memory grow with N, d and the number of replicates."""
    from rich.table import Table

    table = Table(
        title="Growth with size: 1 is linear, 0 is none (slope on log axes, upper half)",
        header_style="bold",
    )
    for name in ("against", "sampler", "of", "slope"):
        table.add_column(name)
    for s in slopes:
        what = "time" if s.what == "seconds" else "memory"
        table.add_row(s.axis, s.sampler, what, f"{s.slope:.2f} ± {s.standard_error:.2f}")
    return table
