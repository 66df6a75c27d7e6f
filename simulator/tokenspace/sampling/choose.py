"""Choose a sampler for a model, a grid and the statistics wanted: the cheapest that is exact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from tokenspace.covariance import SumModel, TokenModel
from tokenspace.errors import UnsupportedSampler
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
        prepared = self.sampler.prepare(self.request)
        return replace(prepared, name=self.name, reason=self.reason)

    def __repr__(self) -> str:
        normals, multiply_adds = self.cost
        return (
            f"Choice({self.name!r}: {self.reason}; {normals:,.0f} normals and "
            f"{multiply_adds:,.0f} multiply-adds a replicate)"
        )


def sampler_names() -> tuple[str, ...]:
    """Every sampler that can be asked for, "auto" first."""
    return ("auto", *ROOMS["sampler"].names())


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
        sampler: a name of `sampler_names()`; "auto" is the cheapest that gives the statistics.

    Returns:
        A `Choice`: its name, reason and cost.

    Raises:
        NotPositiveSemidefinite: the model does not exist at the largest n.
        UnsupportedSampler: an unknown sampler or statistic, or one that the sampler cannot give.
    """
    unknown = [s for s in statistics if s not in STATISTICS]
    if unknown:
        raise UnsupportedSampler(
            f"statistics = {unknown[0]!r} is not allowed; they are some of {STATISTICS}"
        )
    if sampler not in sampler_names():
        allowed = ", ".join(repr(s) for s in sampler_names())
        raise UnsupportedSampler(
            f"sampler = {sampler!r} is not allowed; it must be one of {allowed}"
        )
    request = Request(model, as_grid(grid), tuple(dict.fromkeys(("divergence", *statistics))))
    model.require_valid(request.tokens)
    known: dict[str, Sampler] = {name: make() for name, make in ROOMS["sampler"].items()}
    able = {name: s for name, s in known.items() if s.automatic and s.supports(request)}
    if sampler == "auto":
        if not able:
            why = "; ".join(f"{name!r} {s.refusal(request)}" for name, s in known.items())
            raise UnsupportedSampler(f"no sampler draws {request.statistics}: {why}")
        best = min(able, key=lambda name: able[name].cost(request).multiply_adds)
        return Choice(able[best], request, able[best].reason(request), best)
    refusal = known[sampler].refusal(request)
    if refusal is not None:
        others = " or ".join(map(repr, able))
        use = f"; use {others}" if able else ""
        raise UnsupportedSampler(f"sampler {sampler!r} {refusal}{use}")
    return Choice(known[sampler], request, "asked for", sampler)


def plan(
    model: TokenModel | SumModel,
    grid: int | Sequence[int] | np.ndarray,
    sampler: str = "auto",
    statistics: Sequence[str] = ("divergence",),
) -> Plan:
    """Choose and prepare a sampler; see `choose` for the arguments and what it raises."""
    return choose(model, grid, statistics, sampler).prepare()
