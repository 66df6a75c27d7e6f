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
from tokenspace.sampling.plan import draw_block
from tokenspace_kernels.random_bits import replicate_keys, seed_words

Samples = dict[str, np.ndarray]  # name -> (R, m)


@dataclass(frozen=True, eq=False)
class Placement:
    """A plan and the devices, of one host or of many, that take its blocks in turn.

    arrays: number of a device of this host -> what the plan needs there.
    """

    plan: Plan
    devices: Sequence[Any]
    arrays: dict[int, Any] = field(repr=False)

    def with_plan(self, plan: Plan) -> Placement:
        """The same arrays under a plan that differs in its blocks only."""
        return replace(self, plan=plan)

    def sample(self, seed: int, first: int, blocks: int) -> Samples:
        """Statistics of replicates first .. first + blocks * block, each (R, m) on every host."""
        plan, devices, many = self.plan, self.devices, jax.process_count() > 1
        if plan.kernels == "reference":
            keys = replicate_keys(seed, first, blocks * plan.block)
            return {k: np.asarray(v) for k, v in plan.draw(keys, plan.arrays).items()}
        end, words = first + blocks * plan.block, seed_words(seed)
        turns = range(first, end, len(devices) * plan.block)
        drawn = [  # dispatched at once, computed side by side
            draw_block(
                plan.draw,
                plan.block,
                words,
                jax.device_put(np.uint32(start + k * plan.block), devices[k]),
                arrays,
            )
            for start in turns
            for k, arrays in self.arrays.items()
            if start + k * plan.block < end or many
        ]
        out = {k: np.stack([np.asarray(d[k]) for d in drawn]) for k in drawn[0]}
        if many:
            out = {k: _gathered(v, len(turns)) for k, v in out.items()}
        return {k: v.reshape(-1, v.shape[-1])[: blocks * plan.block] for k, v in out.items()}


def place(plan: Plan, devices: Sequence[Any] | None = None) -> Placement:
    """Upload what a plan needs to the devices of this host; by default to the first one."""
    devices = jax.local_devices()[:1] if devices is None else devices
    own = [(k, d) for k, d in enumerate(devices) if d.process_index == jax.process_index()]
    on_host = plan.kernels == "reference"
    arrays = {} if on_host else {k: jax.device_put(plan.arrays, d) for k, d in own}
    return Placement(plan, devices, arrays)


def _gathered(x: np.ndarray, turns: int) -> np.ndarray:
    """Blocks of every host (turns * own devices, block, m) in the order of replicates."""
    whole = gather(x.reshape(turns, -1, *x.shape[1:]))
    return np.moveaxis(whole, 0, 1)
