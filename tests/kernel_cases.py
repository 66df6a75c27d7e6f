"""Kernels, and what each is called with, for all tests that hold them to the reference."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

import tokenspace as ts
from tokenspace import kernels
from tokenspace.sampling.by_blocks import linear_blocks, token_blocks
from tokenspace.theory import divergence_covariance
from tokenspace_benchmarks.shapes import shapes
from tokenspace_kernels import (
    dispatch,
    given_tokens_gpu,
    given_tokens_tpu,
    sample_divergence_gpu,
    sample_divergence_tpu,
    sample_statistics_gpu,
    sample_statistics_tpu,
)
from tokenspace_kernels.blocks import lay_out

EPSILON = np.finfo(np.float32).eps
SHAPES = shapes("test")
FAST = [
    (name, implementation)
    for name in dispatch.KERNELS
    for implementation in dispatch.implementations(name)
    if implementation != "reference"
]
INTERPRETED = {  # kernels for devices that are not here, run by Pallas's interpreter
    ("sample_divergence", "pallas (GPU)"): sample_divergence_gpu.sample_divergence,
    ("sample_divergence", "pallas (TPU)"): sample_divergence_tpu.sample_divergence,
    ("sample_statistics", "pallas (GPU)"): sample_statistics_gpu.sample_statistics,
    ("sample_statistics", "pallas (TPU)"): sample_statistics_tpu.sample_statistics,
    ("measure", "pallas (GPU)"): given_tokens_gpu.measure,
    ("measure", "pallas (TPU)"): given_tokens_tpu.measure,
}
FAST += list(INTERPRETED)
BRANCHES = {
    "white": ts.Branches(ts.White()),
    "equicorrelated": ts.equicorrelated(0.2, 0.3, 0.1),
    "AR(1)": ts.Branches(ts.Exponential(9.0)),
    "Matern 3/2": ts.Branches(ts.Matern(1.5, 6.0)),
    "Matern 5/2": ts.Branches(ts.Matern(2.5, 6.0), 0.4 * ts.Matern(2.5, 6.0)),
    "blocks": ts.Branches(ts.Block(7)),
}
LAWS = {
    "gaussian": ts.Gaussian(),
    "student": ts.StudentT(5.0, "token"),
    "unit": ts.UnitNorm(),
    "laplace": ts.Laplace(),
}


def grid_of(shape):
    return ts.log_grid(shape.tokens, shape.points)


def features(shape):
    return ts.PowerLawSpectrum(shape.dim, 1.0)


def kernel_of(name, implementation):
    if call := INTERPRETED.get((name, implementation)):
        return dispatch.Kernel("pallas", partial(call, interpret=True))
    kernel = dispatch.kernel(name, implementation)
    assert kernel.implementation == implementation
    return kernel


def arguments(name, shape, branches, law="gaussian", token_block=None):
    """What a kernel is called with for a model of that shape."""
    grid = grid_of(shape)
    keys = kernels.replicate_keys(11, 3, shape.replicates)
    model = ts.TokenModel(branches, features(shape), LAWS[law])
    eigenvalues = model.features.eigenvalues
    if name == "collapsed_divergence":
        groups, counts = np.unique(np.append(eigenvalues, eigenvalues[:1]), return_counts=True)
        covariance = divergence_covariance(model, grid)
        factors = np.sqrt(groups)[:, None, None] * np.linalg.cholesky(covariance)
        return keys, jnp.asarray(factors, jnp.float32), jnp.asarray(counts)
    if name == "partial_sum_divergence":
        factors = np.linalg.cholesky(divergence_covariance(model, grid))
        return (
            keys,
            jnp.asarray(factors, jnp.float32),
            jnp.asarray(np.sqrt(eigenvalues), "f4")[None],
        )
    if name == "sample_divergence":
        layout = lay_out(grid, token_block or 16)
        first = linear_blocks(branches.difference, layout, eigenvalues)
        second = linear_blocks(ts.Exponential(4.0), layout, eigenvalues[::-1])
        return keys, tuple(jax.tree.map(jnp.asarray, t) for t in (first, second)), layout.where
    if name == "sample_statistics":
        layout = lay_out(grid, 64)
        parts = (branches.total, branches.difference)
        blocks = [token_blocks(part, layout, token_block or 64) for part in parts]
        scale = np.sqrt(eigenvalues).astype(np.float32)
        device_law = jax.tree.map(jnp.float32, model.law)
        return keys, *blocks, scale, layout.ends, layout.where, device_law
    rng = np.random.default_rng(shape.tokens)
    a, b = rng.standard_normal((2, shape.replicates, shape.tokens, shape.dim), dtype=np.float32)
    return a + 0.3 * b, b, grid


def assert_close(got, want, scale):
    """Equal up to float32 rounding of sums over `scale` terms, relative to the largest value."""
    for x, y in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        x, y = np.asarray(x, float), np.asarray(y, float)
        assert x.shape == y.shape
        np.testing.assert_array_equal(np.isnan(x), np.isnan(y))
        size = np.nanmax(np.abs(y), initial=1e-30)
        np.testing.assert_allclose(x, y, rtol=0, atol=4 * EPSILON * np.sqrt(scale + 64) * size)


def as_plans_run(kernel):
    """Traced once, or called on the host."""
    if isinstance(kernel.call, partial):
        return interpreted(kernel.call.func)
    return kernel.call if kernel.on_host else jax.jit(kernel.call)


def interpreted(call):
    """A kernel for a device that is not here, traced once.

    Tests alone run it on a CPU: left as it is by LLVM's optimiser, it compiles in half the time.
    """
    options = {"xla_backend_optimization_level": 0}
    return jax.jit(partial(call, interpret=True), compiler_options=options)
