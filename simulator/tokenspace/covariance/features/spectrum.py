"""Eigenvalues as given, for example measured ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from tokenspace.covariance.features.base import Features, require_variances
from tokenspace.parameters import model, parameter
from tokenspace.registry import register


@register
@model
class Spectrum(Features):
    """Eigenvalues as given, in the order of the features; their sum is E||h||^2."""

    eigenvalues: Any = parameter("eigenvalues >= 0, a list of numbers", number=False)

    def check_parameters(self) -> None:
        require_variances("Spectrum", "eigenvalues", self.eigenvalues, above_zero=False)
        values = np.array(self.eigenvalues, np.float64)
        values.flags.writeable = False
        object.__setattr__(self, "eigenvalues", values)

    @property
    def dim(self) -> int:  # type: ignore[override]
        return len(self.eigenvalues)
