"""Read token arrays from files: .npy, .npz, .safetensors. Nothing is ever unpickled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tokenspace.errors import InputError


def load_array(path: Path, key: str | None = None) -> np.ndarray:
    """The array in a file; `key` names it where a file holds several.

    Raises:
        InputError: the file is missing, corrupt, pickled, or the key is not in it.
    """
    try:
        there = path.is_file()
    except OSError as error:  # a name that no file can have
        raise InputError(f"{str(path)[:80]}...: cannot be read ({error.strerror})") from None
    if not there:
        raise InputError(f"{path}: no such file")
    try:
        if path.suffix == ".npy":
            return np.asarray(np.load(path, allow_pickle=False))
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as data:
                return np.asarray(data[_pick(path, list(data.files), key)])
        if path.suffix == ".safetensors":
            from safetensors import safe_open

            with safe_open(path, framework="flax") as file:
                return np.asarray(file.get_tensor(_pick(path, list(file.keys()), key)))
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{path}: cannot be read as {path.suffix}: {error}") from None
    raise InputError(f"{path}: {path.suffix or 'no'} suffix; .npy, .npz and .safetensors are read")


def _pick(path: Path, names: list[str], key: str | None) -> str:
    if key is not None and key in names:
        return key
    if key is None and len(names) == 1:
        return names[0]
    problem = (
        f"holds no array {key!r}" if key is not None else "holds several arrays; choose by --key"
    )
    raise InputError(f"{path}: {problem}: {', '.join(names) or 'it is empty'}")


def load_order(order: str) -> Any:
    """ "raster", "random", or the permutation in a .npy file."""
    if order in ("raster", "random"):
        return order
    path = Path(order)
    if path.suffix == ".npy":
        return load_array(path)
    raise InputError(f"--order {order!r} is not allowed; it must be raster, random or a .npy file")
