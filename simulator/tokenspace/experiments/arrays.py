"""Arrays of numbers in a .npz file that may come from anybody.

Nothing is unpickled, and no array is allocated before it is known that the file really holds it: a
member is stored as it is (never compressed, so it cannot grow), and its header must declare exactly
the bytes that follow it.
"""

from __future__ import annotations

import io
import math
import struct
import zipfile
import zlib
from functools import lru_cache

import numpy as np

LARGEST_HEADER = 1024  # characters; ours have about 100
KINDS = "iuf"
LOCAL = struct.Struct("<26xHH")  # before each member: at the end the lengths of name and extra


def pack(arrays: dict[str, np.ndarray]) -> bytes:
    """Arrays as the bytes of an .npz file."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def unpack(data: bytes) -> dict[str, np.ndarray]:
    """The arrays of an .npz file, by name.

    Raises:
        ValueError: a member is compressed, larger than the file, named twice, or no array of plain
            numbers.
        zipfile.BadZipFile, OSError, EOFError, KeyError, NotImplementedError: it is damaged.
    """
    out: dict[str, np.ndarray] = {}
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        members = file.infolist()
        if any(m.compress_type != zipfile.ZIP_STORED for m in members):
            raise ValueError("its arrays are compressed, which ours never are")
        if sum(m.file_size for m in members) > len(data):
            raise ValueError("it declares more than it holds")
        for member in members:
            name = member.filename.removesuffix(".npy")
            if name in out:
                raise ValueError(f"it holds {name!r} twice")
            out[name] = _array(_stored(data, member), name)
    return out


def _stored(data: bytes, member: zipfile.ZipInfo) -> memoryview:
    """The bytes of a member that is stored as it is, where `ZipFile.read` takes most of the time.

    Raises:
        ValueError: it is not where the file's directory says, or its checksum is another.
    """
    head = data[member.header_offset : member.header_offset + LOCAL.size]
    if len(head) < LOCAL.size or not head.startswith(b"PK\x03\x04") or member.flag_bits & 1:
        raise ValueError(f"{member.filename!r} is not where the file says")
    name, extra = LOCAL.unpack(head)
    start = member.header_offset + LOCAL.size + name + extra
    body = memoryview(data)[start : start + member.file_size]
    if len(body) < member.file_size or zlib.crc32(body) != member.CRC:
        raise ValueError(f"{member.filename!r} is damaged")
    return body


def _array(raw: memoryview, name: str) -> np.ndarray:
    if raw[:6] != b"\x93NUMPY" or raw[6:8] not in (b"\x01\x00", b"\x02\x00"):
        raise ValueError(f"{name!r} is no array")
    start, width = (10, 2) if raw[6] == 1 else (12, 4)
    length = int.from_bytes(raw[8 : 8 + width], "little")
    if length > LARGEST_HEADER:
        raise ValueError(f"the header of {name!r} has {length:,} characters")
    shape, fortran, dtype = _header(bytes(raw[8 : start + length]), raw[6])
    if dtype.kind not in KINDS or dtype.hasobject:
        raise ValueError(f"{name!r} holds {dtype}, not plain numbers")
    body = raw[start + length :]
    if math.prod(shape) * dtype.itemsize != len(body):
        raise ValueError(f"{name!r} declares shape {shape}, but holds {len(body):,} bytes")
    array = np.frombuffer(body, dtype).reshape(shape, order="F" if fortran else "C")
    return array.copy()  # writable, and free of the file's bytes


@lru_cache(maxsize=1024)
def _header(raw: bytes, version: int) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, order and type that a header declares; files of one sweep repeat them."""
    read = np.lib.format.read_array_header_1_0
    if version == 2:
        read = np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(io.BytesIO(raw), max_header_size=LARGEST_HEADER)
    if any(n < 0 for n in shape):
        raise ValueError(f"shape {shape} is negative")
    return shape, fortran, dtype
