"""Factors that need the whole sequence at once: tokens (N, d) = factor(white noise (rows, d)).

`whole_factor` chooses by structure: circulant embedding for stationary covariances, Kronecker
factors for patch grids, a superposition of valid terms, and dense Cholesky for anything else.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tokenspace.covariance import Covariance, Kronecker
from tokenspace.covariance.cholesky import semidefinite_cholesky
from tokenspace.covariance.validity import LARGEST_DENSE
from tokenspace.errors import InputError

matmul = partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST)


@partial(jax.tree_util.register_dataclass, data_fields=["lower"], meta_fields=[])
class DenseFactor:
    """x = L z with the dense Cholesky factor; works for every covariance."""

    name = "dense Cholesky"

    def __init__(self, lower: Any) -> None:
        self.lower = lower

    @property
    def noise_rows(self) -> int:
        return self.lower.shape[0]

    def __call__(self, z: jax.Array) -> jax.Array:
        return matmul(self.lower, z)


@partial(jax.tree_util.register_dataclass, data_fields=["root"], meta_fields=["tokens"])
class CirculantFactor:
    """Circulant embedding: x = irfft(sqrt(spectrum) * spectral noise), first N values.

    Source: Davies & Harte 1987; Wood & Chan 1994; Dietrich & Newsam 1997.
    """

    name = "circulant embedding"

    def __init__(self, root: Any, tokens: int) -> None:
        self.root, self.tokens = root, tokens

    @property
    def noise_rows(self) -> int:
        return 2 * (self.root.shape[0] - 1)

    def __call__(self, z: jax.Array) -> jax.Array:
        half = self.root.shape[0] - 1
        # Rows 0..half are real parts; the rest imaginary parts of the frequencies strictly inside.
        imaginary = jnp.pad(z[half + 1 :], ((1, 1), (0, 0)))
        spectrum = jax.lax.complex(z[: half + 1], imaginary) * self.root[:, None]
        return jnp.fft.irfft(spectrum, n=2 * half, axis=0)[: self.tokens]


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["rows", "columns", "root", "places"],
    meta_fields=["tokens"],
)
class KroneckerFactor:
    """x = Q_r (root * Z) Q_c' for a + b (R kron C), with R = Q_r . Q_r' and C = Q_c . Q_c'."""

    name = "Kronecker eigenvectors"

    def __init__(self, rows: Any, columns: Any, root: Any, places: Any, tokens: int) -> None:
        self.rows, self.columns, self.root = rows, columns, root
        self.places, self.tokens = places, tokens

    @property
    def noise_rows(self) -> int:
        return self.root.size

    def __call__(self, z: jax.Array) -> jax.Array:
        high = jax.lax.Precision.HIGHEST
        z = z.reshape(*self.root.shape, -1) * self.root[..., None]
        picture = jnp.einsum("ij,jkd,lk->ild", self.rows, z, self.columns, precision=high)
        return picture.reshape(self.root.size, -1)[self.places[: self.tokens]]


@partial(jax.tree_util.register_dataclass, data_fields=["roots", "parts"], meta_fields=[])
class Superposition:
    """x = sum_q sqrt(weight_q) x_q with independent parts, each by its own factor."""

    def __init__(self, roots: Any, parts: Any) -> None:
        self.roots, self.parts = roots, parts

    @property
    def name(self) -> str:
        return "sum of " + " and ".join(dict.fromkeys(p.name for p in self.parts))

    @property
    def noise_rows(self) -> int:
        return sum(p.noise_rows for p in self.parts)

    def __call__(self, z: jax.Array) -> jax.Array:
        total, at = 0.0, 0
        for root, part in zip(self.roots, self.parts, strict=True):
            total = total + root * part(z[at : at + part.noise_rows])
            at += part.noise_rows
        return jnp.asarray(total)


WholeFactor = DenseFactor | CirculantFactor | KroneckerFactor | Superposition


def whole_factor(covariance: Covariance, n: int) -> WholeFactor:
    """The cheapest exact factor of a covariance over n tokens, chosen by its structure."""
    structure = covariance.structure
    if structure.at_lag is not None:
        circulant = circulant_factor(structure.at_lag, n)
        if circulant is not None:
            return circulant
    if structure.kronecker is not None:
        kronecker = kronecker_factor(structure.kronecker(), n)
        if kronecker is not None:
            return kronecker
    weights, parts = [w for w, _ in structure.parts], [t for _, t in structure.parts]
    apart = structure.valid if len(parts) > 1 else all(t.structure.at_lag is None for t in parts)
    if parts and apart and all(w > 0 for w in weights):
        roots = [np.float32(np.sqrt(w)) for w in weights]
        return Superposition(roots, [whole_factor(t, n) for t in parts])
    return dense_factor(covariance, n)


def multiply_adds(covariance: Covariance, n: int) -> float:
    """Those of `whole_factor` for each number of white noise, without making the factor.

    A circle that turns out to have a negative spectrum makes it dense after all.
    """
    structure = covariance.structure
    if structure.at_lag is not None:
        return 4 * math.log2(2 * n + 2)  # there and back, complex
    if structure.kronecker is not None:
        return 2 * math.sqrt(n)
    if structure.parts and (structure.valid or len(structure.parts) == 1):
        return max(multiply_adds(part, n) for _, part in structure.parts)
    return float(n)


def dense_factor(covariance: Covariance, n: int) -> DenseFactor:
    """Dense Cholesky in float64: n^2 memory, n^3 time."""
    if n > LARGEST_DENSE:
        raise InputError(
            f"{covariance!r} needs a dense factor, which is limited to n = {LARGEST_DENSE} tokens, "
            f"but n = {n} were asked for. If only D(n) is needed, the samplers 'partial_sums' and "
            "'collapsed' have no such limit"
        )
    matrix = covariance.dense(n)
    return DenseFactor(semidefinite_cholesky(matrix, np.diag(matrix)).astype(np.float32))


def circulant_factor(at_lag: Callable[[Any], Any], n: int) -> CirculantFactor | None:
    """Embed n tokens into a circle, enlarged up to 16-fold until its spectrum is non-negative.

    None when no such circle is found: nothing is ever clipped beyond float64 rounding.
    """
    half = 1 << max(n - 1, 1).bit_length()
    for _ in range(5):
        lags = np.broadcast_to(np.asarray(at_lag(np.arange(half + 1)), np.float64), (half + 1,))
        spectrum = np.fft.rfft(np.concatenate([lags, lags[-2:0:-1]])).real
        if spectrum.min() >= -1e-12 * spectrum.max():
            # White noise w has |rfft w|^2 of mean M = 2 half: M/2 in each part, M at the ends.
            power = np.maximum(spectrum, 0.0) * half
            power[[0, -1]] *= 2
            return CirculantFactor(np.sqrt(power).astype(np.float32), n)
        half *= 2
    return None


def kronecker_factor(picture: Kronecker, n: int) -> KroneckerFactor | None:
    """A patch grid with white noise added or taken away; None where not all of it is valid."""
    row_values, row_vectors = np.linalg.eigh(picture.rows)
    column_values, column_vectors = np.linalg.eigh(picture.columns)
    values = picture.white + picture.weight * np.outer(row_values, column_values)
    if values.min() < -1e-10 * abs(values).max():
        return None  # valid for fewer tokens than the whole picture, perhaps
    return KroneckerFactor(
        row_vectors.astype(np.float32),
        column_vectors.astype(np.float32),
        np.sqrt(np.maximum(values, 0.0)).astype(np.float32),
        picture.places,
        n,
    )
