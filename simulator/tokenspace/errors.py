"""Errors written for people: what was wrong, what is allowed, what to do."""

from __future__ import annotations

from typing import Any


class TokenspaceError(Exception):
    """Base of every error that tokenspace raises on purpose."""


class ParameterError(TokenspaceError, ValueError):
    """A parameter lies outside its range.

    `parameter` is the name, `value` what was given and `allowed` the range in words.
    """

    def __init__(self, owner: str, parameter: str, value: object, allowed: str) -> None:
        self.owner, self.parameter, self.value, self.allowed = owner, parameter, value, allowed
        super().__init__(f"{owner}: {parameter} = {value!r} is not allowed; it must be {allowed}")


class NotPositiveSemidefinite(TokenspaceError, ValueError):
    """A covariance has a negative eigenvalue at the number of tokens asked for.

    `largest_valid_n` is the largest number of tokens at which it is still valid.
    """

    def __init__(self, what: str, n: int, eigenvalue: float, largest_valid_n: int) -> None:
        self.n, self.eigenvalue, self.largest_valid_n = n, eigenvalue, largest_valid_n
        super().__init__(
            f"{what} is not positive semi-definite at n = {n} tokens: "
            f"its smallest eigenvalue is {eigenvalue:.6g}. "
            f"It is valid up to n = {largest_valid_n}. "
            "Ask for fewer tokens, or change the parameters so that correlations across branches "
            "do not exceed those within a branch"
        )


class TooManyTokens(TokenspaceError, ValueError):
    """A covariance over finitely many positions was asked for more tokens than it has."""

    def __init__(self, what: str, n: int, largest: int) -> None:
        self.n, self.largest = n, largest
        super().__init__(
            f"{what} has {largest} positions, but n = {n} tokens were asked for. "
            f"Ask for at most {largest} tokens or enlarge it"
        )


class NoExactResult(TokenspaceError, NotImplementedError):
    """The theory has no exact value for this quantity and model; the message names one it has."""


class UnsupportedSampler(TokenspaceError, ValueError):
    """The sampler that was named cannot draw what was asked for; the message says which can."""


class InputError(TokenspaceError, ValueError):
    """Data, a file or a configuration that cannot be used; the message says where and why."""


class WorkerDied(TokenspaceError, RuntimeError):
    """A process that computed points ended by itself; what was finished is stored."""


class Interrupted(TokenspaceError):
    """A run was asked to stop; `seen` is what an unfinished experiment had seen until then."""

    def __init__(self, message: str, seen: Any = None) -> None:
        self.seen = seen
        super().__init__(message)

    @classmethod
    def within(cls, seen: Any, replicates: int) -> Interrupted:
        """Between two chunks of one experiment."""
        return cls(f"stopped after {seen.count:,} of {replicates:,} replicates", seen)

    @classmethod
    def between(cls, finished: int, points: int) -> Interrupted:
        """Between two points of a sweep."""
        return cls(f"stopped after {finished:,} of {points:,} missing points")
