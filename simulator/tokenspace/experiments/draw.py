"""Drawing: the replicates of an experiment as a stream of chunks, on whatever devices there are.

What is done with them (progress, stopping, keeping, enough or not) is the business of who reads.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import jax

from tokenspace.errors import InputError
from tokenspace.experiments.devices import choose_devices, fit_block, is_out_of_memory
from tokenspace.experiments.experiment import DEFAULT, Execution, Experiment
from tokenspace.experiments.placement import Samples, place
from tokenspace.experiments.run import on_begun
from tokenspace.provenance import device_name
from tokenspace.sampling import Plan, plan

SECONDS_PER_CALL = 0.5  # device calls grow until they take about this long, so progress is live
BLOCKS_PER_CALL = 256  # over many hosts, where calls must be alike everywhere


@dataclass(frozen=True)
class Chunk:
    """Some more replicates: samples by name, the number drawn with them, and how they were drawn.

    The first chunk of a run that goes on from another has no samples.

    notes: what there is to say about the drawing so far.
    """

    samples: Samples
    done: int
    plan: Plan
    device: str
    notes: tuple[str, ...]


def draw(experiment: Experiment, execution: Execution = DEFAULT, first: int = 0) -> Iterator[Chunk]:
    """Draw the replicates of an experiment, chunk after chunk.

    The same experiment gives the same samples, in the same order, for every execution.

    Args:
        experiment: what to draw.
        execution: on which devices, and in how large calls.
        first: number of the first replicate to draw; those before it were drawn before.

    Yields:
        `Chunk`s, until `experiment.replicates` are drawn.

    Raises:
        InputError: there are no such devices, or a single replicate is too large for their memory.
        NotPositiveSemidefinite, UnsupportedSampler: see `tokenspace.sampling.plan`.
    """
    devices = choose_devices(execution.devices)
    prepared = plan(experiment.model, experiment.grid, experiment.sampler, experiment.statistics)
    prepared, notes = fit_block(prepared, devices, execution.max_memory)
    placed = place(prepared, devices)
    name, many_hosts = device_name(len(devices)), jax.process_count() > 1
    done, size = first, execution.batch_size
    if first > 0:
        notes = (*notes, *on_begun(first))
        yield Chunk({}, done, prepared, name, notes)
    blocks = len(devices) if size is None else max(1, size // prepared.block)
    while done < experiment.replicates:
        left = -(-(experiment.replicates - done) // prepared.block)
        started = time.perf_counter()
        try:
            drawn = placed.sample(experiment.seed, done, min(blocks, left))
        except Exception as error:
            if not is_out_of_memory(error) or many_hosts:
                raise
            if blocks > len(devices):
                blocks = len(devices)
                continue
            prepared = _smaller(prepared)
            placed = placed.with_plan(prepared)
            note = f"memory ran out: blocks of {prepared.block} replicates from {done} on"
            notes = (*notes, note)
            continue
        seconds = time.perf_counter() - started
        samples = {k: v[: experiment.replicates - done] for k, v in drawn.items()}
        done += len(samples["divergence"])
        yield Chunk(samples, done, prepared, name, notes)
        if many_hosts:
            blocks = min(2 * blocks, BLOCKS_PER_CALL)
        elif size is None and seconds < SECONDS_PER_CALL / 2:
            blocks *= 2


def _smaller(prepared: Plan) -> Plan:
    if prepared.block == 1:
        raise InputError(
            f"sampler {prepared.name!r} runs out of memory on {device_name()} with one "
            "replicate; use fewer tokens or features, or a sampler that needs neither: "
            "'partial_sums', 'collapsed'"
        ) from None
    return prepared.with_block(prepared.block // 2)
