"""Folders of results as somebody else may have made them."""

import io
import json
from pathlib import Path

import numpy as np
import pytest

from tokenspace.errors import InputError
from tokenspace.experiments.canonical import hash_of
from tokenspace.experiments.format_2 import key_of
from tokenspace.experiments.results import load_point

CONFIG = {
    "tokens": {"count": 64, "points": 9},
    "features": {"model": "isotropic", "dim": 8},
    "branches": {
        "model": "equicorrelated",
        "psi_equal": 0.2,
        "psi_within": 0.3,
        "psi_cross": 0.1,
    },
    "run": {"replicates": 300},
}
SHELL = {"model": "os:system", "command": "touch exploded"}


def only_file(folder):
    (file,) = (Path(folder) / "points").glob("*.npz")
    return file


def read(file):
    """(arrays, meta) of a point's file."""
    with np.load(file, allow_pickle=False) as data:
        arrays = dict(data)
    return arrays, json.loads(arrays.pop("meta").tobytes())


def npz(arrays, meta):
    buffer = io.BytesIO()
    np.savez(buffer, meta=np.frombuffer(json.dumps(meta).encode(), np.uint8), **arrays)
    return buffer.getvalue()


def with_branches(folder, branches):
    """Put other branches into the only point of a folder, with a key that fits them."""
    file = only_file(folder)
    arrays, meta = read(file)
    meta["experiment"]["branches"] = branches
    meta["key"] = hash_of(meta["experiment"], meta["sources"])
    file.with_name(f"{meta['key']}.npz").write_bytes(npz(arrays, meta))
    file.unlink()
    sweep = json.loads((folder / "sweep.json").read_text())
    sweep["config"]["branches"] = branches
    sweep["points"][0][2] = meta["key"]
    (folder / "sweep.json").write_text(json.dumps(sweep))


def to_format_2(folder, config):
    """Write the only point of a folder as the format before this one did."""
    file = only_file(folder)
    arrays, meta = read(file)
    for name in ("experiment", "sources"):
        del meta[name]
    del arrays["theory"]
    meta |= {"format": 2, "config": config, "key": key_of(config)}
    file.with_name(f"{meta['key']}.npz").write_bytes(npz(arrays, meta))
    file.unlink()
    (folder / "sweep.json").write_text(json.dumps(config, indent=1))


def refused(path):
    """What is said of a file that cannot be a result."""
    with pytest.raises(InputError) as caught:
        load_point(path)
    return str(caught.value)
