"""Feature spectra: how a token's variance is spread over its d features.

Tokens have covariance Sigma with eigenvalues lambda_1..lambda_d in the feature axes; only the
eigenvalues matter for D(n). Total variance s^2 = sum lambda = E||h||^2.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tokenspace.errors import InputError
from tokenspace.parameters import model, parameter


class Features:
    """A spectrum; subclasses define `dim` and `eigenvalues`."""

    dim: int
    eigenvalues: Any  # lambda_k, shape (dim,), float64

    @property
    def total_variance(self) -> float:
        """s^2 = sum_k lambda_k = E||h||^2."""
        return float(self.eigenvalues.sum())

    @property
    def effective_dimension(self) -> float:
        """(sum lambda)^2 / sum lambda^2, between 1 and dim."""
        lam = self.eigenvalues
        return float(lam.sum() ** 2 / (lam**2).sum())

    def distinct(self) -> tuple[np.ndarray, np.ndarray]:
        """Distinct eigenvalues > 0 and how often each occurs."""
        values, counts = np.unique(self.eigenvalues, return_counts=True)
        return values[values > 0], counts[values > 0]


def _normalised(weights: np.ndarray) -> np.ndarray:
    return weights / weights.sum()


@model
class Isotropic(Features):
    """All features alike: lambda_k = 1 / dim."""

    dim: int = parameter("number of features d", at_least=1, integer=True)

    @property
    def eigenvalues(self) -> np.ndarray:  # type: ignore[override]
        return np.full(self.dim, 1.0 / self.dim)


@model
class PowerLawSpectrum(Features):
    """lambda_k proportional to k^(-decay), k = 1..dim, summing to 1."""

    dim: int = parameter("number of features d", at_least=1, integer=True)
    decay: float = parameter("exponent of the spectrum", at_least=0)

    @property
    def eigenvalues(self) -> np.ndarray:
        return _normalised(np.arange(1.0, self.dim + 1) ** -self.decay)


@model
class Spiked(Features):
    """A flat spectrum with some directions raised: lambda_k proportional to spikes[k] or 1."""

    dim: int = parameter("number of features d", at_least=1, integer=True)
    spikes: tuple[float, ...] = parameter(
        "variance of the first directions relative to the rest, a list of numbers > 0", number=False
    )

    def check_parameters(self) -> None:
        _require_variances("Spiked", "spikes", self.spikes, above_zero=True)
        if len(self.spikes) > self.dim:
            raise InputError(f"Spiked: {len(self.spikes)} spikes do not fit into dim = {self.dim}")
        object.__setattr__(self, "spikes", tuple(float(s) for s in self.spikes))

    @property
    def eigenvalues(self) -> np.ndarray:
        weights = np.ones(self.dim)
        weights[: len(self.spikes)] = self.spikes
        return _normalised(weights)


@model
class Spectrum(Features):
    """Eigenvalues as given, in the order of the features; their sum is E||h||^2."""

    eigenvalues: Any = parameter("eigenvalues >= 0, a list of numbers", number=False)

    def check_parameters(self) -> None:
        _require_variances("Spectrum", "eigenvalues", self.eigenvalues, above_zero=False)
        values = np.array(self.eigenvalues, np.float64)
        values.flags.writeable = False
        object.__setattr__(self, "eigenvalues", values)

    @property
    def dim(self) -> int:  # type: ignore[override]
        return len(self.eigenvalues)


def _require_variances(owner: str, name: str, values: Any, above_zero: bool) -> None:
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
    if array.sum() == 0:
        raise InputError(f"{owner}: all {name} are 0, so every token would be 0")
