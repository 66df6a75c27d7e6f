"""What is known of a covariance beyond its elements: one value, from which everything is chosen.

Sums over tokens, proofs of validity, exact factors and samplers each look here once, and fall back
on the dense matrix where nothing is said. A covariance may have several structures at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from tokenspace.deferred import DeferredField

Array = np.ndarray


class Markov(NamedTuple):
    """A covariance as a linear function of a Markov state: K(i, j) = h Phi(i, j) P h' for j >= i.

    stationary: (p, p) covariance P of the state; observe: (p,) row h;
    transition: (i, j) -> (..., p, p) matrix Phi that carries the state from position i to j >= i.
    """

    stationary: Array
    observe: Array
    transition: Callable[[Array, Array], Array]


class Exchangeable(NamedTuple):
    """The same for every pair of tokens: K(i, i) = variance, K(i, j) = covariance elsewhere.

    Eigenvalues at n tokens: variance - covariance, and variance + (n - 1) covariance.
    """

    variance: Any
    covariance: Any


class Cells(NamedTuple):
    """Zero between runs of tokens; inside a run a function of the distance only.

    starts: n -> first tokens of the runs below n, ascending from 0; at_lag: K of two tokens of a
    run at a lag >= 0.
    """

    starts: Callable[[int], Array]
    at_lag: Callable[[Array], Array]


class Kronecker(NamedTuple):
    """white 1[i = j] + weight R(r_i, r_j) C(c_i, c_j), token i in row r_i and column c_i.

    rows: (r, r) matrix R; columns: (c, c) matrix C; places: (tokens,) index r_i c + c_i.
    """

    rows: Array
    columns: Array
    places: Array
    weight: float = 1.0
    white: float = 0.0


@dataclass(frozen=True, eq=False)
class Structure:
    """Facts about a covariance K; what is None (or empty, or False) is not known.

    at_lag: k with K(i, j) = k(|i - j|), a Toeplitz matrix, for an array of lags >= 0.
    markov: its Markov form.
    exchangeable: its two values, where all off-diagonal elements are alike.
    cells: its runs, where K is zero between runs.
    kronecker: its factors over rows and columns of a picture; a function, since it takes time.
    parts: (weight, covariance) pairs of which it is the sum.
    valid: whether it is positive semi-definite at every n that it has, without a check.
    """

    at_lag: Callable[[Array], Array] | None = None
    markov: Markov | None = None
    exchangeable: Exchangeable | None = None
    cells: Cells | None = None
    kronecker: Callable[[], Kronecker] | None = None
    parts: tuple[tuple[Any, Any], ...] = ()
    valid: bool = False


# A sum or product may say how its Markov form is made, which most models are never asked for.
Structure.markov = DeferredField("markov")  # type: ignore[assignment]
DENSE = Structure()


def markov_sum(weights: tuple[Any, ...], forms: list[Markov]) -> Markov:
    """The Markov form of a weighted sum: states side by side, weights on their covariances."""
    sizes = [len(f.observe) for f in forms]
    edges = np.concatenate([[0], np.cumsum(sizes)]).astype(int)  # of no forms too

    def transition(i: Array, j: Array) -> Array:
        out = np.zeros((*np.broadcast_shapes(np.shape(i), np.shape(j)), edges[-1], edges[-1]))
        for form, a, b in zip(forms, edges[:-1], edges[1:], strict=True):
            out[..., a:b, a:b] = form.transition(i, j)
        return out

    stationary = np.zeros((edges[-1], edges[-1]))
    for weight, form, a, b in zip(weights, forms, edges[:-1], edges[1:], strict=True):
        stationary[a:b, a:b] = weight * form.stationary
    observe = np.concatenate([f.observe for f in forms]) if forms else np.zeros(0)
    return Markov(stationary, observe, transition)


def markov_product(left: Markov, right: Markov) -> Markov:
    """The Markov form of an elementwise product: the states' Kronecker product."""

    def kron(a: Array, b: Array) -> Array:
        p, q = a.shape[-1], b.shape[-1]
        return np.einsum("...ij,...kl->...ikjl", a, b).reshape(*a.shape[:-2], p * q, p * q)

    return Markov(
        kron(left.stationary, right.stationary),
        np.kron(left.observe, right.observe),
        lambda i, j: kron(left.transition(i, j), right.transition(i, j)),
    )
