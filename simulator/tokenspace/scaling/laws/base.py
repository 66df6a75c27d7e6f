"""What a scaling law S(n) states: its formula, its parameters, and where a fit of it starts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np
from scipy.special import expit

from tokenspace.registry import ROOMS

STEP = 1e-5  # of the derivatives, of a raw parameter, which is of order 1


@dataclass(frozen=True)
class ScalingLaw(ABC):
    """A law S(n) with a few parameters, fitted in log S.

    The fit sees `raw` parameters, any real numbers, as many as there are `parameters`; the first
    axis of an array of them counts parameters. Each of `parameters` rises or falls with the raw one
    of the same place and depends on no other; its values at raw -inf and inf are the ends of its
    range. Their order matters: the last `shapes` of them say how the curve bends, and the others
    (a level, a slope or rise) are determined by any data once the shapes are given. Shapes are
    searched on the grid that `starts` lays out and then refined; a weak pull to 0 holds them where
    the data say nothing about them. In log S most laws are linear in all that are no shapes.

    Formulas are written once for NumPy and JAX: `xp` is `numpy` or `jax.numpy`. A law is frozen,
    and equal to every other of its class with the same fields, so compiled fits are kept.
    """

    room: ClassVar[str] = "scaling"
    parameters: ClassVar[tuple[str, ...]]
    shapes: ClassVar[int] = 0  # of the raw parameters, the last ones
    limits: ClassVar[tuple[str, ...]] = ()  # parameters that are an S far away from the data
    starts_together: ClassVar[bool] = False  # `starts` takes curves (.., n), and gives (.., k, p)
    linear: ClassVar[bool] = False  # log S is linear in the raw parameters that are no shapes

    def __init_subclass__(cls, **options: Any) -> None:
        """A law with a formula or starts of its own does not inherit what another says of them."""
        super().__init_subclass__(**options)
        if "log_score" in vars(cls) and "derivatives" not in vars(cls):
            cls.derivatives = ScalingLaw.derivatives  # type: ignore[method-assign]
        if "starts" in vars(cls) and "starts_together" not in vars(cls):
            cls.starts_together = False

    @abstractmethod
    def log_score(self, raw: Any, log_n: Any, xp: Any = np) -> Any:
        """log S(n) of raw parameters (p,) at log n, any shape."""

    @abstractmethod
    def values(self, raw: Any, xp: Any = np) -> tuple[Any, ...]:
        """Values of `parameters` from raw ones (p, ...)."""

    @abstractmethod
    def raw(self, *values: float) -> np.ndarray:
        """Raw parameters (p,) from values of `parameters`: undoes `values`."""

    @abstractmethod
    def starts(self, log_n: np.ndarray, log_score: np.ndarray) -> np.ndarray:
        """Raw parameters (k, p) from which a fit starts.

        With shapes: one start for each of their values on a grid, equally likely beforehand; the
        other parameters may be rough, as they are fitted with the shapes held. Values next to each
        other on a grid of one shape must be neighbours in `starts`.
        With `starts_together` both arguments may also be (.., n), and starts are (.., k, p).

        Args:
            log_n: ascending, (n,).
            log_score: (n,).
        """

    def starts_of(self, log_n: np.ndarray, log_score: np.ndarray) -> np.ndarray:
        """`starts` of curves (curves, n): (curves, k, p)."""
        if self.starts_together:
            return self.starts(log_n, log_score)
        return np.stack([self.starts(x, y) for x, y in zip(log_n, log_score, strict=True)])

    def log_scores(self, raw: np.ndarray, log_n: np.ndarray) -> np.ndarray:
        """log S of many curves, each with raw parameters (curves, p), at log n (curves, points)."""
        # Copied: NumPy 2.0 rounds expm1 and sinh of numbers that lie apart in memory by where their
        # result is put, so that the same fit came out anew each time.
        by_parameter = np.ascontiguousarray(raw.T)
        return np.asarray(self.log_score(by_parameter[:, :, None], log_n))

    def derivatives(self, raw: np.ndarray, log_n: np.ndarray) -> Sequence[np.ndarray]:
        """d log S / d raw, p arrays, where `log_score` would give one.

        By central differences; a law that states them is fitted faster, and more finely where the
        data hardly tell a shape.
        """
        found = []
        for k in range(len(raw)):
            up, down = np.array(raw), np.array(raw)
            up[k] += STEP
            down[k] -= STEP
            found.append((self.log_score(up, log_n) - self.log_score(down, log_n)) / (2 * STEP))
        return found

    def slopes(self, raw: np.ndarray, log_n: np.ndarray) -> np.ndarray:
        """d log S / d raw of many curves, (curves, points, p): see `log_scores`."""
        with np.errstate(over="ignore", invalid="ignore"):
            found = self.derivatives(np.ascontiguousarray(raw.T)[:, :, None], log_n)
        return np.stack(np.broadcast_arrays(*found, log_n)[:-1], axis=-1)

    @property
    def size(self) -> int:
        """Number of parameters."""
        return len(self.parameters)

    def named(self, raw: np.ndarray) -> dict[str, np.ndarray]:
        """Raw parameters (p, ...) under their names in theory."""
        return dict(zip(self.parameters, self.values(raw), strict=True))

    def named_intervals(self, raw: np.ndarray, ends: np.ndarray) -> dict[str, tuple[float, float]]:
        """Intervals by name, low end first, from those of the raw parameters (p, 2) at raw (p,)."""
        intervals = {}
        for k, name in enumerate(self.parameters):
            moved = np.repeat(raw[:, None], 2, axis=1)
            moved[k] = ends[k]
            low, high = sorted(float(v) for v in self.named(moved)[name])
            intervals[name] = (low, high)
        return intervals

    @cache  # noqa: B019, laws are few, and frozen
    def ranges(self) -> dict[str, tuple[float, float]]:
        """The ends of each parameter's range, by name."""
        size = len(self.parameters)
        return self.named_intervals(np.zeros(size), np.tile([-np.inf, np.inf], (size, 1)))

    def score(self, named: Mapping[str, float], n: Any) -> np.ndarray:
        """S(n) of parameters by name at token counts n > 0, any shape."""
        raw = self.raw(*(named[name] for name in self.parameters))
        return np.exp(self.log_score(raw, np.log(np.asarray(n, np.float64))))


def straight(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slope, and value at x = 0, of lines through points (.., n), by least squares: (..)."""
    middle = x.mean(axis=-1, keepdims=True)
    slope = ((x - middle) * y).sum(axis=-1) / ((x - middle) ** 2).sum(axis=-1)
    return slope, y.mean(axis=-1) - slope * middle[..., 0]


def beside(*columns: np.ndarray) -> np.ndarray:
    """Raw parameters (.., k, p) of p columns, each (.., k) or (.., 1) where all k share it."""
    return np.stack(np.broadcast_arrays(*columns), axis=-1)


@dataclass(frozen=True)
class LogRange:
    """A parameter between low and high > 0 from any raw number: log v = low + (high - low) sigmoid.

    low, high: of the logarithm here; the raw number is evenly spread in log v about the middle.
    """

    low: float
    high: float

    @classmethod
    def of(cls, least: float, most: float) -> LogRange:
        """The range from `least` to `most`."""
        return cls(float(np.log(least)), float(np.log(most)))

    def log(self, raw: Any, xp: Any = np) -> Any:
        """log v of a raw number."""
        return self.low + (self.high - self.low) * sigmoid(raw, xp)

    def slope(self, raw: np.ndarray) -> np.ndarray:
        """d log v / d raw."""
        return np.asarray((self.high - self.low) * expit(raw) * expit(-raw))

    def raw(self, log_value: Any, margin: float = 0.0) -> np.ndarray:
        """The raw number of log v, infinite at an end; kept a share `margin` from the ends."""
        share = np.clip((log_value - self.low) / (self.high - self.low), margin, 1 - margin)
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(share) - np.log1p(-share))


def sigmoid(x: Any, xp: Any) -> Any:
    """1 / (1 + exp(-x)) without overflow, in the value or in JAX's derivative."""
    if xp is np:
        return expit(x)
    from jax.nn import sigmoid as of_jax  # fits need no JAX, which takes a second to import

    return of_jax(x)


def softplus(x: Any, xp: Any) -> Any:
    """log(1 + exp(x)) without overflow; in NumPy an eighth of the time of its `logaddexp`."""
    if xp is np:
        return np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))
    return xp.logaddexp(0.0, x)


def known_laws() -> dict[str, ScalingLaw]:
    """Every registered law by name, those with the fewest parameters first."""
    laws = {name: make() for name, make in ROOMS["scaling"].items()}
    return dict(sorted(laws.items(), key=lambda item: (len(item[1].parameters), item[0])))
