"""A value that is made when it is first asked for: results are read without building models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Deferred:
    """Stands for `make(*arguments)` in a `DeferredField` until somebody asks for it."""

    make: Callable[..., Any]
    arguments: tuple[Any, ...] = ()


class DeferredField:
    """A dataclass field that may be given a `Deferred`, which it replaces by its value once."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        value = instance.__dict__[self.name]
        if isinstance(value, Deferred):
            value = value.make(*value.arguments)
            instance.__dict__[self.name] = value
        return value

    def __set__(self, instance: Any, value: Any) -> None:
        instance.__dict__[self.name] = value
