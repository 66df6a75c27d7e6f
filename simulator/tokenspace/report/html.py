"""One self-contained HTML file for a sweep: verdicts, figures, configuration, provenance.

The page is the Jinja template `page/page.html` with the style and the scripts beside it. Numbers
of the points travel packed inside it (`columns`, `curves`), and its scripts show what is asked for,
so ten thousand points open as fast as ten. No library draws: the smallest that could is several
times larger than all of the data.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import struct
import tempfile
from collections import Counter
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from tokenspace.collector import collector_paused
from tokenspace.errors import InputError
from tokenspace.experiments.results import labels_of, load_results
from tokenspace.experiments.store import read_config
from tokenspace.figures import draw_all, meaning
from tokenspace.files import require_replaceable
from tokenspace.printable import counted, shown
from tokenspace.provenance import versions
from tokenspace.report.columns import columns
from tokenspace.report.curves import KEPT, KINDS, curves
from tokenspace.report.evidence import evidence_of, statement
from tokenspace.report.verdicts import WORST_FIRST, checks_of

SCRIPTS = (
    "data.js",
    "chart.js",
    "table.js",
    "colours.js",
    "lattice.js",
    "paint.js",
    "phase.js",
    "point.js",
    "start.js",
)

READABLE = 1.6  # dots of a picture to a dot of a page: letters then have those of small print


def write_report(
    folder: str | Path, out: str | Path | None = None, tolerance: float = 0.02
) -> Path:
    """Write the report of a sweep; returns the file.

    Args:
        folder: the --out folder of a sweep, finished or not.
        out: the HTML file; by default report.html in the folder.
        tolerance: of the verdicts, see `verdict.check`.

    Raises:
        InputError: no results in the folder, or the file cannot be written.
    """
    from jinja2 import Environment, StrictUndefined

    folder = Path(folder)
    if out is None:
        out = folder / "report.html"
        require_replaceable(out)  # of a folder that came from elsewhere
    out = Path(out)
    loaded = load_results(folder)
    keys = labels_of(Path(folder)).keys()
    with collector_paused():
        checks = checks_of(loaded, tolerance)
        data = columns(loaded, checks)
        said = statement(evidence_of(loaded, checks))
    drawn = curves(checks)
    data |= {"held": drawn.held if len(drawn.held) < len(checks) else None}
    data |= {"kinds": KINDS, "kept": KEPT, "tolerance": tolerance}
    parts = files("tokenspace.report") / "page"
    read = {p.name: p.read_text(encoding="utf-8") for p in parts.iterdir() if p.is_file()}
    script = "\n".join(['"use strict";', *(read[name] for name in SCRIPTS)])
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    page = environment.from_string(read["page.html"]).render(
        name=shown(folder.resolve().name),
        style=read["page.css"],
        script=script,
        digest=_text(hashlib.sha256(script.encode()).digest()),  # no other script may run
        columns=_text(gzip.compress(json.dumps(data).encode(), 6, mtime=0)),
        curves=_text(drawn.packed),
        counts={v: n for v in WORST_FIRST if (n := Counter(c.verdict for c in checks)[v])},
        points=len(checks),
        unfinished=_unfinished(len(keys), len(keys - {point.key for point, _ in loaded})),
        tolerance=tolerance,
        statement=said,
        figures=figures_of(loaded),
        configuration=shown(json.dumps(read_config(Path(folder)), indent=1, ensure_ascii=False)),
        written_by=f"tokenspace {versions()['tokenspace']}",
    )
    return written(out, page)


def written(out: Path, page: str) -> Path:
    """The file, with that page in it; InputError where it cannot be written."""
    try:
        out.write_text(page, encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"{out}: cannot be written ({error.strerror or error}); --out writes elsewhere"
        ) from None
    return out


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _unfinished(points: int, left: int) -> str:
    """What a reader should know of a sweep that goes on, nothing of one that is finished."""
    if not left:
        return ""
    return (
        f"This sweep is not finished: {left:,} of {counted(points, 'point')} missing. "
        "`tokenspace sweep` again computes what is missing; write this report anew then."
    )


def figures_of(loaded: list[Any], only: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Name, meaning, data URL and size of these figures, or of all that suit the results."""
    with tempfile.TemporaryDirectory() as folder:
        drawn = draw_all(loaded, folder, suffixes=("png",), only=only, in_report=True)
        return [_figure(path.stem, path.read_bytes()) for path in drawn]


def _figure(name: str, png: bytes) -> dict[str, Any]:
    """width, height: on a narrow screen, where the picture is moved to the side in its box."""
    width, height = struct.unpack(">II", png[16:24])  # PNG: of its first chunk
    return {
        "name": name.replace("_", " "),
        "meaning": meaning(name),
        "url": "data:image/png;base64," + _text(png),
        "width": round(width / READABLE),
        "height": round(height / READABLE),
    }
