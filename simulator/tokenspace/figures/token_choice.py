"""Which groups of tokens have a panel, what they are called there, and which are left out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from tokenspace.figures.labelled import Labelled, Shown
from tokenspace.figures.style import shortened, spread, words

LONGEST_TITLE = 36  # characters above a panel


def chosen(loaded: Sequence[Shown], most: int) -> tuple[list[Shown], list[Shown]]:
    """At most that many (group, result) pairs, and the others.

    Each part of each model has about as many, evenly spread over its layers with both ends.
    """
    lines: dict[tuple[str, str], list[int]] = {}
    for k, (group, _) in enumerate(loaded):
        lines.setdefault(_line(group), []).append(k)
    room, kept = most, []
    few = sorted(spread(list(lines.values()), most), key=len)
    for left, line in zip(range(len(few), 0, -1), few, strict=True):
        taken = spread(line, max(room // left, 1))
        kept += taken
        room -= len(taken)
    rest = sorted(set(range(len(loaded))) - set(kept))
    return [loaded[k] for k in sorted(kept)], [loaded[k] for k in rest]


def models_of(loaded: Sequence[Shown]) -> list[str]:
    """The models that groups say they are of, each once."""
    return list(dict.fromkeys(group.model for group, _ in loaded if group.model))


def title_of(group: Labelled, several: bool) -> str:
    """Above a panel: the name of the group, below that of its model where there are several."""
    lines = [group.model, group.name] if several and group.model else [group.name]
    return "\n".join(words(line, LONGEST_TITLE) for line in lines)


def named(loaded: Sequence[Shown], several: bool) -> str:
    """All of these groups in few words: "vision 1 to 4, 6; language 3"."""
    lines: dict[tuple[str, str], list[Labelled]] = {}
    for group, _ in loaded:
        lines.setdefault(_line(group), []).append(group)
    said = []
    for (model, part), groups in lines.items():
        layers = [group.layer for group in groups if group.layer is not None]
        before = f"{shortened(model, LONGEST_TITLE)} " if several and model else ""
        if len(layers) < len(groups):
            names = (shortened(group.name, LONGEST_TITLE) for group in groups)
            said.append(before + ", ".join(names))
        else:
            said.append(f"{before}{part} {_ranges(layers)}")
    return words("; ".join(said), None)


def _ranges(layers: Iterable[int]) -> str:
    """Numbers with their runs as "first to last"."""
    ordered = sorted(set(layers))
    runs = [
        [layer for _, layer in run]
        for _, run in groupby(enumerate(ordered), lambda item: item[1] - item[0])
    ]
    return ", ".join(
        f"{run[0]} to {run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs
    )


def _line(group: Labelled) -> tuple[str, str]:
    return group.model, group.part
