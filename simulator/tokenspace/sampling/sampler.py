"""What a sampler is: an object that says what it supports, what that costs, and prepares itself."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, NamedTuple

import numpy as np

from tokenspace.covariance import SumModel, TokenModel
from tokenspace.sampling.plan import Plan

STATISTICS = ("divergence", "correlations")


@dataclass(frozen=True, eq=False)
class Request:
    """What is to be drawn: a model, an ascending grid (m,), and some of STATISTICS."""

    model: TokenModel | SumModel
    grid: np.ndarray
    statistics: tuple[str, ...] = ("divergence",)

    @property
    def tokens(self) -> int:
        """N, the largest n of the grid."""
        return int(self.grid[-1])

    @cached_property
    def feature_groups(self) -> tuple[np.ndarray, np.ndarray]:
        """Distinct columns of eigenvalues over terms, (groups, terms), and the size of each."""
        if len(self.model.terms) == 1:  # most are, and numbers are sorted sooner than rows
            values, sizes = self.model.terms[0].features.distinct()
            return values[:, None], sizes
        table = np.array([t.features.eigenvalues for t in self.model.terms]).T
        groups, counts = np.unique(table, axis=0, return_counts=True)
        kept = groups.sum(axis=1) > 0
        return groups[kept], counts[kept]

    @property
    def divergence_only(self) -> bool:
        """Whether D alone is asked for."""
        return self.statistics == ("divergence",)

    @property
    def difference_alone(self) -> bool:
        """Whether the difference of the branches decides all that is asked for."""
        return self.divergence_only and self.model.law.joint_scale


class Cost(NamedTuple):
    """What one replicate takes: normals drawn, and multiply-adds of the products with them."""

    normals: float
    multiply_adds: float


class Sampler:
    """An exact way to draw D(n), and perhaps the psi's; its name is what `register` calls it."""

    room: ClassVar[str] = "sampler"
    automatic: ClassVar[bool] = True  # whether `auto` may take it

    def refusal(self, request: Request) -> str | None:
        """Why this sampler cannot draw what is asked for, in words; None where it can."""
        raise NotImplementedError

    def supports(self, request: Request) -> bool:
        """Whether this sampler can draw what is asked for."""
        return self.refusal(request) is None

    def cost(self, request: Request) -> Cost:
        """Work of one replicate; the least multiply-adds decide which sampler `auto` takes."""
        raise NotImplementedError

    def reason(self, request: Request) -> str:
        """Why it is the cheapest, in words."""
        raise NotImplementedError

    def prepare(self, request: Request) -> Plan:
        """Everything that is computed once: factors in float64, then arrays for the device."""
        raise NotImplementedError


def at_grid_only(request: Request) -> str | None:
    """Why a sampler that never forms tokens cannot draw what is asked for."""
    law = request.model.law
    if not law.joint_scale:
        return f"draws D(n) only, but the token law {law!r} changes tokens one by one"
    if not request.divergence_only:
        return "draws D(n) only, but realised correlations need the tokens"
    return None
