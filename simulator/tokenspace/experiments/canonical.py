"""A model as plain data, and the fingerprint of an experiment.

The table of a model is what a configuration would say with every default written out, made from
the value: models that are equal have one table, however they were built, and reading the table
back (`build.py`) gives the model.
"""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import json
import numbers
import sys
from collections.abc import Iterable
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from tokenspace.covariance import (
    Branches,
    Combination,
    Covariance,
    Features,
    Product,
    SumModel,
    TokenLaw,
    TokenModel,
)
from tokenspace.errors import InputError
from tokenspace.experiments.names import name_of
from tokenspace.parameters import PLAIN, Parameter, describe
from tokenspace.registry import is_ours, source_digest

FORMAT = 4
PARTS = ("branches", "features", "law")
_ROOMS = (
    (Covariance, "position"),
    (Branches, "branches"),
    (Features, "features"),
    (TokenLaw, "law"),
)

Memo = dict[int, tuple[Any, Any]]  # id -> (value, what was found for it); the value keeps the id


def model_tables(model: TokenModel | SumModel, memo: Memo | None = None) -> dict[str, Any]:
    """The tables [branches], [features] and [law] of a model, or those of each term of a sum."""
    if isinstance(model, SumModel):
        return {"terms": [model_tables(t, memo) for t in model.terms]}
    return {part: table_of(getattr(model, part), memo) for part in PARTS}


def table_of(value: Any, memo: Memo | None = None) -> dict[str, Any]:
    """The table of a position covariance, of branches, features or a law."""
    if memo is not None and id(value) in memo:
        return memo[id(value)][1]
    if isinstance(value, Combination):
        table = _sum(value)
    elif isinstance(value, Product):
        table = {"product": [table_of(value.left), table_of(value.right)]}
    else:
        room = next((room for base, room in _ROOMS if isinstance(value, base)), None)
        cls = type(value)
        name = None if room is None else name_of(room, cls)
        table = {"model": name or f"{cls.__module__}:{cls.__qualname__}"} | _parameters(value)
    if memo is not None:
        memo[id(value)] = (value, table)
    return table


def _sum(value: Combination) -> dict[str, Any]:
    tables = [
        _weighted(float(w), table_of(t), t) for w, t in zip(value.weights, value.terms, strict=True)
    ]
    return tables[0] if len(tables) == 1 else {"sum": tables}


def _weighted(weight: float, table: dict[str, Any], term: Covariance) -> dict[str, Any]:
    if weight == 1:
        return table
    own, _ = _declared(type(term))  # type: ignore[arg-type]
    if "scale" in table or "scale" in own:  # a parameter of its own, or nested
        return {"sum": [table], "scale": weight}
    return table | {"scale": weight}


@lru_cache(maxsize=1024)
def _declared(cls: type) -> tuple[dict[str, tuple[Parameter, bool]], tuple[str, ...]]:
    """What a class declares of its parameters, and the names of its fields."""
    fields = dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else ()
    return describe(cls), tuple(f.name for f in fields)


def _parameters(value: Any) -> dict[str, Any]:
    known, fields = _declared(type(value))  # type: ignore[arg-type]
    if dataclasses.is_dataclass(value):
        given = {name: getattr(value, name) for name in fields}
    else:
        given = {k: v for k, v in vars(value).items() if not _is_derived(type(value), k)}
    out = {}
    for name, x in given.items():
        spec = known[name][0] if name in known else None
        real = spec is not None and spec.number and not spec.integer and not spec.choices
        out[name] = float(x) if real and np.ndim(x) == 0 else _plain(x)
    return out


def _plain(x: Any) -> Any:
    """Numbers, words, lists and tables in place of whatever a parameter holds."""
    if x is None or isinstance(x, (bool, str)):
        return x
    if isinstance(x, numbers.Integral):
        return int(x)
    if isinstance(x, numbers.Real):
        return float(x)
    if isinstance(x, (tuple, list)):
        return [_plain(y) for y in x]
    if isinstance(x, dict):
        return {str(k): _plain(v) for k, v in x.items()}
    if isinstance(x, (Covariance, Branches, Features, TokenLaw)) or dataclasses.is_dataclass(x):
        return table_of(x)
    if hasattr(x, "shape") and hasattr(x, "dtype"):
        return np.asarray(x).tolist()
    raise InputError(
        f"{x!r} cannot be written into a file, so that what has it as a parameter has no identity; "
        "use numbers, words, lists and models as parameters, and methods for formulas"
    )


def _is_derived(cls: type, name: str) -> bool:
    """Whether an attribute of an instance was computed by a cached property of its class."""
    return isinstance(inspect.getattr_static(cls, name, None), cached_property)


def sources(model: Any, samplers: Iterable[type] = ()) -> list[list[str]]:
    """[class, digest of its source] of every class, and its bases, that is not ours."""
    known = {*samplers}
    _add_classes(model, known)
    foreign = {cls for used in known for cls in _foreign(used)}
    return [list(pair) for pair in sorted((c.__qualname__, source_digest(c)) for c in foreign)]


@lru_cache(maxsize=1024)
def _foreign(used: type) -> tuple[type, ...]:
    """A class and its bases, but for ours and Python's own."""
    return tuple(
        cls
        for cls in used.__mro__
        if not is_ours(cls) and cls.__module__.partition(".")[0] not in sys.stdlib_module_names
    )


def _add_classes(value: Any, found: set[type]) -> None:
    """Add the classes of a model and of all that is inside."""
    kind = type(value)
    if kind in PLAIN:
        return
    if isinstance(value, (tuple, list)):
        for x in value:
            if type(x) not in PLAIN:
                _add_classes(x, found)
    elif hasattr(kind, "__dataclass_fields__"):
        found.add(kind)
        for name in _declared(kind)[1]:  # type: ignore[arg-type]
            _add_classes(getattr(value, name), found)
    elif isinstance(value, (Covariance, Branches, Features, TokenLaw)):
        found.add(type(value))
        for x in vars(value).values():
            _add_classes(x, found)


in_order = json.JSONEncoder(sort_keys=True).encode  # made once: `json.dumps` makes one a call


def hash_of(tables: dict[str, Any], source: list[list[str]], memo: Memo | None = None) -> str:
    """The fingerprint of an experiment: hash of its tables, of the format and of own classes.

    Each table is hashed by itself, so that points of a sweep share the work for what they share.
    """
    parts = {name: _digest(table, memo) for name, table in tables.items()}
    whole = in_order([FORMAT, parts, source])
    return hashlib.sha256(whole.encode()).hexdigest()[:16]


def _digest(table: Any, memo: Memo | None) -> str:
    if memo is not None and id(table) in memo:
        return memo[id(table)][1]
    digest = hashlib.sha256(in_order(table).encode()).hexdigest()
    if memo is not None:
        memo[id(table)] = (table, digest)
    return digest
