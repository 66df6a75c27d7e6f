"""Branches that see a common context, which cancels in their difference."""

from __future__ import annotations

from tokenspace.covariance.base import Covariance, combine
from tokenspace.covariance.branches.branches import Branches
from tokenspace.parameters import Parameter, check_arguments, described
from tokenspace.registry import register

_POSITION = 'a position covariance, e.g. { model = "exponential", length = 16 }'


@register(room="branches")
@described(
    shared=Parameter(_POSITION, number=False),
    private=Parameter(_POSITION, number=False),
    share=Parameter("share of the variance in common", at_least=0, below=1),
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
    check_arguments(shared_context, locals())
    return Branches(
        within=combine([(share, shared), (1 - share, private)]),
        cross=combine([(share, shared)]),
    )
