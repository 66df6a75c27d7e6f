"""Declare a model's parameters once: their meaning and range serve validation, listing and files.

A model is a frozen dataclass that JAX knows as a PyTree, so `jit`, `vmap` and `grad` pass through
its parameters. `parameter()` describes a field, `model` turns the class into such a dataclass.
"""

from __future__ import annotations

import dataclasses
import math
import numbers
from collections.abc import Callable
from typing import Any, TypeVar, dataclass_transform

import jax
import numpy as np

from tokenspace.errors import ParameterError

Cls = TypeVar("Cls", bound=type)


@dataclasses.dataclass(frozen=True)
class Parameter:
    """Meaning and range of one model parameter."""

    description: str
    above: float | None = None
    at_least: float | None = None
    below: float | None = None
    at_most: float | None = None
    choices: tuple[str, ...] | None = None
    integer: bool = False
    number: bool = True

    def allowed(self) -> str:
        """The range in words, as error messages and listings print it."""
        if self.choices:
            return "one of " + ", ".join(repr(c) for c in self.choices)
        if not self.number:
            return self.description
        words = []
        if self.above is not None:
            words.append(f"> {self.above:g}")
        if self.at_least is not None:
            words.append(f">= {self.at_least:g}")
        if self.below is not None:
            words.append(f"< {self.below:g}")
        if self.at_most is not None:
            words.append(f"<= {self.at_most:g}")
        kind = "an integer" if self.integer else "a number"
        return f"{kind} {' and '.join(words)}" if words else f"{kind}, finite"

    def accepts(self, value: Any) -> bool:
        """Whether a concrete value lies in the range."""
        if self.choices:
            return value in self.choices
        if not self.number:
            return True
        if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
            array = value if isinstance(value, (jax.Array, np.ndarray)) else None
            if array is None or array.shape != () or array.dtype.kind not in "iuf":
                return False
            value = array.item()
        if not math.isfinite(value) or (self.integer and value != int(value)):
            return False
        return (
            (self.above is None or value > self.above)
            and (self.at_least is None or value >= self.at_least)
            and (self.below is None or value < self.below)
            and (self.at_most is None or value <= self.at_most)
        )


def parameter(
    description: str,
    *,
    default: Any = dataclasses.MISSING,
    above: float | None = None,
    at_least: float | None = None,
    below: float | None = None,
    at_most: float | None = None,
    choices: tuple[str, ...] | None = None,
    integer: bool = False,
    number: bool = True,
    static: bool | None = None,
) -> Any:
    """A dataclass field with a meaning and a range.

    Args:
        description: what it is, with its unit.
        default: value when none is given.
        above, at_least, below, at_most: bounds, open or closed.
        choices: the allowed words, for a parameter that is a word.
        integer: whether it must be whole.
        number: False for a parameter that is itself a model or an array.
        static: whether JAX treats it as part of the model's structure, not as a number to trace
            or differentiate; by default integers and words are static.
    """
    spec = Parameter(description, above, at_least, below, at_most, choices, integer, number)
    fixed = (integer or choices is not None) if static is None else static
    return dataclasses.field(default=default, metadata={"parameter": spec, "static": fixed})


def parameters_of(cls: type) -> dict[str, tuple[Parameter, Any]]:
    """Name -> (meaning and range, default) of every declared parameter of a model class."""
    return {
        f.name: (f.metadata["parameter"], f.default)
        for f in dataclasses.fields(cls)
        if "parameter" in f.metadata
    }


def is_abstract(value: Any) -> bool:
    """True for what JAX puts in place of numbers while it traces or rebuilds a PyTree."""
    return (
        isinstance(value, (jax.core.Tracer, jax.ShapeDtypeStruct))
        or type(value) is object
        or value is None
        or (isinstance(value, jax.Array) and value.ndim > 0)  # stacked by vmap
    )


def validate(instance: Any) -> None:
    """Raise `ParameterError` for the first declared parameter outside its range."""
    for name, (spec, _) in parameters_of(type(instance)).items():
        value = getattr(instance, name)
        if not is_abstract(value) and not spec.accepts(value):
            raise ParameterError(type(instance).__name__, name, value, spec.allowed())


@dataclass_transform(frozen_default=True, field_specifiers=(parameter, dataclasses.field))
def model(cls: Cls) -> Cls:
    """Make a class a frozen dataclass, a JAX PyTree, and checked when it is built.

    A method `check_parameters(self)` is called after the ranges were checked, for conditions
    that involve several parameters.
    """
    own_check: Callable[[Any], None] | None = getattr(cls, "check_parameters", None)

    def __post_init__(self: Any) -> None:
        validate(self)
        if own_check is not None and not any(is_abstract(v) for v in vars(self).values()):
            own_check(self)

    cls.__post_init__ = __post_init__  # type: ignore[attr-defined]
    dataclasses.dataclass(frozen=True)(cls)
    fields = dataclasses.fields(cls)
    jax.tree_util.register_dataclass(
        cls,
        data_fields=[f.name for f in fields if not f.metadata.get("static", False)],
        meta_fields=[f.name for f in fields if f.metadata.get("static", False)],
    )
    return cls


def array_namespace(*values: Any) -> Any:
    """`jax.numpy` when any value is a JAX array or tracer, else NumPy.

    Lets one formula serve the float64 theory and differentiation through JAX.
    """
    return jax.numpy if any(isinstance(v, jax.Array) for v in values) else np
