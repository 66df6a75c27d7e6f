"""Write expected_divergence.md and .csv: E[D(n)] where no closed form is known.

`make expected-divergence` runs it; what is simulated is in sweeps/expected_divergence.toml. Points
that are there are kept, so an interrupted run goes on.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import tokenspace as ts

HERE = Path(__file__).parent
INTRODUCTION = """# E[D(n)] of unit-norm and of per-token Student-t tokens

No closed form is known for laws that change tokens one by one; their E[D(n)^2] is exact. These
values are simulated with that as a control variate (`estimator = "control"`), whose error is that
of the variance of D: E[D]^2 = E[D^2] - Var D. Model: `equicorrelated(psi_equal=0.2, psi_within=0.3,
psi_cross=0.1)` before the law, isotropic features, E||g||^2 = 1 for the Gaussian tokens g. The
digits in brackets are one standard error in the last places; also in
[expected_divergence.csv](expected_divergence.csv) are the exact root of E[D^2], the replicates, and
by how much the control variate divided the variance. Made by `make expected-divergence` from
`sweeps/expected_divergence.toml`.
"""


def law_of(table: dict) -> str:
    """A law's table in words."""
    return "unit norm" if table["model"] == "unit_norm" else f"Student-t, df = {table['df']:g}"


def shown(mean: float, error: float) -> str:
    """1.26257(15): the error in units of the last digits."""
    places = 0
    while error * 10**places < 9.5:
        places += 1
    return f"{mean:.{places}f}({error * 10**places:.0f})"


def main(results: str) -> None:
    config = HERE.parent / "sweeps" / "expected_divergence.toml"
    ts.run_sweep(config, results, lambda done, total, p: print(done, "of", total, p.label))
    rows, lines, title = [], [], ""
    for point, result in ts.load_results(results):
        law, d = law_of(point.config["law"]), point.config["features"]["dim"]
        exact = ts.theory.rms_divergence(result.model, result.n)
        columns = (result.n, result.mean, result.standard_error, exact, result.control.gain)
        for n, mean, error, rms, gain in zip(*columns, strict=True):
            rows.append([law, d, n, mean, error, rms, result.replicates, f"{gain:.4g}"])
        if law != title:
            title = law
            heads = " | ".join(f"n = {n}" for n in result.n)
            lines += [f"\n## {law[0].upper()}{law[1:]}\n", f"| d | {heads} |"]
            lines += ["|---" * (len(result.n) + 1) + "|"]
        cells = map(shown, result.mean, result.standard_error)
        lines.append(f"| {d} | {' | '.join(cells)} |")
    (HERE / "expected_divergence.md").write_text(INTRODUCTION + "\n".join(lines) + "\n")
    with (HERE / "expected_divergence.csv").open("w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["law", "d", "n", "mean", "standard_error", "rms", "replicates", "gain"])
        out.writerows(rows)


if __name__ == "__main__":
    main(*sys.argv[1:])
