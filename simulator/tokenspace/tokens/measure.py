"""The same quantities on token arrays that are given: hidden states of a model."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import psutil

from tokenspace.errors import InputError
from tokenspace.grids import as_grid, log_grid
from tokenspace.provenance import device_name, versions
from tokenspace.statistics.clusters import (
    Clusters,
    begin_clusters,
    padded,
    summary_of_clusters,
    update_clusters,
)
from tokenspace.statistics.result import Result, summarise
from tokenspace.statistics.streaming import Summary, begin, psi_of, summary, update
from tokenspace.tokens.bend import every_which, ratio_of, squares_of
from tokenspace.tokens.given import Array, both_branches, readable, require_sound, work_of
from tokenspace.tokens.mapped import forget, is_mapped
from tokenspace.tokens.pairs import Pairs, gathered, pairs_of
from tokenspace.tokens.pictures import said_of_near
from tokenspace.tokens.unequal import UnequalPairs, are_unequal, in_tiles, unequal_pairs_of
from tokenspace_kernels.dispatch import Kernel, kernel
from tokenspace_kernels.given_tokens import LEAST_SQUARE

PAIRS_AT_ONCE = 1024  # pairs whose values are added up at once
# Numbers that m token counts take, by m^2: moments, their covariances and copies; more where
# lengths differ, as slopes have moments of their own.
SQUARES, UNEQUAL_SQUARES = 70, 115
LEAST_FEATURES = 3  # of fewer, D is so small by chance as of pictures that are nearly the same


def divergence(a: Any, b: Any, grid: int | Sequence[int] | np.ndarray) -> np.ndarray:
    """D(n) = ||sum_{i<=n} (a_i - b_i)||_2 of given tokens.

    Args:
        a, b: arrays of shape (..., N, d).
        grid: token counts, or one N for a logarithmic grid.

    Returns:
        Shape (..., m), float32.

    Raises:
        InputError: shapes differ, values up to the last n are not finite, or the grid exceeds N.
    """
    a, b = readable(*both_branches(a, b))
    n = _checked_grid(grid, a.shape[-2])
    return _measured(_kernel_for(a, b), a, b, n, psi=False)["divergence"]


def correlations(a: Any, b: Any, grid: int | Sequence[int] | np.ndarray) -> dict[str, np.ndarray]:
    """Realised psi's of given tokens: psi_equal, psi_within, psi_cross, and what they are made of.

    psi_within is the mean of psi_cross_AA and psi_cross_BB, psi_delta = psi_within - psi_cross.

    Args:
        a, b: arrays of shape (..., N, d), no token zero.
        grid: token counts, or one N for a logarithmic grid.

    Returns:
        Name -> (..., m), float32; averages over pairs are NaN at n = 1, where they are undefined.

    Raises:
        InputError: as `divergence`, or a token up to the last n is zero.
    """
    a, b = readable(*both_branches(a, b))
    n = _checked_grid(grid, a.shape[-2])
    psi = _measured(_kernel_for(a, b), a, b, n, psi=True)
    del psi["divergence"]
    return psi_of(psi)


def measure(
    a: Any,
    b: Any = None,
    grid: int | Sequence[int] | np.ndarray | None = None,
    order: str | np.ndarray = "raster",
    seed: int = 0,
    *,
    pairs: str | None = None,
    groups: Any = None,
    progress: Callable[[int], None] | None = None,
) -> Result:
    """D(n) and realised psi's of many pairs of sequences, with errors over the pairs.

    Pairs that share a picture (or a prompt) are not independent: say so by `pairs` or `groups`, and
    every error is the jackknife's that leaves one picture at a time out, with K - 1 degrees of
    freedom for K pictures. Without either, pairs count as independent.

    Sequences may differ in length: as lists of arrays (n, d). A pair ends with its shorter one, and
    counts at the n that it reaches; `Result.counts` says how many do. What is made of several n is
    of the same pairs at each: exponents of those that reach both n, lambda and n_balance of
    `Result.reached`.

    Arrays that are mapped from disk (`numpy.load(path, "r")`) are read a block at a time: memory
    does not grow with them.

    Args:
        a, b: tokens, (pairs, N, d) or (N, d) for one pair; or lists of (n, d).
        grid: token counts; by default a logarithmic grid up to the longest pair.
        order: "raster" keeps the order given, "random" shuffles positions (one permutation a
            pair, the same in both branches; one for all pictures where all pairs of an array are
            taken), an integer array (N,) gives the order.
        seed: of the random order.
        pairs: "all" takes a as K >= 2 pictures (K, N, d), without b, and measures all K (K - 1) / 2
            pairs of them, in memory that does not grow with the pairs. A picture that is there
            twice, bit for bit, counts once.
        groups: what the pairs a, b share, as labels (pairs,), such as the prompt of each, or
            (pairs, 2), the two pictures of each. With pairs="all", what pictures share (K,);
            errors are NaN where one group is in every pair.
        progress: called with the number of pairs that are done, now and then.

    Returns:
        A `Result` without a model; each pair counts as a replicate. `reason` says what was left
        out for the errors; they are NaN for one pair. `notes` say which pictures do not count, and
            of how many pairs the pictures are nearly the same.

    Raises:
        InputError: as `correlations`; an order that is no permutation; groups of another shape, or
            one of the groups of a, b is in every pair; covariances across n would fill the memory.

    Source: `statistics.jackknife`, `statistics.clusters`.
    """
    given: Pairs | UnequalPairs
    if are_unequal(a, b):
        given = unequal_pairs_of(a, b, pairs, groups)
    elif isinstance(pairs, str) and pairs == "all" and is_mapped(a):  # files are read few times
        given = in_tiles(a, b, groups)
    else:
        given = pairs_of(a, b, pairs, groups)
    return measure_pairs(given, grid, order, seed, progress)


def measure_pairs(
    given: Pairs | UnequalPairs,
    grid: int | Sequence[int] | np.ndarray | None = None,
    order: str | np.ndarray = "raster",
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> Result:
    """As `measure`, of pairs whose shapes have been checked."""
    started = time.perf_counter()
    n = _checked_grid(given.longest if grid is None else grid, given.longest)
    _require_room(len(n), SQUARES if given.lengths is None else UNEQUAL_SQUARES)
    kernel_used = kernel("measure", work=given.work)
    seen, same, ratio = _summary(
        kernel_used, given, order, seed, n, progress or (lambda done: None)
    )
    named = order if isinstance(order, str) else "given"
    wide = given.work.dim >= LEAST_FEATURES
    near = said_of_near(seen) if wide and _in_both(given.members) else ""
    return summarise(
        seen,
        sampler="given tokens",
        method="one pass over the tokens",
        reason=f"{named} order" + (f"; {given.said}" if given.said else ""),
        kernels=kernel_used.implementation,
        device=device_name(),
        seed=seed if named == "random" else None,
        seconds=time.perf_counter() - started,
        versions=versions(),
        notes=tuple(filter(None, (given.note, _said_of_same(same, len(given)), near))),
        norm_ratio=ratio,
    )


def _summary(
    kernel_used: Kernel,
    given: Pairs | UnequalPairs,
    order: str | np.ndarray,
    seed: int,
    n: np.ndarray,
    progress: Callable[[int], None],
) -> tuple[Summary, int, float]:
    """Estimates, in how many pairs D is 0 at every n, and the ratio of norms of the branches."""
    raster = isinstance(order, str) and order == "raster"
    explain = partial(given.require_sound, int(n[-1]) if raster else None)
    clusters = None
    if given.members is not None:
        clusters = begin_clusters(n, given.members, given.lengths)
    state = begin(n, psi=True, unit=True)
    done, same, waiting, held = 0, 0, [], 0
    which = every_which(len(given), given.longest, given.work.dim)
    numbers, norms = np.arange(len(given)), np.zeros(2)
    exchanged = _in_both(given.members)
    for a, b, orders, now in given.blocks(order, seed, n):
        count = len(a)
        if not exchanged:
            norms += squares_of(a, b, numbers[now] % which == 0)
        if given.lengths is not None and not kernel_used.as_they_lie:  # XLA compiles every shape
            a, b, orders = (_filled(h) for h in (a, b, orders))
        reached = n[n <= a.shape[-2]]
        measured = _measured(kernel_used, a, b, reached, psi=True, explain=explain, orders=orders)
        measured = {k: v[:count] for k, v in measured.items()}
        done += count
        same += int(np.sum(~measured["divergence"].any(axis=1)))
        if clusters is None:
            state = update(state, measured)
        else:
            waiting.append((padded(measured, len(n)), now))
            held += count
            if held >= PAIRS_AT_ONCE:
                clusters, waiting, held = _counted(clusters, waiting, given.members), [], 0
        progress(done)
    if done < len(given):  # some end before the grid begins
        progress(len(given))
    if clusters is None:
        return summary(state), same, ratio_of(norms)
    if waiting:
        clusters = _counted(clusters, waiting, given.members)
    return summary_of_clusters(clusters), same, ratio_of(norms)


def _in_both(members: np.ndarray | None) -> bool:
    """Whether a group is in A of one pair and in B of another, as each of many pictures is.

    Groups of the very same pairs have one number, which is then on both sides of each of them.
    """
    if members is None:
        return False
    apart = members[members[:, 0] != members[:, -1]]
    return bool(np.isin(apart[:, 0], apart[:, -1]).any())


def _require_room(points: int, squares: int) -> None:
    """Refuse a grid of which covariances across n would fill the memory."""
    takes, free = 8 * squares * points**2, psutil.virtual_memory().available
    if takes > free:
        raise InputError(
            f"the grid has {points:,} token counts, and covariances between them take "
            f"{takes / 1e9:.3g} GB, where {free / 1e9:.3g} GB of memory are free; ask for at most "
            f"{int((free / 8 / squares) ** 0.5):,} token counts"
        )


def _said_of_same(same: int, pairs: int) -> str:
    if not same:
        return ""
    return (
        f"D(n) = 0 at every n in {same:,} of {pairs:,} pairs, which lowers the means: as of a "
        "picture cut short, or of two answers that are equal or begin alike"
    )


def _counted(clusters: Clusters, waiting: list[Any], members: Any) -> Clusters:
    """With the pairs that wait, which come as samples and their places."""
    samples = {k: np.concatenate([s[k] for s, _ in waiting]) for k in waiting[0][0]}
    return update_clusters(clusters, samples, np.concatenate([members[now] for _, now in waiting]))


def _measured(
    kernel_used: Kernel,
    a: Array,
    b: Array,
    n: np.ndarray,
    psi: bool,
    explain: Callable[[], None] | None = None,
    orders: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """What a kernel measures, or the reason why tokens have no such thing.

    Tokens are looked at one by one only if a result is not finite: looking takes far longer than
    measuring. `explain` looks at all of them, where a and b are some. Loops read tokens as they
    lie, in any order and format; for other kernels they are put in order (pairs, N) first.
    """
    more: dict[str, Any] = {}
    if kernel_used.as_they_lie:
        more = {"order": orders, "between": partial(forget, a, b)}
    else:
        if orders is not None:
            a, b = (gathered(h, orders[:, : n[-1]]) for h in (a, b))
        a, b = readable(a, b)
    with np.errstate(all="ignore"):
        d, correlations = kernel_used.call(a, b, n, psi=psi, **more)
    out = {k: np.asarray(v) for k, v in {"divergence": d, **correlations}.items()}
    defined = {k: v[..., n > 1] if k.startswith("psi_cross") else v for k, v in out.items()}
    if not all(np.isfinite(v).all() for v in defined.values()):
        if explain is not None:
            explain()
        require_sound(a[..., : n[-1], :], b[..., : n[-1], :], unit=psi)
        smallest, largest = (
            float(f([f(np.linalg.norm(np.asarray(h, np.float64), axis=-1)) for h in (a, b)]))
            for f in (np.min, np.max)
        )
        raise InputError(
            f"norms of tokens lie between {smallest:.3g} and {largest:.3g}; their squares, summed, "
            f"must lie between {LEAST_SQUARE:.0e} and 3e38, or float32 loses digits: multiply "
            "the tokens by a constant first; a power of 2 changes no digit"
        )
    return out


def _filled(h: Any) -> Any:
    """What pairs have, (pairs, ...), with the first repeated up to a power of two of them."""
    missing = 0 if h is None else (1 << (len(h) - 1).bit_length()) - len(h)
    return h if not missing else np.concatenate([h, np.repeat(h[:1], missing, axis=0)])


def _kernel_for(a: Array, b: Array) -> Kernel:
    return kernel("measure", work=work_of(a, b, tokens=a.shape[-2]))


def _checked_grid(grid: Any, tokens: int) -> np.ndarray:
    n = log_grid(int(grid)) if np.ndim(grid) == 0 and grid == tokens else as_grid(grid)
    if n[-1] > tokens:
        raise InputError(f"grid goes up to n = {n[-1]}, but there are {tokens} tokens")
    return n
