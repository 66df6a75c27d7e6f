"""Choose a sampler for a model, a grid and the statistics wanted: the cheapest that is exact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from tokenspace.covariance import SumModel, TokenModel
from tokenspace.covariance.cholesky import NegativePivot
from tokenspace.errors import InputError, UnsupportedSampler
from tokenspace.grids import as_grid
from tokenspace.registry import ROOMS
from tokenspace.sampling.plan import Plan
from tokenspace.sampling.sampler import STATISTICS, Cost, Request, Sampler


class Choice(NamedTuple):
    """Which sampler draws a request, why, and what a replicate costs."""

    sampler: Sampler
    request: Request
    reason: str
    name: str  # under which the sampler is registered

    @property
    def cost(self) -> Cost:
        """Normals and multiply-adds of a replicate."""
        return self.sampler.cost(self.request)

    def prepare(self) -> Plan:
        """The sampler ready to run."""
        try:
            prepared = self.sampler.prepare(self.request)
        except NegativePivot:
            raise InputError(
                f"{self.request.model!r} is said to be valid, but its covariance is not positive "
                "semi-definite; mend its `structure` or its formula"
            ) from None
        return replace(prepared, name=self.name, reason=self.reason)

    def __repr__(self) -> str:
        normals, multiply_adds = self.cost
        return (
            f"Choice({self.name!r}: {self.reason}; {normals:,.0f} normals and "
            f"{multiply_adds:,.0f} multiply-adds a replicate)"
        )


def known_sampler(given: Any) -> str:
    """A sampler's name, or "auto"; raises `UnsupportedSampler` with all that there are."""
    names = ("auto", *ROOMS["sampler"].names())
    if not isinstance(given, str) or given not in names:
        allowed = ", ".join(map(repr, names))
        raise UnsupportedSampler(f"sampler = {given!r} is not allowed; it must be one of {allowed}")
    return given


def known_statistics(given: Any) -> tuple[str, ...]:
    """Names of statistics in their order, "divergence" always among them.

    Raises:
        UnsupportedSampler: a name that is none.
    """
    allowed = ", ".join(map(repr, STATISTICS))
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise UnsupportedSampler(
            f"statistics = {given!r} is not allowed; it must be a list of some of {allowed}"
        )
    unknown = [s for s in given if s not in STATISTICS]
    if unknown:
        raise UnsupportedSampler(
            f"statistics = {unknown[0]!r} is not allowed; they are some of {allowed}"
        )
    return tuple(s for s in STATISTICS if s == "divergence" or s in given)


def choose(
    model: TokenModel | SumModel,
    grid: int | Sequence[int] | np.ndarray,
    statistics: Sequence[str] = ("divergence",),
    sampler: str = "auto",
) -> Choice:
    """Which sampler would draw, and why, without drawing.

    Args:
        model: the token model.
        grid: ascending token counts, or one N for a logarithmic grid.
        statistics: some of "divergence" (always drawn) and "correlations".
        sampler: the name of a sampler; "auto" is the cheapest that gives the statistics.

    Returns:
        A `Choice`: its name, reason and cost.

    Raises:
        NotPositiveSemidefinite: the model does not exist at the largest n.
        UnsupportedSampler: an unknown sampler or statistic, or one that the sampler cannot give.
    """
    if not isinstance(model, (TokenModel, SumModel)):
        raise InputError(f"model must be a TokenModel, not {type(model).__name__}")
    known_sampler(sampler)
    request = Request(model, as_grid(grid), known_statistics(statistics))
    model.require_valid(request.tokens)
    known: dict[str, Sampler] = {name: make() for name, make in ROOMS["sampler"].items()}
    able = {name: s for name, s in known.items() if s.automatic and s.supports(request)}
    if sampler == "auto":
        if not able:
            why = "; ".join(f"{name!r} {s.refusal(request)}" for name, s in known.items())
            raise UnsupportedSampler(f"no sampler draws {request.statistics}: {why}")
        best = min(able, key=lambda name: able[name].cost(request).multiply_adds)
        return Choice(able[best], request, able[best].reason(request), best)
    named: Sampler = ROOMS["sampler"].find(sampler)()
    refusal = named.refusal(request)
    if refusal is not None:
        others = " or ".join(map(repr, able))
        use = f"; use {others}" if able else ""
        raise UnsupportedSampler(f"sampler {sampler!r} {refusal}{use}")
    return Choice(named, request, "asked for", sampler)


def plan(
    model: TokenModel | SumModel,
    grid: int | Sequence[int] | np.ndarray,
    sampler: str = "auto",
    statistics: Sequence[str] = ("divergence",),
) -> Plan:
    """Choose and prepare a sampler; see `choose` for the arguments and what it raises."""
    return choose(model, grid, statistics, sampler).prepare()
