"""Reading a configuration: the file, and tables checked against declared ranges.

Problems are collected with their key paths, so that a person sees all of them at once.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable
from dataclasses import MISSING
from pathlib import Path
from typing import Any

from tokenspace.errors import InputError
from tokenspace.files import Refused, read_bytes
from tokenspace.parameters import Parameter

Specifications = dict[str, tuple[Parameter, Any]]  # name -> (meaning and range, default)
LARGEST = 1 << 26  # bytes of a configuration


class Conflict(str):
    """A problem of values that are each allowed, and do not go together at this point."""


class ConfigError(InputError):
    """A configuration that cannot be used: file, and one line for every problem."""

    def __init__(self, source: str, problems: list[str]) -> None:
        self.source, self.problems = source, problems
        super().__init__("\n".join([f"{source}: {p}" for p in problems]))


def read_toml(path: str | Path) -> dict[str, Any]:
    """A TOML file as a dictionary.

    Raises:
        ConfigError: it cannot be read, or is not TOML.
    """
    source = str(path)
    try:
        # with a mark of byte order or without: Windows saves it with one
        text = read_bytes(Path(path), LARGEST, links=True).decode("utf-8-sig")
    except Refused as error:
        raise ConfigError(source, [f"cannot be read: {error}"]) from None
    except FileNotFoundError:
        raise ConfigError(source, ["no such file"]) from None
    except IsADirectoryError:
        raise ConfigError(source, ["is a folder; a TOML file is needed"]) from None
    except (OSError, ValueError) as error:  # ValueError: no UTF-8, or a name with a zero byte
        raise ConfigError(source, [f"cannot be read: {error}"]) from None
    try:
        found = tomllib.loads(text.replace("\r\n", "\n").replace("\r", "\n"))
        repr(found)  # a number too long to be shown, or tables too deep, are found out here
        return found
    except (ValueError, RecursionError) as error:
        raise ConfigError(source, [f"is not valid TOML: {error}"]) from None


def read_table(
    specifications: Specifications, table: Any, path: str, problems: list[str]
) -> dict[str, Any] | None:
    """The values of a table, defaults filled in; None with problems added when it is wrong."""
    if not isinstance(table, dict):
        problems.append(f"{path}: {table!r} must be a table [{path}]")
        return None
    before = len(problems)
    problems += unknown_keys(table, specifications, f"{path}.")
    out = {}
    for name, (spec, default) in specifications.items():
        value = table.get(name)
        if value is None:
            if default is MISSING:
                problems.append(f"{path}.{name}: missing; it must be {spec.allowed()}")
            out[name] = default
        elif not spec.accepts(value):
            problems.append(not_allowed(f"{path}.{name}", value, spec))
        else:
            out[name] = int(value) if spec.integer and not isinstance(value, str) else value
    return out if len(problems) == before else None


def not_allowed(path: str, value: Any, spec: Parameter) -> str:
    """A problem: a value outside its range."""
    hint = _as_axis(path, value, spec)
    return f"{path}: {value!r} is not allowed; it must be {spec.allowed()}{hint}"


def _as_axis(path: str, value: Any, spec: Parameter) -> str:
    """How to write an axis, where a list of allowed values or the ends of a range stand bare."""
    if "sweep" in path.split("."):  # within an axis, or how axes combine
        return ""
    if isinstance(value, list) and value and all(map(spec.accepts, value)):
        return f"; several values are an axis: {{ sweep = {value!r} }}"
    if isinstance(value, dict) and {"from", "to"} <= set(value):
        inside = ", ".join(f"{k} = {v!r}" for k, v in value.items())
        return f"; a range is an axis: {{ sweep = {{ {inside} }} }}"
    return ""


def unknown_keys(table: dict[str, Any], known: Iterable[str], prefix: str) -> list[str]:
    """A problem for every key that means nothing here, with the nearest that does."""
    known = list(known)
    out = []
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = (
                f"did you mean {near[0]!r}?" if near else f"allowed: {', '.join(known) or 'none'}"
            )
            out.append(f"{prefix}{key}: unknown key; {hint}")
    return out
