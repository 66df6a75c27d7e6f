"""The tables of `fit`: each curve's laws, of many by model and the ends, and all sizes together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.markup import escape

from tokenspace.cli.present import dense_table, show_table, write_table
from tokenspace.printable import counted, percent, shown
from tokenspace.scaling.scales import Log

if TYPE_CHECKING:
    from tokenspace.scaling.result import ScalingFit
    from tokenspace.scaling.sizes import SizeFit

Fitted = Sequence[tuple[str, "ScalingFit"]]
NONE = "no curve has enough points"
RARE = 0.05  # p-value of the law over sizes that is remarked on
MANY = 100  # curves, models or benchmarks that a table shows whole; of more, the ends
ENDS = 8
POWER = " = c / n^alpha"


def show_fits(fitted: Fitted, models: Sequence[str]) -> None:
    """A row a curve; of more than 100 curves a row a model, and the curves at both ends."""
    from tokenspace.scaling.laws import known_laws

    laws, scale = fitted[0][1].fits, fitted[0][1].best.scale
    law = POWER if "power" in laws else f" by {', '.join(laws)}"
    title = f"Scaling fits of {counted(len(fitted), 'curve')}: {scale.formula}{law}"
    if scale != Log() and any(known_laws()[name].limits for name in laws):
        title += "; limits are scores"
    if len(fitted) <= MANY:
        _show_curves(title, fitted)
        return
    if 1 < len(set(models)) <= MANY:
        _show_models(fitted, models)
    said = f"{title}, the first {ENDS} and the last {ENDS}"
    if all("power" in f.fits for _, f in fitted):
        fitted = sorted(fitted, key=lambda one: one[1].fits["power"].parameters["alpha"])
        said = f"{title}, the {ENDS} of least and the {ENDS} of largest alpha"
    _show_curves(said, [*fitted[:ENDS], *fitted[-ENDS:]])
    print("Every curve: --json, or --out FILE.csv.")


def _show_models(fitted: Fitted, models: Sequence[str]) -> None:
    """Of many curves a line a model: its exponents, and the law that most of them prefer."""
    names = ["model", "curves", "alpha, median", "of 80 % of the curves", "prefer most", "flat"]
    table = dense_table("Scaling fits by model", names, left=1)
    for model in dict.fromkeys(models):
        own = [f for k, (_, f) in zip(models, fitted, strict=True) if k == model]
        alpha = [f.fits["power"].parameters["alpha"] for f in own if "power" in f.fits]
        low, middle, high = np.quantile(alpha, (0.1, 0.5, 0.9)) if alpha else [np.nan] * 3
        ranked = Counter(f.preferred for f in own if f.preferred).most_common(1)
        table.add_row(
            escape(shown(model)),
            str(len(own)),
            f"{middle:z.4f}" if alpha else "-",
            f"{low:z.4f} to {high:z.4f}" if alpha else "-",
            f"{ranked[0][0]}: {ranked[0][1]}" if ranked else "-",
            str(sum(f.flat for f in own)),
        )
    show_table(table)


def write(out: Path, fitted: Fitted) -> None:
    """A row a curve and law: whether it is preferred, its parameters with intervals, and ranks."""
    import pandas as pd

    numbers = ("aicc", "bic", "left_out", "residual_std", "chi_squared", "p_value")
    rows = []
    for name, fit in fitted:
        for law, one in fit.fits.items():
            row: dict[str, Any] = {"curve": name, "law": law}
            row |= {"preferred": law == fit.preferred, "flat": fit.flat}
            row |= {"degrees_of_freedom": one.degrees_of_freedom}
            row |= {key: getattr(one, key) for key in numbers}
            for key, value in one.parameters.items():
                low, high = one.intervals.get(key, (np.nan, np.nan))
                row |= {key: value, f"{key}_low": low, f"{key}_high": high}
            rows.append(row)
    write_table(out, pd.DataFrame(rows))


def show_counts(fits: list[ScalingFit]) -> None:
    """How many curves prefer which law, by each yardstick; flat ones prefer none."""
    told = [f for f in fits if not f.flat]
    none = "none" if any(np.isfinite(f.best.aicc) for f in fits) else NONE
    names = [f.preferred for f in fits if f.preferred]
    clear = sum(f.decisive for f in fits)
    ranked = [(k, names.count(k)) for k in dict.fromkeys(names)]
    counts = ", ".join(
        f"{count} {'prefers' if count == 1 else 'prefer'} {k}" for k, count in ranked
    )
    how = f"; {clear} of {len(fits)} decisively" if counts else ""
    print(f"By AICc {counts or none}{how}.")
    other = {
        # BIC has no correction for few points: it is no yardstick where AICc cannot be one
        "BIC": [
            _least({k: one.bic for k, one in f.fits.items() if np.isfinite(one.aicc)}) for f in told
        ],
        "leaving one n out": [
            _least({k: -one.left_out for k, one in f.fits.items()}) for f in told
        ],
    }
    for yardstick, best in other.items():
        most = Counter(k for k in best if k).most_common()
        said = ", ".join(f"{count} {k}" for k, count in most) or none
        print(f"By {yardstick}: {said}.")
    if flat := len(fits) - len(told):
        print(
            f"{flat} of {len(fits)} {'is' if flat == 1 else 'are'} flat: neither a slope nor a "
            "law is sure, given the scatter of the scores, so no law is preferred."
        )
    print("Which law foretells scores that it has not seen: tokenspace forecast.")


def show_errors(fits: list[ScalingFit]) -> None:
    """What chi^2 says of the standard errors, where any are given."""
    from tokenspace.scaling.preference import REFUSED
    from tokenspace.scaling.stated import DOUBT

    fits = [f for f in fits if np.isfinite(f.best.p_value)]
    if not fits:
        return
    print(
        "chi^2: of the law of smallest AICc, by the standard errors. Intervals of a law take these "
        f"as given where its p >= {DOUBT:g}, else they are by the scatter, and wider."
    )
    if by_errors := sum(f.by_errors for f in fits if len(f.fits) > 1):
        print(
            f"{by_errors} of {len(fits)}: laws are compared by the standard errors (AIC and BIC of "
            f"known noise), as chi^2 does not refuse every law (p >= {REFUSED:g})."
        )
    # by the law that fits best: the smallest AICc may be that of a law of too few parameters
    most = [max(one.p_value for one in f.fits.values() if np.isfinite(one.p_value)) for f in fits]
    if more := sum(p < REFUSED for p in most):
        law = "by every law" if len(fits[0].fits) > 1 else "about this law"
        print(f"{more} of {len(fits)} scatter more {law} than the errors say (p < {REFUSED:g}).")
    pairs = zip(fits, most, strict=True)
    if other := sum(f.best.p_value < REFUSED <= p for f, p in pairs):
        print(
            f"{other} of {len(fits)}: the law of smallest AICc does not fit (p < {REFUSED:g}), but "
            "another law does. chi^2 of each law: --out or --json."
        )
    if less := sum(f.best.p_value > 1 - REFUSED for f in fits):
        print(
            f"{less} of {len(fits)} scatter less (p > {1 - REFUSED:g}): the same questions at "
            "every n err alike, which moves a curve as a whole."
        )


def _least(values: dict[str, float]) -> str:
    """The law of the smallest value that is finite, empty where none is."""
    known = {k: v for k, v in values.items() if abs(v) < float("inf")}
    return min(known, key=lambda k: known[k]) if known else ""


def show_sizes(sizes: Sequence[SizeFit]) -> None:
    """A row a benchmark; of more than 100, those on which the law over sizes scatters most."""
    from rich.table import Table

    title = "All sizes of model together: S = limit - A (N / smallest N)^-b n^-g"
    if len(sizes) > MANY:
        unfit = sum(one.p_value < RARE for one in sizes)
        sizes = sorted(sizes, key=lambda one: -one.residual_std)[: 2 * ENDS]
        title += f", the {2 * ENDS} benchmarks that scatter most"
        print(f"{unfit} benchmarks do not follow the law over sizes (p < {RARE:g}). All: --json.")
    table = Table(title=title, header_style="bold")
    for name in ("benchmark", "scores", "limit", "A", "b", "g", "scatter"):
        table.add_column(name)
    for one in sizes:
        cells = [f"{v:.4g} ({one.bounds(k, digits=3)})" for k, v in one.parameters.items()]
        scatter = percent(one.residual_std, ".1f")
        table.add_row(escape(shown(one.benchmark)), str(one.points), *cells, scatter)
    show_table(table)
    for one in sizes:
        told = _misfit(one)
        if told:
            print(shown(f"{one.benchmark}: {told}"))


def _misfit(one: SizeFit) -> str:
    """What the law over sizes leaves, if it is more than chance, and whether intervals count it."""
    said = []
    shared = one.scatter.p_value < RARE
    if one.p_value < RARE:
        scatter, least = (percent(v, ".2g") for v in (one.residual_std, one.curves_std))
        said.append(
            f"this law does not fit: scatter {scatter}, and {least} about the curves' own best "
            f"laws (p = {one.p_value:.1g})."
        )
        if not shared:
            said.append("Its intervals say little.")
    if shared:
        common, within = (percent(v**0.5, ".2g") for v in (one.scatter.common, one.scatter.within))
        said.append(
            f"Each size scatters as a whole, by {common} (p = {one.scatter.p_value:.1g}), and "
            f"scores by {within} about it: its intervals count both."
        )
    return " ".join(said)


def _show_curves(title: str, fitted: Fitted) -> None:
    """The table of `fit`; "-" where a curve has no such number."""
    from rich.table import Table

    table = Table(title=title, header_style="bold")
    errors = any(np.isfinite(f.best.p_value) for _, f in fitted)
    level = percent(fitted[0][1].best.level, "g")
    best_law = ("preferred law", "AICc ahead by", f"its parameters and {level} intervals")
    chi = ("chi^2 / freedom (p)",) if errors else ()
    for name in ("curve", "c", "alpha", f"{level} interval", *best_law, *chi):
        table.add_column(name)
    for name, f in fitted:
        power = f.fits.get("power")
        line = ["-", "-", "-"]
        if power:
            c, alpha = power.parameters.values()
            line = [f"{c:.6g}", f"{alpha:z.6f}", power.bounds("alpha")]
        ahead = f"{f.evidence:.1f}" if np.isfinite(f.evidence) else "-"
        law = f.best.limits_as_scores()
        best = "\n".join(f"{k} = {law.value(k)} ({law.bounds(k)})" for k in law.parameters)
        chosen = [f.winner, ahead, best]  # with one law it is shown, and nothing is preferred
        if len(f.fits) > 1 and not f.preferred:
            chosen = ["none: flat" if f.flat else "-", "-", "-"]
        told = f"{f.best.chi_squared:.1f} / {f.best.degrees_of_freedom} ({f.best.p_value:.2g})"
        fits = [told if np.isfinite(f.best.p_value) else "-"] if errors else []
        table.add_row(escape(shown(name)), *line, *chosen, *fits)
    show_table(table)
