"""One self-contained HTML file for a finished sweep: verdicts, figures, configuration, provenance.

`report.html` beside this module is the Jinja template; all that the page shows is inside the file.
"""

from __future__ import annotations

import base64
import json
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Any

from tokenspace.errors import InputError
from tokenspace.experiments.files import require_ordinary
from tokenspace.experiments.results import load_results
from tokenspace.experiments.store import read_config
from tokenspace.figures import draw_all, meaning
from tokenspace.provenance import versions
from tokenspace.report.evidence import evidence_of, statement
from tokenspace.report.verdicts import VERDICT_COLUMNS, checks_of, verdict_row


def write_report(
    folder: str | Path, out: str | Path | None = None, tolerance: float = 0.02
) -> Path:
    """Write the report of a sweep; returns the file.

    Args:
        folder: the --out folder of a sweep.
        out: the HTML file; by default report.html in the folder.
        tolerance: of the verdicts, see `verdict.check`.

    Raises:
        InputError: no results in the folder, or the file cannot be written.
    """
    from jinja2 import Environment, StrictUndefined

    folder = Path(folder)
    if out is None:
        out = folder / "report.html"
        require_ordinary(out)  # of a folder that came from elsewhere
    out = Path(out)
    loaded = load_results(folder)
    checks = checks_of(loaded, tolerance)
    rows = [
        {"label": point.label, "cells": verdict_row(point.label, result, check), "check": check}
        for (point, result), check in zip(loaded, checks, strict=True)
    ]
    template = (files("tokenspace.report") / "report.html").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    page = environment.from_string(template).render(
        name=folder.resolve().name,
        columns=VERDICT_COLUMNS,
        rows=rows,
        counts={v: sum(c.verdict == v for c in checks) for v in ("PASS", "UNDECIDED", "FAIL")},
        tolerance=tolerance,
        statement=statement(evidence_of(loaded, checks)),
        figures=_figures(loaded),
        configuration=json.dumps(read_config(folder), indent=1),
        provenance=_provenance(loaded),
        written_by=f"tokenspace {versions()['tokenspace']}",
    )
    try:
        out.write_text(page, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({error.strerror or error})") from None
    return out


def _figures(loaded: list[Any]) -> list[dict[str, str]]:
    """Name, meaning and data URL of every theory figure."""
    with tempfile.TemporaryDirectory() as folder:
        drawn = draw_all(loaded, folder, suffixes=("png",))
        return [
            {
                "name": path.stem.replace("_", " "),
                "meaning": meaning(path.stem),
                "url": "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode(),
            }
            for path in drawn
        ]


def _provenance(loaded: list[Any]) -> list[dict[str, Any]]:
    """How each point was made."""
    return [
        {
            "point": point.label,
            "key": point.key,
            "seed": result.seed,
            "sampler": f"{result.sampler}: {result.method}",
            "kernels": result.kernels,
            "device": result.device,
            "seconds": f"{result.seconds:.2f}",
            "versions": ", ".join(f"{k} {v}" for k, v in result.versions.items()),
            "notes": "; ".join(result.notes),
        }
        for point, result in loaded
    ]
