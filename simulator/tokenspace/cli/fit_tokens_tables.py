"""The tables of `fit-tokens`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tokenspace.cli.present import show_table
from tokenspace.printable import known, number, shown

if TYPE_CHECKING:
    from tokenspace.cli.fitted_tokens import FittedTokens
    from tokenspace.statistics.estimate import Estimate
    from tokenspace.tokens.describe import TokenDescription
    from tokenspace.tokens.fit import TokenFit


def show(found: FittedTokens, saved: str) -> None:
    """All that is said of the tokens of one group; saved: where the model is, in words."""
    _show_fit(found.fit)
    if found.said is None:
        print(shown(found.why))
    else:
        _show_description(found.said)
    for note in found.fit.notes:
        print(note)
    if saved:
        print(saved)


def _show_fit(found: TokenFit) -> None:
    if found.ranking:
        _show_ranking(found)
    else:
        aim = found.aim or "the psi's"
        print(f"One family, {found.family}, fitted to {aim}; several are ranked.")
    _show_parameters(found)


def _show_ranking(found: TokenFit) -> None:
    from rich.table import Table

    table = Table(
        title="Errors on held-out tokens; score: 1 is as good as no model", header_style="bold"
    )
    for name in ("family", "fitted to"):
        table.add_column(name)
    for name in ("score", "log D", "gamma", "psi", "behind the best", "parameters"):
        table.add_column(name, justify="right")
    for r in found.ranking:
        here = (r.family, r.order) == (found.family, found.order)
        table.add_row(
            r.name + (" <- chosen" if here else ""),
            r.aim,
            *(_number(x) for x in (r.score, r.divergence, r.gamma, r.psi)),
            _number(r.behind) + (" ties" if r.ties else "") if r.behind.mean else "best",
            str(r.size) if r.aim else "",
            style="bold" if here else None,
        )
    show_table(table)
    print(
        "Chosen: the fewest parameters of those within one standard error of the best; "
        "ties: not worse than the best at 95 %."
    )


def _show_parameters(found: TokenFit) -> None:
    from rich.table import Table

    table = Table(title=f"Parameters of {found.family}", header_style="bold")
    for name in ("parameter", "value", "95 % interval"):
        table.add_column(name)
    for name, value in found.parameters.items():
        low, high = value.interval()
        bounded = float(value.standard_error) > 0 and low > -float("inf")
        table.add_row(name, _number(value), f"{low:.4g} to {high:.4g}" if bounded else "unknown")
    show_table(table)
    _show_compared(found)


def _show_compared(found: TokenFit) -> None:
    from rich.table import Table

    table = Table(title=f"The tokens beside the model, {found.family}", header_style="bold")
    table.add_column("quantity")
    for name in ("tokens", "model", "z of the difference"):
        table.add_column(name, justify="right")
    for row in found.compared:
        z = "0: by construction" if row.z == 0 else known(row.z, ".1f")
        table.add_row(row.name, _number(row.tokens), number(row.model.mean), z)
    show_table(table)


def _show_description(said: TokenDescription) -> None:
    from rich.table import Table

    table = Table(title="The tokens beside Gaussian ones", header_style="bold")
    for name in ("quantity", "tokens", "Gaussian tokens"):
        table.add_column(name)
    for row in said.beside_gaussian():
        table.add_row(*row)
    show_table(table)
    table = Table(title="What norms change", header_style="bold")
    for name in ("quantity", "as given", "scaled to norm 1", "change"):
        table.add_column(name)
    for row in said.what_norms_change():
        table.add_row(*row)
    show_table(table)
    print(f"token law {said.law!r}: {said.why}")


def _number(value: Estimate) -> str:
    return number(value.mean, value.standard_error)
