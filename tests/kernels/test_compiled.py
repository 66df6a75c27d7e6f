"""Budgets of the kernels in Pallas, held by the compilers of devices that are not here."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tokenspace.covariance import Gaussian, UnitNorm
from tokenspace_benchmarks.ahead_of_time import bundles, compile_for, missing, sass, targets
from tokenspace_kernels import (
    given_tokens_gpu,
    given_tokens_tpu,
    sample_divergence_gpu,
    sample_divergence_tpu,
    sample_statistics_gpu,
    sample_statistics_tpu,
)
from tokenspace_kernels.pair_walk import PAIR
from tokenspace_kernels.sample_divergence import LinearBlocks, TokenBlocks

TOKENS, DIM, REPLICATES, POINTS = 1024, 1024, 1024, 33
NORMALS = TOKENS * DIM * REPLICATES
# Numbers of a feature's state: white; equicorrelated, AR(1) and blocks; Matern 3/2; Matern 5/2.
STATES = (0, 1, 2, 3)
H100_INSTRUCTIONS = {0: 75, 1: 75, 2: 85, 3: 85}  # a normal
# Of 4,194,304 normals, where the program that XLA makes takes 335,000 with one number of a state. A
# third of that is the budget; larger states miss it, and are held to what they took when written.
V5E_CYCLES = {0: 335_000 / 3, 1: 335_000 / 3, 2: 119_000, 3: 129_500}
V6E_SPILT = {0: 0, 1: 0, 2: 0, 3: 3}  # vectors, at a grid point


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
    assert of.launches_run == 1  # after that which makes keys
    assert of.registers <= 64  # so that half the threads that a multiprocessor has can be there
    (loop,) = [innermost_loop(code) for code in kernels if normals_of(code)]
    assert normals_of(loop) == PAIR * sample_divergence_gpu.FEATURES_A_THREAD
    assert len(loop) / normals_of(loop) <= H100_INSTRUCTIONS[states]


def latest_bundles(kernel):
    """The loops of the kernel that libtpu compiled last, from its machine code."""
    files = targets.dump_folder().glob(f"*-{kernel}*-final_bundles.txt")
    return bundles.parse(max(files, key=lambda p: p.stat().st_mtime_ns).read_text())


def cycles_of(loop):
    """Of 4,194,304 normals: one bundle a cycle, 1,024 normals for each logarithm of a vector."""
    return loop.own * 4_194_304 / (bundles.VECTOR * loop.logarithms)


@pytest.mark.parametrize("target", ["v5e", "v5p", "v6e"])
@pytest.mark.parametrize("states", STATES)
def test_tpu(target, states):
    of = record(target, sample_divergence_tpu, states)
    assert of.temporaries <= 1 << 20
    loops = [x for x in latest_bundles("sample_divergence").all() if x.logarithms and not x.inner]
    assert len(loops) >= 2  # up to each grid point, on to a chunk's end; on a v5p at the point too
    if target == "v5e":
        assert max(map(cycles_of, loops)) <= V5E_CYCLES[states]
    assert of.spills <= (V6E_SPILT[states] if target == "v6e" else 0) * 4 * bundles.VECTOR


def statistics(target, kernel, law):
    """Of both branches with one number of a state, as equicorrelated, AR(1) and blocks have."""
    if why := missing(target):
        pytest.skip(why)

    def array(*shape, dtype=jnp.float32):
        return jax.ShapeDtypeStruct(shape, dtype)

    pairs, one = TOKENS // PAIR, 1
    shapes = ((PAIR, one), (PAIR, PAIR), (one, one), (one, PAIR))
    process = TokenBlocks(*(array(pairs, *shape) for shape in shapes))
    keys, where = array(REPLICATES, 2, dtype=jnp.uint32), array(POINTS, dtype=jnp.int32)
    ends = array(TOKENS // 64, 4, dtype=jnp.int32)
    of = (keys, process, process, array(DIM), ends, where)
    return compile_for(target, partial(kernel.sample_statistics, law=law), of, 2 * NORMALS)


LAWS = pytest.mark.parametrize("law", [Gaussian(), UnitNorm()], ids=str)


@LAWS
def test_h100_forms_tokens_in_registers(law):
    """The program that XLA makes takes 478 instructions a normal: held to a quarter."""
    of = statistics("h100", sample_statistics_gpu, law)
    assert of.spills == 0
    assert of.temporaries <= 1 << 20
    assert of.registers <= 128  # so that two replicates share a multiprocessor
    assert of.instructions_a_number <= 478 / 4


# Cycles of 4,194,304 normals in the programs that XLA makes for Gaussian tokens.
XLA_CYCLES = {"v5e": 568_368, "v5p": 406_420, "v6e": 351_367}
LEAST_GAIN = {"v5e": 4.75, "v5p": 6.8, "v6e": 2.97}
STATISTICS_SPILT = {"v5e": 0, "v5p": 0, "v6e": 7}  # vectors, in three loops; 620 once


@LAWS
@pytest.mark.parametrize("target", XLA_CYCLES)
def test_tpu_forms_tokens_in_vector_memory(target, law):
    of = statistics(target, sample_statistics_tpu, law)
    assert of.temporaries <= 1 << 20
    assert of.cycles * 4_194_304 / (2 * NORMALS) <= XLA_CYCLES[target] / LEAST_GAIN[target]
    assert of.spills <= STATISTICS_SPILT[target] * 4 * bundles.VECTOR


GIVEN, THREADS = 16_384, 256  # tokens of each branch; threads of a program that reads them


def given(target, kernel, dtype, dim=DIM):
    """One pair of sequences, with psi's, at a grid of 32 points that cut no piece."""
    if why := missing(target):
        pytest.skip(why)
    tokens = jax.ShapeDtypeStruct((GIVEN, dim), dtype)
    grid = np.arange(1, 33) * (GIVEN // 32)
    return compile_for(
        target, partial(kernel.measure, grid=grid), (tokens, tokens), 2 * GIVEN * dim
    )


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_h100_reads_given_tokens_once(monkeypatch, dtype):
    """The program that XLA makes starts 909 kernels, keeps 34 MB and takes 79 instructions."""
    kernels, parse = [], sass.parse
    monkeypatch.setattr(sass, "parse", lambda text: kernels.append(parse(text)) or kernels[-1])
    of = given("h100", given_tokens_gpu, dtype)
    assert of.spills == 0
    assert of.launches_run <= 4
    assert of.registers <= 168
    # Sums of 128 pieces, 12 bytes a feature, wait in the L2 for the second launch: 1.5 MiB.
    assert of.temporaries <= 7 << 18
    loops = [code[i.target : k + 1] for code in kernels for k, i in enumerate(code) if i.target]
    loop = next(x for x in loops if sum(i.opcode.startswith("MUFU.RSQ") for i in x))
    rows = given_tokens_gpu.rows_at_once(DIM)
    read = sum(16 for i in loop if i.opcode.startswith("LDG.E.128")) * THREADS
    assert sum(i.opcode.startswith("LDG") for i in loop) * 16 * THREADS == read
    assert read == 2 * rows * DIM * jnp.dtype(dtype).itemsize
    assert len(loop) * THREADS / (2 * rows * DIM) <= 79 / 4


# Cycles of a pass over the pair in the programs that XLA makes; vectors that wait for a register.
XLA_GIVEN = {"v5e": 3_312_430, "v5p": 2_145_408, "v6e": 1_992_428}
SPILT = {"float32": {"v5e": 0, "v5p": 0, "v6e": 1}, "bfloat16": dict.fromkeys(XLA_GIVEN, 1)}


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("target", XLA_GIVEN)
def test_tpu_reads_given_tokens_once(target, dtype):
    of = given(target, given_tokens_tpu, dtype)
    assert of.temporaries <= 1 << 20
    assert of.spills <= SPILT[dtype][target] * 4 * bundles.VECTOR
    loops = latest_bundles("measure").all()
    step = max((x.once for x in loops if x.trips is None and not x.inner), default=0)
    assert 0 < of.cycles + step * GIVEN / given_tokens_tpu.ROWS <= XLA_GIVEN[target] / 14


@pytest.mark.parametrize("itemsize", [2, 4])
def test_tpu_fetches_a_chunk_once(itemsize):
    """Pieces of a chunk follow each other, and what they read is what the one before read."""
    chunk = given_tokens_tpu.chunk_of(GIVEN, DIM, itemsize)
    grid = np.unique(np.geomspace(1, GIVEN, 33).astype(int))
    pieces, _ = given_tokens_tpu.cut(grid, (chunk,))
    number = pieces.first // chunk
    assert np.all((pieces.first + pieces.length - 1) // chunk == number)
    assert np.count_nonzero(np.diff(number, prepend=-1)) * chunk == GIVEN
