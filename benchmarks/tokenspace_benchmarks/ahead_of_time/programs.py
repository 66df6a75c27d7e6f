"""Every kernel at the benchmark shapes, as the programs that users run on an accelerator.

Samplers are planned as anywhere, with the blocks of replicates of that platform, and compiled
through `draw_block`, the one function that draws.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from tokenspace.covariance import Isotropic, TokenModel
from tokenspace.grids import log_grid
from tokenspace.sampling import choose, plan
from tokenspace.sampling.plan import draw_block
from tokenspace_benchmarks.models import BRANCHES, LAWS
from tokenspace_benchmarks.shapes import GIVEN_SHAPES, SHAPES, Shape, shapes
from tokenspace_kernels import dispatch, given_tokens
from tokenspace_kernels.dispatch import DEFAULT, VARIABLE
from tokenspace_kernels.random_bits import normals, seed_words

NORMALS = (4096, 64, 1024)  # replicates, tokens and features of bare noise


class Program(NamedTuple):
    """A function of arrays to compile: its names, arguments, and what a call draws.

    shares: how often it takes each branch of a choice, where its arguments say so.
    """

    name: str
    kernel: str
    implementation: str
    call: Callable[..., Any]
    arguments: tuple[Any, ...]
    numbers: float
    replicates: int
    shares: tuple[float, ...] = ()

    @property
    def identity(self) -> Any:
        """Equal for programs that are one to a compiler: they differ in the numbers they are given.

        `draw_block` is compiled once for all of them.
        """
        call = self.call
        made_of: Any = call
        if isinstance(call, partial):
            made_of = (call.func, call.args, str(sorted(call.keywords.items())))
        leaves, structure = jax.tree.flatten(self.arguments)
        return made_of, structure, tuple((np.shape(x), str(x.dtype)) for x in leaves)


def implementations(kernel: str, platform: str) -> dict[str, Callable[..., Any]]:
    """Those of a kernel that run on an accelerator, by name."""
    with dispatch.as_on(platform):
        known = dispatch.implementations(kernel)
    return {name: call for name, call in known.items() if name not in dispatch.ON_HOST}


@contextmanager
def chosen(implementation: str, platform: str) -> Iterator[None]:
    """Plan with that implementation of the kernels, as on a platform that need not be here."""
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = implementation
    try:
        with dispatch.as_on(platform):
            yield
    finally:
        del os.environ[VARIABLE]
        if before is not None:
            os.environ[VARIABLE] = before


def planned(
    name: str,
    kernel: str,
    model: TokenModel,
    shape: Shape,
    sampler: str,
    platform: str,
    statistics: tuple[str, ...] = ("divergence",),
) -> Iterator[Program]:
    """A block of replicates of a sampler, by each implementation of its kernel."""
    grid = log_grid(shape.tokens, shape.points)
    drawn = choose(model, grid, statistics, sampler).cost[0]
    for implementation in implementations(kernel, platform):
        with chosen(implementation, platform):
            prepared = plan(model, grid, sampler, statistics)
        if prepared.kernels != implementation:  # it does not suit this model
            continue
        block = prepared.block_on(platform)
        arguments = (seed_words(0), np.uint32(0), prepared.arrays)
        call = partial(draw_block, prepared.draw, block)
        yield Program(name, kernel, implementation, call, arguments, block * drawn, block)


def sampled(platform: str) -> Iterator[Program]:
    """Every sampler: D alone under each covariance, and with psi's under each token law."""
    (shape,) = shapes("full", SHAPES)
    for kind, branches in BRANCHES.items():
        model = TokenModel(branches, Isotropic(shape.dim))
        name = f"D(n), {kind}: tokens"
        yield from planned(name, "sample_divergence", model, shape, "tokens", platform)
    of_grid = {
        "partial_sums": "partial_sum_divergence",
        "collapsed": "collapsed_divergence",
    }
    for sampler, kernel in of_grid.items():  # the covariance is in the numbers, not in the program
        model = TokenModel(BRANCHES["AR(1)"], Isotropic(shape.dim))
        name = f"D(n), AR(1): {sampler}"
        yield from planned(name, kernel, model, shape, sampler, platform)
    for name, law in LAWS.items():
        model = TokenModel(BRANCHES["equicorrelated"], Isotropic(shape.dim), law)
        yield from planned(
            f"D(n) and psi, {name}: tokens",
            "sample_statistics",
            model,
            shape,
            "tokens",
            platform,
            ("divergence", "correlations"),
        )


def given(platform: str) -> Iterator[Program]:
    """Tokens that are given, once read; numbers are those read, of both branches."""
    (shape,) = shapes("full", GIVEN_SHAPES)
    grid = log_grid(shape.tokens, shape.points)
    windows = given_tokens.ACCELERATOR_WINDOWS
    pieces, where = given_tokens.cut(grid, windows)
    shares = np.bincount(pieces.window, minlength=len(windows)) / len(pieces.window)
    tokens = jax.ShapeDtypeStruct((shape.tokens, shape.dim), jnp.float32)
    numbers = 2.0 * shape.tokens * shape.dim
    for what, psi in (("divergence and psi", True), ("divergence", False)):
        name = f"given tokens: {what}"
        call: Callable[..., Any] = partial(given_tokens._measure, windows=windows, psi=psi)
        arguments = (tokens, tokens, pieces, where, grid)
        yield Program(name, "measure", DEFAULT, call, arguments, numbers, 1, tuple(shares))
        for other, of_kernel in implementations("measure", platform).items():
            if other == DEFAULT:
                continue
            call = partial(of_kernel, grid=grid, psi=psi)
            yield Program(name, "measure", other, call, (tokens, tokens), numbers, 1)


def bare() -> Iterator[Program]:
    """White noise alone, stored or summed over tokens."""
    replicates, tokens, dim = NORMALS
    keys = jax.ShapeDtypeStruct((replicates, 2), jnp.uint32)
    uses: dict[str, Callable[[jax.Array], jax.Array]] = {
        "stored": lambda z: z,
        "summed": partial(jnp.sum, axis=0),
    }
    for what, use in uses.items():
        call = jax.vmap(lambda key, use=use: use(normals(key, 0, tokens, dim)))
        numbers = float(replicates * tokens * dim)
        yield Program(f"normals: {what}", "normals", DEFAULT, call, (keys,), numbers, replicates)


def programs(platform: str) -> Iterator[Program]:
    """All of them for "gpu" or "tpu"."""
    yield from sampled(platform)
    yield from given(platform)
    yield from bare()
