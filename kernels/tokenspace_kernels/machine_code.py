"""Machine code that Numba keeps on disk, so that only the first process that needs it compiles.

It lies where Numba puts it: NUMBA_CACHE_DIR, else `__pycache__` beside the source, else the cache
folder of the user. Numba alone raises where none of them can be written, and where a file in them
is damaged or the disk full; here all that costs is a compilation.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from numba.core.caching import FunctionCache


class ForgivingCache(FunctionCache):
    """A cache that cannot be read is begun anew; one that cannot be written stays as it is."""

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
