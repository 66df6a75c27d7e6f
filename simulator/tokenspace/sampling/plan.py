"""A sampler ready to run: what it draws with, and in which blocks.

Replicates are drawn in blocks of fixed size, each from keys that depend on the number of the
replicate only. Devices take whole blocks, so neither the batch nor their number changes a result.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tokenspace.covariance import TokenLaw
from tokenspace_kernels.blocks import Blocks
from tokenspace_kernels.dispatch import ON_HOST, Kernel
from tokenspace_kernels.given_tokens import psi_from_reports
from tokenspace_kernels.random_bits import keys_of

# Random numbers in flight: on a CPU enough to vectorise and small enough for caches; an accelerator
# needs more to be busy, and more than its launches take.
BLOCK_ELEMENTS = {"cpu": 1 << 19}
ACCELERATOR_BLOCK_ELEMENTS = 1 << 22
LARGEST_BLOCK = 1024
TOKEN_BLOCK = 64  # tokens drawn and measured together
COPIES = 8  # float32 arrays of that size alive at once, in the samplers that keep most


@dataclass(frozen=True)
class Divergences:
    """Draw D at the grid, times what the token law does to each replicate as a whole."""

    draw: Callable[..., jax.Array]

    def __call__(self, keys: Any, arrays: Any) -> dict[str, jax.Array]:
        of_kernel, law = arrays
        return {"divergence": _scaled(self.draw(keys, *of_kernel), law, keys)}


@dataclass(frozen=True)
class Statistics:
    """Draw D and, with `psi`, the realised psi's at the grid from a kernel's reports."""

    draw: Callable[..., Any]
    psi: bool

    def __call__(self, keys: Any, arrays: dict[str, Any]) -> dict[str, jax.Array]:
        names = ("total", "difference", "scale", "ends", "where", "law")
        reports = self.draw(keys, *(arrays[k] for k in names))
        d = jnp.sqrt(reports.squared_divergence)
        psi = psi_from_reports(reports, arrays["grid"]) if self.psi else {}
        psi = {k: v.astype(jnp.float32) for k, v in psi.items()}  # as samples travel between hosts
        return {"divergence": _scaled(d, arrays["law"], keys)} | psi


Draw = Divergences | Statistics


def _scaled(d: Any, law: TokenLaw, keys: Any) -> Any:
    """D (R, m) times w of each pair as a whole; on the host with one compilation for every R."""
    if isinstance(keys, jax.core.Tracer):
        w = law.of_pair(keys)
        return d if w is None else d * w
    parts = np.resize(keys, (-(-len(keys) // LARGEST_BLOCK), LARGEST_BLOCK, 2))
    each: list[Any] = [_of_pair(law, part) for part in parts]
    return d if each[0] is None else np.asarray(d) * np.concatenate(each)[: len(keys)]


@jax.jit
def _of_pair(law: TokenLaw, keys: jax.Array) -> jax.Array | None:
    return law.of_pair(keys)


@partial(jax.jit, static_argnames=("draw", "block"))
def draw_block(
    draw: Draw, block: int, words: tuple[Any, Any], first: Any, arrays: Any
) -> dict[str, jax.Array]:
    """Statistics (block, m) of the replicates from `first` on.

    Compiled once for all plans of one kernel and shapes, so a sweep compiles only what differs.
    """
    return draw(keys_of(words, first, block), arrays)


@dataclass(frozen=True)
class Plan:
    """A sampler ready to run.

    method: how it correlates tokens; kernels: which implementation of the kernels draws; elements:
    random numbers of a replicate in flight; draw: (keys, arrays) -> name -> (block, m); name,
    reason: which sampler, and why it was chosen; most: a cap on the block, below what the problem
    sets.
    """

    method: str
    kernels: str
    elements: int
    draw: Draw
    arrays: Any
    name: str = ""
    reason: str = ""
    most: int = LARGEST_BLOCK

    @property
    def on_host(self) -> bool:
        """Whether it is drawn by calls on the host, for any number of replicates at once."""
        return self.kernels in ON_HOST

    @property
    def block(self) -> int:
        """Replicates drawn together, a power of two, set by the problem and not by the batch."""
        return self.block_on(jax.default_backend())

    def block_on(self, platform: str) -> int:
        """The same on devices of another platform: "cpu", "gpu" or "tpu"."""
        elements = BLOCK_ELEMENTS.get(platform, ACCELERATOR_BLOCK_ELEMENTS)
        fitting = max(1, elements // max(self.elements, 1))
        return min(1 << (fitting.bit_length() - 1), self.most)

    @property
    def bytes_of_block(self) -> int:
        """Working memory of a block on its device, an upper estimate."""
        return 4 * COPIES * self.block * self.elements

    def with_block(self, most: int) -> Plan:
        """The same with blocks of at most that many replicates, for less memory."""
        return replace(self, most=max(1, most))


def divergence_plan(drawer: Kernel, law: TokenLaw, arrays: Any, method: str, elements: int) -> Plan:
    """The plan of a kernel that gives D at the grid; the law may scale each pair as a whole."""
    draw = Divergences(drawer.call)
    return Plan(method, drawer.implementation, elements, draw, (arrays, _on_device(law)))


def statistics_plan(
    drawer: Kernel,
    law: TokenLaw,
    scale: np.ndarray,
    layout: Blocks,
    parts: tuple[Any, Any],
    grid: np.ndarray,
    psi: bool,
    method: str,
    elements: int,
) -> Plan:
    """The plan of a kernel that forms tokens of both branches and reports at the grid.

    scale: square roots of eigenvalues, (d,) or (terms, d); parts: what draws the sum and the
    difference of the branches; psi: whether psi's are wanted.
    """
    total, difference = (jax.tree.map(jnp.asarray, part) for part in parts)
    arrays = {
        "total": total,
        "difference": difference,
        "scale": jnp.asarray(scale, jnp.float32),
        "ends": jnp.asarray(layout.ends),
        "where": jnp.asarray(layout.where),
        "law": _on_device(law),
        "grid": jnp.asarray(grid),
    }
    return Plan(method, drawer.implementation, elements, Statistics(drawer.call, psi), arrays)


def _on_device(law: TokenLaw) -> TokenLaw:
    """A law with its numbers in float32, so that a sweep over them compiles once."""
    return jax.tree.map(jnp.float32, law)
