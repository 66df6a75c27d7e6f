"""Scale on paper: the same program on many chips must not talk in its loops.

Devices take whole blocks of replicates, each by the very program of a single device
(`experiments.placement`); samples are gathered once, at the end. Compiled as one program over all
chips, that leaves one gather outside every loop.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding, PartitionSpec

from tokenspace_benchmarks.ahead_of_time import hlo, tpu
from tokenspace_benchmarks.ahead_of_time.compile import shapes_of
from tokenspace_benchmarks.ahead_of_time.targets import devices, dump_folder, target

CHIPS = (4, 16)
AXIS = "replicates"


class Sharded(NamedTuple):
    """A program over many chips: kinds of communication in it and in its loops, bytes of
    temporaries on each chip, and cycles of a call on each (TPU).
    """

    program: str
    implementation: str
    device: str
    chips: int
    collectives: list[str]
    collectives_in_loops: list[str]
    temporaries: int
    cycles: float | None


def compile_sharded(
    name: str,
    chips: int,
    program: str,
    implementation: str,
    call: Callable[..., Any],
    arguments: tuple[Any, ...],
    numbers: float,
) -> Sharded:
    """Compile `call(words, first, arrays)` for every chip of a target, first replicates sharded.

    call: `draw_block` of a plan and a block, which draws `numbers` normals; each chip draws the
    block after that of the one before it.
    """
    found = target(name)
    mesh = jax.make_mesh(
        (chips,), (AXIS,), devices=devices(name, chips), axis_types=(jax.sharding.AxisType.Auto,)
    )
    words, _, arrays = arguments
    firsts = jax.ShapeDtypeStruct((chips,), jnp.uint32)
    everywhere, along = PartitionSpec(), PartitionSpec(AXIS)

    def each(words: Any, firsts: jax.Array, arrays: Any) -> Any:
        return call(words, firsts[0], arrays)

    over_chips = jax.shard_map(
        each,
        mesh=mesh,
        in_specs=(everywhere, along, everywhere),
        out_specs=along,
        check_vma=False,
    )
    shardings = tuple(NamedSharding(mesh, s) for s in (everywhere, along, everywhere))
    compiled = (
        jax.jit(over_chips, in_shardings=shardings, out_shardings=NamedSharding(mesh, everywhere))
        .trace(*shapes_of((words,)), firsts, *shapes_of((arrays,)))
        .lower(lowering_platforms=(found.lowering,))
        .compile()
    )
    text = compiled.as_text()
    parsed = hlo.parse(text)
    return Sharded(
        program,
        implementation,
        found.device,
        chips,
        hlo.collectives(parsed),
        hlo.collectives(parsed, in_loops=True),
        compiled.memory_analysis().temp_size_in_bytes,
        tpu.count(text, dump_folder(), numbers / found.cores).run
        if found.lowering == "tpu"
        else None,
    )
