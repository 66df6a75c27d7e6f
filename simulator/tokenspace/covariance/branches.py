"""The joint law of two branches: how tokens correlate within and across them.

Cov(h_i^A, h_j^A) = Cov(h_i^B, h_j^B) ~ within(i, j) and Cov(h_i^A, h_j^B) ~ cross(i, j). Sum and
difference of the branches are independent processes with covariances 2 (within + cross) and
2 (within - cross), and both must be positive semi-definite.
"""

from __future__ import annotations

import math

import numpy as np

from tokenspace.covariance.base import Combination, Covariance, combine
from tokenspace.covariance.stationary import Constant, White
from tokenspace.covariance.validity import require_valid
from tokenspace.errors import InputError, NotPositiveSemidefinite, ParameterError
from tokenspace.parameters import model, parameter

NOTHING = Combination((), ())


@model
class Branches:
    """Correlations within a branch (unit diagonal) and across branches (symmetric).

    Args:
        within: covariance of positions within either branch, within(i, i) = 1.
        cross: covariance of positions across branches; none means independent branches.
    """

    within: Covariance = parameter("covariance within a branch, unit diagonal", number=False)
    cross: Covariance = parameter("covariance across branches", default=NOTHING, number=False)

    def check_parameters(self) -> None:
        if not isinstance(self.within, Covariance) or not isinstance(self.cross, Covariance):
            raise InputError("Branches: within and cross must be covariances, e.g. Exponential(16)")
        n = int(min(self.max_tokens, 8))
        try:
            diagonal = self.within.diagonal(n)
        except (TypeError, ValueError, AttributeError):  # traced parameters
            return
        worst = diagonal[np.argmax(abs(diagonal - 1))]
        if abs(worst - 1) > 1e-9:
            raise ParameterError(
                "Branches",
                "within",
                self.within,
                f"of unit diagonal, but its diagonal holds {worst:.6g}; scale it by "
                f"{1 / worst if worst else math.inf:.6g}, put the norm into the features",
            )
        self.require_valid(min(n, 2))

    @property
    def max_tokens(self) -> float:
        """Number of positions that both covariances have."""
        return min(self.within.max_tokens, self.cross.max_tokens)

    @property
    def difference(self) -> Combination:
        """within - cross, half the covariance of h^A - h^B, equal terms collected."""
        return combine([(1.0, self.within), (-1.0, self.cross)])

    @property
    def total(self) -> Combination:
        """within + cross, half the covariance of h^A + h^B, equal terms collected."""
        return combine([(1.0, self.within), (1.0, self.cross)])

    def require_valid(self, n: int) -> None:
        """Raise unless the joint law of both branches exists at n tokens.

        Raises:
            NotPositiveSemidefinite: with the offending eigenvalue and the largest valid n.
            InputError: when both branches are the same, so that D(n) = 0.
        """
        if self.difference.is_zero:
            raise InputError(
                f"{self!r}: within equals cross, so both branches are the same and D(n) = 0; "
                "make cross smaller than within"
            )
        largest, first = n, None
        for name, part in (("within - cross", self.difference), ("within + cross", self.total)):
            try:
                require_valid(part, n, f"{name} = {part!r}")
            except NotPositiveSemidefinite as error:
                if first is None or error.largest_valid_n < largest:
                    largest, first = error.largest_valid_n, error
        if first is not None:
            raise first


def equicorrelated(psi_equal: float, psi_within: float, psi_cross: float) -> Branches:
    """Branches whose correlations are constant: the setting of the paper's law.

    within = psi_within + (1 - psi_within) 1[i = j] and
    cross = psi_cross + (psi_equal - psi_cross) 1[i = j]; Delta = psi_within - psi_cross and
    n_balance = (1 - psi_equal) / Delta - 1.

    Args:
        psi_equal: correlation of the two branches at the same position, in [-1, 1).
        psi_within: correlation of different positions of one branch, in [-1, 1].
        psi_cross: correlation of different positions of different branches, in [-1, 1].

    Raises:
        ParameterError: a correlation outside its range.
        NotPositiveSemidefinite: no such pair of branches exists, even for two tokens.

    Source: Li et al. 2025, equation for Upsilon(n).
    """
    for name, value, top in (
        ("psi_equal", psi_equal, "[-1, 1)"),
        ("psi_within", psi_within, "[-1, 1]"),
        ("psi_cross", psi_cross, "[-1, 1]"),
    ):
        concrete = isinstance(value, (int, float, np.number))
        outside = concrete and not (-1 <= value <= 1 and (name != "psi_equal" or value < 1))
        if outside or isinstance(value, (bool, str)):
            raise ParameterError("equicorrelated", name, value, f"a correlation in {top}")
    return Branches(
        within=combine([(psi_within, Constant()), (1 - psi_within, White())]),
        cross=combine([(psi_cross, Constant()), (psi_equal - psi_cross, White())]),
    )


def shared_context(shared: Covariance, private: Covariance, share: float) -> Branches:
    """Branches that see a common context: h^X = sqrt(share) s + sqrt(1 - share) p^X.

    within = share * shared + (1 - share) * private and cross = share * shared, so the difference
    follows (1 - share) * private: the context cancels, and what is private sets the exponent.

    Args:
        shared: covariance of the common part s, unit diagonal.
        private: covariance of the private parts p^A and p^B, unit diagonal.
        share: share of the variance that is common, in [0, 1).

    Raises:
        ParameterError: share outside its range, or a diagonal that is not 1.
    """
    if isinstance(share, (int, float, np.number)) and not 0 <= share < 1:
        raise ParameterError("shared_context", "share", share, "a number >= 0 and < 1")
    return Branches(
        within=combine([(share, shared), (1 - share, private)]),
        cross=combine([(share, shared)]),
    )
