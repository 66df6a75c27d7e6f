"""D of tokens that are scaled to norm 1, whose correlations are the cosines: sqrt(2 Upsilon).

Exact for each pair, D(n)^2 = 2 Upsilon(n) with its own realised cosines, so nothing is read twice.
"""

from __future__ import annotations

import numpy as np


def unit_divergence(upsilon: np.ndarray) -> np.ndarray:
    """sqrt(2 Upsilon) of single pairs; 0 where rounding made it negative."""
    return np.sqrt(2 * np.maximum(upsilon, 0.0))
