"""`sample_divergence` for a GPU in Pallas: tokens live in registers only.

A program owns one replicate and a slice of the features and walks over all tokens; it writes D at
each grid point, or where there are several slices the squared norm of its own, and a second launch
adds them.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.experimental import pallas as pl

from tokenspace_kernels.pair_rows import Carry, Rows, Term
from tokenspace_kernels.pair_walk import PAIR, Walk, noise_of, require_pairs
from tokenspace_kernels.random_bits import NORMAL_HALF, PLAIN, Arithmetic
from tokenspace_kernels.sample_divergence import LinearBlocks
from tokenspace_kernels.streams import numbered

FEATURES_A_THREAD = 4  # independent chains that hide the latency of each other
WARP = 32
LARGEST_SLICE = 1024


def _assembly(code: str, *args: Any) -> jax.Array:
    """PTX for each element of the arguments, which stand in the code as {0}, {1}, ..."""
    from jax.experimental.pallas import triton

    shape, dtype = next((a.shape, a.dtype) for a in args if np.ndim(a))
    arrays, names = [], []
    for a in args:
        if isinstance(a, np.floating):  # written into the code
            names.append(f"0f{np.float32(a).view(np.uint32):08X}")
        else:
            arrays.append(jnp.broadcast_to(a, shape))
            names.append(f"${len(arrays)}")
    # Results of unsigned type confuse the lowering of loops.
    letter, kind = ("f", jnp.float32) if dtype == jnp.float32 else ("r", jnp.int32)
    (out,) = triton.elementwise_inline_asm(
        code.format(*names),
        args=arrays,
        constraints=f"=&{letter}" + f",{letter}" * len(arrays),
        pack=1,
        result_shape_dtypes=[jax.ShapeDtypeStruct(shape, kind)],
    )
    return lax.bitcast_convert_type(out, dtype)


# Opaque to the compiler, which else rearranges the sums of a cipher's rounds into twice as many.
add = partial(_assembly, "add.u32 $0, {0}, {1};")
multiply_add = partial(_assembly, "fma.rn.f32 $0, {0}, {1}, {2};")


def _position(u: jax.Array) -> jax.Array:
    # One rounding for 1 - u^2. The hardware's logarithm is off by 2^-22 at most where its argument
    # is above 1/2: there z / u hardly depends on it.
    log2 = _assembly(
        "neg.f32 $0, {0}; fma.rn.f32 $0, $0, {0}, 0f3F800000; lg2.approx.ftz.f32 $0, $0;", u
    )
    return multiply_add(log2, np.float32(-np.log(2) / NORMAL_HALF), np.float32(-1))


FUSED = Arithmetic(add, multiply_add, _position)


def _kernel(
    *refs: Any, terms: tuple[tuple[int, int], ...], dim: int, tile: int, arithmetic: Arithmetic
) -> None:
    keys, where, *weights, out = refs
    replicate, piece = pl.program_id(0), pl.program_id(1)
    lane = lax.broadcasted_iota(jnp.int32, (tile,), 0) + piece * tile
    inside, feature = jnp.minimum(lane, dim - 1), lane.astype(jnp.uint32)
    key = keys[replicate, 0], keys[replicate, 1]
    own, left = [], iter(weights)
    for number, (slots, states) in enumerate(terms):
        scale, noise, state = next(left), next(left), next(left) if states else None
        own.append(
            Term(
                partial(weight, noise, state),
                slots,
                states,
                jnp.where(lane < dim, scale[inside], 0.0),
                noise_of(key, numbered(number) if number else None, feature),
            )
        )
    points = jnp.int32(out.shape[2])

    def write(point: Any, here: Any, at: jax.Array) -> None:
        squared = jnp.sum(at * at)
        found = squared if out.shape[1] > 1 else jnp.sqrt(squared)
        put(out, (replicate, piece), point, here, found)

    zero = jnp.zeros(tile, jnp.float32)
    carries = [Carry(zero, (zero,) * states) for _, states in terms]
    Walk(Rows(own, arithmetic).at_pair, terms[0][0]).report(
        (jnp.int32(0), points), jnp.int32(0), carries, lambda k: where[k], write
    )


def put(out: Any, row: tuple[Any, ...], point: Any, here: Any, x: Any) -> None:
    """Writes x into a row, where the point is here: one thread reads and writes what is there."""
    at = *row, jnp.minimum(point, out.shape[-1] - 1)
    out[at] = jnp.where(here, x, out[at])


def weight(noise: Any, state: Any, pair: Any, row: Any, column: int) -> Any:
    return noise[pair, row, column] if column < PAIR else state[pair, row, column - PAIR]


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
    dim = terms[0].scale.shape[0]
    tile = min(LARGEST_SLICE, max(WARP, pl.next_power_of_2(dim)))
    pieces = pl.cdiv(dim, tile)
    sizes = tuple((t.slots, t.states) for t in terms)
    weights = [x for t in terms for x in (t.scale, t.noise, t.state) if x.size]
    found = pl.pallas_call(
        partial(
            _kernel,
            terms=sizes,
            dim=dim,
            tile=tile,
            arithmetic=PLAIN if interpret else FUSED,
        ),
        out_shape=jax.ShapeDtypeStruct((len(keys), pieces, len(where)), jnp.float32),
        grid=(len(keys), pieces),
        compiler_params=None if interpret else parameters(tile),
        interpret=interpret,
        name="sample_divergence",
    )(keys, where.astype(jnp.int32), *weights)
    return found[:, 0] if pieces == 1 else jnp.sqrt(jnp.sum(found, axis=1))


def parameters(tile: int) -> Any:
    from jax.experimental.pallas import triton

    warps = max(1, tile // (WARP * FEATURES_A_THREAD))
    return triton.CompilerParams(num_warps=warps, num_stages=1)
