"""Branches whose correlations are constant over positions: the setting of the paper's law."""

from __future__ import annotations

from tokenspace.covariance.base import combine
from tokenspace.covariance.branches.branches import Branches
from tokenspace.covariance.positions.constant import Constant
from tokenspace.covariance.positions.white import White
from tokenspace.parameters import Parameter, check_arguments, described
from tokenspace.registry import register

CONSTANT, WHITE = Constant(), White()  # of all: what is known of them is found once


@register(room="branches")
@described(
    psi_equal=Parameter("correlation of the branches at one position", at_least=-1, below=1),
    psi_within=Parameter("correlation of two tokens of a branch", at_least=-1, at_most=1),
    psi_cross=Parameter("correlation across branches and positions", at_least=-1, at_most=1),
)
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
    check_arguments(equicorrelated, locals())
    return Branches(
        within=combine([(psi_within, CONSTANT), (1 - psi_within, WHITE)]),
        cross=combine([(psi_cross, CONSTANT), (psi_equal - psi_cross, WHITE)]),
    )
