"""Words that may come from anybody, made fit to be shown."""

from __future__ import annotations


def shown(text: object) -> str:
    """What would steer a terminal, turn a line round or be no character at all is escaped."""
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in str(text))
