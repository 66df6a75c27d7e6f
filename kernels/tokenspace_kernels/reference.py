"""Every kernel in a few lines of NumPy and float64, from the same random bits and arguments.

Slow and plain: fast implementations are held to these, and TOKENSPACE_KERNELS=reference runs them.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tokenspace_kernels import given_tokens, random_bits
from tokenspace_kernels.chi_square import chi_square
from tokenspace_kernels.random_bits import substream
from tokenspace_kernels.sample_divergence import LinearBlocks, TokenBlocks, TokenLaw
from tokenspace_kernels.streams import CHI, SCALES_A, SCALES_B, TOTAL, numbered

Array = np.ndarray

# Random numbers of JAX: one program each, where their tens of operations would be compiled one by
# one for every new shape.
_chi_square = jax.jit(chi_square)
_of_law = jax.jit(lambda law, tokens, stream: law.of_tokens(tokens, stream))


def _noise(key: Any, tokens: int, dim: int) -> Array:
    return np.asarray(random_bits.normals(key, 0, tokens, dim), float)


def _float64(arrays: Any) -> list[Array]:
    return [np.asarray(x, float) for x in arrays]


def measure(a: Any, b: Any, grid: Array, psi: bool = True) -> tuple[Array, dict[str, Array]]:
    """D and the four psi's of tokens (..., N, d), by definition: n x n matrices of cosines."""
    a, b = _float64((a, b))
    d = np.linalg.norm(np.cumsum(a - b, axis=-2), axis=-1)[..., np.asarray(grid) - 1]
    u, v = (h / np.linalg.norm(h, axis=-1, keepdims=True) for h in (a, b))
    pairs = {"psi_cross_AA": (u, u), "psi_cross_BB": (v, v), "psi_cross_AB": (u, v)}
    out: dict[str, Array] = {"psi_equal": np.empty_like(d)} | {
        k: np.full_like(d, np.nan) for k in pairs
    }
    for k, n in enumerate(grid if psi else []):
        out["psi_equal"][..., k] = np.sum(u * v, axis=-1)[..., :n].mean(axis=-1)
        off = ~np.eye(n, dtype=bool)
        for name, (x, y) in pairs.items() if n > 1 else ():
            out[name][..., k] = (x[..., :n, :] @ np.swapaxes(y[..., :n, :], -1, -2))[..., off].mean(
                -1
            )
    return d, out if psi else {}


def partial_sum_divergence(keys: Any, factors: Any, scales: Any) -> Array:
    """Row norms of sum_q L_q Z_q diag(scale_q)."""
    factors, scales = _float64((factors, scales))
    out = []
    for key in keys:
        streams = [key if q == 0 else substream(key, numbered(q)) for q in range(len(factors))]
        noise = [_noise(s, factors.shape[2], scales.shape[1]) for s in streams]
        total = sum(f @ z * c for f, z, c in zip(factors, noise, scales, strict=True))
        out.append(np.linalg.norm(total, axis=1))
    return np.array(out)


def collapsed_divergence(keys: Any, factors: Any, freedom: Any) -> Array:
    """Row norms of L A with Bartlett's A, one Wishart matrix a group."""
    m = factors.shape[1]
    out = []
    for key in keys:
        degrees = np.asarray(freedom, float)[:, None] - np.arange(m)
        chi2 = _chi_square(substream(key, CHI), jnp.asarray(np.where(degrees > 0, degrees, 1.0)))
        squared = np.zeros(m)
        for g, factor in enumerate(_float64(factors)):
            half = _noise(substream(key, numbered(1 + g)), m // 2 + 1, m)
            bartlett = np.zeros((m, m))
            for k in range(m):  # column k of A: chi on the diagonal, normals below
                row = half[k] if k < len(half) else half[m - 1 - k, ::-1]
                bartlett[k + 1 :, k] = row[k + 1 :]
                bartlett[k, k] = np.sqrt(chi2[g, k])
            bartlett[:, degrees[g] <= 0] = 0.0
            squared += np.sum((factor @ bartlett) ** 2, axis=1)
        out.append(np.sqrt(squared))
    return np.array(out)


def sample_divergence(keys: Any, terms: tuple[LinearBlocks, ...], where: Any) -> Array:
    """D at the grid: one matrix product a block, one block after another."""
    blocks, _, size = terms[0].noise.shape
    slots = terms[0].slots
    out = []
    for key in keys:
        at_slots = 0.0
        for q, term in enumerate(terms):
            weights, feedback, scale = _float64(term)
            stream = key if q == 0 else substream(key, numbered(q))
            noise = _noise(stream, blocks * size, len(scale)).reshape(blocks, size, -1)
            prefix, state = 0.0, np.zeros((feedback.shape[2], len(scale)))
            reports = []
            for weight, back, z in zip(weights, feedback, noise, strict=True):
                new = weight @ z + back @ state
                reports.append(prefix + new[:slots])
                prefix, state = prefix + new[slots], new[slots + 1 :]
            at_slots = at_slots + np.array(reports) * scale
        out.append(np.linalg.norm(at_slots, axis=2).ravel()[np.asarray(where)])
    return np.array(out)


def _markov_tokens(parts: TokenBlocks, stream: Any, dim: int) -> Array:
    blocks, size = parts.factor.shape[:2]
    tokens, state = [], np.zeros((parts.transition.shape[1], dim))
    noise = _noise(stream, blocks * size, dim).reshape(blocks, size, dim)
    for observe, factor, transition, gain, z in zip(*_float64(parts), noise, strict=True):
        tokens.append(observe @ state + factor @ z)
        state = transition @ state + gain @ z
    return np.concatenate(tokens)


def _with_law(tokens: Array, law: TokenLaw, stream: Any, size: int) -> Array:
    """The law's own formula, block by block; what it does is tested beside the law."""
    blocks = enumerate(np.split(tokens, len(tokens) // size))
    changed = [_of_law(law, jnp.asarray(g), substream(stream, block)) for block, g in blocks]
    return np.concatenate(_float64(changed))


def sample_statistics(
    keys: Any,
    total: TokenBlocks,
    difference: TokenBlocks,
    scale: Any,
    ends: Any,
    where: Any,
    law: TokenLaw,
) -> given_tokens.Reports:
    """Tokens of both branches formed whole, then sums up to the grid."""
    blocks = len(ends)
    size = len(total.factor) * total.factor.shape[1] // blocks
    root = np.sqrt(0.5) * np.asarray(scale, float)
    columns = []
    for key in keys:
        s = _markov_tokens(total, substream(key, TOTAL), len(root))
        m = _markov_tokens(difference, key, len(root))
        a = _with_law((s + m) * root, law, substream(key, SCALES_A), size)
        b = _with_law((s - m) * root, law, substream(key, SCALES_B), size)
        u, v = (h / np.linalg.norm(h, axis=1, keepdims=True) for h in (a, b))
        sums = given_tokens.TokenSums(a - b, u, v, np.sum(u * v, axis=1))
        prefix = [np.concatenate([0 * x[:1], np.cumsum(x, axis=0)]) for x in sums]
        places = (np.arange(blocks)[:, None] * size + np.asarray(ends)).ravel()[np.asarray(where)]
        d, p, q, equal = (x[places] for x in prefix)
        columns.append(
            [np.sum(x * y, axis=1) for x, y in ((d, d), (p, p), (q, q), (p, q))] + [equal]
        )
    return given_tokens.Reports(*np.moveaxis(np.array(columns), 0, 1))  # type: ignore[arg-type]
