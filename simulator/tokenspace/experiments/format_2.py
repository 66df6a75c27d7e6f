"""Folders of the format before this one, which are read and not added to.

A point's key was the hash of its configuration as it was written, and sweep.json the configuration.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np

from tokenspace.errors import TokenspaceError
from tokenspace.experiments.config import rows_of
from tokenspace.statistics.streaming import upsilon_of

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


def complete(arrays: dict[str, np.ndarray], n: np.ndarray) -> dict[str, np.ndarray]:
    """The arrays of a point with what this format adds: NaN where the errors are not known.

    Args:
        arrays: as they were read.
        n: token counts (m,).
    """
    m, quantiles = len(n), arrays["quantiles"]
    out = arrays | {"quantile_intervals": np.full((2, *quantiles.shape), np.nan)}
    for name in ("median", "geometric"):  # the latter stands for growth alone, as the former does
        out |= {name: quantiles[2], f"{name}_covariance": np.full((m, m), np.nan)}
    if "psi_equal.mean" in arrays:
        psi = {k: arrays[f"psi_{k}.mean"] for k in ("equal", "within", "cross")}
        upsilon = upsilon_of(n, psi["equal"], psi["within"], psi["cross"])
        covariance = np.full((2 * m, 2 * m), np.nan)
        covariance[:m, :m] = arrays["covariance"]
        out |= {"joint_mean": np.concatenate([arrays["mean"], upsilon])}
        out |= {"joint_covariance": covariance}
    return out
