"""Pictures of a result file: throughput and memory against size, and every case on the roofline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tokenspace_benchmarks.limits import RATES
from tokenspace_benchmarks.operations import normals_per_second

COLOURS = {"tokens": "tab:blue", "partial_sums": "tab:orange", "collapsed": "tab:green"}


def growth(document: dict[str, Any]) -> Any:
    """Throughput and peak memory along each axis, under the machine's own roof."""
    import matplotlib.pyplot as plt

    from tokenspace_benchmarks.sizes import BASE

    sizes = document["sizes"]
    axes = list(dict.fromkeys(s["axis"] for s in sizes))
    figure, panels = plt.subplots(2, len(axes), figsize=(4.4 * len(axes), 7), squeeze=False)
    for column, axis in enumerate(axes):
        top, bottom = panels[0][column], panels[1][column]
        for sampler, colour in COLOURS.items():
            along = [s for s in sizes if (s["axis"], s["sampler"]) == (axis, sampler)]
            at = [BASE | {axis: s["value"]} for s in along]
            drawn = [p["N"] * p["d"] * p["replicates"] for p in at]
            x = [s["value"] for s in along]
            rate = [n / s["seconds"] for n, s in zip(drawn, along, strict=True)]
            top.loglog(x, rate, "o-", color=colour, label=sampler)
            bottom.plot(x, [s["peak_mib"] or np.nan for s in along], "o-", color=colour)
        if document["limits"]:
            roof = normals_per_second(
                document["limits"], "matrix_gflop_per_s" in document["limits"]
            )
            says = "roof of `tokens`: arithmetic of normals"
            top.axhline(roof, color="black", linestyle="--", label=says)
        fixed = ", ".join(f"{k} = {v:,}" for k, v in BASE.items() if k != axis)
        top.set(title=fixed, ylabel="tokens x features x replicates / s")
        bottom.set(xlabel=axis, ylabel="peak memory, MiB", yscale="log")
        for panel in (top, bottom):
            panel.set_xscale("log")
            panel.set_xticks(x, [f"{v:,}" for v in x], minor=False)
            panel.set_xticks([], minor=True)
    figure.legend(*panels[0][0].get_legend_handles_labels(), loc="upper right", ncols=4, fontsize=9)
    figure.suptitle(f"Growth with size on {document['device']}", x=0.01, ha="left")
    figure.tight_layout()
    return figure


def roofline(document: dict[str, Any]) -> Any:
    """Time of every case of ours over the least that the machine allows."""
    import matplotlib.pyplot as plt

    ours = [t for t in document["timings"] if t["floor"] is not None]
    figure, axes = plt.subplots(figsize=(9, 0.35 * len(ours) + 1.8))
    colours = {what: f"C{k}" for k, what in enumerate(RATES.values())}
    labelled: set[str] = set()
    for row, t in enumerate(reversed(ours)):
        by = t["floor_by"]
        label = None if by in labelled else f"bound by {by}"
        labelled.add(by)
        share = t["floor"] / t["median"]
        axes.barh(row, share, color=colours[by], label=label)
        axes.text(share, row, f" {share:.0%}", va="center", fontsize=9)
    axes.set_yticks(range(len(ours)), [f"{t['case']}: {t['contestant']}" for t in reversed(ours)])
    axes.axvline(1, color="black", linestyle="--")
    axes.margins(x=0.12)
    axes.set_xlabel("share of the machine's limit")
    axes.set_title(f"Roofline on {document['device']}", loc="left", pad=24)  # above the legend
    axes.tick_params(axis="y", labelsize=8)
    if labelled:
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=len(labelled), frameon=False)
    figure.tight_layout()
    return figure


def draw_all(document: dict[str, Any], folder: Path) -> list[Path]:
    """Draw `growth.png` and `roofline.png` of a result file (see `harness.load`) into a folder."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    written = []
    for name, draw in (("growth", growth), ("roofline", roofline)):
        figure = draw(document)
        written.append(folder / f"{name}.png")
        figure.savefig(written[-1], dpi=110)
        plt.close(figure)
    return written
