"""The theory figures, one a file, drawn from stored results and exact theory; never by sampling."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tokenspace.errors import InputError


def draw_all(loaded: list[Any], out: str | Path) -> list[Path]:
    """Draw every figure into a folder as PNG and SVG; returns the files.

    Args:
        loaded: (point, result) pairs from `store.load_results`.
        out: folder, created when missing.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    from tokenspace.figures import (
        alpha,
        balance,
        correlations,
        divergence,
        exponent_diagram,
        measured_curves,
        upsilon,
    )
    from tokenspace.figures.style import STYLE

    out = Path(out)
    written = []
    try:
        out.mkdir(parents=True, exist_ok=True)
        for figure_module in (
            upsilon,
            alpha,
            correlations,
            divergence,
            balance,
            measured_curves,
            exponent_diagram,
        ):
            name = figure_module.__name__.rsplit(".", 1)[-1]
            with plt.rc_context(STYLE):
                figure = figure_module.draw(loaded)
                for suffix in ("png", "svg"):
                    path = out / f"{name}.{suffix}"
                    figure.savefig(path)
                    written.append(path)
                plt.close(figure)
    except OSError as error:
        raise InputError(f"{out}: figures cannot be written ({error.strerror or error})") from None
    return written
