"""A few strong directions above a flat rest."""

from __future__ import annotations

import numpy as np

from tokenspace.covariance.features.base import LARGEST_DIM, Features, normalised, require_variances
from tokenspace.errors import InputError
from tokenspace.parameters import model, parameter
from tokenspace.registry import register


@register
@model
class Spiked(Features):
    """A flat spectrum with some directions raised: lambda_k proportional to spikes[k] or 1."""

    dim: int = parameter("number of features d", at_least=1, at_most=LARGEST_DIM, integer=True)
    spikes: tuple[float, ...] = parameter(
        "variance of the first directions relative to the rest, a list of numbers > 0", number=False
    )

    def check_parameters(self) -> None:
        require_variances("Spiked", "spikes", self.spikes, above_zero=True)
        if len(self.spikes) > self.dim:
            raise InputError(f"Spiked: {len(self.spikes)} spikes do not fit into dim = {self.dim}")
        object.__setattr__(self, "spikes", tuple(float(s) for s in self.spikes))

    @property
    def eigenvalues(self) -> np.ndarray:
        weights = np.ones(self.dim)
        weights[: len(self.spikes)] = self.spikes
        return normalised(weights)
