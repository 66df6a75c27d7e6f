"""A safetensors file that grows: rows are appended, the header is written last.

The format wants its header first and names every tensor in it, so room is kept for it; spaces fill
what it does not need, as the format allows. Nothing is held in memory or copied.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

import numpy as np

from tokenspace.errors import InputError
from tokenspace.files import require_no_link
from tokenspace.tokens.collected import DTYPES

TAGS = {name: tag for tag, name in DTYPES.items()}
ENTRY = 160  # bytes that a tensor takes in the header, beside its name: four numbers of 20 digits


def room_for(names: list[str]) -> int:
    """Bytes of a header that lists these tensors, a multiple of 8."""
    needed = 2 + sum(ENTRY + len(name) for name in names)
    return -8 * (-needed // 8)


class GrowingShard:
    """One tensor (n, features) after another, in `path` when it is finished.

    Args:
        path: of the finished file; until then it is `<path>.partial`.
        dtype: "float32", "bfloat16" or "float16".
        room: bytes kept for the header, see `room_for`.
        lengths: name -> n of what a run before this one has committed; what follows is cut off.

    Raises:
        InputError: the file holds less than was committed, or the disk refuses.
    """

    def __init__(
        self, path: Path, dtype: str, features: int, room: int, lengths: dict[str, int]
    ) -> None:
        self.path, self.partial = path, path.with_name(f"{path.name}.partial")
        self.dtype, self.features, self.room = dtype, features, room
        self._lengths = dict(lengths)
        self._bytes = features * (4 if dtype == "float32" else 2)
        self._file = None
        require_no_link(self.path)
        require_no_link(self.partial)
        if path.exists() and not self.partial.exists():
            return  # finished before, by a run that was killed between two of its files
        self._file = self.partial.open("r+b" if self.partial.exists() else "w+b")
        end = 8 + room + self._bytes * sum(lengths.values())
        held = self._file.seek(0, os.SEEK_END)
        if lengths and held < end:
            raise InputError(
                f"{self.partial}: has {held:,} bytes where {end:,} were written; remove the folder "
                "and collect anew"
            )
        self._file.truncate(end)
        self._file.seek(end)

    def append(self, name: str, tokens: np.ndarray) -> None:
        """Add a sequence (n, features) of the shard's dtype."""
        assert self._file is not None and name not in self._lengths
        assert tokens.dtype.name == self.dtype and tokens.shape[1:] == (self.features,)
        self._file.write(np.ascontiguousarray(tokens).view(np.uint8).data)
        self._lengths[name] = len(tokens)

    def sync(self) -> None:
        """Return when the disk has what was appended."""
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())

    def finish(self) -> None:
        """Write the header and give the file its name."""
        if self._file is None:
            return
        header = {}
        start = 0
        for name, n in self._lengths.items():
            end = start + n * self._bytes
            shape, offsets = [n, self.features], [start, end]
            header[name] = {"dtype": TAGS[self.dtype], "shape": shape, "data_offsets": offsets}
            start = end
        text = json.dumps(header, separators=(",", ":")).encode()
        assert len(text) <= self.room
        self._file.seek(0)
        self._file.write(self.room.to_bytes(8, "little") + text.ljust(self.room))
        self.sync()
        self.close()
        os.replace(self.partial, self.path)

    def close(self) -> None:
        """Let go of the file; what was not synced may be lost, as after a kill."""
        if self._file is not None:
            with suppress(OSError):  # a full disk, which `append` or `sync` has told of
                self._file.close()
            self._file = None
