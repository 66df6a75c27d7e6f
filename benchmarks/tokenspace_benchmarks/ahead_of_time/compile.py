"""Compile a function for a device that is not here, and read off what its machine will have to do.

Everything in a `Record` is the compilers' word: nothing is run.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from tokenspace_benchmarks.ahead_of_time import gpu, hlo, launches, sass, tpu
from tokenspace_benchmarks.ahead_of_time.record import ONCE, WALKS, Record
from tokenspace_benchmarks.ahead_of_time.targets import Target, devices, dump_folder, target


def shapes_of(arguments: Any) -> Any:
    """Shapes and types of a tree of arrays; what has them already stays."""
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(np.shape(x), x.dtype), arguments)


def compile_for(
    name: str,
    f: Callable[..., Any],
    arguments: tuple[Any, ...],
    numbers: float,
    program: str = "",
    implementation: str = "xla",
    replicates: int = 1,
    shares: tuple[float, ...] = (),
) -> Record:
    """What the compilers of a device make of `f(*arguments)`.

    Args:
        name: "h100", "v5e", "v5p" or "v6e".
        f: a function of arrays that JAX can trace.
        arguments: arrays or `jax.ShapeDtypeStruct`s, in trees as f takes them.
        numbers: normals that a call draws (or given numbers that it reads).
        program, implementation: names for the record; replicates: that a call draws.
        shares: how often each branch is taken where f chooses among as many; without them the
            cheapest counts.

    Raises:
        InputError: the compilers are not installed; see `targets.missing`.
    """
    found = target(name)
    sharding = jax.sharding.SingleDeviceSharding(devices(name)[0])

    def call(*args: Any) -> Any:  # a new function each time: JAX keeps what it compiled before
        return f(*args)

    lowered = (
        jax.jit(call, in_shardings=sharding, out_shardings=sharding)
        .trace(*shapes_of(arguments))
        .lower(lowering_platforms=(found.lowering,))
    )
    if found.lowering == "cuda":
        with tempfile.TemporaryDirectory() as folder:
            compiled = lowered.compile(compiler_options={"xla_dump_to": folder})
            counts = _gpu(compiled, Path(folder), numbers, shares)
    else:
        compiled = lowered.compile()
        counts = _tpu(compiled, found, numbers, shares)
    memory = compiled.memory_analysis()
    moved = memory.argument_size_in_bytes + memory.output_size_in_bytes
    if found.lowering == "cuda" and memory.temp_size_in_bytes > gpu.L2:
        moved += 2 * memory.temp_size_in_bytes  # written to memory and read again
    seconds = {
        "bandwidth": moved / found.bandwidth,
        counts.pop("by"): counts["cycles"] / found.clock,
    }
    by = max(seconds, key=lambda k: seconds[k])
    return Record(
        program=program or getattr(f, "__name__", "program"),
        device=found.device,
        implementation=implementation,
        numbers=numbers,
        replicates=replicates,
        temporaries=memory.temp_size_in_bytes,
        arguments=memory.argument_size_in_bytes,
        outputs=memory.output_size_in_bytes,
        bound_numbers_per_s=numbers / seconds[by],
        bound_by=by,
        **counts,
    )


def _gpu(compiled: Any, dump: Path, numbers: float, shares: tuple[float, ...]) -> dict[str, Any]:
    """Launches, registers, spills, instructions and least cycles, from what XLA dumped."""
    code = {}
    for path in sorted(dump.glob("*.ptx")):
        ptx = path.read_text()
        if entry := sass.entry(ptx):
            code[entry] = sass.assemble(ptx)
    (text,) = dump.glob("*.thunk_sequence.txt")
    counted = {k: c.instructions for k, c in code.items()}
    program = hlo.parse(compiled.as_text())
    sequence = launches.sequence(text.read_text(), program, counted, shares)
    used = {k.kernel: code[k.kernel] for k in sequence.work.launches}
    notes = set(sequence.work.notes)
    walkers = [name for name, c in used.items() if c.walks]
    loops = sum(c.unknown_loops for c in used.values())
    if len(walkers) == 1:
        (name,) = walkers
        starts = [k for k in sequence.work.launches if k.kernel == name]
        each = numbers / sum(k.times * k.blocks * k.threads for k in starts)
        cheapest = min(used[name].walks, key=lambda w: w.total())
        counted[name] = counted[name] + Counter({k: n * each for k, n in cheapest.items()})
        notes.add(WALKS)
        loops -= len(used[name].walks)
    if loops:
        notes.add(ONCE)
    total: Counter[str] = Counter()
    by: Counter[str] = Counter()
    for launch in sequence.work.launches:
        threads = launch.times * launch.blocks * launch.threads
        for kind, n in counted[launch.kernel].items():
            total[kind] += threads * n / numbers  # type: ignore[assignment]
        cycles, most = gpu.cycles(launch, counted[launch.kernel])
        by[most] += launch.times * cycles  # type: ignore[assignment]
    return {
        "steps": sequence.steps,
        "launches_step": round(sequence.starts_step),
        "launches_run": round(sequence.work.starts),
        "registers": max((c.registers for c in used.values()), default=0),
        "spills": sum(c.spills for c in used.values()),
        "instructions": dict(sorted(total.items())),
        "cycles_step": None,
        "cycles": float(sum(by.values())),
        "by": max(by, key=lambda k: by[k], default="issue"),
        "notes": tuple(sorted(notes)),
    }


def _tpu(compiled: Any, found: Target, numbers: float, shares: tuple[float, ...]) -> dict[str, Any]:
    """Estimated cycles, from the program's text and its kernels' machine code."""
    counted = tpu.count(compiled.as_text(), dump_folder(), numbers / found.cores, shares)
    return {
        "steps": counted.steps,
        "launches_step": None,
        "launches_run": None,
        "registers": None,
        "spills": counted.spills,
        "instructions": None,
        "cycles_step": counted.step,
        "cycles": counted.run,
        "by": "cycles",
        "notes": counted.notes,
    }
