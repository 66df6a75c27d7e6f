"""Read token arrays from files: .npy, .npz, .safetensors. Nothing is ever unpickled.

.npy and .safetensors are mapped: their values are read where they are used.
"""

from __future__ import annotations

import errno
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from tokenspace.errors import InputError
from tokenspace.ordinary import require_ordinary
from tokenspace.printable import ten_of
from tokenspace.tokens.mapped import map_safetensors

MAGIC = b"\x93NUMPY"  # begins a .npy file
LARGEST_HEADER = 10_000  # characters of a .npy header; NumPy's have about 100
LARGEST_RATIO = 1000  # of an array to its bytes in the file; zeros alone are more compressible
SMALL = 1 << 26  # bytes of an array that may be as compressible as it likes


def load_array(path: Path, key: str | None = None) -> np.ndarray:
    """The array in a file, read-only where it is mapped; `key` names it where there are several.

    Raises:
        InputError: the file is missing, no ordinary file, corrupt, pickled, would grow beyond
            memory, or the key is not in it.
    """
    require_ordinary(path)
    try:
        if path.suffix == ".npy":
            with path.open("rb") as file:
                head = file.read(12)
            _require_short_header(path, head)
            if head[:6] != MAGIC:
                raise InputError(f"{path}: is no .npy file, as numpy.save writes it")
            return np.asarray(
                np.load(path, "r", allow_pickle=False, max_header_size=LARGEST_HEADER)
            )
        if path.suffix == ".npz":
            if not zipfile.is_zipfile(path):
                raise InputError(f"{path}: is no .npz file, as numpy.savez writes it")
            with np.load(path, allow_pickle=False, max_header_size=LARGEST_HEADER) as data:
                name = _pick(path, list(data.files), key)
                _require_to_fit(path, name)
                return np.asarray(data[name])
        if path.suffix == ".safetensors":
            arrays = map_safetensors(path)
            return arrays[_pick(path, list(arrays), key)]
    except InputError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.EMFILE:
            raise InputError(
                f"{path}: too many files are open, as each that is mapped stays so; raise the "
                "limit (ulimit -n), or put the arrays of a layer into one .safetensors file"
            ) from None
        what = f"cannot be read as {path.suffix}: {error}"
        if "malformed node" in str(error):
            what = "is damaged: its header is no description of an array"
        if "greater than file size" in str(error):
            what = "is cut off: it has fewer bytes than its header says"
        raise InputError(f"{path}: {what}") from None
    raise InputError(f"{path}: {path.suffix or 'no'} suffix; .npy, .npz and .safetensors are read")


def _require_short_header(path: Path, head: bytes) -> None:
    """Refuse a .npy header so long that reading it would take memory."""
    length = int.from_bytes(head[8 : 10 if head[6:7] == b"\x01" else 12], "little")
    if head[:6] == MAGIC and length > LARGEST_HEADER:
        raise InputError(f"{path}: its header declares {length:,} characters; tokens have few")


def _require_to_fit(path: Path, name: str) -> None:
    """Refuse an array that grows, when it is decompressed, beyond what tokens do or memory holds.

    No more is read than the archive declares, so its word can be taken for the size.
    """
    with zipfile.ZipFile(path) as archive:
        known = {member.filename: member for member in archive.infolist()}
        member = known[name] if name in known else known[f"{name}.npy"]
        free = psutil.virtual_memory().available
        grows = member.file_size > max(SMALL, LARGEST_RATIO * member.compress_size)
        if grows or member.file_size > free:
            raise InputError(
                f"{path}: {name!r} has {member.compress_size:,} bytes in the file and declares "
                f"{member.file_size:,} when it is read, where {free:,} are free; it is not read"
            )
        with archive.open(member) as file:
            _require_short_header(path, file.read(12))


def _pick(path: Path, names: list[str], key: str | None) -> str:
    if key is not None and key in names:
        return key
    if key is None and len(names) == 1:
        return names[0]
    if not names:
        raise InputError(f"{path}: holds no array")
    problem = (
        f"holds no array {key!r}" if key is not None else "holds several arrays; choose by --key"
    )
    raise InputError(f"{path}: {problem}: {ten_of(names)}")


def load_order(order: str) -> Any:
    """ "raster", "random", or the permutation in a .npy file."""
    if order in ("raster", "random"):
        return order
    path = Path(order)
    if path.suffix == ".npy":
        return load_array(path)
    raise InputError(f"--order {order!r} is not allowed; it must be raster, random or a .npy file")
