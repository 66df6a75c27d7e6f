"""The tables of `measure`, and what is known of given tokens beside D(n)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tokenspace.cli.present import dense_table, show_table
from tokenspace.errors import InputError
from tokenspace.printable import between, counted, number, percent, shown, to_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from tokenspace.statistics.estimate import Estimate, Moments
    from tokenspace.statistics.exponent import Exponent
    from tokenspace.statistics.result import Result
    from tokenspace.statistics.scale import Scale
    from tokenspace.tokens.folders import Measured

OTHER_LAMBDAS = {
    "lambda_plain": "as the paper fits it (that above: least squares in log), every n alike",
    "lambda_unit_norm": "of the tokens scaled to norm 1",
}


def exponent_of(result: Result, among_others: bool) -> Exponent | None:
    """Nothing of one token count, nor of D(n) = 0 in a group whose neighbours have more to say."""
    try:
        return result.local_exponent()
    except InputError:
        if among_others or len(result.n) < 2:
            return None
        raise


def lambdas_of(result: Result, among_others: bool) -> tuple[dict[str, Scale | None], str]:
    """lambda by the name of the fit; nothing, and the reason, where D(n) is given but Upsilon 0.

    Also where D(n) is 0, in a group among others.
    """
    fits: dict[str, dict[str, Any]] = {
        "lambda": {},
        "lambda_plain": {"by": "plain"},
        "lambda_unit_norm": {"unit": True},
    }
    found: dict[str, Scale | None] = {}
    why = ""
    for name, how in fits.items():
        try:
            found[name] = result.scale_fit(**how)
        except InputError as error:
            if not result.mean.all() and not among_others:
                raise
            found[name], why = None, why or str(error)
    return found, why


def _known(take: Callable[[], Any]) -> Any:
    """A fit, or None where there is none."""
    try:
        return take()
    except InputError:
        return None


def show(result: Result, norms: bool, among_others: bool = False) -> None:
    """All that is said of one result; norms: also D of tokens of norm 1."""
    from tokenspace.tokens.bend import said_of_norms

    exponent = exponent_of(result, among_others)
    scales, unknown = lambdas_of(result, among_others)
    _show_table(result, exponent, scales["lambda"])
    for note in result.notes:
        print(note)
    if norms:
        _show_norms(result, scales)
    print(unknown or scales["lambda"])
    reached = result.reached()
    if reached.replicates < 2:  # one pair of norm 1 has D^2 = 2 Upsilon by algebra
        scales = scales | {"lambda_unit_norm": None}
    for name, words in OTHER_LAMBDAS.items():
        other = scales[name]
        if other is not None and len(reached.n) > 1:  # one n fits any lambda
            off = f"off by at most {percent(other.lack_of_fit, '.1f')}"
            print(f"  {words}: {number(other.mean, other.standard_error)}, {off}")
    if bent := said_of_norms([("", result)]):
        print(bent)
    if result.counts is not None:
        reaching = "1 pair that reaches"
        if reached.replicates > 1:
            reaching = f"{reached.replicates:,} pairs that reach"
        print(
            f"exponents are of the pairs that reach both n; lambda and n_balance of the {reaching} "
            f"n = {reached.n[-1]}, the last that half of them do"
        )
    if len(reached.n) < 2:
        print("exponents need at least 2 token counts, n_balance at least 3")
    elif len(reached.n) < 3:
        print("n_balance needs at least 3 token counts")
    if reached.replicates < 2:
        there = "" if result.counts is None else f" that reach n = {reached.n[-1]}"
        print(f"n_balance and errors need at least 2 pairs{there}, or 3 pictures with --pairs all")
    elif result.enough_for_balance and not reached.mean.all():
        print("n_balance: unknown, as lambda is")
    elif result.enough_for_balance:
        from tokenspace.tokens.balance import said_of_grid

        balance = result.n_balance()
        print(balance)
        if not balance.constant:
            print(said_of_grid(result))


def _show_table(result: Result, exponent: Exponent | None, scale: Scale | None) -> None:
    """The table of `measure`; "-" where a quantity is not defined."""
    import numpy as np

    psis = ("psi_equal", "psi_within", "psi_cross", "psi_delta")
    error = "± s.e."
    names = ["D", error, "exponent", error, *psis, error, "lambda sqrt(Upsilon)"]
    counts = [] if result.counts is None else ["pairs"]
    title = f"{counted(result.replicates, 'pair')}, {result.reason}"
    table = dense_table(title, ["n", *counts, *names])
    upsilon, correlations = result.cosine_upsilon().mean, result.correlations or {}
    for k, n in enumerate(result.n):
        slope, slope_error = np.nan, np.nan
        if exponent is not None and k:
            slope, slope_error = exponent.mean[k - 1], exponent.standard_error[k - 1]
        table.add_row(
            str(n),
            *([] if result.counts is None else [f"{result.counts[k]:,}"]),
            *_with_error(result.mean[k], result.standard_error[k]),
            *_with_error(slope, slope_error),
            *(_at(correlations[name], k, int(n)) for name in psis),
            _alone(correlations["psi_delta"].standard_error[k]),
            "-"
            if scale is None
            else to_error(scale.mean * np.sqrt(upsilon[k]), result.standard_error[k]),
        )
    show_table(table)


def _show_norms(result: Result, scales: dict[str, Scale | None]) -> None:
    """D of tokens as they are and of norm 1, and how far each is off its lambda sqrt(Upsilon)."""
    import numpy as np

    error, off = "± s.e.", "off lambda sqrt(Upsilon)"
    table = dense_table(
        "D of the tokens as they are, and scaled to norm 1",
        ["n", "D", error, off, "D, norm 1", error, off],
    )
    root = np.sqrt(np.maximum(result.cosine_upsilon().mean, 0.0))

    def cells(found: Moments, scale: Scale | None, k: int) -> list[str]:
        away = "-" if scale is None else percent(found.mean[k] / (scale.mean * root[k]) - 1, "+.1f")
        return [*_with_error(found.mean[k], found.standard_error[k]), away]

    for k, n in enumerate(result.n):
        table.add_row(
            str(n),
            *cells(result.divergence, scales["lambda"], k),
            *cells(result.unit_divergence, scales["lambda_unit_norm"], k),
        )
    show_table(table)


def show_groups(found: list[Measured]) -> None:
    """A line a group: what is known at the last n that half of the pairs reach."""
    from tokenspace.tokens.balance import NOT_CONSTANT
    from tokenspace.tokens.bend import said_of_norms

    error, psis = "± s.e.", ("psi_equal", "psi_within", "psi_cross")
    balances = ("n_balance", "95 % interval")
    table = dense_table(
        "Groups of tokens, at the largest n that half of the pairs reach",
        ["group", "pairs", "n", "D", error, "exponent", error, *psis, *balances, "lambda"],
        left=1,
    )
    varies = False
    for m in found:
        r = m.result.reached()
        slope = exponent_of(m.result, among_others=True)
        last = len(r.n) - 2  # of the same pairs as all else here
        balance = _known(r.n_balance)
        scale = _known(r.scale_fit)
        psi = r.correlations or {}
        varies |= balance is not None and not balance.constant
        table.add_row(
            shown(m.name),
            f"{r.replicates:,}",
            str(r.n[-1]),
            *_with_error(r.mean[-1], r.standard_error[-1]),
            *(
                ("-", "-")
                if slope is None or last < 0
                else _with_error(slope.mean[last], slope.standard_error[last])
            ),
            *(_at(psi[k], -1, int(r.n[-1])) for k in psis),
            "-"
            if balance is None
            else to_error(balance.mean, balance.standard_error)
            + ("" if balance.constant else NOT_CONSTANT),
            "-" if balance is None else between(balance.interval, balance.standard_error),
            "-" if scale is None else to_error(scale.mean, scale.standard_error),
        )
    show_table(table)
    if bent := said_of_norms([(m.name, m.result) for m in found]):
        print(bent)
    if varies:
        print(
            f"{NOT_CONSTANT} correlations are not constant, so n_balance depends on the token "
            "counts; --only NAME says how far"
        )


def _at(psi: Estimate, k: int, n: int) -> str:
    """A psi of n tokens; 1 and 0 where it is that but for rounding, as of equal tokens."""
    from tokenspace.tokens.rounding import COSINE_ROUNDING, psi_rounding

    value, error = float(psi.mean[k]), float(psi.standard_error[k])
    for exact, rounding in ((0, COSINE_ROUNDING), (1, psi_rounding(n))):
        if abs(value - exact) < rounding and not error > rounding:
            return str(exact)
    return to_error(value, error and max(error, COSINE_ROUNDING / 4))


def _with_error(value: float, error: float) -> tuple[str, str]:
    return to_error(value, error), _alone(error)


def _alone(error: float) -> str:
    return to_error(error, error)
