"""`sample_divergence` for a TPU in Pallas: tokens live in registers only.

A program owns eight replicates, one a sublane, and a slice of the features along the lanes. It
walks over a chunk of the tokens, whose weights lie in scalar memory; what is carried to the next
chunk waits in vector memory, and so do ciphers between pairs: in registers they would leave too few
for the numbers. Squared norms of the slices add up in the output.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu

from tokenspace_kernels.pair_rows import Carry, Rows, Term
from tokenspace_kernels.pair_walk import PAIR, Walk, noise_of, require_pairs
from tokenspace_kernels.random_bits import PLAIN, Cipher
from tokenspace_kernels.sample_divergence import LinearBlocks
from tokenspace_kernels.streams import numbered

SUBLANES, LANES = 8, 128
LARGEST_SLICE = 512
CHUNK = 256  # pairs of tokens whose weights are in scalar memory together
WORDS = 11  # of a key: Threefry's start, and two for each group of four rounds


def _kernel(
    starts: Any,
    where: Any,
    keys: Any,
    *refs: Any,
    terms: tuple[tuple[int, int], ...],
    pairs: int,
) -> None:
    piece, chunk = pl.program_id(1), pl.program_id(2)
    first = chunk * pairs
    in_memory = 3 * len(terms)  # `memory_of` each term
    carried, words, first_words = (refs[k - in_memory :: 3] for k in range(3))
    *given, out = refs[:-in_memory]
    scales, left = given[: len(terms)], iter(given[len(terms) :])
    shape = scales[0].shape[0], SUBLANES, LANES
    feature = (lanes(shape) + piece * shape[0] * LANES).astype(jnp.uint32)
    group = pl.program_id(0)
    key = over_sublanes(keys, group, 0), over_sublanes(keys, group, 1)
    own = []
    for number, (size, scale) in enumerate(zip(terms, scales, strict=True)):
        rows = partial(weight, next(left), next(left) if size[1] else None, size[1], first)
        cipher = noise_of(key, numbered(number) if number else None, feature)
        for k, word in enumerate(words_of(cipher)):
            words[number][k] = word
        first_words[number][0], first_words[number][1] = cipher.x1, cipher.rotated
        own.append(Term(rows, *size, scale, cipher))

    def at_pair(pair: Any, carries: list[Carry], reports: int) -> Any:
        read = [
            term._replace(
                scale=term.scale[...], cipher=cipher_of([w[k] for k in range(WORDS)], x[0], x[1])
            )
            for term, w, x in zip(own, words, first_words, strict=True)
        ]
        return Rows(read, PLAIN).at_pair(pair, carries, reports)

    walk = Walk(at_pair, terms[0][0])

    @pl.when(chunk == 0)
    def _() -> None:
        for ref in carried:
            ref[...] = jnp.zeros_like(ref)

    @pl.when((chunk == 0) & (piece == 0))
    def _() -> None:
        out[...] = jnp.zeros_like(out)

    def write(k: Any, here: Any, at: jax.Array) -> None:
        point = lax.broadcasted_iota(jnp.int32, out.shape, 1)
        square = jnp.sum(jnp.sum(at * at, axis=0), axis=1, keepdims=True)
        out[...] += jnp.where((point == k) & here, square, 0.0)

    carries = [
        Carry(ref[0], tuple(ref[1 + i] for i in range(states)))
        for (_, states), ref in zip(terms, carried, strict=True)
    ]
    points = starts[chunk], starts[chunk + 1]
    done, carries = walk.report(points, first, carries, lambda k: where[k], write)
    # Nothing is reported after the last chunk.
    end = jnp.where(chunk == pl.num_programs(2) - 1, done, first + pairs)
    carries = walk.advance(done, end, carries)
    for ref, carry in zip(carried, carries, strict=True):
        for i, x in enumerate((carry.prefix, *carry.state)):
            ref[i] = x


def words_of(cipher: Cipher) -> list[jax.Array]:
    """The words of the key that a cipher adds."""
    return [cipher.start, *(word for both in cipher.added for word in both)]


def cipher_of(words: Sequence[jax.Array], x1: jax.Array, rotated: jax.Array) -> Cipher:
    """The cipher of `words_of` and first words of the features."""
    start, *rest = words
    return Cipher(start, tuple(zip(rest[::2], rest[1::2], strict=True)), x1, rotated)


def lanes(shape: tuple[int, int, int]) -> jax.Array:
    """Number of the feature of each element, over lanes and then over vectors."""
    vector, lane = (lax.broadcasted_iota(jnp.int32, shape, axis) for axis in (0, 2))
    return vector * LANES + lane


def over_sublanes(keys: Any, group: Any, word: int) -> jax.Array:
    """One word of the keys of eight replicates, each over the lanes of its sublane."""
    shape = (1, SUBLANES, LANES)
    row = lax.broadcasted_iota(jnp.int32, shape, 1)
    out = jnp.zeros(shape, jnp.uint32)
    for k in range(SUBLANES):
        out = jnp.where(row == k, keys[word, group * SUBLANES + k], out)
    return out


def weight(
    noise: Any, state: Any, states: int, first: Any, pair: Any, row: Any, column: int
) -> Any:
    if column < PAIR:
        return noise[row * PAIR + column, pair - first]
    return state[row * states + column - PAIR, pair - first]


def sample_divergence(
    keys: jax.Array,
    terms: tuple[LinearBlocks, ...],
    where: jax.Array,
    interpret: bool = False,
) -> jax.Array:
    """As `sample_divergence.sample_divergence`, for blocks of two tokens.

    Raises:
        ValueError: blocks of another size.
    """
    require_pairs("sample_divergence", terms[0].noise.shape[2])
    replicates, points = len(keys), len(where)
    blocks, dim = terms[0].noise.shape[0], terms[0].scale.shape[0]
    pairs = min(CHUNK, up(blocks, LANES))
    chunks = pl.cdiv(blocks, pairs)
    tile = min(LARGEST_SLICE, up(dim, LANES))
    sizes = tuple((t.slots, t.states) for t in terms)
    scales = [jnp.pad(t.scale, (0, up(dim, tile) - dim)).reshape(-1, 1, LANES) for t in terms]
    weights = [by_pair(w, chunks * pairs) for t in terms for w in (t.noise, t.state) if w.size]
    first = jnp.arange(chunks + 1, dtype=jnp.int32) * (pairs * sizes[0][0])
    starts = jnp.sum(
        where[None] < first[:, None], axis=1, dtype=jnp.int32
    )  # of a chunk's grid points
    groups = pl.cdiv(replicates, SUBLANES)
    scalars = pl.BlockSpec(memory_space=pltpu.SMEM)
    squared = pl.pallas_call(
        partial(_kernel, terms=sizes, pairs=pairs),
        out_shape=jax.ShapeDtypeStruct((groups * SUBLANES, points), jnp.float32),
        grid=(groups, pl.cdiv(dim, tile), chunks),
        in_specs=[
            scalars,
            scalars,
            scalars,
            *(pl.BlockSpec((tile // LANES, 1, LANES), lambda g, t, c: (t, 0, 0)) for _ in terms),
            *(
                pl.BlockSpec((len(w), pairs), lambda g, t, c: (0, c), memory_space=pltpu.SMEM)
                for w in weights
            ),
        ],
        out_specs=pl.BlockSpec((SUBLANES, points), lambda g, t, c: (g, 0)),
        scratch_shapes=[of_term for _, p in sizes for of_term in memory_of(p, tile // LANES)],
        compiler_params=pltpu.CompilerParams(
            dimension_semantics=("parallel", "arbitrary", "arbitrary")
        ),
        interpret=interpret,
        name="sample_divergence",
    )(
        starts,
        where.astype(jnp.int32),
        jnp.pad(keys.T, ((0, 0), (0, groups * SUBLANES - replicates))),
        *scales,
        *weights,
    )
    return jnp.sqrt(squared[:replicates])


def memory_of(states: int, vectors: int) -> tuple[Any, ...]:
    """Of a term: what is carried, words of its key, and first words, at the start and rotated."""
    return (
        pltpu.VMEM((1 + states, vectors, SUBLANES, LANES), jnp.float32),
        pltpu.VMEM((WORDS, 1, SUBLANES, LANES), jnp.uint32),
        pltpu.VMEM((2, vectors, SUBLANES, LANES), jnp.uint32),
    )


def up(number: int, multiple: int) -> int:
    return pl.cdiv(number, multiple) * multiple


def by_pair(weights: jax.Array, pairs: int) -> jax.Array:
    """Weights (blocks, rows, columns) as (rows * columns, pairs), as they lie in memory anyhow."""
    blocks = len(weights)
    return jnp.pad(weights.transpose(1, 2, 0).reshape(-1, blocks), ((0, 0), (0, pairs - blocks)))
