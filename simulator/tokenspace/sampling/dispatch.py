"""Choose a sampler for a model, a grid and the statistics wanted: the cheapest that is exact."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tokenspace.covariance import StudentT, SumModel, TokenModel
from tokenspace.covariance.cholesky import semidefinite_cholesky
from tokenspace.errors import UnsupportedSampler
from tokenspace.sampling.innovations import linear_blocks
from tokenspace.sampling.plan import Divergences, Draw, Plan, Statistics
from tokenspace.sampling.tokens import TOKEN_BLOCK, prepare_statistics, whole_divergence
from tokenspace.sampling.whole import dense_factor, whole_factor
from tokenspace.theory import divergence_covariance
from tokenspace_kernels.blocks import lay_out
from tokenspace_kernels.dispatch import DEFAULT, Kernel, kernel

SAMPLERS = ("auto", "dense", "tokens", "partial_sums", "collapsed")
STATISTICS = ("divergence", "correlations")


def _divergences(drawer: Kernel, model: TokenModel | SumModel, arrays: Any) -> tuple[Draw, Any]:
    """A kernel that gives D at the grid, with what a Student-t law of whole pairs adds to it."""
    law = model.law
    pair = isinstance(law, StudentT) and law.joint_scale
    df = jnp.float32(law.df if isinstance(law, StudentT) else 1.0)
    return Divergences(drawer.call, pair), (arrays, df)


def _root_eigenvalues(model: TokenModel | SumModel) -> np.ndarray:
    return np.sqrt([t.features.eigenvalues for t in model.terms])


def _feature_groups(model: TokenModel | SumModel) -> tuple[np.ndarray, np.ndarray]:
    """Distinct columns of eigenvalues over terms, (groups, terms), and the size of each group."""
    table = np.array([t.features.eigenvalues for t in model.terms]).T
    groups, counts = np.unique(table, axis=0, return_counts=True)
    kept = groups.sum(axis=1) > 0
    return groups[kept], counts[kept]


def _collapsed(model: TokenModel | SumModel, grid: np.ndarray, reason: str) -> Plan:
    groups, counts = _feature_groups(model)
    covariance = np.einsum("gt,tab->gab", groups, divergence_covariance(model, grid))
    factors = np.stack([_grid_cholesky(c) for c in covariance]).astype(np.float32)
    drawer = kernel("collapsed_divergence")
    return Plan(
        "collapsed",
        "Bartlett factors of Wishart matrices",
        reason,
        drawer.implementation,
        len(grid) ** 2,
        *_divergences(drawer, model, (jnp.asarray(factors), jnp.asarray(counts))),
    )


def _partial_sums(model: TokenModel | SumModel, grid: np.ndarray, reason: str) -> Plan:
    factors = np.stack([_grid_cholesky(c) for c in divergence_covariance(model, grid)])
    arrays = (
        jnp.asarray(factors, jnp.float32),
        jnp.asarray(_root_eigenvalues(model), jnp.float32),
    )
    drawer = kernel("partial_sum_divergence")
    return Plan(
        "partial_sums",
        "Cholesky factor of the prefix sums",
        reason,
        drawer.implementation,
        len(grid) * model.dim,
        *_divergences(drawer, model, arrays),
    )


def _grid_cholesky(covariance: np.ndarray) -> np.ndarray:
    """Cholesky factor of prefix sums, normalised first: their variances span many decades."""
    root = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(root, root)
    return root[:, None] * semidefinite_cholesky(correlation, 1.0)


def _tokens(
    model: TokenModel | SumModel,
    grid: np.ndarray,
    statistics: tuple[str, ...],
    reason: str,
    dense: bool,
) -> Plan:
    name = "dense" if dense else "tokens"
    n = int(grid[-1])
    differences = [t.branches.difference for t in model.terms]
    markov = not dense and all(d.markov() is not None for d in differences)
    if statistics == ("divergence",) and model.law.joint_scale:
        if markov:
            layout = lay_out(grid, TOKEN_BLOCK)
            rows = tuple(
                jax.tree.map(jnp.asarray, linear_blocks(d, layout, t.features.eigenvalues))
                for d, t in zip(differences, model.terms, strict=True)
            )
            drawer = kernel("sample_divergence")
            return Plan(
                name,
                "block innovations",
                reason,
                drawer.implementation,
                TOKEN_BLOCK * model.dim,
                *_divergences(drawer, model, (rows, jnp.asarray(layout.where))),
            )
        make = dense_factor if dense else whole_factor
        factors = [make(d, n) for d in differences]
        scales = jnp.asarray(np.sqrt(2.0) * _root_eigenvalues(model), jnp.float32)
        return Plan(
            name,
            factors[0].name,
            reason,
            DEFAULT,
            2 * n * model.dim,
            *_divergences(
                Kernel(DEFAULT, whole_divergence),
                model,
                (factors, scales, jnp.asarray(grid - 1)),
            ),
        )
    if isinstance(model, SumModel):
        raise UnsupportedSampler(
            "realised correlations of a sum of terms are not available; "
            "ask for statistics=('divergence',) only"
        )
    drawer, law, arrays, method, elements = prepare_statistics(model, grid, dense)
    draw = Statistics(drawer.call, law, "correlations" in statistics)
    return Plan(name, method, reason, drawer.implementation, elements, draw, arrays)


def plan(
    model: TokenModel | SumModel,
    grid: np.ndarray,
    sampler: str = "auto",
    statistics: tuple[str, ...] = ("divergence",),
) -> Plan:
    """Choose and prepare a sampler.

    Args:
        model: the token model.
        grid: ascending token counts.
        sampler: one of SAMPLERS; "auto" takes the cheapest that gives the statistics.
        statistics: some of STATISTICS; "divergence" is always drawn.

    Raises:
        UnsupportedSampler: the named sampler cannot give the statistics, naming those that can.
    """
    if sampler not in SAMPLERS:
        allowed = ", ".join(repr(s) for s in SAMPLERS)
        raise UnsupportedSampler(
            f"sampler = {sampler!r} is not allowed; it must be one of {allowed}"
        )
    unknown = [s for s in statistics if s not in STATISTICS]
    if unknown:
        raise UnsupportedSampler(
            f"statistics = {unknown[0]!r} is not allowed; they are some of {STATISTICS}"
        )
    statistics = tuple(dict.fromkeys(("divergence", *statistics)))
    model.require_valid(int(grid[-1]))
    grid_level = statistics == ("divergence",) and model.law.joint_scale
    if sampler in ("partial_sums", "collapsed") and not grid_level:
        why = (
            f"the token law {model.law!r} changes tokens one by one"
            if not model.law.joint_scale
            else "realised correlations need the tokens"
        )
        raise UnsupportedSampler(f"sampler {sampler!r} draws D(n) only, but {why}; use 'tokens'")
    if sampler == "collapsed":
        return _collapsed(model, grid, "asked for")
    if sampler == "partial_sums":
        return _partial_sums(model, grid, "asked for")
    if sampler in ("tokens", "dense"):
        return _tokens(model, grid, statistics, "asked for", dense=sampler == "dense")
    if not grid_level:
        why = "psi's need tokens" if model.law.joint_scale else "the token law acts on each token"
        return _tokens(model, grid, statistics, why, dense=False)
    groups, m = len(_feature_groups(model)[0]), len(grid)
    if groups * m <= model.dim or groups == 1:
        return _collapsed(
            model,
            grid,
            f"only D(n) is asked for, and {groups} distinct feature variance"
            f"{'s' if groups > 1 else ''} make its cost independent of N and d",
        )
    return _partial_sums(
        model, grid, f"only D(n) is asked for, and there are {groups} distinct feature variances"
    )
