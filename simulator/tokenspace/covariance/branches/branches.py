"""The joint law of two branches: how tokens correlate within and across them.

Cov(h_i^A, h_j^A) = Cov(h_i^B, h_j^B) ~ within(i, j) and Cov(h_i^A, h_j^B) ~ cross(i, j). Sum and
difference of the branches are independent processes with covariances 2 (within + cross) and
2 (within - cross), and both must be positive semi-definite.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import ClassVar

import numpy as np

from tokenspace.covariance.base import Combination, Covariance, combine
from tokenspace.covariance.validity import require_valid
from tokenspace.errors import InputError, NotPositiveSemidefinite, ParameterError
from tokenspace.parameters import holds_tracers, model, parameter
from tokenspace.registry import register

NOTHING = Combination((), ())


@register
@model
class Branches:
    """Correlations within a branch (unit diagonal) and across branches (symmetric).

    Args:
        within: covariance of positions within either branch, within(i, i) = 1.
        cross: covariance of positions across branches; none means independent branches.
    """

    room: ClassVar[str] = "branches"

    within: Covariance = parameter("covariance within a branch, unit diagonal", number=False)
    cross: Covariance = parameter("covariance across branches", default=NOTHING, number=False)

    _proved: ClassVar[int] = 0  # tokens up to which an instance was found valid

    def check_parameters(self) -> None:
        if not isinstance(self.within, Covariance) or not isinstance(self.cross, Covariance):
            raise InputError("Branches: within and cross must be covariances, e.g. Exponential(16)")
        n = int(min(self.max_tokens, 8))
        diagonal = self.within.diagonal(n)
        worst = diagonal[np.argmax(abs(diagonal - 1))]
        if abs(worst - 1) > 1e-9:
            raise ParameterError(
                "Branches",
                "within",
                self.within,
                f"of unit diagonal, but its diagonal holds {worst:.6g}; scale it by "
                f"{1 / worst if worst else math.inf:.6g}, put the norm into the features",
            )
        self._prove(min(n, 2))

    @property
    def max_tokens(self) -> float:
        """Number of positions that both covariances have."""
        return min(self.within.max_tokens, self.cross.max_tokens)

    @cached_property
    def difference(self) -> Combination:
        """within - cross, half the covariance of h^A - h^B, equal terms collected."""
        return combine([(1.0, self.within), (-1.0, self.cross)])

    @cached_property
    def total(self) -> Combination:
        """within + cross, half the covariance of h^A + h^B, equal terms collected."""
        return combine([(1.0, self.within), (1.0, self.cross)])

    def require_valid(self, n: int) -> None:
        """Raise unless the joint law of both branches exists at n tokens; proved once, then known.

        While JAX traces, parameters have no values, and nothing is checked.

        Raises:
            NotPositiveSemidefinite: with the offending eigenvalue and the largest valid n.
            InputError: when both branches are the same, so that D(n) = 0.
        """
        if n > self._proved and (self._proved or not holds_tracers(self)):
            self._prove(n)

    def _prove(self, n: int) -> None:
        if self.difference.is_zero:
            raise InputError(
                f"{self!r}: within equals cross, so both branches are the same and D(n) = 0; "
                "make cross smaller than within"
            )
        largest, first = n, None
        for name, part in (("within - cross", self.difference), ("within + cross", self.total)):
            try:
                require_valid(part, n, name)
            except NotPositiveSemidefinite as error:
                if first is None or error.largest_valid_n < largest:
                    largest, first = error.largest_valid_n, error
        if first is not None:
            raise first
        object.__setattr__(self, "_proved", n)  # what follows from the parameters, not one of them
