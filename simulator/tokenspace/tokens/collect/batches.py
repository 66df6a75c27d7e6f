"""Work in batches; one that does not fit into memory is halved, and stays so."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from tokenspace.errors import InputError

Item = TypeVar("Item")
WORDS = ("out of memory", "not enough memory", "can't allocate memory", "status_alloc_failed")


class OneAtATime(Exception):
    """This model's pictures cannot be told apart in a batch."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that a batch was too large."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(w in str(error).lower() for w in WORDS)


def in_batches(
    items: Sequence[Item],
    batch: int,
    work: Callable[[Sequence[Item]], Any],
    say: Callable[[str], None],
    free: Callable[[], None] = lambda: None,
) -> Iterator[Any]:
    """What `work` makes of each batch, at most `batch` items at once.

    Args:
        free: called after memory ran out, to give back what is cached.

    Raises:
        InputError: one item alone does not fit.
    """
    start = 0
    while start < len(items):
        now = items[start : start + batch]
        smaller = ""
        try:
            done = work(now)
        except OneAtATime:
            batch = 1
            continue
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            smaller = str(error).splitlines()[0] if str(error) else type(error).__name__
        if smaller:  # outside `except`: the error holds on to the tensors of its frames
            free()
            if len(now) == 1:
                raise InputError(
                    f"one sequence alone does not fit into memory ({smaller}); use a smaller "
                    "--dtype, fewer --tokens, smaller pictures or another --device"
                )
            batch = len(now) // 2
            say(f"out of memory with {len(now)} sequences at once; going on with {batch}")
            continue
        yield done
        start += len(now)
