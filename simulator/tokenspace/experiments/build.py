"""Models from tables `{ model = NAME, parameters... }`, looked up by name and checked."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from tokenspace.covariance import Covariance, SumModel, TokenModel
from tokenspace.covariance.base import combine
from tokenspace.errors import InputError, TokenspaceError
from tokenspace.experiments.canonical import in_order
from tokenspace.experiments.names import find, names
from tokenspace.experiments.tables import Conflict, not_allowed, unknown_keys
from tokenspace.parameters import Parameter, describe
from tokenspace.registry import is_ours

# (room, id of a table) -> (table, model); (room, name) -> (class or None, why there is none);
# ("", text of a table) -> (the table, None)
Memo = dict[tuple[str, Any], tuple[Any, Any]]
GAUSSIAN = {"model": "gaussian"}
PARTS = {
    "branches": None,
    "features": None,
    "law": GAUSSIAN,
}  # room -> its table when there is none
ALGEBRA = {"sum", "product", "scale"}


def build_model(
    tables: dict[str, Any], problems: list[str], memo: Memo | None = None
) -> TokenModel | SumModel | None:
    """The model of a point, or None with problems added.

    Args:
        tables: the point's tables; [branches], [features] and perhaps [law] are read, or those of
            every one of its [[terms]].
        problems: where problems are added, each with its key path.
        memo: models of tables that were read before, shared by points of a sweep.
    """
    memo = {} if memo is None else memo
    if "terms" in tables:
        return _sum_of(tables, problems, memo)
    return _separable(tables, "", problems, memo)


def _sum_of(tables: dict[str, Any], problems: list[str], memo: Memo) -> SumModel | None:
    terms, beside = tables["terms"], [k for k in PARTS if k in tables]
    if beside:
        problems.append(f"terms: excludes {', '.join(beside)}: every term has its own")
        return None
    if not isinstance(terms, list) or not terms or not all(isinstance(t, dict) for t in terms):
        problems.append("terms: must be tables [[terms]], each with branches and features")
        return None
    for k, term in enumerate(terms):
        problems += unknown_keys(term, PARTS, f"terms.{k}.")
    models = [_separable(t, f"terms.{k}.", problems, memo) for k, t in enumerate(terms)]
    built = [m for m in models if m is not None]
    if len(built) < len(terms):
        return None
    try:
        return SumModel(tuple(built))
    except TokenspaceError as error:
        problems.append(Conflict(f"terms: {error}"))
        return None


def _separable(
    tables: dict[str, Any], path: str, problems: list[str], memo: Memo
) -> TokenModel | None:
    parts = {
        k: _shared(k, tables.get(k, otherwise), f"{path}{k}", problems, memo)
        for k, otherwise in PARTS.items()
    }
    if any(part is None for part in parts.values()):
        return None
    try:
        return TokenModel(**parts)
    except TokenspaceError as error:
        problems.append(Conflict(error))
        return None


def rebuild_model(
    tables: dict[str, Any], source: str, memo: Memo | None = None
) -> TokenModel | SumModel:
    """The model of stored tables.

    Args:
        tables: of a point, see `build_model`.
        source: the file that holds them, for messages.
        memo: what was built of tables read before; parts of equal tables are one object.

    Raises:
        InputError: a class that it names is not known here; the message says how to name it.
    """
    problems: list[str] = []
    memo = {} if memo is None else memo
    try:
        alike = {k: _first_alike(v, memo) if k in PARTS else v for k, v in tables.items()}
        model = build_model(alike, problems, memo)
    except RecursionError:
        model, problems = None, ["its tables are nested too deep"]
    if model is None:
        raise InputError(
            f"{source}: its numbers are sound, but its model cannot be built: "
            + "; ".join(problems)
            + ". The module of a model of your own is named on the command line, or imported in "
            "Python"
        )
    return model


def _first_alike(table: Any, memo: Memo) -> Any:
    """The equal table that was read first, and in it the same of covariances."""
    if not isinstance(table, dict):
        return table
    text = in_order(table)
    if ("", text) not in memo:
        memo["", text] = ({k: _first_alike(v, memo) for k, v in table.items()}, None)
    return memo["", text][0]


def _shared(room: str, table: Any, path: str, problems: list[str], memo: Memo) -> Any:
    known = memo.get((room, id(table)))
    if known is not None:
        return known[1]
    built = _build(room, table, path, problems, memo)
    if built is not None:
        memo[room, id(table)] = (table, built)
    return built


def _find(room: str, name: str, memo: Memo) -> tuple[Any, str]:
    """The class of that name and "", or None and why there is none, looked up once."""
    known = memo.get((room, name))
    if known is None:
        try:
            known = (find(room, name), "")
        except TokenspaceError as error:
            known = (None, str(error))
        memo[room, name] = known
    return known


def _build(room: str, table: Any, path: str, problems: list[str], memo: Memo) -> Any:
    if not isinstance(table, dict):
        problems.append(
            f"{path}: {table!r} must be a table such as {{ model = ... }}; "
            f"models: {', '.join(names(room))}"
        )
        return None
    if room == "position" and table and set(table) <= ALGEBRA:
        return _algebra(table, path, problems, memo)
    name = table.get("model")
    if not isinstance(name, str):
        what = "missing" if name is None else f"{name!r} is no name"
        problems.append(f"{path}.model: {what}; one of {', '.join(names(room))}")
        return None
    make, why = _find(room, name, memo)
    if make is None:
        problems.append(f"{path}.model: {why}")
        return None
    spec = describe(make)
    scaled = room == "position" and "scale" not in spec  # else a parameter of the class itself
    values = {k: v for k, v in table.items() if k != "model" and not (scaled and k == "scale")}
    before = len(problems)
    if spec or is_ours(make):  # a foreign class that declares nothing checks for itself
        problems += unknown_keys(values, spec, f"{path}.")
        problems += [
            f"{path}.{k}: missing; it must be {p.allowed()}"
            for k, (p, required) in spec.items()
            if required and k not in values
        ]
    for key in [k for k in values if k in spec]:
        values[key] = _value(spec[key][0], values[key], f"{path}.{key}", problems, memo)
    if len(problems) > before:
        return None
    built = _made(make, name, values, path, problems)
    if built is None or not scaled or table.get("scale", 1.0) == 1:
        return built
    return _scaled(built, table["scale"], path, problems)


def _value(spec: Parameter, value: Any, path: str, problems: list[str], memo: Memo) -> Any:
    """A parameter as its class takes it, or None with a problem added."""
    if not spec.number and isinstance(value, dict):
        return _shared("position", value, path, problems, memo)
    if not spec.number and path.rsplit(".", 1)[-1] in _COVARIANCES:
        problems.append(f"{path}: {value!r} must be {spec.description}")
    elif not spec.accepts(value):
        problems.append(not_allowed(path, value, spec))
    elif spec.number and not spec.choices:
        return int(value) if spec.integer else float(value)
    return value


_COVARIANCES = ("within", "cross", "shared", "private", "row", "column")


def _made(
    make: Callable[..., Any], name: str, values: dict[str, Any], path: str, problems: list[str]
) -> Any:
    try:
        return make(**values)
    except TokenspaceError as error:
        problems.append(Conflict(f"{path}: {error}"))
    except Exception as error:  # a foreign class may raise anything
        problems.append(f"{path}: {name} cannot be built: {error}")
    return None


def _scaled(built: Covariance, scale: Any, path: str, problems: list[str]) -> Any:
    number = isinstance(scale, (int, float)) and not isinstance(scale, bool)
    if not number or not math.isfinite(scale):
        problems.append(f"{path}.scale: {scale!r} is not allowed; it must be a finite number")
        return None
    return scale * built


def _algebra(table: dict[str, Any], path: str, problems: list[str], memo: Memo) -> Any:
    """sum = [..] or product = [..] of covariances, scaled; an empty sum is zero."""
    operation = "sum" if "sum" in table else "product"
    parts = table.get(operation)
    both = {"sum", "product"} <= set(table)
    if both or not isinstance(parts, list) or (not parts and operation == "product"):
        problems.append(f"{path}: needs either sum = [..] or product = [..], a list of covariances")
        return None
    built = [
        _build("position", t, f"{path}.{operation}.{k}", problems, memo)
        for k, t in enumerate(parts)
    ]
    if any(b is None for b in built):
        return None
    total = built[0] if built else combine([])
    for part in built[1:]:
        total = total + part if operation == "sum" else total * part
    return _scaled(total, table.get("scale", 1.0), path, problems)
