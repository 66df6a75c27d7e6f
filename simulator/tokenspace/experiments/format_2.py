"""Folders of the format before this one, which are read and not added to.

A point's key was the hash of its configuration as it was written, and sweep.json the configuration.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from tokenspace.errors import TokenspaceError
from tokenspace.experiments.config import rows_of

FORMAT = 2


def key_of(config: dict[str, Any]) -> str:
    """The key of a point with this configuration."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:16]


def keys_in_order(config: dict[str, Any], source: str) -> list[str]:
    """The keys of a configuration's points as it lists them; none when it cannot be read."""
    try:
        return [key_of(row.tables) for row in rows_of(config, source, [])]
    except (TokenspaceError, RecursionError):
        return []
