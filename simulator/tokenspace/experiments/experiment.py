"""What is asked for and how it is computed, as two values; a point of a sweep is the first, named.

Every range is declared here, once, by `parameter`: the tables of a configuration, `simulate` and
Python users are checked by the same declarations. They serve JAX PyTrees and listings as well,
which is why this and not a second system for tables of files is the one source of ranges.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import InitVar, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tokenspace.covariance import SumModel, TokenModel
from tokenspace.errors import InputError
from tokenspace.experiments.canonical import Memo, hash_of, model_tables, sources
from tokenspace.experiments.names import samplers_of
from tokenspace.grids import LARGEST, as_grid
from tokenspace.parameters import Parameter, parameter, parameters_of
from tokenspace.sampling import STATISTICS, known_sampler, known_statistics
from tokenspace.statistics.amplitude import wants_logs
from tokenspace.statistics.control import ESTIMATORS, chosen_estimator

INDEPENDENT = "independent"
LARGEST_COUNT = 2**32  # replicates are numbered by 32 bits


@dataclass(frozen=True)
class Tokens:
    """[tokens] of a configuration: how many tokens, and at how many counts n to report."""

    count: int = parameter("number of tokens N", at_least=1, at_most=LARGEST, integer=True)
    points: int = parameter(
        "points of the grid", default=33, at_least=1, at_most=100_000, integer=True
    )
    grid: list[int] | None = parameter(
        "token counts that ascend from >= 1 to count, a list", default=None, number=False
    )


@dataclass(frozen=True)
class Sweep:
    """[sweep] of a configuration: how axes combine, and what if a point's model does not exist."""

    mode: str = parameter("how axes combine", default="grid", choices=("grid", "zip"))
    invalid: str = parameter(
        "what becomes of points whose values do not go together",
        default="refuse",
        choices=("refuse", "skip"),
    )


@dataclass(frozen=True, eq=False)
class Experiment:
    """A model, a grid and how often which statistics of it are drawn: all that decides numbers.

    Two experiments are equal when their fingerprints are.

    Args:
        model: what the tokens are.
        grid: token counts n at which D is reported, or one N for a logarithmic grid 1..N; kept as
            ascending numbers (m,).
        replicates: number of Monte Carlo draws (the most, when a target is given), 1..2^32.
        seed: 0 <= seed < 2^64, or "independent": a number derived from all the rest, so that
            different experiments are independent evidence. Kept as the number.
        sampler: a sampler's name, or "auto".
        statistics: some of "divergence" (always drawn) and "correlations".
        target_relative_error: stop below this standard error of every E[D(n)], relative to it.
        estimator: of E[D], "auto", "mean" or "control"; kept as one of the latter two.
        memo: shares work with experiments of which parts are the same objects; not kept.

    Raises:
        InputError, UnsupportedSampler: a value outside its range.
        NotPositiveSemidefinite: the model does not exist at that many tokens.
    """

    model: TokenModel | SumModel = parameter("the token model", number=False)
    grid: Any = parameter("token counts n", number=False)
    replicates: int = parameter(
        "number of Monte Carlo draws", at_least=1, at_most=LARGEST_COUNT, integer=True
    )
    seed: Any = parameter(
        "seed of the random numbers",
        default=0,
        at_least=0,
        at_most=2**64 - 1,
        integer=True,
        words=(INDEPENDENT,),
    )
    sampler: str = parameter("name of a sampler, or 'auto'", default="auto", number=False)
    statistics: Sequence[str] = parameter(
        f"a list of some of {', '.join(map(repr, STATISTICS))}",
        default=("divergence",),
        number=False,
    )
    target_relative_error: float | None = parameter(
        "relative standard error to stop at", default=None, above=0, below=1
    )
    estimator: str = parameter("estimator of E[D]", default="auto", choices=ESTIMATORS)
    memo: InitVar[Memo | None] = None

    def __post_init__(self, memo: Memo | None) -> None:
        if not isinstance(self.model, (TokenModel, SumModel)):
            raise InputError(
                f"model must be a TokenModel, not {type(self.model).__name__}; "
                "e.g. TokenModel(equicorrelated(0.2, 0.3, 0.1), Isotropic(1024))"
            )
        known_sampler(self.sampler)
        _check_ranges(self)
        grid = self.grid
        if memo is None or id(grid) not in memo:  # else an experiment before made sure of it
            grid = as_grid(grid)
            grid = grid if not grid.flags.writeable else grid.copy()
            grid.flags.writeable = False
        _set(self, grid=grid, statistics=known_statistics(self.statistics))
        _set(self, estimator=chosen_estimator(self.estimator, self.model))
        _set(self, replicates=int(self.replicates))
        if self.target_relative_error is not None and wants_logs(self.model):
            raise InputError(
                f"target_relative_error = {self.target_relative_error!r} is not allowed for "
                f"{self.model.law!r}: D has no variance, so its mean has no error; leave it out"
            )
        self.model.require_valid(int(grid[-1]))
        seed = self.seed
        if seed == INDEPENDENT:
            memo = {} if memo is None else memo
            seed = int(hash_of(self._tables(memo), self.sources(), memo), 16)
        _set(self, seed=int(seed))

    def canonical(self) -> dict[str, Any]:
        """The experiment as plain tables with every default written out, as JSON keeps it."""
        return self._tables({})

    def _tables(self, memo: Memo) -> dict[str, Any]:
        target = self.target_relative_error
        return {
            "tokens": _grid_table(self.grid, memo),
            **model_tables(self.model, memo),
            "run": {
                "replicates": self.replicates,
                "seed": self.seed,
                "sampler": self.sampler,
                "statistics": list(self.statistics),
                "target_relative_error": None if target is None else float(target),
                "estimator": self.estimator,
            },
        }

    def sources(self) -> list[list[str]]:
        """[class, digest of its source] of the classes of model and sampler that are not ours."""
        return self._sources

    @cached_property
    def _sources(self) -> list[list[str]]:
        return sources(self.model, samplers_of(self.sampler))

    def compute_fingerprint(self, memo: Memo | None = None) -> str:
        """`fingerprint`, sharing work with experiments of which parts are the same objects."""
        memo = {} if memo is None else memo
        return hash_of(self._tables(memo), self.sources(), memo)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the canonical tables, of the format, and of the source of foreign classes."""
        return self.compute_fingerprint()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Experiment) and self.fingerprint == other.fingerprint

    def __hash__(self) -> int:
        return hash(self.fingerprint)


@dataclass(frozen=True)
class Execution:
    """How an experiment is computed; nothing here decides a number, but for rounding of blocks.

    Args:
        devices: how many devices share the replicates; by default all that JAX sees.
        batch_size: replicates per device call; by default as many as take about half a second.
        max_memory: bytes that a device may use for sampling; by default most of what is free.

    Raises:
        InputError: a value outside its range. Whether there are so many devices is seen when
            they are used.
    """

    devices: int | None = None
    batch_size: int | None = parameter(
        "replicates per device call", default=None, at_least=1, at_most=LARGEST_COUNT, integer=True
    )
    max_memory: float | None = parameter("bytes on a device", default=None, above=0)

    def __post_init__(self) -> None:
        _check_ranges(self)


@dataclass(frozen=True)
class Point:
    """One experiment of a sweep: its label, the values of its axes, and the name of its file."""

    label: str
    axes: dict[str, Any]
    experiment: Experiment
    key: str


def specifications(cls: type, *left_out: str) -> dict[str, tuple[Parameter, Any]]:
    """Name -> (meaning and range, default or MISSING) of the fields of one of these values."""
    return {k: v for k, v in parameters_of(cls).items() if k not in left_out}


def _check_ranges(value: Any) -> None:
    for name, (spec, default) in specifications(type(value)).items():
        x = getattr(value, name)
        if not (x is None and default is None) and not spec.accepts(x):
            raise InputError(f"{name} = {x!r} is not allowed; it must be {spec.allowed()}")


def _set(value: Any, **fields: Any) -> None:
    for name, x in fields.items():
        object.__setattr__(value, name, x)


def _grid_table(grid: np.ndarray, memo: Memo) -> dict[str, Any]:
    if id(grid) not in memo:
        memo[id(grid)] = (grid, {"count": int(grid[-1]), "grid": grid.tolist()})
    return memo[id(grid)][1]


DEFAULT = Execution()
