"""What `tokenspace report --tokens` does: measures, describes, and writes the page."""

from __future__ import annotations

from pathlib import Path

from tokenspace.cli.common import progress_bar
from tokenspace.cli.given import measured_groups
from tokenspace.errors import InputError
from tokenspace.printable import shown

POINTS = 17  # token counts


def report_tokens(folders: list[Path], out: Path) -> Path:
    """The file that was written."""
    from tokenspace.report.tokens import Described, write_tokens_report
    from tokenspace.tokens.describe import describe_tokens
    from tokenspace.tokens.folders import token_groups
    from tokenspace.tokens.one_length import of_one_length, usual_length

    groups = [g for folder in folders for g in token_groups(folder)]
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
