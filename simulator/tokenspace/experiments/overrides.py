"""Values of a configuration changed from outside of it: `--set branches.psi_cross=0.2`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from typing import Any

from tokenspace.errors import InputError
from tokenspace.experiments.expand import TABLES, cases_of, replaced

SETTABLE = (*TABLES, "sweep")
WORD = re.compile(r"[A-Za-z_][\w-]*")


def override(raw: dict[str, Any], settings: Sequence[str]) -> dict[str, Any]:
    """A copy of a configuration with values set, in every case too that has the table.

    Args:
        raw: the configuration.
        settings: "KEY.PATH=VALUE", VALUE as TOML has it, or a bare word; the path may go through
            tables and lists (terms.0.scale), and through tables that are not there yet.

    Raises:
        InputError: a setting cannot be read, or its path leads through what is no table.
    """
    for setting in settings:
        path, value = _read(setting)
        raw = _set(raw, path, value, setting)
        cases = [
            _set(c, path, value, setting) if isinstance(c, dict) and path[0] in c else c
            for c in cases_of(raw)
        ]
        if cases:
            raw = raw | {"case": cases}
    return raw


def _read(setting: str) -> tuple[list[str], Any]:
    name, equals, text = setting.partition("=")
    path = [part.strip() for part in name.split(".")]
    if not equals or not all(path):
        raise InputError(
            f"--set {setting!r} is not allowed; it must be KEY.PATH=VALUE, "
            "e.g. branches.psi_cross=0.2"
        )
    if path[0] not in SETTABLE:
        raise InputError(
            f"--set {setting!r}: {path[0]!r} is no table; it must be one of {', '.join(SETTABLE)}"
        )
    text = text.strip()
    if WORD.fullmatch(text) and text not in ("true", "false", "inf", "nan"):
        return path, text
    try:
        found = tomllib.loads(f"value = {text}")
    except (tomllib.TOMLDecodeError, ValueError, RecursionError) as error:
        raise InputError(f"--set {setting!r}: {text!r} is no TOML value ({error})") from None
    if set(found) != {"value"}:
        raise InputError(f"--set {setting!r}: one value is needed")
    return path, found["value"]


def _set(tables: dict[str, Any], path: list[str], value: Any, setting: str) -> dict[str, Any]:
    at: Any = tables
    keys: list[Any] = []
    for k, part in enumerate(path):
        if isinstance(at, list):
            if not part.isdecimal() or int(part) >= len(at):
                raise InputError(
                    f"--set {setting!r}: {'.'.join(path[:k])} is a list of {len(at)}; "
                    f"{part!r} is none of its numbers 0..{len(at) - 1}"
                )
            keys.append(int(part))
        elif isinstance(at, dict):
            keys.append(part)
            if part not in at:
                for inner in reversed(path[k + 1 :]):
                    value = {inner: value}
                break
        else:
            raise InputError(
                f"--set {setting!r}: {'.'.join(path[:k])} = {at!r} is no table, so that it has no "
                f"{part!r}"
            )
        at = at[keys[-1]]
    return replaced(tables, tuple(keys), value)
