"""What commands print: tables for people, JSON documents for programs.

Rich and NumPy are imported when something is printed, so that `--help` need not wait for them.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from tokenspace.printable import counted, shown

SHOWN = 5  # of a list

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console
    from rich.table import Table


def stdout() -> Console:
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 180)


def document(value: Any) -> None:
    import numpy as np

    def plain(x: Any) -> Any:
        if isinstance(x, dict):
            return {k: plain(v) for k, v in x.items()}
        if isinstance(x, (list, tuple)):
            return [plain(v) for v in x]
        if isinstance(x, np.ndarray):
            return plain(x.tolist())
        if isinstance(x, np.generic):
            return plain(x.item())
        if isinstance(x, float) and not np.isfinite(x):
            return None  # JSON has no NaN or infinity
        return x

    print(json.dumps(plain(value), indent=1))


def dense_table(title: str, names: Sequence[str], left: int = 0) -> Table:
    """A table of numbers after `left` columns of words; without lines, for 120 characters."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(title=title, header_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for k, name in enumerate(names):
        table.add_column(name, justify="left" if k < left else "right")
    return table


def summary(label: str, result: Any, check: Any) -> dict[str, Any]:
    balance = None
    if result.enough_for_balance and result.mean.all():
        balance = with_errors(result.n_balance())
    out = {
        "label": label,
        "n": result.n,
        "mean": result.mean,
        "standard_error": result.standard_error,
        "interval": result.interval(),
        "estimator": result.estimator,
        "gain": None if result.control is None else result.control.gain,
        "std": result.std,
        "quantile_levels": result.quantile_levels,
        "quantiles": result.quantiles,
        "quantile_intervals": result.quantile_intervals,
        "replicates": result.replicates,
        "sampler": result.sampler,
        "method": result.method,
        "reason": result.reason,
        "kernels": result.kernels,
        "device": result.device,
        "seed": result.seed,
        "seconds": result.seconds,
        "effective_dimension": None
        if (model := result.known_model) is None
        else [t.features.effective_dimension for t in model.terms],
        "versions": result.versions,
        "notes": list(result.notes),
        "n_balance": balance,
    }
    if result.correlations:
        out["correlations"] = {k: on_grid(e) for k, e in result.correlations.items()}
    if check is not None:
        out["check"] = check.to_dict()
    return out


def on_grid(estimate: Any) -> dict[str, Any]:
    """Numbers at each n with their errors."""
    return {
        "mean": estimate.mean,
        "standard_error": estimate.standard_error,
        "interval": estimate.interval(),
    }


def with_errors(estimate: Any) -> dict[str, Any] | None:
    """One number with its errors, n_balance or lambda; None where there is none."""
    if estimate is None:
        return None
    return {
        "mean": estimate.mean,
        "standard_error": estimate.standard_error,
        "interval": list(estimate.interval),
        "lack_of_fit": estimate.lack_of_fit,
    }


def on_skipped(skipped: Sequence[Any], more: str, most: int = 5) -> list[str]:
    """What is said of points that were left out; more: where the rest are found."""
    if not skipped:
        return []
    count = len(skipped)
    left_out = counted(count, "point is", "points are")
    out = [f"{left_out} left out, whose values do not go together:"]
    alike: dict[str, list[str]] = {}  # an axis that does not matter repeats the reason
    for s in skipped:
        alike.setdefault(shown(s.why).split(". ")[0], []).append(shown(s.label))
    for why, labels in list(alike.items())[:most]:
        others = f" and {len(labels) - most:,} more like it" if len(labels) > most else ""
        out.append(f"  {'; '.join(labels[:most])}{others}: {why}")
    rest = sum(map(len, list(alike.values())[most:]))
    return [*out, f"  ... and {rest:,} more; {more}"] if rest else out


def at_work(found: Any) -> list[str]:
    """Who works on a sweep, or how the last run of it ended; `found` is its `Status`."""
    alive = [w for w in found.workers if w.alive]
    if alive:
        named = [_run(w) for w in alive[:SHOWN]]
        more = [f"and {len(alive) - SHOWN:,} more"] if len(alive) > SHOWN else []
        left = "not known yet" if found.remaining is None else f"about {duration(found.remaining)}"
        last = "none yet" if found.last is None else f"{duration(found.last)} ago"
        return [
            f"at work: {', '.join([*named, *more])}",
            f"last file: {last}; time left at this rate: {left}",
        ]
    if found.finished:
        return []
    out = ["nobody is at work; the command that began the sweep goes on with it"]
    if found.workers:
        out += [_gone(w) for w in found.workers[:SHOWN]]
    elif (end := found.ended) is not None:
        how = {
            "finished": f"finished its {counted(end.points, 'point')}",
            "stopped": "was stopped, and kept what it had drawn",
            "failed": "ended with an error",
        }[end.how]
        out.append(f"last run: {_run(end)} {how}, {duration(end.ago)} ago")
    return out


def _run(who: Any) -> str:
    return f"process {who.process} on {who.host}" if who.host else "a run whose record is damaged"


def _gone(worker: Any) -> str:
    """What became of a run that did not say that it ended."""
    if worker.here:
        return f"{_run(worker)} died about {duration(worker.silent)} ago: killed, or a crash"
    if worker.silent < 0:
        ahead = duration(-worker.silent)
        return f"{_run(worker)}: nothing is known, since its clock is {ahead} ahead of this one"
    return f"{_run(worker)} is silent since {duration(worker.silent)}: killed, or cut off"


def outlook_table(kinds: Sequence[Any]) -> Table:
    """What a sweep will take."""
    from rich.table import Table

    table = Table(title="What the points take on this machine, in one process", header_style="bold")
    for name in ("sampler", "statistics"):
        table.add_column(name)
    for name in ("points", "n", "replicates", "about", "on disk"):
        table.add_column(name, justify="right")
    for k in kinds:
        table.add_row(
            k.sampler,
            ", ".join(k.statistics),
            f"{k.points:,}",
            str(k.grid),
            f"{k.replicates:,}",
            duration(k.seconds),
            size(k.bytes),
        )
    return table


def duration(seconds: float) -> str:
    """Seconds in the unit that people use."""
    for unit, length in (("days", 86_400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.1f} s"


def size(count: float) -> str:
    """Bytes in the unit that people use."""
    for unit, one in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= one:
            return f"{count / one:.1f} {unit}"
    return f"{count:.0f} B"


def verdict_table(rows: list[tuple[str, Any, Any]]) -> Table:
    """Verdicts of many points, for a terminal."""
    from rich.markup import escape
    from rich.table import Table

    from tokenspace.report.verdicts import VERDICT_COLUMNS, verdict_row

    table = Table(title="Simulation against theory", header_style="bold")
    for name, justify in VERDICT_COLUMNS:
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    colours = {"PASS": "green", "FAIL": "red", "UNDECIDED": "yellow"}
    for label, result, check in rows:
        *cells, verdict = (escape(shown(c)) for c in verdict_row(label, result, check))
        table.add_row(*cells, f"[bold {colours[check.verdict]}]{verdict}")
    return table


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
            "" if t.fraction is None else f"{t.fraction:.0%} ({t.floor_by})",
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
