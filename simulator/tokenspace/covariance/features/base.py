"""Feature spectra: how a token's variance is spread over its d features.

Tokens have covariance Sigma with eigenvalues lambda_1..lambda_d in the feature axes; only the
eigenvalues matter for D(n). Total variance s^2 = sum lambda = E||h||^2.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from tokenspace.errors import InputError
from tokenspace.parameters import as_float

LARGEST_DIM = 1 << 27  # features, 1 GiB of eigenvalues
SMALLEST, LARGEST = 1e-25, 1e25  # total variances whose squares float32 still holds


class Features:
    """A spectrum; subclasses define `dim` and `eigenvalues`."""

    room: ClassVar[str] = "features"
    dim: int
    eigenvalues: Any  # lambda_k, shape (dim,), float64

    @property
    def total_variance(self) -> Any:
        """s^2 = sum_k lambda_k = E||h||^2."""
        return as_float(self.eigenvalues.sum())

    @property
    def effective_dimension(self) -> Any:
        """(sum lambda)^2 / sum lambda^2, between 1 and dim."""
        lam = self.eigenvalues
        return as_float(lam.sum() ** 2 / (lam**2).sum())

    def distinct(self) -> tuple[np.ndarray, np.ndarray]:
        """Distinct eigenvalues > 0 and how often each occurs."""
        values, counts = np.unique(self.eigenvalues, return_counts=True)
        return values[values > 0], counts[values > 0]


def normalised(weights: np.ndarray) -> np.ndarray:
    """Eigenvalues that sum to 1."""
    return weights / weights.sum()


def require_variances(owner: str, name: str, values: Any, above_zero: bool) -> None:
    """Raise `InputError` unless the values are a list of finite numbers > 0 (or >= 0)."""
    try:
        array = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{owner}: {name} must be a list of numbers") from None
    if array.ndim != 1 or not array.size:
        raise InputError(f"{owner}: {name} must be a list of at least one number")
    bad = ~np.isfinite(array) | (array <= 0 if above_zero else array < 0)
    if bad.any():
        k = int(np.argmax(bad))
        allowed = "> 0" if above_zero else ">= 0"
        raise InputError(
            f"{owner}: {name}[{k}] = {array[k]} is not allowed; each must be {allowed}"
        )
    total = array.sum()
    if total == 0:
        raise InputError(f"{owner}: all {name} are 0, so every token would be 0")
    if not SMALLEST <= total <= LARGEST:
        raise InputError(
            f"{owner}: {name} sum to {total:.3g}, which must lie between {SMALLEST:g} and "
            f"{LARGEST:g}: distances are float32; choose other units"
        )
