"""Folders of tokens: what `tokenspace collect` wrote, or plain files, one group after the other.

A group is one layer of one part of a model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tokenspace.errors import InputError
from tokenspace.grids import log_grid
from tokenspace.ordinary import require_ordinary
from tokenspace.printable import ten_of
from tokenspace.statistics.result import Result
from tokenspace.tokens.arrays import load_array
from tokenspace.tokens.collected import Collected, is_collected, read_collected
from tokenspace.tokens.manifest import Group
from tokenspace.tokens.mapped import map_safetensors
from tokenspace.tokens.measure import measure_pairs
from tokenspace.tokens.pictures import said_of_errors
from tokenspace.tokens.unequal import UnequalPairs, all_paired, as_sequences, paired

POINTS = 17  # token counts to report


@dataclass(frozen=True)
class TokenGroup:
    """Sequences of one layer of one part of a model; `open` maps them and says what makes a pair.

    label: in words, of all groups that are shown together; layer: None where it is not known.
    """

    label: str
    name: str
    model: str
    part: str
    layer: int | None
    open: Callable[[], UnequalPairs]


@dataclass(frozen=True)
class Measured:
    """What was measured of a group; the same words as `TokenGroup`."""

    label: str
    name: str
    model: str
    part: str
    layer: int | None
    result: Result


def token_groups(folder: str | Path, only: Sequence[str] = ()) -> list[TokenGroup]:
    """The groups of a folder, in the order of its manifest, or of the names of its files.

    only: names of those that are meant; all of them without any.

    A folder without a manifest holds .npy files (n, d), each a picture's tokens, or .safetensors
    files, each a layer with an array (n, d) for every picture; all pairs of pictures are taken.

    Raises:
        InputError: no such folder, a damaged manifest, no tokens in it, or no group of a name.
    """
    groups = _all_groups(Path(folder))
    names = [g.name for g in groups]
    for name in only:
        if name not in names:
            raise InputError(f"only = {name!r}: no such group; there are {ten_of(names)}")
    return [g for g in groups if not only or g.name in only]


def _all_groups(folder: Path) -> list[TokenGroup]:
    if is_collected(folder):
        return _collected(read_collected(folder))
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    arrays, files = sorted(folder.glob("*.npy")), sorted(folder.glob("*.safetensors"))
    if any(folder.glob("*.partial")):
        read_collected(folder)  # which says that it is not finished
    if bool(arrays) == bool(files):
        raise InputError(
            f"{folder}: holds {'both .npy and' if arrays else 'no manifest.json, no .npy and no'} "
            ".safetensors files; it must be a folder of `tokenspace collect`, of .npy files, each "
            "(n, d) of a picture, or of .safetensors files, each a layer with an array (n, d) for "
            "every picture"
        )
    name = folder.name or str(folder)
    if arrays:
        return [TokenGroup(name, name, name, "tokens", None, lambda: _of_arrays(arrays))]

    def opener(path: Path) -> Callable[[], UnequalPairs]:
        return lambda: _of_file(path)

    return [TokenGroup(f"{name} {f.stem}", f.stem, name, "tokens", None, opener(f)) for f in files]


def measure_groups(
    groups: Sequence[TokenGroup],
    points: int = POINTS,
    order: str | np.ndarray = "raster",
    seed: int = 0,
    progress: Callable[[str, int, int], None] | None = None,
) -> Iterator[Measured]:
    """What `measure` finds in each group, one after the other.

    Args:
        groups: from `token_groups`.
        points: token counts of the grid, up to the longest pair.
        order, seed: as in `measure`.
        progress: called with the label of a group, pairs that are done and all of its pairs.

    Raises:
        InputError: a damaged file, or as `measure`.
    """
    for g in groups:
        given = g.open()

        def report(done: int, label: str = g.label, total: int = len(given)) -> None:
            if progress is not None:
                progress(label, done, total)

        report(0)
        try:
            result = measure_pairs(given, log_grid(given.longest, points), order, seed, report)
        except InputError as error:
            raise InputError(f"{g.label}: {error}") from None
        yield Measured(g.label, g.name, g.model, g.part, g.layer, result)


def _collected(found: Collected) -> list[TokenGroup]:
    model = Path(str(found.about.get("model") or found.folder)).name

    def opener(group: Group) -> Callable[[], UnequalPairs]:
        return lambda: _of_collected(found, group)

    return [
        TokenGroup(f"{model} {g.name}", g.name, model, g.part, g.layer, opener(g))
        for g in found.groups
    ]


def _of_collected(found: Collected, group: Group) -> UnequalPairs:
    path = found.file(group.name)
    arrays = map_safetensors(path)
    for s in found.sequences:
        expected, shape = (s.length_in(group), group.features), arrays.shape_of(s.id)
        if shape != expected:
            raise InputError(
                f"{path}: {s.id!r} has shape {shape}, but the manifest says {expected}; collect "
                "the folder again"
            )
    sequences = arrays.sequences([s.id for s in found.sequences])
    labels = np.array([s.group_label for s in found.sequences])
    if found.kind == "pictures":
        return all_paired(sequences, labels, lambda k: str(found.sequences[k].picture))

    def name(k: int) -> str:
        return f"prompt {found.sequences[k].pair}, answer {found.sequences[k].branch}"

    first, second = found.branches()
    labels = labels[first]
    one_prompt = bool(np.all(labels == labels[0]))
    given = paired(sequences, first, second, None if one_prompt else labels, name)
    if not one_prompt or len(given) == 1:
        return given
    one = np.zeros((len(given), 1), np.int64)  # nothing is left when the one prompt is left out
    return replace(given, members=one, said=said_of_errors(f"{len(given):,} pairs", "prompt", one))


def _of_arrays(paths: Sequence[Path]) -> UnequalPairs:
    for path in paths:
        require_ordinary(path)
    return _pictures({path.name: load_array(path) for path in paths}, paths[0].parent)


def _of_file(path: Path) -> UnequalPairs:
    require_ordinary(path)
    return _pictures(map_safetensors(path), path)


def _pictures(arrays: Mapping[str, Any], path: Path) -> UnequalPairs:
    names = list(arrays)
    for name, h in arrays.items():
        if h.ndim != 2:
            raise InputError(
                f"{path}: {name} has shape {h.shape}, but a folder holds one array (n, d) a "
                "picture; an array of many pairs or pictures is measured by its own name"
            )
    if len(arrays) < 2:
        raise InputError(f"{path}: holds tokens of {len(arrays)} picture; a pair needs 2")
    return all_paired(as_sequences(arrays.values()), None, lambda k: names[k])
