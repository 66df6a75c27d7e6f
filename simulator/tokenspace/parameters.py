"""Declare a model's parameters once: their meaning and range serve validation, listing and files.

A model is a frozen dataclass that JAX knows as a PyTree, so `jit`, `vmap` and `grad` pass through
its parameters. `parameter()` describes a field, `model` turns the class into such a dataclass.
"""

from __future__ import annotations

import dataclasses
import math
import numbers
from collections.abc import Callable, Mapping
from types import MappingProxyType
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
    words: tuple[str, ...] = ()

    def allowed(self) -> str:
        """The range in words, as error messages and listings print it."""
        if self.choices:
            return "one of " + ", ".join(repr(c) for c in self.choices)
        if not self.number:
            return self.description
        words = []
        if self.above is not None:
            words.append(f"> {_bound(self.above)}")
        if self.at_least is not None:
            words.append(f">= {_bound(self.at_least)}")
        if self.below is not None:
            words.append(f"< {_bound(self.below)}")
        if self.at_most is not None:
            words.append(f"<= {_bound(self.at_most)}")
        kind = "an integer" if self.integer else "a number"
        said = f"{kind} {' and '.join(words)}" if words else f"{kind}, finite"
        return " or ".join([said, *map(repr, self.words)])

    def accepts(self, value: Any) -> bool:
        """Whether a value lies in the range; of an array (models stacked for vmap) every element.

        What JAX puts in place of a number while it traces has no value yet and is let through.
        """
        if self.choices:
            return isinstance(value, str) and value in self.choices
        if not self.number:
            return True
        if type(value) is float:  # most are, and all below is slower
            return self._contains(value)
        if is_traced(value):
            return True
        if isinstance(value, str):
            return value in self.words
        if isinstance(value, (bool, np.bool_)):
            return False
        if isinstance(value, numbers.Integral) and self.integer:
            return self._contains(int(value))  # a float would round a seed near 2^64
        if isinstance(value, numbers.Real):
            try:
                return self._contains(float(value))
            except OverflowError:  # an integer beyond all floats
                return False
        if not isinstance(value, (jax.Array, np.ndarray)) or value.dtype.kind not in "iuf":
            return False
        if self.integer and value.ndim > 0:  # part of a model's structure, which is never stacked
            return False
        array = np.asarray(value, np.float64)
        return all(map(self._contains, array.ravel().tolist()))

    def _contains(self, value: float) -> bool:
        return (
            abs(value) < math.inf
            and (value == math.floor(value) or not self.integer)
            and (self.above is None or value > self.above)
            and (self.at_least is None or value >= self.at_least)
            and (self.below is None or value < self.below)
            and (self.at_most is None or value <= self.at_most)
        )


def _bound(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:g}"


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
    words: tuple[str, ...] = (),
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
        words: allowed in place of a number.
        static: whether JAX treats it as part of the model's structure, not as a number to trace
            or differentiate; by default integers and words are static.
    """
    spec = Parameter(description, above, at_least, below, at_most, choices, integer, number, words)
    fixed = (integer or choices is not None) if static is None else static
    return dataclasses.field(default=default, metadata={"parameter": spec, "static": fixed})


# Of every class seen: both are asked for at every model built.
_PARAMETERS: dict[type, Mapping[str, tuple[Parameter, Any]]] = {}
_FIELDS: dict[type, tuple[str, ...]] = {}
PLAIN = frozenset({float, int, bool, str, type(None)})


def parameters_of(cls: type) -> Mapping[str, tuple[Parameter, Any]]:
    """Name -> (meaning and range, default) of every declared parameter of a model class."""
    if cls not in _PARAMETERS:
        found = {
            f.name: (f.metadata["parameter"], f.default)
            for f in dataclasses.fields(cls)
            if "parameter" in f.metadata
        }
        _PARAMETERS[cls] = MappingProxyType(found)
    return _PARAMETERS[cls]


def described(**parameters: Parameter) -> Callable[[Any], Any]:
    """Decorator that states the parameters of a function which builds a model."""

    def add(function: Any) -> Any:
        function.parameters = parameters
        return function

    return add


def describe(make: Callable[..., Any]) -> dict[str, tuple[Parameter, bool]]:
    """Name -> (meaning and range, whether it must be given) of what builds a model."""
    if isinstance(make, type) and dataclasses.is_dataclass(make):
        known = parameters_of(make).items()
        return {k: (spec, default is dataclasses.MISSING) for k, (spec, default) in known}
    return {k: (spec, True) for k, spec in getattr(make, "parameters", {}).items()}


def check_arguments(function: Any, values: dict[str, Any]) -> None:
    """Raise `ParameterError` for the first argument of a `described` function out of its range."""
    for name, spec in function.parameters.items():
        if not spec.accepts(values[name]):
            raise ParameterError(function.__name__, name, values[name], spec.allowed())


def is_traced(value: Any) -> bool:
    """Whether JAX stands in for a number here, which has no value yet."""
    return isinstance(value, (jax.core.Tracer, jax.ShapeDtypeStruct))


def holds_tracers(value: Any) -> bool:
    """Whether JAX stands in for a number anywhere inside a model."""
    kind = type(value)
    if kind in PLAIN:  # most of what models hold, and ten thousand are built of a sweep
        return False
    if kind in _FIELDS or dataclasses.is_dataclass(value):
        for name in _field_names(kind):
            x = getattr(value, name)
            if type(x) not in PLAIN and holds_tracers(x):
                return True
        return False
    if isinstance(value, (tuple, list)):
        return any(map(holds_tracers, value))
    return is_traced(value)


def _field_names(cls: type) -> tuple[str, ...]:
    if cls not in _FIELDS:
        _FIELDS[cls] = tuple(f.name for f in dataclasses.fields(cls))
    return _FIELDS[cls]


def as_float(value: Any) -> Any:
    """A plain float, or what JAX has in its place while it traces."""
    return value if is_traced(value) else float(value)


def validate(instance: Any) -> None:
    """Raise `ParameterError` for the first declared parameter outside its range.

    Numbers become Python's own: integers where they must be whole, else floats of 64 bits.
    """
    for name, (spec, _) in parameters_of(type(instance)).items():
        value = getattr(instance, name)
        if not spec.accepts(value):
            raise ParameterError(type(instance).__name__, name, value, spec.allowed())
        if not spec.number or is_traced(value) or np.ndim(value) > 0:
            continue
        if not spec.choices:
            object.__setattr__(instance, name, int(value) if spec.integer else float(value))


@dataclass_transform(frozen_default=True, field_specifiers=(parameter, dataclasses.field))
def model(cls: Cls) -> Cls:
    """Make a class a frozen dataclass, a JAX PyTree, and checked when it is built.

    A method `check_parameters(self)` is called after the ranges were checked, for conditions
    that involve several parameters; not while JAX traces. Two models are equal when their types
    and parameters are, arrays by their elements.
    """
    own_check: Callable[[Any], None] | None = getattr(cls, "check_parameters", None)

    def __post_init__(self: Any) -> None:
        validate(self)
        if own_check is not None and not holds_tracers(self):
            own_check(self)

    cls.__post_init__ = __post_init__  # type: ignore[attr-defined]
    own = {"__eq__": _equal, "__hash__": _hash, "__getstate__": _state}
    for name, method in own.items():
        if name not in vars(cls):
            setattr(cls, name, method)
    dataclasses.dataclass(frozen=True, eq=False)(cls)
    _register_pytree(cls)
    return cls


def _register_pytree(cls: type) -> None:
    """As `jax.tree_util.register_dataclass`, but rebuilt without checks.

    While JAX transforms a tree it puts anything in place of the numbers; whatever reaches a model
    through JAX was checked when that was built.
    """
    fields = dataclasses.fields(cls)
    data = [f.name for f in fields if not f.metadata.get("static", False)]
    static = [f.name for f in fields if f.metadata.get("static", False)]

    def flatten(x: Any) -> tuple[Any, Any]:
        keyed = [(jax.tree_util.GetAttrKey(k), getattr(x, k)) for k in data]
        return keyed, tuple(getattr(x, k) for k in static)

    def unflatten(fixed: Any, values: Any) -> Any:
        new: Any = object.__new__(cls)
        for name, value in zip((*data, *static), (*values, *fixed), strict=True):
            object.__setattr__(new, name, value)
        return new

    jax.tree_util.register_pytree_with_keys(cls, flatten, unflatten)


def _values(x: Any) -> list[Any]:
    return [getattr(x, name) for name in _field_names(type(x))]


def _same(x: Any, y: Any) -> bool:
    if x is y:
        return True
    if is_traced(x) or is_traced(y):
        return False
    arrays = (np.ndarray, jax.Array)
    return np.array_equal(x, y) if isinstance(x, arrays) or isinstance(y, arrays) else bool(x == y)


def _equal(self: Any, other: Any) -> bool:
    if type(self) is not type(other):
        return NotImplemented
    return all(map(_same, _values(self), _values(other)))


def _hash(self: Any) -> int:
    arrays = (np.ndarray, jax.Array)
    values = (
        (np.asarray(x) + 0.0).tobytes() if isinstance(x, arrays) else x for x in _values(self)
    )
    return hash((type(self), *values))


def _state(self: Any) -> dict[str, Any]:
    """What is pickled: the parameters, and nothing that is derived from them."""
    return {name: getattr(self, name) for name in _field_names(type(self))}


def array_namespace(*values: Any) -> Any:
    """`jax.numpy` when any value is a JAX array or tracer, else NumPy.

    Lets one formula serve the float64 theory and differentiation through JAX.
    """
    return jax.numpy if any(isinstance(v, jax.Array) for v in values) else np


def special_functions(*values: Any) -> tuple[Any, Any]:
    """(namespace, gammaln) of JAX for JAX arrays and tracers, else of NumPy and SciPy."""
    if array_namespace(*values) is jax.numpy:
        return jax.numpy, jax.scipy.special.gammaln
    from scipy import special  # takes long to import, and most models need none of it

    return np, special.gammaln
