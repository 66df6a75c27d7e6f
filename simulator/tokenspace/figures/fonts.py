"""Fonts for names in any script: those of the machine that have the characters."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from functools import lru_cache

from matplotlib.font_manager import fontManager, get_font

USUAL = "DejaVu Sans"  # which comes with matplotlib
BOXES = "Last Resort"  # fonts that have a box for everything
UNKNOWN = "\N{REPLACEMENT CHARACTER}"


def families(text: Iterable[str]) -> list[str]:
    """The fonts to draw these characters with, the usual one first."""
    found = dict.fromkeys(_family_of(c) for c in sorted(set(text)))
    return [USUAL, *(name for name in found if name not in (USUAL, None))]


def drawable(text: str) -> str:
    """The same text; a character that no font here has is replaced, and it is said once."""
    lacking = sorted({c for c in text if not c.isascii() and _family_of(c) is None})
    for c in lacking:
        text = text.replace(c, UNKNOWN)
    if lacking:
        _say_lacking()
    return text


@lru_cache(maxsize=1)
def _say_lacking() -> None:
    warnings.warn(
        "no font of this machine has some characters of these names: pictures show "
        f"{UNKNOWN} for them; install one, such as Noto Sans CJK",
        stacklevel=2,
    )


@lru_cache(maxsize=65_536)
def _family_of(character: str) -> str | None:
    """The first font that has a character, None if there is none."""
    if character.isascii() or ord(character) in _characters(_file_of_usual()):
        return USUAL
    for entry in fontManager.ttflist:
        usable = entry.style == "normal" and not entry.name.startswith(BOXES)
        if usable and ord(character) in _characters(entry.fname):
            return str(entry.name)
    return None


@lru_cache(maxsize=1)
def _file_of_usual() -> str:
    return str(fontManager.findfont(USUAL))


@lru_cache(maxsize=4096)
def _characters(file: str) -> frozenset[int]:
    try:
        return frozenset(get_font(file).get_charmap())
    except (OSError, RuntimeError):  # removed since matplotlib listed it, or damaged
        return frozenset()
