"""Models and samplers by name, for configurations, stored results and listings: the registry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tokenspace.registry import ROOMS

MODEL_ROOMS = ("position", "branches", "features", "law")


def find(room: str, name: str) -> Callable[..., Any]:
    """The model of that name; raises `InputError` with the nearest and all that are known."""
    return ROOMS[room].find(name)


def names(room: str) -> tuple[str, ...]:
    """The names of a room's models."""
    return ROOMS[room].names()


def name_of(room: str, make: Callable[..., Any]) -> str | None:
    """The name of a model's class, None when it is not registered."""
    return ROOMS[room].name_of(make)


def samplers_of(name: str) -> list[type]:
    """The classes that may draw what asks for a sampler: of "auto" all that it may take."""
    if name != "auto":
        return [ROOMS["sampler"].find(name)]
    return [cls for _, cls in ROOMS["sampler"].items() if cls.automatic]
