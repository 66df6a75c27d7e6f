"""The cases: models and shapes, ours and the peers side by side."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any

import jax
import numpy as np

from tokenspace.covariance import (
    Block,
    Branches,
    FractionalGaussianNoise,
    Isotropic,
    Matern,
    PowerLaw,
    TokenModel,
)
from tokenspace.experiments.placement import place
from tokenspace.experiments.simulate import simulate
from tokenspace.grids import log_grid
from tokenspace.sampling import choose, plan
from tokenspace_benchmarks import work
from tokenspace_benchmarks.harness import Case, Contestant
from tokenspace_benchmarks.machine import compiled_loops
from tokenspace_benchmarks.models import BRANCHES, LAWS, LENGTH, MEASURED
from tokenspace_benchmarks.operations import on_accelerator
from tokenspace_benchmarks.peers import naive, structured
from tokenspace_benchmarks.shapes import GIVEN_SHAPES, MILLION, SHAPES, Shape, shapes
from tokenspace_kernels.dispatch import implementations, kernel


def sampler(
    model: TokenModel, grid: np.ndarray, name: str, statistics: tuple[str, ...], seconds: float
) -> Callable[[], Any]:
    """A call that draws for about `seconds`."""
    placed = place(plan(model, grid, name, statistics))
    placed.sample(0, 0, 1)
    started = time.perf_counter()
    placed.sample(0, 0, 2)
    blocks = max(2, int(2 * seconds / (time.perf_counter() - started)))
    return lambda: placed.sample(0, 0, blocks)["divergence"]


def _ours(
    model: TokenModel, shape: Shape, names: tuple[str, ...], quick: bool, psi: bool = False
) -> list[Contestant]:
    grid = log_grid(shape.tokens, shape.points)
    statistics = ("divergence", "correlations") if psi else ("divergence",)
    return [
        Contestant(
            name,
            True,
            partial(sampler, model, grid, name, statistics, 0.05 if quick else 0.3),
            work.replicate(choose(model, grid, statistics, name)),
        )
        for name in names
    ]


def _peers(branches: Branches, n: int, d: int, grid: np.ndarray) -> list[Contestant]:
    accelerator = on_accelerator()
    device = "cuda" if accelerator else "cpu"
    makers: list[tuple[str, Any]] = [
        ("NumPy, dense", naive.numpy_dense),
        ("JAX, dense", naive.jax_dense),
        ("NumPy SFC64, structured", structured.numpy_structured),
        ("JAX, structured", structured.jax_structured),
    ]
    if structured.has_mkl():
        makers.append(("MKL ARS-5, structured", structured.mkl_structured))
    if naive.torch is not None and (not accelerator or naive.torch.cuda.is_available()):
        torch_structured = partial(structured.torch_structured, device=device)
        makers += [
            ("PyTorch, dense", partial(naive.torch_dense, device=device)),
            ("PyTorch, structured", torch_structured),
        ]
        if accelerator:
            makers.append(
                ("PyTorch compiled, structured", partial(torch_structured, compiled=True))
            )
    if accelerator and find_spec("cupy"):
        makers.append(("CuPy, structured", structured.cupy_structured))
    return [Contestant(name, False, partial(make, branches, n, d, grid)) for name, make in makers]


def left_out() -> list[str]:
    """What could not be compared with or measured at its best, in words."""
    out = []
    if naive.torch is None:
        out.append("PyTorch is not installed: its peers are skipped (extra `peers`)")
    if platform.machine() in ("x86_64", "AMD64") and not structured.has_mkl():
        out.append("mkl_random is not installed: its peer is skipped (extra `peers`)")
    if on_accelerator() and not find_spec("cupy"):
        out.append("CuPy is not installed: its peer is skipped (extra `peers-gpu`)")
    if not on_accelerator() and not compiled_loops():
        out.append(
            "Numba is not installed: rates of arithmetic are those of XLA, which are below the "
            "machine's, and shares of the limit come out too large (extra `cpu`)"
        )
    return out


def sampling_cases(use: str) -> list[Case]:
    """D(n) only: every sampler against the naive and the best structured peers."""
    out = []
    for shape in shapes(use, SHAPES):
        n, d, grid = shape.tokens, shape.dim, log_grid(shape.tokens, shape.points)
        for kind in MEASURED:
            branches = BRANCHES[kind]
            names = ("tokens", "partial_sums", "collapsed")
            ours = _ours(TokenModel(branches, Isotropic(d)), shape, names, use == "quick")
            out.append(
                Case(
                    f"D(n), {kind}, N = {n}, d = {d}",
                    ours + _peers(branches, n, d, grid),
                    3 if use == "quick" else 9,
                )
            )
    return out


def psi_cases(use: str) -> list[Case]:
    """D(n) and realised psi's, tokens of both branches, under each token law."""
    out = []
    for shape in shapes(use, SHAPES):
        for law, value in LAWS.items():
            model = TokenModel(BRANCHES["equicorrelated"], Isotropic(shape.dim), value)
            out.append(
                Case(
                    f"D(n) and psi, {law}, N = {shape.tokens}, d = {shape.dim}",
                    _ours(model, shape, ("tokens",), use == "quick", psi=True),
                    3 if use == "quick" else 5,
                )
            )
    return out


def _given_pair(shape: Shape) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, shape.tokens, shape.dim), dtype=np.float32)
    return a, b


def _given(shape: Shape, grid: np.ndarray, implementation: str, psi: bool) -> Callable[[], Any]:
    a, b = _given_pair(shape)
    if implementation == "xla":
        a, b = jax.device_put(a), jax.device_put(b)
    measure = kernel("measure", implementation).call
    return lambda: measure(a, b, grid, psi)[0][None]


def numpy_given(shape: Shape, grid: np.ndarray) -> Callable[[], Any]:
    """Sums at the grid by NumPy: unit vectors formed, segments summed by reduceat."""
    a, b = _given_pair(shape)
    starts = np.concatenate([[0], grid[:-1]])

    def call() -> np.ndarray:
        u, v = (h / np.sqrt(np.einsum("nd,nd->n", h, h))[:, None] for h in (a, b))
        p, s, t = (np.cumsum(np.add.reduceat(x, starts, axis=0), axis=0) for x in (a - b, u, v))
        equal = np.cumsum(np.add.reduceat(np.einsum("nd,nd->n", u, v), starts))
        squares = [np.einsum("md,md->m", x, y) for x, y in ((p, p), (s, s), (t, t), (s, t))]
        return np.stack([*squares, equal])[None]

    return call


def given_token_cases(use: str) -> list[Case]:
    """Divergence and psi's of given tokens, seconds per pass over both branches."""
    out = []
    for shape in shapes(use, GIVEN_SHAPES):
        grid = log_grid(shape.tokens, shape.points)
        contestants = [
            Contestant(
                f"{what}, {implementation}",
                True,
                partial(_given, shape, grid, implementation, psi),
                work.given_tokens(shape.tokens, shape.dim, psi),
            )
            for implementation in implementations("measure")
            if implementation != "reference"
            for what, psi in (("divergence and psi", True), ("divergence", False))
        ]
        contestants.append(Contestant("NumPy", False, partial(numpy_given, shape, grid)))
        name = f"given tokens, N = {shape.tokens}, d = {shape.dim}"
        out.append(Case(name, contestants, 3 if use == "quick" else 15))
    return out


def million_token_cases(use: str) -> list[Case]:
    """A whole experiment, planning included, at a million tokens; seconds for all replicates."""
    if use != "full":
        return []
    grid = log_grid(MILLION.tokens, MILLION.points)
    models = {
        **{kind: BRANCHES[kind] for kind in MEASURED},
        "Matern 0.8": Branches(Matern(0.8, LENGTH)),
        "power law": Branches(PowerLaw(0.4)),
        "fractional Gaussian noise": Branches(FractionalGaussianNoise(0.8)),
        "blocks": Branches(Block(64)),
        "blocks x Matern 0.8": Branches(Block(64) * Matern(0.8, LENGTH)),
    }

    def whole(branches: Branches) -> Callable[[], Any]:
        model = TokenModel(branches, Isotropic(MILLION.dim))
        return lambda: simulate(model, grid, MILLION.replicates, sampler="collapsed").mean[None]

    name = f"{MILLION.replicates} replicates, N = {MILLION.tokens}, d = {MILLION.dim}"
    contestants = [
        Contestant(f"collapsed, {k}", True, partial(whole, b)) for k, b in models.items()
    ]
    return [Case(name, contestants, 3)]


def all_cases(use: str) -> list[Case]:
    """Every case for one use, "quick" or "full"."""
    return [
        *sampling_cases(use),
        *psi_cases(use),
        *given_token_cases(use),
        *million_token_cases(use),
    ]
