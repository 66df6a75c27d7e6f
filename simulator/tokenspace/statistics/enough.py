"""How many replicates make Student's t a good law of an estimate: D leans to the right, D^2 more.

Measured, with 1, 4 and 64 features. Replicates times features count, where tails are light.
"""

from __future__ import annotations

import math
from typing import Any

VALUES = 100  # replicates times features that make a mean normal enough
LEAST = 10  # replicates, however many features
HEAVY = 8  # moments of D without which the error of the mean of D^2 has none of its own
MANY = 1_000  # replicates, where tails are heavy
MORE = 10_000  # where D has a variance that few replicates show


def least_for_scores(model: Any) -> int:
    """Replicates from which z-scores of the mean (or median) of D are normal.

    Fewer make z-scores whose mean is off by more than about 0.1.
    """
    tail = model.law.tail
    if math.isinf(tail):
        return max(LEAST, _by_features(model))
    return MORE if 2 < tail <= 4 else MANY


def least_for_squares(model: Any) -> int:
    """Replicates from which Student's t holds for the mean of D^2, of laws by token."""
    return max(_by_features(model), 0 if model.law.has_moment(HEAVY) else MANY)


def _by_features(model: Any) -> int:
    dimension = sum(t.features.effective_dimension for t in model.terms)
    return math.ceil(VALUES / dimension)
