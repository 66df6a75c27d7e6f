"""Words and numbers as people are shown them; words may come from anybody."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

UNKNOWN = "-"
MILLION = 1e6
MOST_DIGITS = 12  # of those that float64 has


def shown(text: object) -> str:
    """What would steer a terminal, turn a line round or be no character at all is escaped."""
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in str(text))


def counted(count: int, one: str, many: str = "") -> str:
    """So many of something: "1 pair", "1,024 pairs"; many: where it is not `one` with an s."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def ten_of(names: Sequence[str]) -> str:
    """Names, of more than ten the first ten and how many more there are."""
    more = f" and {len(names) - 10:,} more" if len(names) > 10 else ""
    return ", ".join(names[:10]) + more


def brief(value: float, digits: int) -> str:
    """A number of so many digits; whole and without an exponent up to a million."""
    text = f"{value:.{digits}g}"
    return f"{float(text):.0f}" if "e+" in text and abs(value) < MILLION else text


def known(value: float, form: str) -> str:
    """A number as `format` writes it, or `brief` of ".3g"; "-" where it is not known."""
    if not math.isfinite(value):
        return UNKNOWN
    if form.endswith("g"):
        return brief(value, int(form[1:-1]))
    text = f"{value:{form}}"
    return text if float(text) else text.removeprefix("-")


def percent(share: float, form: str = "") -> str:
    """A share of 1 in per cent, "12 %", as `format` writes it, or "-" where it is no number.

    Without a form they are whole, of two digits where there are less than ten of them: "0.22 %".
    """
    if math.isnan(share):
        return UNKNOWN
    return f"{100 * share:{form or ('.0f' if not 0 < abs(share) < 0.095 else '.2g')}} %"


def to_error(value: Any, error: Any) -> str:
    """A value down to the second digit of its standard error; three digits where it is not known.

    As `brief` of so many digits, with those that are 0. Six where the error is 0.
    """
    value, error = float(value), float(error)
    if not (math.isfinite(value) and 0 < error < math.inf):
        return known(value, ".6g" if error == 0 else ".3g")
    error = float(f"{error:.1e}")  # 0.0996 is 0.10, of another size
    size = _size(max(abs(value), error))
    decimals = min(1 - _size(error), MOST_DIGITS - 1 - size)
    value = round(value, decimals)
    if size < -4 or (decimals < 0 and size >= _size(MILLION)):
        return f"{value:.{max(decimals + _size(abs(value)), 0)}e}" if value else "0"
    return known(value, f".{max(decimals, 0)}f")


def between(interval: tuple[float, float], error: float) -> str:
    """The ends of an interval, down to the second digit of the error or their own."""
    if any(map(math.isnan, interval)):
        return UNKNOWN
    return " to ".join(
        str(end) if math.isinf(end) else to_error(end, min(error, abs(end) or error))
        for end in interval
    )


def bounded(interval: tuple[float, float], possible: tuple[float, float], digits: int = 4) -> str:
    """An interval in words: "12 to 80", "at least 12", "at most 80", "not bounded".

    possible: the least and the largest value there can be; an end that reaches it bounds nothing.
    """
    (low, high), (least, most) = interval, possible
    if low <= least and high >= most:
        return "not bounded"
    if high >= most:
        return f"at least {low:.{digits}g}"
    if low <= least:
        return f"at most {high:.{digits}g}"
    return f"{low:.{digits}g} to {high:.{digits}g}"


def _size(value: float) -> int:
    """Of the first digit: 0 of 1 to 10, -1 of 0.1 to 1."""
    return math.floor(math.log10(value))


def number(mean: Any, error: Any = math.nan) -> str:
    """A value with its standard error, each to two digits of the error, where these are known."""
    said = to_error(mean, error)
    has_error = said != UNKNOWN and 0 < error < math.inf
    return f"{said} ± {to_error(error, error)}" if has_error else said


def duration(seconds: float) -> str:
    """Seconds in the unit that people use."""
    for unit, length in (("days", 86_400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.1f} s"


def size(count: float) -> str:
    """Bytes in the unit that people use."""
    for unit, one in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= one:
            return f"{count / one:.1f} {unit}"
    return f"{count:.0f} B"
