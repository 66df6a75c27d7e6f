"""Given tokens in memory against what memory gives.

    taskset -c 0 python -m tokenspace_benchmarks.reading [TOKENS]     on one core

A row a format: processor time of a copy that moves as many bytes as the tokens have, and the shares
of its rate that reading them, D(n) alone and D(n) with psi's reach. Processor time and not the
clock's, so that other work on the machine counts less; contestants take turns. NumPy's large arrays
begin 16 bytes after a line of the cache, so that every vector lies across two; those of JAX and in
.npy files that are mapped begin with one.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np

from tokenspace.grids import log_grid
from tokenspace_kernels.dispatch import kernel
from tokenspace_kernels.workers import share

DIM = 1024
LINE = 64  # bytes
FORMATS = {"float32": np.float32, "bfloat16": ml_dtypes.bfloat16, "float16": np.float16}


def placed(tokens: np.ndarray, offset: int) -> np.ndarray:
    """A copy that begins so many bytes after a line of the cache."""
    memory = np.empty(tokens.nbytes + 2 * LINE, np.uint8)
    first = -memory.ctypes.data % LINE + offset
    out = memory[first : first + tokens.nbytes].view(tokens.dtype).reshape(tokens.shape)
    out[:] = tokens
    return out


def contestants(a: np.ndarray, b: np.ndarray, target: np.ndarray) -> dict[str, Callable[[], Any]]:
    """Calls by name; the copy reads one branch and writes as much, to the target."""
    measure, grid = kernel("measure").call, log_grid(len(a), 33)
    words = [h.view(np.uint64) for h in (a, b, target)]

    def each(function: Callable[[slice], Any]) -> Callable[[], None]:
        return lambda: share(len(a), function)

    return {
        "copy": each(lambda s: np.copyto(words[2][s], words[0][s])),
        "read": each(lambda s: [np.bitwise_or.reduce(w[s].reshape(-1)) for w in words[:2]]),
        "D(n)": lambda: measure(a, b, grid, False),
        "D(n) and psi's": lambda: measure(a, b, grid, True),
    }


def race(calls: dict[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Medians of processor seconds, one call of each in turn after one to warm up."""
    took: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(repeats + 1):
        for name, call in calls.items():
            started = time.process_time()
            call()
            if turn:
                took[name].append(time.process_time() - started)
    return {name: float(np.median(t)) for name, t in took.items()}


def table(tokens: int, repeats: int = 15) -> list[str]:
    """Rows: format, where its arrays begin, time of the copy, and shares of its rate."""
    names = ("read", "D(n)", "D(n) and psi's")
    rows = [f"| tokens | copy | {' | '.join(names)} |", "|---|---|---|---|---|"]
    both = np.random.default_rng(0).standard_normal((2, tokens, DIM), dtype=np.float32)
    for name, dtype in FORMATS.items():
        for offset, where in ((0, "on a line"), (16, "16 bytes after it")):
            a, b = (placed(h.astype(dtype), offset) for h in both)
            took = race(contestants(a, b, np.empty_like(a)), repeats)
            shares = " | ".join(f"{took['copy'] / took[n]:.2f}" for n in names)
            rows.append(f"| {name}, {where} | {1e3 * took['copy']:.2f} ms | {shares} |")
    return rows


def main(arguments: list[str]) -> int:
    """Print the table; exit status 2 for what is not understood."""
    if len(arguments) > 1 or not all(x.isdecimal() and int(x) >= 64 for x in arguments):
        print("python -m tokenspace_benchmarks.reading [TOKENS]   (from 64 on)", file=sys.stderr)
        return 2
    print("\n".join(table(*map(int, arguments or ["16384"]))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
