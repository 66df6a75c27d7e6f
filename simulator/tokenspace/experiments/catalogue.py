"""Every model under the name that configuration files and the command line use for it."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from collections.abc import Callable
from typing import Any

from tokenspace.errors import InputError
from tokenspace.parameters import describe as describe
from tokenspace.registry import ROOMS as _R

ROOMS = {r: dict(_R[r].items()) for r in ("position", "branches", "features", "law")}


def find(room: str, name: str) -> Callable[..., Any]:
    """The model of that name, or a user's own as "module:Class".

    Raises:
        InputError: no such model, naming the nearest; or the module cannot be imported.
    """
    known = ROOMS[room]
    if name in known:
        return known[name]
    if ":" in name:
        module, _, attribute = name.partition(":")
        if os.getcwd() not in sys.path:  # a user's module lies where the command is given
            sys.path.insert(0, os.getcwd())
        try:
            return getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError, ValueError) as error:
            raise InputError(f"{name!r} cannot be imported: {error}") from None
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise InputError(
        f"{name!r} is not a {room} model{hint} Allowed: {', '.join(known)}, or module:Class"
    )
