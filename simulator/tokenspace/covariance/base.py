"""The covariance of token positions, and its algebra: `+`, `-`, `*` and scaling.

A covariance states mathematics only. A new one is a class with one method: `__call__` for any
covariance of two positions, or `at_lag` (on `Stationary`) when it depends on their distance.
Everything else here has a default that is correct for every class and slow for some; a class
overrides what it knows in closed form.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tokenspace.covariance.sums import (
    prefix_covariance_of_cells,
    require_lags,
    stationary_prefix_covariance,
    stationary_totals,
)
from tokenspace.errors import InputError, NoExactResult, TooManyTokens
from tokenspace.parameters import model, parameter

Array = np.ndarray
LARGEST_SUMMED = 200_000  # tokens of a matrix that is summed element by element


class Markov(NamedTuple):
    """A covariance as a linear function of a Markov state: K(i, j) = h Phi(i, j) P h' for j >= i.

    stationary: (p, p) covariance P of the state; observe: (p,) row h;
    transition: (i, j) -> (..., p, p) matrix Phi that carries the state from position i to j >= i.
    """

    stationary: Array
    observe: Array
    transition: Callable[[Array, Array], Array]


class Covariance:
    """A covariance K(i, j) between token positions i, j = 0, 1, 2, ...

    Subclasses define `__call__(i, j)` on broadcastable integer arrays. Source of the roles that
    K plays: Li et al. 2025, section 3 (psi's are averages of such matrices).
    """

    max_tokens: float = math.inf  # number of positions that exist

    @property
    def stationary(self) -> bool:
        """Whether K(i, j) depends on |i - j| only, so that `at_lag` exists."""
        return False

    @property
    def valid_by_construction(self) -> bool:
        """Whether K is positive semi-definite at every n that it has, without a check."""
        return False

    def __call__(self, i: Array, j: Array) -> Array:
        """Covariance of positions i and j (integer arrays that broadcast)."""
        raise NotImplementedError(f"{type(self).__name__} must define __call__(i, j)")

    def require_tokens(self, n: int) -> None:
        """Raise `TooManyTokens` when the covariance has fewer than n positions."""
        if n > self.max_tokens:
            raise TooManyTokens(repr(self), int(n), int(self.max_tokens))

    def dense(self, n: int) -> Array:
        """K[:n, :n], shape (n, n), float64."""
        self.require_tokens(n)
        i = np.arange(n)
        return np.broadcast_to(np.asarray(self(i[:, None], i[None, :]), np.float64), (n, n))

    def cells(self, n: int) -> Array | None:
        """First tokens, ascending from 0, of runs between which K is zero and inside which it
        depends on the distance only, or None: one run for a stationary K, blocks for `Block`.
        """
        return None

    def at_lag_in_cell(self, lag: Array) -> Array:
        """K of two tokens of one of the `cells` at a lag >= 0."""
        raise NotImplementedError(f"{type(self).__name__} must define at_lag_in_cell(lag)")

    def diagonal(self, n: int) -> Array:
        """K(i, i) for i < n, shape (n,)."""
        self.require_tokens(n)
        i = np.arange(n)
        return np.broadcast_to(np.asarray(self(i, i), np.float64), (n,))

    def prefix_covariance(self, grid: Array) -> Array:
        """C[a, b] = 1' K[:grid[a], :grid[b]] 1 for an ascending grid, shape (m, m).

        The covariance of prefix sums, all that D(n) on a grid depends on. This default sums the
        matrix in strips of rows: O(N^2) time, O(N) memory.
        """
        grid = np.asarray(grid)
        largest = int(grid[-1])
        self.require_tokens(largest)
        if largest > LARGEST_SUMMED:
            raise InputError(
                f"{self!r}: sums over n = {largest:,} tokens take n^2 steps without more "
                f"structure, which is limited to n = {LARGEST_SUMMED:,}; ask for fewer tokens, or "
                "define prefix_covariance() in the class"
            )
        columns = np.arange(largest)
        rows_at_once = max(1, 2_000_000 // largest)
        increments = np.zeros((len(grid), largest))
        starts = np.concatenate([[0], grid[:-1]])
        for k, (start, stop) in enumerate(zip(starts, grid, strict=True)):
            for row in range(start, stop, rows_at_once):
                i = np.arange(row, min(row + rows_at_once, stop))
                block = np.broadcast_to(self(i[:, None], columns[None, :]), (len(i), largest))
                increments[k] += block.sum(axis=0)
        return np.cumsum(np.cumsum(increments, axis=1)[:, grid - 1], axis=0)

    def totals(self, n: Array) -> Array:
        """T(n) = 1' K[:n, :n] 1 for each n >= 0, same shape as n."""
        n = np.asarray(n)
        grid, inverse = np.unique(n[n > 0], return_inverse=True)
        out = np.zeros(n.shape)
        if grid.size:
            out[n > 0] = np.diag(self.prefix_covariance(grid))[inverse]
        return out

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

    def markov(self) -> Markov | None:
        """The Markov form, or None when there is none."""
        return None

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

    @property
    def stationary(self) -> bool:
        return True

    def at_lag(self, lag: Array) -> Array:
        """k(lag) for an array of lags >= 0."""
        raise NotImplementedError(f"{type(self).__name__} must define at_lag(lag)")

    def __call__(self, i: Array, j: Array) -> Array:
        return self.at_lag(abs(i - j))

    def cells(self, n: int) -> Array:
        return np.zeros(1, int)

    def at_lag_in_cell(self, lag: Array) -> Array:
        return self.at_lag(lag)

    def totals(self, n: Array) -> Array:
        return stationary_totals(self, self.at_lag, np.asarray(n))

    def prefix_covariance(self, grid: Array) -> Array:
        return stationary_prefix_covariance(self, np.asarray(grid))


@model
class Combination(Covariance):
    """sum_q weight_q K_q, the result of adding, subtracting and scaling covariances."""

    weights: tuple[float, ...] = parameter("weight of each term", number=False)
    terms: tuple[Covariance, ...] = parameter("the covariances added", number=False)

    @property
    def max_tokens(self) -> float:  # type: ignore[override]
        return min((t.max_tokens for t in self.terms), default=math.inf)

    @property
    def stationary(self) -> bool:
        return all(t.stationary for t in self.terms)

    @property
    def valid_by_construction(self) -> bool:
        return all(w >= 0 for w in self.weights) and all(
            t.valid_by_construction for t in self.terms
        )

    @property
    def is_zero(self) -> bool:
        """Whether nothing is left after equal terms cancelled."""
        return not self.terms

    def _sum(self, values: Callable[[Any], Array], shape: tuple[int, ...]) -> Array:
        total: Any = np.zeros(shape)
        for weight, term in zip(self.weights, self.terms, strict=True):
            total = total + weight * values(term)
        return total

    def at_lag(self, lag: Array) -> Array:
        return self._sum(lambda t: t.at_lag(lag), np.shape(lag))

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

    def markov(self) -> Markov | None:
        forms = [t.markov() for t in self.terms]
        return None if any(f is None for f in forms) else _stack(self.weights, forms)

    def __repr__(self) -> str:
        if not self.terms:
            return "0"
        parts = [
            ("-" if w < 0 else "+", f"{t!r}" if abs(w) == 1 else f"{abs(w):.6g} * {t!r}")
            for w, t in zip(self.weights, self.terms, strict=True)
        ]
        first_sign = "-" if parts[0][0] == "-" else ""
        return first_sign + parts[0][1] + "".join(f" {s} {p}" for s, p in parts[1:])


def _stack(weights: tuple[float, ...], forms: list[Any]) -> Markov:
    """The Markov form of a weighted sum: states side by side, weights on their covariances."""
    from scipy.linalg import block_diag

    sizes = [len(f.observe) for f in forms]
    edges = np.concatenate([[0], np.cumsum(sizes)])

    def transition(i: Array, j: Array) -> Array:
        out = np.zeros((*np.broadcast_shapes(np.shape(i), np.shape(j)), edges[-1], edges[-1]))
        for form, a, b in zip(forms, edges[:-1], edges[1:], strict=True):
            out[..., a:b, a:b] = form.transition(i, j)
        return out

    stationary = block_diag(*[w * f.stationary for w, f in zip(weights, forms, strict=True)])
    observe = np.concatenate([f.observe for f in forms]) if forms else np.zeros(0)
    return Markov(stationary.reshape(edges[-1], edges[-1]), observe, transition)


@model
class Product(Covariance):
    """K_1(i, j) K_2(i, j); positive semi-definite when both are (Schur)."""

    left: Covariance = parameter("a covariance", number=False)
    right: Covariance = parameter("a covariance", number=False)

    @property
    def max_tokens(self) -> float:  # type: ignore[override]
        return min(self.left.max_tokens, self.right.max_tokens)

    @property
    def stationary(self) -> bool:
        return self.left.stationary and self.right.stationary

    @property
    def valid_by_construction(self) -> bool:
        return self.left.valid_by_construction and self.right.valid_by_construction

    def at_lag(self, lag: Array) -> Array:
        return self.left.at_lag(lag) * self.right.at_lag(lag)  # type: ignore[attr-defined]

    def __call__(self, i: Array, j: Array) -> Array:
        return self.left(i, j) * self.right(i, j)

    def cells(self, n: int) -> Array | None:
        left, right = self.left.cells(n), self.right.cells(n)
        return None if left is None or right is None else np.union1d(left, right)

    def at_lag_in_cell(self, lag: Array) -> Array:
        return self.left.at_lag_in_cell(lag) * self.right.at_lag_in_cell(lag)

    def totals(self, n: Array) -> Array:
        n = np.asarray(n)
        return stationary_totals(self, self.at_lag, n) if self.stationary else super().totals(n)

    def prefix_covariance(self, grid: Array) -> Array:
        grid = np.asarray(grid)
        if self.stationary:
            return stationary_prefix_covariance(self, grid)
        require_lags(self, int(grid[-1]))
        starts = self.cells(int(grid[-1]))
        if starts is None:
            return super().prefix_covariance(grid)
        return prefix_covariance_of_cells(self, starts, grid)

    def markov(self) -> Markov | None:
        left, right = self.left.markov(), self.right.markov()
        if left is None or right is None:
            return None

        def kron(a: Array, b: Array) -> Array:
            p, q = a.shape[-1], b.shape[-1]
            return np.einsum("...ij,...kl->...ikjl", a, b).reshape(*a.shape[:-2], p * q, p * q)

        return Markov(
            kron(left.stationary, right.stationary),
            np.kron(left.observe, right.observe),
            lambda i, j: kron(left.transition(i, j), right.transition(i, j)),
        )

    def __repr__(self) -> str:
        return f"({self.left!r}) * ({self.right!r})"


def _same(a: Covariance, b: Covariance) -> bool:
    if a is b:
        return True
    try:
        return type(a) is type(b) and bool(a == b)
    except (TypeError, ValueError):  # parameters that are arrays or tracers: compare as different
        return False


def combine(weighted: list[tuple[float, Covariance]]) -> Combination:
    """sum_q weight_q K_q with nested sums flattened and equal terms collected."""
    weights: list[float] = []
    terms: list[Covariance] = []
    for weight, covariance in weighted:
        if isinstance(covariance, Combination):
            flat = [
                (weight * w, t) for w, t in zip(covariance.weights, covariance.terms, strict=True)
            ]
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
    return combine(
        [
            (a * b, _product(t, u))
            for a, t in zip(lefts.weights, lefts.terms, strict=True)
            for b, u in zip(rights.weights, rights.terms, strict=True)
        ]
    )


def _product(left: Covariance, right: Covariance) -> Covariance:
    from tokenspace.covariance.stationary import Constant

    if isinstance(left, Constant):
        return right
    if isinstance(right, Constant):
        return left
    return Product(left, right)
