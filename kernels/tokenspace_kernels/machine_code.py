"""Machine code that Numba keeps on disk, so that only the first process that needs it compiles.

It lies where Numba puts it: NUMBA_CACHE_DIR, else `__pycache__` beside the source, else the cache
folder of the user. Numba alone raises where none of them can be written, and where a file in them
is damaged or the disk full; here all that costs is a compilation. Numba alone knows a function's
code to be out of date by the function's own file; here any file of this package counts, since loops
call loops of other files.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from numba import njit
from numba.core.caching import FunctionCache

# Sums may be reordered and fused, as vector instructions need; NaN and infinity keep their sense.
OPTIONS: Any = {
    "nogil": True,
    "error_model": "numpy",
    "fastmath": {"reassoc", "contract", "nsz"},
}


@cache
def stamp() -> tuple[tuple[str, float, int], ...]:
    """What this package's files look like: name, time of the last change and size of each."""
    files = [(p.name, p.stat()) for p in sorted(Path(__file__).parent.glob("*.py"))]
    return tuple((name, s.st_mtime, s.st_size) for name, s in files)


class ForgivingCache(FunctionCache):
    """A cache that cannot be read is begun anew; one that cannot be written stays as it is."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        self._cache_file._source_stamp = stamp()

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # whatever unpickling damaged bytes raises
            with suppress(OSError):
                self.flush()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        with suppress(Exception):  # a full disk; or damage that could not be flushed
            super().save_overload(sig, data)


def on_disk(dispatcher: Any) -> Any:
    """The same compiled function, with its machine code kept on disk where that is possible."""
    with suppress(RuntimeError, OSError):  # no folder can be written
        dispatcher._cache = ForgivingCache(dispatcher.py_func)
    return dispatcher


def compiled(function: Callable[..., Any]) -> Any:
    """The function compiled, with sums in any order."""
    return on_disk(njit(**OPTIONS)(function))


def inlined(function: Callable[..., Any]) -> Any:
    """As `compiled`, and part of whatever calls it: a call a token costs too much."""
    return njit(**OPTIONS, forceinline=True)(function)


def compiled_in_order(function: Callable[..., Any]) -> Any:
    """The function compiled as it is written, but for fused multiply-adds."""
    return on_disk(njit(**OPTIONS | {"fastmath": {"contract", "nsz"}})(function))
