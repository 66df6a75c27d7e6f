"""Every token, by the structure of the covariance: N d and up, and the only way to the psi's."""

from __future__ import annotations

from tokenspace.covariance import Covariance
from tokenspace.registry import register
from tokenspace.sampling import by_blocks, by_factors
from tokenspace.sampling.factors import multiply_adds, whole_factor
from tokenspace.sampling.plan import Plan
from tokenspace.sampling.sampler import Cost, Request, Sampler

MOST_TERMS = 1000  # each has a stream of random numbers; others follow, see `streams.py`


def processes(request: Request) -> list[Covariance]:
    """The independent processes that are drawn: differences alone for D, else sums as well."""
    branches = [t.branches for t in request.model.terms]
    differences: list[Covariance] = [b.difference for b in branches]
    if request.difference_alone:
        return differences
    return [*(b.total for b in branches), *differences]


def too_many_terms(request: Request) -> str | None:
    """Why realised correlations of so large a sum of terms cannot be drawn."""
    if len(request.model.terms) > MOST_TERMS and not request.difference_alone:
        return f"draws realised correlations of a sum of at most {MOST_TERMS} terms"
    return None


def _by_blocks(request: Request) -> bool:
    """Whether all is Markov; tokens of a sum of terms are drawn by factors."""
    if len(request.model.terms) > 1 and not request.difference_alone:
        return False
    return all(p.structure.markov is not None for p in processes(request))


@register
class Tokens(Sampler):
    """Block innovations where the covariance is Markov, else a factor of the whole sequence."""

    def refusal(self, request: Request) -> str | None:
        return too_many_terms(request)

    def cost(self, request: Request) -> Cost:
        drawn = processes(request)
        normals = len(drawn) * request.tokens * request.model.dim
        if _by_blocks(request):
            return Cost(normals, normals * by_blocks.multiply_adds(request))
        each = max(multiply_adds(p, request.tokens) for p in drawn)
        return Cost(normals, normals * each)

    def reason(self, request: Request) -> str:
        if not request.model.law.joint_scale:
            return "the token law acts on each token"
        return "the fewest operations" if request.divergence_only else "psi's need tokens"

    def prepare(self, request: Request) -> Plan:
        if _by_blocks(request):
            return by_blocks.prepare(request)
        return by_factors.prepare(request, whole_factor)
