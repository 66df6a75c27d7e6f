"""Tokens of several folders: what `figures --tokens` and `report --tokens` measure and write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tokenspace.cli.common import progress_bar
from tokenspace.cli.token_inputs import measured_groups
from tokenspace.errors import InputError
from tokenspace.printable import shown

if TYPE_CHECKING:
    from tokenspace.tokens.folders import TokenGroup

POINTS_OF_FIGURES = 33  # token counts


def groups_of(folders: Sequence[Path]) -> list[TokenGroup]:
    """Every group of these folders; where two are of one model, its name tells the folder too.

    Raises:
        InputError: a folder is given twice, or as `token_groups`.
    """
    from tokenspace.tokens.folders import token_groups

    places = [folder.resolve() for folder in folders]
    for k, folder in enumerate(folders):
        if places[k] in places[:k]:
            raise InputError(f"--tokens {folder} is given twice; each folder is taken once")
    found = [token_groups(folder) for folder in folders]
    models = [{g.model for g in groups} for groups in found]
    out = []
    for k, (folder, groups) in enumerate(zip(folders, found, strict=True)):
        others = set().union(*models[:k], *models[k + 1 :])
        for g in groups:
            if g.model in others:
                model = f"{g.model} ({folder})"
                g = replace(g, model=model, label=f"{model} {g.name}")
            out.append(g)
    return out


def figures_of_tokens(
    folders: Sequence[Path], out: Path, order: str, only: Sequence[str]
) -> list[Path]:
    """Measure the tokens of every folder, and draw what is asked for, or all figures of tokens."""
    from tokenspace.figures import draw_all
    from tokenspace.figures.token_panels import of_tokens
    from tokenspace.tokens.arrays import load_order

    found = measured_groups(groups_of(folders), POINTS_OF_FIGURES, load_order(order), 0)
    return draw_all([(m, m.result) for m in found], out, only=only or of_tokens())


def report_tokens(folders: list[Path], out: Path) -> Path:
    """The file that was written."""
    from tokenspace.report.tokens import Described, write_tokens_report
    from tokenspace.tokens.describe import describe_tokens
    from tokenspace.tokens.folders import POINTS
    from tokenspace.tokens.one_length import of_one_length, usual_length

    groups = groups_of(folders)
    measured = list(measured_groups(groups, POINTS, "raster", 0))
    found = []
    with progress_bar() as bar:
        task = bar.add_task("", total=len(groups))
        for group, m in zip(groups, measured, strict=True):
            bar.update(task, description=f"{shown(group.label)}: what tokens are like")
            given = group.open()
            tokens = usual_length(given)
            said, why = None, ""
            try:
                said = describe_tokens(of_one_length(given, tokens))
            except InputError as error:
                why = f"not described: {error}"
            found.append(Described(m, said, tokens, why))
            bar.advance(task)
    return write_tokens_report(found, folders, out)
