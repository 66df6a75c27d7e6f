"""What commands say of a sweep: its verdicts, who works on it, what it will take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tokenspace.printable import counted, duration, shown, size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

SHOWN = 5  # of a list


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
