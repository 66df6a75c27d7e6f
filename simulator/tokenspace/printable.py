"""Words and numbers as people are shown them; words may come from anybody."""

from __future__ import annotations

import math
from typing import Any

UNKNOWN = "-"
MILLION = 1e6


def shown(text: object) -> str:
    """What would steer a terminal, turn a line round or be no character at all is escaped."""
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in str(text))


def counted(count: int, one: str, many: str = "") -> str:
    """So many of something: "1 pair", "1,024 pairs"; many: where it is not `one` with an s."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


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


def percent(share: float) -> str:
    """A share of 1 as whole per cent, of two digits where it is less than ten of them: "0.22%"."""
    return f"{share:.0%}" if not 0 < abs(share) < 0.095 else f"{100 * share:.2g}%"


def number(mean: Any, error: Any = math.nan) -> str:
    """A value with its standard error, where these are known; without one, to three digits."""
    mean, error = float(mean), float(error)
    if not math.isfinite(mean):
        return UNKNOWN
    return f"{brief(mean, 4)} ± {brief(error, 2)}" if 0 < error < math.inf else brief(mean, 3)


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
