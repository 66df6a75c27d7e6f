"""Budgets of the kernels in Pallas, held by the compilers of devices that are not here."""

import re

import jax
import jax.numpy as jnp
import pytest

from tokenspace_benchmarks.ahead_of_time import compile_for, missing, sass, targets
from tokenspace_kernels import sample_divergence_gpu, sample_divergence_tpu
from tokenspace_kernels.pair_walk import PAIR
from tokenspace_kernels.sample_divergence import LinearBlocks

TOKENS, DIM, REPLICATES, POINTS = 1024, 1024, 1024, 33
NORMALS = TOKENS * DIM * REPLICATES
# Numbers of a feature's state: white; equicorrelated, AR(1) and blocks; Matern 3/2; Matern 5/2.
STATES = (0, 1, 2, 3)
H100_INSTRUCTIONS = {0: 75, 1: 75, 2: 85, 3: 85}  # a normal
# Of 4,194,304 normals, where the program that XLA makes takes 335,000 with one number of a state. A
# third of that is the budget; larger states miss it, and are held to what they took when written.
V5E_CYCLES = {0: 335_000 / 3, 1: 335_000 / 3, 2: 120_000, 3: 130_000}
V5E_SPILT = {0: 0, 1: 0, 2: 2, 3: 9}  # of 900 operations on vectors, beside them in the bundles


def arguments(states, tokens=TOKENS):
    def array(*shape, dtype=jnp.float32):
        return jax.ShapeDtypeStruct(shape, dtype)

    slots = 2
    pairs, rows = tokens // PAIR, slots + 1 + states
    term = LinearBlocks(array(pairs, rows, PAIR), array(pairs, rows, states), array(DIM))
    keys, where = array(REPLICATES, 2, dtype=jnp.uint32), array(POINTS, dtype=jnp.int32)
    return keys, (term,), where


def record(target, kernel, states):
    if why := missing(target):
        pytest.skip(why)
    return compile_for(target, kernel.sample_divergence, arguments(states), NORMALS)


def innermost_loop(code):
    """The instructions of the shortest loop that draws normals."""
    loops = [code[i.target : k + 1] for k, i in enumerate(code) if (i.target or k + 1) <= k]
    return min((x for x in loops if normals_of(x)), key=len)


def normals_of(instructions):
    return sum(i.opcode.startswith("MUFU.LG2") for i in instructions)  # one logarithm each


@pytest.mark.parametrize("states", STATES)
def test_h100(monkeypatch, states):
    kernels, parse = [], sass.parse
    monkeypatch.setattr(sass, "parse", lambda text: kernels.append(parse(text)) or kernels[-1])
    of = record("h100", sample_divergence_gpu, states)
    assert of.spills == 0
    assert of.temporaries <= 1 << 20
    assert of.launches_run <= 2
    assert of.registers <= 64  # so that half the threads that a multiprocessor has can be there
    (loop,) = [innermost_loop(code) for code in kernels if normals_of(code)]
    assert normals_of(loop) == PAIR * sample_divergence_gpu.FEATURES_A_THREAD
    assert len(loop) / normals_of(loop) <= H100_INSTRUCTIONS[states]


def loops_of(text):
    """Bundles of each loop without another inside, from libtpu's listing of a kernel."""
    parts, before = [[]], None
    for line in text.splitlines():
        found = re.match(r"\s*0x[0-9a-f]+\s*(\w\w)?\s*:\s*(>*)", line)
        if found and (found[1] == "LB" or found[2] != before):
            parts.append([])
        if found:
            parts[-1].append(line)
            before = found[2]
    return ["\n".join(part) for part in parts if any(" LB:" in line for line in part)]


def spilt(loop):
    """How many times a vector of normals or states waits in memory for want of registers."""
    return len(re.findall(r"vmem:\[#allocation\d+_spill", loop))


def cycles_of(loop):
    """Of 4,194,304 normals: one bundle a cycle, 1,024 normals for each logarithm of a vector."""
    drawn = 1024 * loop.count("vlog2.f32")
    return (loop.count("\n") + 1) * 4_194_304 / drawn if drawn else 0


@pytest.mark.parametrize("target", ["v5e", "v5p", "v6e"])
@pytest.mark.parametrize("states", STATES)
def test_tpu(target, states):
    of = record(target, sample_divergence_tpu, states)
    assert of.temporaries <= 1 << 20
    files = targets.dump_folder().glob("*-sample_divergence*-final_bundles.txt")
    text = max(files, key=lambda p: p.stat().st_mtime_ns).read_text()
    loops = [loop for loop in loops_of(text) if cycles_of(loop)]
    assert len(loops) == 2  # up to each grid point, and on to the end of a chunk
    if target == "v5e":
        assert max(map(cycles_of, loops)) <= V5E_CYCLES[states]
        assert max(map(spilt, loops)) <= V5E_SPILT[states]
