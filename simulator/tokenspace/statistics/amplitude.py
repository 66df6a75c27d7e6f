"""Which size of D(n) has both an error bar and an exact theory: what exponents are read from."""

from __future__ import annotations

from typing import Any

import numpy as np

from tokenspace import theory

MEAN, RMS, MEDIAN = "E[D]", "rms D", "median D"


def amplitude_of(model: Any) -> str:
    """The size of D(n) that is compared with the theory of a model, or of given tokens (None).

    E[D] where it is exact; the root of E[D^2] for laws that change tokens one by one, as long as
    D^2 has a variance; the median where D has none.
    """
    if model is None:
        return MEAN
    law = model.law
    if not law.has_moment(2):
        return MEDIAN
    return RMS if not law.exact_mean and law.has_moment(4) else MEAN


def wants_logs(model: Any) -> bool:
    """Whether exponents of a model are read from log D, since D has no variance."""
    return amplitude_of(model) == MEDIAN


def theoretical_amplitude(model: Any, n: Any) -> np.ndarray:
    """The exact value of `amplitude_of(model)` at each n.

    Raises:
        NoExactResult: none is known.
    """
    exact = {
        MEAN: theory.expected_divergence,
        RMS: theory.rms_divergence,
        MEDIAN: theory.median_divergence,
    }
    return exact[amplitude_of(model)](model, n)
