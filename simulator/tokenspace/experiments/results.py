"""Finished points read back: numbers first, models only when they are asked for."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from tokenspace.collector import collector_paused
from tokenspace.deferred import Deferred
from tokenspace.errors import InputError
from tokenspace.experiments import format_2
from tokenspace.experiments.arrays import unpack
from tokenspace.experiments.build import Memo, rebuild_model
from tokenspace.experiments.canonical import FORMAT, hash_of, sources
from tokenspace.experiments.damaged import Unusable, all_of
from tokenspace.experiments.experiment import LARGEST_COUNT
from tokenspace.experiments.store import (
    HOW,
    KEY,
    LARGEST_POINT,
    names_of_points,
    point_file,
    read_sweep,
)
from tokenspace.files import Refused, read_bytes
from tokenspace.grids import LARGEST
from tokenspace.provenance import versions
from tokenspace.statistics.control import Control
from tokenspace.statistics.estimate import Estimate, Moments
from tokenspace.statistics.quantiles import QUANTILES
from tokenspace.statistics.result import Result
from tokenspace.statistics.streaming import PSI

PSI_OF_FORMAT_2 = set(PSI) - {"psi_delta"}
LARGEST_D = float(np.finfo(np.float32).max)  # D is drawn in float32
# Arrays of a point beside those that each has: of heavy tails, of a control variate, of psi's.
OPTIONAL = (
    {"median", "median_covariance", "geometric", "geometric_covariance"},
    {"control_mean", "control_covariance", "control_gain"},
    {"joint_mean", "joint_covariance"}
    | {f"{k}.{x}" for k in PSI for x in ("mean", "standard_error")},
)
ALWAYS = {"n", "theory", "quantiles", "quantile_intervals"} | {
    f"{of}{x}" for of in ("", "square_") for x in ("mean", "covariance")
}
COMPLETE = {frozenset(ALWAYS.union(*some)) for k in range(4) for some in combinations(OPTIONAL, k)}
SIZES = {"mean", "square_mean", "quantiles", "median", "geometric", "control_mean"}  # of D, D^2


@dataclass(frozen=True)
class StoredPoint:
    """A finished point of a folder: label, values of its axes, key, and its tables as data.

    config: the experiment's canonical tables (of a folder of format 2, those of its configuration).
    """

    label: str
    axes: dict[str, Any]
    key: str
    config: dict[str, Any]


@dataclass(frozen=True)
class Loaded:
    """What one file holds."""

    point: StoredPoint
    result: Result
    theory: np.ndarray | None


as_written = json.JSONEncoder(ensure_ascii=False).encode  # made once


def load_point(path: Path) -> tuple[StoredPoint, Result]:
    """Read one point back. Its model is built when `result.model` is asked for.

    Raises:
        InputError: the file is truncated, corrupt or not one of ours.
    """
    try:
        loaded = load(path)
    except Unusable as error:
        raise all_of({path: error}, _is_of_format_2(path.parent.parent)) from None
    return loaded.point, loaded.result


def _is_of_format_2(folder: Path) -> bool:
    """Whether nothing is added to a folder; a folder that does not say is taken for a new one."""
    try:
        return read_sweep(folder)[1] is None
    except InputError:
        return False


def load(path: Path, models: Memo | None = None) -> Loaded:
    """Read one point back, with all that its file holds; raises as `load_point`.

    Points of a folder share `models`: what was built of their tables.
    """
    data = _read(path)
    with _told(path):
        arrays, meta, tables = _whole(data, path.stem)
        point = StoredPoint(_of(str, meta["label"]), _of(dict, meta["axes"]), path.stem, tables)
        theory = arrays.pop("theory", None)
        model = Deferred(_model, (tables, meta.get("sources"), str(path), models))
        result = _result(arrays, meta, model)
    return Loaded(point, result, theory)


def made_here(path: Path) -> bool:
    """Whether the versions of packages that are here computed a point; raises as `load_point`.

    Its file holds all arrays and is of that very experiment: whether its numbers are possible is
    seen when they are read.
    """
    data = _read(path)
    with _told(path):
        return bool(_whole(data, path.stem)[1]["versions"] == versions())


def _read(path: Path) -> bytes:
    """The contents of a file, where they can be had."""
    try:
        return read_bytes(path, LARGEST_POINT)
    except (OSError, MemoryError) as error:
        why = getattr(error, "strerror", None) or error  # without the number of an open file
        raise Unusable(path, f"cannot be read ({why})", damaged=False) from None
    except Refused as error:
        raise _incomplete(path, error) from None


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise _incomplete(path, error) from None


def _incomplete(path: Path, error: Exception) -> Unusable:
    return Unusable(path, f"not a complete result file ({error})")


def _whole(data: bytes, name: str) -> tuple[dict[str, np.ndarray], dict[str, Any], dict[str, Any]]:
    """Arrays of a file, what is said of them, and the tables of the experiment that names it."""
    arrays = unpack(data)
    text = arrays.pop("meta").tobytes().decode("utf-8")
    meta = json.loads(text)
    if "\\u" in text:  # else all its words can be shown and written
        as_written(meta).encode()
    if meta["format"] == FORMAT:
        key, tables = hash_of(meta["experiment"], meta["sources"]), meta["experiment"]
        if frozenset(arrays) not in COMPLETE:
            raise ValueError(f"its arrays are {', '.join(sorted(arrays))}")
    elif meta["format"] == format_2.FORMAT:
        key, tables = format_2.key_of(meta["config"]), meta["config"]
    else:
        raise ValueError(f"format {meta['format']!r} is not one that this version reads")
    if key != meta["key"] or key != name:
        raise ValueError("its contents do not match its key")
    for array in (k for k in arrays if arrays[k].shape != _shape(k, arrays["n"].size)):
        raise ValueError(f"{array!r} has shape {arrays[array].shape} at {arrays['n'].size} n")
    return arrays, meta, _of(dict, tables)


def _model(tables: dict[str, Any], made_by: Any, source: str, models: Memo | None) -> Any:
    """The model of stored tables, of the very classes that made the numbers."""
    model = rebuild_model(tables, source, models)
    if made_by is None:  # format 2 does not say
        return model
    edited = [name for name, digest in sources(model) if [name, digest] not in made_by]
    if edited:
        raise InputError(
            f"{source}: the source of {', '.join(edited)} differs from the one that made these "
            "numbers; run `tokenspace sweep` again, or restore the class"
        )
    return model


def _of(kind: type, value: Any) -> Any:
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ValueError(f"{value!r} stands where a {kind.__name__} belongs")
    return value


def _result(arrays: dict[str, np.ndarray], meta: dict[str, Any], model: Deferred) -> Result:
    n = arrays["n"]
    if n.ndim != 1 or n.dtype.kind != "i" or not n.size or n[0] < 1 or np.any(np.diff(n) <= 0):
        raise ValueError("its grid does not ascend")
    if n[-1] > LARGEST:
        raise ValueError(f"its grid ends at {n[-1]} tokens; at most {LARGEST} are possible")
    n = n.astype(np.int64)
    count = _of(int, meta["count"])
    psi = {k.split(".")[0] for k in arrays if "." in k}
    if meta["format"] == format_2.FORMAT:
        if psi and psi != PSI_OF_FORMAT_2:
            raise ValueError(f"its correlations are {', '.join(sorted(psi))}, not {', '.join(PSI)}")
        arrays = format_2.complete(arrays, n)
    correlations = {
        k: Estimate(arrays[f"{k}.mean"], arrays[f"{k}.standard_error"], count)
        for k in PSI
        if k in psi
    }
    control = None
    if "control_mean" in arrays:
        by = Moments(arrays["control_mean"], arrays["control_covariance"], count)
        control = Control(by, arrays["control_gain"])
    how = {k: meta[k] for k in HOW}
    for name in ("sampler", "method", "reason", "kernels", "device"):
        _of(str, how[name])
    made_with = {_of(str, k): _of(str, v) for k, v in how["versions"].items()}
    seconds, seed = how["seconds"], how["seed"]
    real = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
    if not real or not 0 <= seconds < math.inf:
        raise ValueError("its seconds are no time")
    if not 1 <= count <= LARGEST_COUNT:
        raise ValueError("its number of replicates cannot be")
    if seed is not None and not 0 <= _of(int, seed) < 2**64:
        raise ValueError("its seed cannot be")
    _require_possible(arrays, count, old=meta["format"] == format_2.FORMAT)
    heavy = "median" in arrays
    return Result(
        n=n,
        divergence=Moments(arrays["mean"], arrays["covariance"], count),
        mean_square=Moments(arrays["square_mean"], arrays["square_covariance"], count),
        quantiles=arrays["quantiles"],
        quantile_intervals=arrays["quantile_intervals"],
        correlations=correlations or None,
        joint=_moments(arrays, "joint", "joint_mean", count) if psi else None,
        control=control,
        median=_moments(arrays, "median", "median", count) if heavy else None,
        geometric=_moments(arrays, "geometric", "geometric", count) if heavy else None,
        model=model,
        **how,
        notes=(*map(str, meta["notes"]), *_on_versions(made_with)),
    )


def _shape(name: str, m: int) -> tuple[int, ...]:
    """The shape of an array of a point with m token counts."""
    special = {
        "quantiles": (len(QUANTILES), m),
        "quantile_intervals": (2, len(QUANTILES), m),
        "joint_mean": (2 * m,),
        "joint_covariance": (2 * m, 2 * m),
    }
    return special.get(name, (m, m) if name.endswith("covariance") else (m,))


def _moments(arrays: dict[str, np.ndarray], name: str, mean: str, count: int) -> Moments:
    return Moments(arrays[mean], arrays[f"{name}_covariance"], count)


def _require_possible(arrays: dict[str, np.ndarray], count: int, old: bool) -> None:
    """Raise `ValueError` for numbers that no simulation gives; an old format lacks some errors."""
    if any(array.dtype.kind != "f" for name, array in arrays.items() if name != "n"):
        raise ValueError("it holds whole numbers where real ones belong")
    for name in SIZES & set(arrays):
        largest = LARGEST_D**2 if name == "square_mean" else LARGEST_D
        if not np.all(abs(arrays[name]) <= largest):
            raise ValueError(f"{name!r} holds numbers that are not finite, or beyond float32")
        if np.any(arrays[name] < 0):
            raise ValueError(f"{name!r} holds numbers below 0, which no divergence has")
    for name in (k for k in arrays if k.endswith("covariance")):
        unknown = np.isnan(arrays[name])
        if unknown.any() and (old or count == 1) and name != "control_covariance":
            continue
        bounded = np.all(abs(arrays[name]) <= LARGEST_D**2)
        if not bounded or np.any(np.diag(arrays[name]) < 0):
            raise ValueError(f"{name!r} is no covariance")


def _on_versions(made_with: dict[str, str]) -> tuple[str, ...]:
    """A note on a point that other versions of packages computed."""
    now = versions()
    others = [k for k in {**made_with, **now} if made_with.get(k) != now.get(k)]
    if not others:
        return ()
    then = ", ".join(f"{k} {made_with.get(k, 'absent')}" for k in others)
    here = ", ".join(f"{k} {now.get(k, 'absent')}" for k in others)
    return (f"computed with {then}; here: {here} (`tokenspace sweep --strict` computes it anew)",)


def load_results(folder: str | Path) -> list[tuple[StoredPoint, Result]]:
    """All finished points of a folder, in the order of the sweep.

    Numbers are read without building models; `result.model` builds its own when it is asked for.

    Args:
        folder: the --out folder of a sweep.

    Returns:
        (point, result) pairs; a point has label, axes, key and config, its tables.

    Raises:
        InputError: no such folder, no finished point, or corrupt files; all of them are named.
    """
    return [(f.point, f.result) for f in load_folder(Path(folder))]


def labels_of(folder: Path) -> dict[str, str]:
    """Key of each experiment of a sweep, finished or not -> the label of its first point, in order.

    Folders of format 2 name no labels: there a key is its own.

    Raises:
        InputError: as `read_sweep`.
    """
    config, listed = read_sweep(folder)
    if listed is None:
        return {key: key for key in format_2.keys_in_order(config, str(folder))}
    labels: dict[str, str] = {}
    for label, _, key in listed:
        labels.setdefault(key, label)
    return labels


def load_folder(folder: Path) -> list[Loaded]:
    """All finished points of a folder with all that their files hold; raises as `load_results`."""
    with collector_paused():
        return _load_folder(folder)


def _load_folder(folder: Path) -> list[Loaded]:
    config, listed = read_sweep(folder)
    if listed is None:
        keys = format_2.keys_in_order(config, str(folder))
        order = {key: k for k, key in enumerate(keys)}
        names = (n for n in sorted(names_of_points(folder)) if n.endswith(".npz"))
        paths = [folder / "points" / n for n in names if KEY.fullmatch(n.removesuffix(".npz"))]
        found = list(_loaded(paths, old=True).values())
        found.sort(key=lambda f: order.get(f.point.key, len(order)))
    else:
        found = _listed_points(folder, listed)
    if not found:
        raise InputError(f"{folder}: no finished point yet; run `tokenspace sweep` again to resume")
    return found


def _listed_points(folder: Path, listed: list[Any]) -> list[Loaded]:
    """Points as sweep.json names them: two that are one experiment share a file."""
    names = names_of_points(folder)
    paths = {key: point_file(folder, key) for *_, key in listed}
    files = _loaded([path for path in paths.values() if path.name in names])
    found = []
    for label, axes, key in listed:
        if (loaded := files.get(paths[key])) is not None:
            point = StoredPoint(label, axes, key, loaded.point.config)
            found.append(Loaded(point, loaded.result, loaded.theory))
    return found


def _loaded(paths: list[Path], old: bool = False) -> dict[Path, Loaded]:
    """What these files hold; `InputError` names all that cannot be used. old: as in `all_of`."""
    models: Memo = {}
    found: dict[Path, Loaded] = {}
    unusable: dict[Path, Unusable] = {}
    for path in paths:
        try:
            found[path] = load(path, models)
        except Unusable as error:
            unusable[path] = error
    if unusable:
        raise all_of(unusable, old)
    return found
