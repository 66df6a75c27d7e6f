"""A prepared sampler on its devices: blocks of replicates in turn, factors uploaded once.

Each device runs the very program of a single device: one that XLA partitions itself (shard_map)
rounds differently in the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import numpy as np

from tokenspace.experiments.hosts import gather
from tokenspace.sampling import Plan
from tokenspace.sampling.plan import draw_block, draw_blocks, stacked
from tokenspace_kernels.random_bits import replicate_keys, seed_words

Samples = dict[str, np.ndarray]  # name -> (R, m)


@dataclass(frozen=True, eq=False)
class Placement:
    """A plan and the devices, of one host or of many, that take its blocks in turn.

    arrays: number of a device of this host -> what the plan needs there, None if drawn on the host.
    """

    plan: Plan
    devices: Sequence[Any]
    arrays: dict[int, Any] = field(repr=False)

    def with_plan(self, plan: Plan) -> Placement:
        """The same arrays under a plan that differs in its blocks only."""
        return replace(self, plan=plan)

    def sample(self, seed: int, first: int, blocks: int) -> Samples:
        """Statistics of replicates first .. first + blocks * block, each (R, m) on every host."""
        block, many = self.plan.block, jax.process_count() > 1
        end = first + blocks * block
        turns = range(first, end, len(self.devices) * block)
        own = [
            (start + k * block, k)
            for start in turns
            for k in self.arrays
            if start + k * block < end or many
        ]
        out = self._on_host(seed, own) if self.plan.on_host else self._on_devices(seed, own)
        if many:
            out = {k: _gathered(v, len(turns)) for k, v in out.items()}
        return {k: v.reshape(-1, v.shape[-1])[: blocks * block] for k, v in out.items()}

    def _on_devices(self, seed: int, own: list[tuple[int, int]]) -> Samples:
        """Blocks (blocks, block, m) from (first replicate, number of the device) on."""
        words = seed_words(seed)
        drawn = [  # dispatched at once, computed side by side
            draw_block(
                self.plan.draw,
                self.plan.block,
                words,
                jax.device_put(np.uint32(start), self.devices[k]),
                self.arrays[k],
            )
            for start, k in own
        ]
        return {k: np.stack([np.asarray(d[k]) for d in drawn]) for k in drawn[0]}

    def _on_host(self, seed: int, own: list[tuple[int, int]]) -> Samples:
        """As `_on_devices`, by the cores of this host together, whatever the devices are."""
        block = self.plan.block
        keys = np.concatenate([replicate_keys(seed, start, block) for start, _ in own])
        drawn = self.plan.draw(keys, self.plan.arrays)
        return {k: np.asarray(v).reshape(len(own), block, -1) for k, v in drawn.items()}


def place(plan: Plan, devices: Sequence[Any] | None = None) -> Placement:
    """Upload what a plan needs to the devices of this host; by default to the first one."""
    devices = jax.local_devices()[:1] if devices is None else devices
    own = [(k, d) for k, d in enumerate(devices) if d.process_index == jax.process_index()]
    arrays = {k: None if plan.on_host else jax.device_put(plan.arrays, d) for k, d in own}
    return Placement(plan, devices, arrays)


@dataclass(frozen=True, eq=False)
class Stack:
    """Plans of one shape and the devices, of one host or of many, that draw blocks of all of them.

    plan: the first, for what all have in common; slots: blocks that a device draws at once, by one
    program; arrays: number of a device of this host -> words of the seeds, stacked arrays.
    """

    plan: Plan
    devices: Sequence[Any]
    slots: int
    arrays: dict[int, Any] = field(repr=False)

    def with_slots(self, slots: int) -> Stack:
        """The same arrays, drawn in smaller parts."""
        return replace(self, slots=slots)

    def sample(self, items: Sequence[tuple[int, int]]) -> Samples:
        """Statistics of blocks (items, block, m) on every host, from (plan, first replicate) each.

        At most `slots` items a device; slots without an item repeat the last and are left out.
        """
        total = self.slots * len(self.devices)
        filled = np.array([*items, *[items[-1]] * (total - len(items))])
        used = range(-(-len(items) // self.slots)) if jax.process_count() == 1 else self.arrays
        drawn = [  # dispatched at once, computed side by side
            self._dispatch(k, filled[k * self.slots : (k + 1) * self.slots]) for k in used
        ]
        out = {k: np.concatenate([np.asarray(d[k]) for d in drawn]) for k in drawn[0]}
        if jax.process_count() > 1:
            out = {k: gather(v).reshape(total, *v.shape[1:]) for k, v in out.items()}
        return {k: v[: len(items)] for k, v in out.items()}

    def _dispatch(self, device: int, items: np.ndarray) -> dict[str, Any]:
        which, first = jax.device_put(
            (items[:, 0].astype(np.int32), items[:, 1].astype(np.uint32)), self.devices[device]
        )
        words, arrays = self.arrays[device]
        plan = self.plan
        return draw_blocks(plan.draw, plan.block, words, first, which, arrays, plan.fills_device)


def stack(plans: Sequence[Plan], seeds: Sequence[int], devices: Sequence[Any], slots: int) -> Stack:
    """Upload what plans of one shape need, in arrays as long as all slots: compiled once for all
    groups of that shape."""
    rows = max(slots * len(devices), len(plans))
    words = np.array([seed_words(s) for s in [*seeds, *[0] * (rows - len(plans))]]).T
    whole = ((words[0], words[1]), stacked(plans, rows))
    own = [(k, d) for k, d in enumerate(devices) if d.process_index == jax.process_index()]
    return Stack(plans[0], devices, slots, {k: jax.device_put(whole, d) for k, d in own})


def _gathered(x: np.ndarray, turns: int) -> np.ndarray:
    """Blocks of every host (turns * own devices, block, m) in the order of replicates."""
    whole = gather(x.reshape(turns, -1, *x.shape[1:]))
    return np.moveaxis(whole, 0, 1)
