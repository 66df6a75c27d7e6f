"""The covariance of token positions, and its algebra: `+`, `-`, `*` and scaling.

A covariance states mathematics only. A new one is a class with one method: `__call__` for any
covariance of two positions, or `at_lag` (on `Stationary`) when it depends on their distance. What
else is known of it, it says in `structure`; sums in closed form are overridden here.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from tokenspace.covariance import sums
from tokenspace.covariance.structure import (
    DENSE,
    Cells,
    Exchangeable,
    Kronecker,
    Structure,
    markov_product,
    markov_sum,
)
from tokenspace.deferred import Deferred
from tokenspace.errors import NoExactResult, TooManyTokens
from tokenspace.parameters import is_traced, model, parameter

Array = np.ndarray
REPLACED = ("markov", "cells", "at_lag_in_cell", "stationary", "valid_by_construction")


class Covariance:
    """A covariance K(i, j) between token positions i, j = 0, 1, 2, ...

    Subclasses define `__call__(i, j)` on broadcastable integer arrays. Source of the roles that
    K plays: Li et al. 2025, section 3 (psi's are averages of such matrices).
    """

    room: ClassVar[str] = "position"
    max_tokens: float = math.inf  # number of positions that exist
    is_one: ClassVar[bool] = False  # whether K(i, j) = 1 everywhere, the one of multiplication

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        for name in REPLACED:
            if name in vars(cls):
                warnings.warn(
                    f"{cls.__name__}.{name} is an old name; say the same in `structure`, see "
                    "docs/your_own_covariance.md",
                    DeprecationWarning,
                    stacklevel=2,
                )

    def __call__(self, i: Array, j: Array) -> Array:
        """Covariance of positions i and j (integer arrays that broadcast)."""
        raise NotImplementedError(f"{type(self).__name__} must define __call__(i, j)")

    @cached_property
    def structure(self) -> Structure:
        """What is known of K beyond its elements, computed once."""
        return Structure(valid=True) if getattr(self, "valid_by_construction", False) else DENSE

    @property
    def characteristic_length(self) -> float | None:
        """The number of tokens at which its exponent changes, if there is one."""
        return getattr(self, "length", None)

    def require_tokens(self, n: int) -> None:
        """Raise `TooManyTokens` when the covariance has fewer than n positions."""
        if n > self.max_tokens:
            raise TooManyTokens(repr(self), int(n), int(self.max_tokens))

    def dense(self, n: int) -> Array:
        """K[:n, :n], shape (n, n), float64."""
        self.require_tokens(n)
        i = np.arange(n)
        return np.broadcast_to(np.asarray(self(i[:, None], i[None, :]), np.float64), (n, n))

    def diagonal(self, n: int) -> Array:
        """K(i, i) for i < n, shape (n,)."""
        self.require_tokens(n)
        i = np.arange(n)
        return np.broadcast_to(np.asarray(self(i, i), np.float64), (n,))

    def prefix_covariance(self, grid: Array) -> Array:
        """C[a, b] = 1' K[:grid[a], :grid[b]] 1 for an ascending grid, shape (m, m).

        The covariance of prefix sums, all that D(n) on a grid depends on.
        """
        return sums.prefix_covariance(self, np.asarray(grid))

    def totals(self, n: Array) -> Array:
        """T(n) = 1' K[:n, :n] 1 for each n >= 0, same shape as n."""
        return sums.totals(self, np.asarray(n))

    def total_slope(self, n: Array) -> Array:
        """dT/dn for each n >= 1: the centred difference of T, exact where T is quadratic."""
        n = np.asarray(n)
        ahead = np.minimum(n + 1, self.max_tokens).astype(int)
        return (self.totals(ahead) - self.totals(n - 1)) / (ahead - (n - 1))

    def asymptotic_exponent(self) -> float:
        """Exponent of sqrt(T(n)) as n grows, for a difference process with this covariance."""
        raise NoExactResult(
            f"{self!r} states no asymptotic exponent; define asymptotic_exponent() in the class, "
            "or use theory.local_exponent at the n of interest"
        )

    # Algebra. Equal terms are collected, so that (a + b) - b is a.
    def __add__(self, other: Covariance) -> Covariance:
        return combine([(1.0, self), (1.0, other)])

    def __sub__(self, other: Covariance) -> Covariance:
        return combine([(1.0, self), (-1.0, other)])

    def __mul__(self, other: Any) -> Covariance:
        if isinstance(other, Covariance):
            return multiply(self, other)
        return combine([(other, self)])

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> Covariance:
        return combine([(1.0 / divisor, self)])

    def __neg__(self) -> Covariance:
        return combine([(-1.0, self)])


class Stationary(Covariance):
    """A covariance k(|i - j|); subclasses define `at_lag`. T(n) costs O(n)."""

    def at_lag(self, lag: Array) -> Array:
        """k(lag) for an array of lags >= 0."""
        raise NotImplementedError(f"{type(self).__name__} must define at_lag(lag)")

    def __call__(self, i: Array, j: Array) -> Array:
        return self.at_lag(abs(i - j))

    @cached_property
    def structure(self) -> Structure:
        return Structure(at_lag=self.at_lag)


@model
class Combination(Covariance):
    """sum_q weight_q K_q, the result of adding, subtracting and scaling covariances."""

    weights: tuple[float, ...] = parameter("weight of each term", number=False)
    terms: tuple[Covariance, ...] = parameter("the covariances added", number=False)

    @property
    def max_tokens(self) -> float:  # type: ignore[override]
        return min((t.max_tokens for t in self.terms), default=math.inf)

    @property
    def is_zero(self) -> bool:
        """Whether nothing is left after equal terms cancelled."""
        return not self.terms

    @property
    def parts(self) -> tuple[tuple[Any, Covariance], ...]:
        """(weight, covariance) of each term."""
        return tuple(zip(self.weights, self.terms, strict=True))

    @property
    def characteristic_length(self) -> float | None:
        lengths = [t.characteristic_length for t in self.terms]
        return next((length for length in lengths if length is not None), None)

    @cached_property
    def structure(self) -> Structure:
        known = [t.structure for t in self.terms]
        concrete = not any(map(is_traced, self.weights))
        markovs = [s.markov for s in known if s.markov is not None]
        values = [s.exchangeable for s in known if s.exchangeable is not None]
        exchangeable = None
        if len(values) == len(known):
            variance = sum(w * v.variance for w, v in zip(self.weights, values, strict=True))
            covariance = sum(w * v.covariance for w, v in zip(self.weights, values, strict=True))
            exchangeable = Exchangeable(variance, covariance)
        return Structure(
            at_lag=self.at_lag if all(s.at_lag is not None for s in known) else None,
            markov=Deferred(markov_sum, (self.weights, markovs))  # type: ignore[arg-type]
            if concrete and len(markovs) == len(known)
            else None,
            exchangeable=exchangeable,
            kronecker=self._kronecker(known),
            parts=self.parts,
            valid=concrete and all(w >= 0 for w in self.weights) and all(s.valid for s in known),
        )

    def _kronecker(self, known: list[Structure]) -> Callable[[], Kronecker] | None:
        """One picture, scaled, and white noise added or taken away."""
        pictures = [k for k, s in enumerate(known) if s.kronecker is not None]
        rest = [k for k in range(len(known)) if k not in pictures]
        if len(pictures) != 1 or len(rest) > 1:
            return None
        alike = [known[k].exchangeable for k in rest]
        if any(v is None or v.covariance != 0 for v in alike):
            return None
        of_picture, weight = known[pictures[0]].kronecker, self.weights[pictures[0]]
        white = sum(self.weights[k] * known[k].exchangeable.variance for k in rest)  # type: ignore[union-attr]

        def factors() -> Kronecker:
            k = of_picture()  # type: ignore[misc]
            return k._replace(weight=weight * k.weight, white=white + weight * k.white)

        return factors

    def _sum(self, values: Callable[[Any], Array], shape: tuple[int, ...]) -> Array:
        total: Any = np.zeros(shape)
        for weight, term in self.parts:
            total = total + weight * values(term)
        return total

    def at_lag(self, lag: Array) -> Array:
        """k(lag), where every term depends on the lag alone."""
        return self._sum(lambda t: t.structure.at_lag(lag), np.shape(lag))

    def __call__(self, i: Array, j: Array) -> Array:
        return self._sum(lambda t: t(i, j), np.broadcast_shapes(np.shape(i), np.shape(j)))

    def totals(self, n: Array) -> Array:
        return self._sum(lambda t: t.totals(n), np.shape(n))

    def total_slope(self, n: Array) -> Array:
        return self._sum(lambda t: t.total_slope(n), np.shape(n))

    def prefix_covariance(self, grid: Array) -> Array:
        return self._sum(lambda t: t.prefix_covariance(grid), (len(grid), len(grid)))

    def asymptotic_exponent(self) -> float:
        return max(t.asymptotic_exponent() for t in self.terms)

    def __repr__(self) -> str:
        if not self.terms:
            return "0"
        parts = [
            ("-" if w < 0 else "+", f"{t!r}" if abs(w) == 1 else f"{abs(w):.6g} * {t!r}")
            for w, t in self.parts
        ]
        first_sign = "-" if parts[0][0] == "-" else ""
        return first_sign + parts[0][1] + "".join(f" {s} {p}" for s, p in parts[1:])


@model
class Product(Covariance):
    """K_1(i, j) K_2(i, j); positive semi-definite when both are (Schur)."""

    left: Covariance = parameter("a covariance", number=False)
    right: Covariance = parameter("a covariance", number=False)

    @property
    def max_tokens(self) -> float:  # type: ignore[override]
        return min(self.left.max_tokens, self.right.max_tokens)

    @cached_property
    def structure(self) -> Structure:
        left, right = self.left.structure, self.right.structure
        return Structure(
            at_lag=_product_of(left.at_lag, right.at_lag),
            markov=Deferred(markov_product, (left.markov, right.markov))  # type: ignore[arg-type]
            if left.markov and right.markov
            else None,
            cells=self._cells(left, right),
            valid=left.valid and right.valid,
        )

    @staticmethod
    def _cells(left: Structure, right: Structure) -> Cells | None:
        a, b = cells_of(left), cells_of(right)
        if a is None or b is None:
            return None
        at_lag = _product_of(a.at_lag, b.at_lag)
        return Cells(lambda n: np.union1d(a.starts(n), b.starts(n)), at_lag)  # type: ignore[arg-type]

    def __call__(self, i: Array, j: Array) -> Array:
        return self.left(i, j) * self.right(i, j)

    def __repr__(self) -> str:
        return f"({self.left!r}) * ({self.right!r})"


def _product_of(f: Any, g: Any) -> Callable[[Array], Array] | None:
    return None if f is None or g is None else lambda lag: f(lag) * g(lag)


def cells_of(structure: Structure) -> Cells | None:
    """The runs of a covariance; all tokens are one run where it depends on the lag alone."""
    if structure.cells is None and structure.at_lag is not None:
        return Cells(lambda n: np.zeros(1, int), structure.at_lag)
    return structure.cells


def _same(a: Covariance, b: Covariance) -> bool:
    try:
        return a is b or bool(a == b)
    except (TypeError, ValueError):  # tracers inside, or an own class that compares arrays
        return False


def combine(weighted: list[tuple[float, Covariance]]) -> Combination:
    """sum_q weight_q K_q with nested sums flattened and equal terms collected."""
    weights: list[float] = []
    terms: list[Covariance] = []
    for weight, covariance in weighted:
        if isinstance(covariance, Combination):
            flat = [(weight * w, t) for w, t in covariance.parts]
        else:
            flat = [(weight, covariance)]
        for w, t in flat:
            for k, known in enumerate(terms):
                if _same(known, t):
                    weights[k] = weights[k] + w
                    break
            else:
                weights.append(w)
                terms.append(t)
    kept = [k for k, w in enumerate(weights) if not (isinstance(w, (int, float)) and w == 0)]
    return Combination(tuple(weights[k] for k in kept), tuple(terms[k] for k in kept))


def multiply(left: Covariance, right: Covariance) -> Covariance:
    """K_1 * K_2, multiplied out over sums so that each product keeps its own structure."""
    lefts = combine([(1.0, left)])
    rights = combine([(1.0, right)])
    return combine([(a * b, _product(t, u)) for a, t in lefts.parts for b, u in rights.parts])


def _product(left: Covariance, right: Covariance) -> Covariance:
    if left.is_one:
        return right
    return left if right.is_one else Product(left, right)
