"""A sampler ready to run: what it draws with, and in which blocks.

Replicates are drawn in blocks of fixed size, each from keys that depend on the number of the
replicate only. Devices take whole blocks, so neither the batch nor their number changes a result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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


@partial(jax.jit, static_argnames=("draw", "block", "in_turn"))
def draw_blocks(
    draw: Draw,
    block: int,
    words: tuple[Any, Any],
    first: Any,
    which: Any,
    arrays: list[Any],
    in_turn: bool,
) -> dict[str, jax.Array]:
    """Statistics (items, block, m) of blocks of several plans of one shape, by one program.

    Args:
        words: of the seed of each plan, two (plans,).
        first: number of the first replicate of each item (items,).
        which: plan of each item (items,).
        arrays: what the plans need, from `stacked`.
        in_turn: items one after the other, for kernels that fill a device alone; all at once else.
    """
    leaves, tree = jax.tree.flatten(arrays)

    def one(item: tuple[Any, Any], shared_and_own: list[Any]) -> dict[str, jax.Array]:
        plan, start = item
        seed = words[0][plan], words[1][plan]
        return draw(keys_of(seed, start, block), jax.tree.unflatten(tree, shared_and_own))

    axes = [0 if _is_own(x) else None for x in leaves]
    if in_turn:
        pick = lambda plan: [x[plan] if _is_own(x) else x for x in leaves]  # noqa: E731
        return jax.lax.map(lambda item: one(item, pick(item[0])), (which, first))
    own = [x[which] if _is_own(x) else x for x in leaves]
    return jax.vmap(one, in_axes=(0, axes))((which, first), own)


def _is_own(array: Any) -> bool:
    """Whether each plan of one shape has numbers of its own here; layouts (integers) are shared."""
    return jnp.issubdtype(array.dtype, jnp.inexact)


def shape_of(plan: Plan) -> tuple[Any, ...]:
    """What plans have in common that one program draws: all but the values of their numbers."""
    leaves, tree = jax.tree.flatten(plan.arrays)
    forms = [(x.shape, x.dtype.str, b"" if _is_own(x) else x.tobytes()) for x in leaves]
    return plan.draw, plan.kernels, plan.block, tree, tuple(forms)


def stacked(plans: Sequence[Plan], rows: int) -> Any:
    """Arrays of plans of one shape for `draw_blocks`, (rows, ...): further rows are the last's."""
    last = [plans[-1].arrays] * (rows - len(plans))
    return jax.tree.map(
        lambda *x: np.stack(x) if _is_own(x[0]) else x[0], *(p.arrays for p in plans), *last
    )


@dataclass(frozen=True)
class Plan:
    """A sampler ready to run.

    method: how it correlates tokens; kernels: which implementation of the kernels draws; elements:
    random numbers of a replicate in flight; draw: (keys, arrays) -> name -> (block, m); arrays:
    NumPy's, uploaded where they are used; name, reason: which sampler, and why it was chosen; most:
    a cap on the block, below what the problem sets.
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
    def fills_device(self) -> bool:
        """Whether one block takes the whole device, so that several are drawn in turn."""
        return self.kernels == "pallas"

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
    return Plan(
        method, drawer.implementation, elements, draw, (_for_device(arrays), _of_float32(law))
    )


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
    total, difference = parts
    arrays = {
        "total": total,
        "difference": difference,
        "scale": scale,
        "ends": layout.ends,
        "where": layout.where,
        "grid": grid,
    }
    arrays = {**_for_device(arrays), "law": _of_float32(law)}
    return Plan(method, drawer.implementation, elements, Statistics(drawer.call, psi), arrays)


def _for_device(arrays: Any) -> Any:
    """Numbers in float32 and counts in int32, as NumPy's arrays: placing them uploads them."""

    def converted(x: Any) -> np.ndarray:
        kind = np.float32 if np.issubdtype(np.asarray(x).dtype, np.floating) else np.int32
        return np.asarray(x, kind)

    return jax.tree.map(converted, arrays)


def _of_float32(law: TokenLaw) -> TokenLaw:
    """A law with its numbers in float32, so that a sweep over them compiles once."""
    return jax.tree.map(np.float32, law)
