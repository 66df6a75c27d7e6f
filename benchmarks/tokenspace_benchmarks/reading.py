"""Given tokens in memory against what memory gives.

    taskset -c 0 python -m tokenspace_benchmarks.reading run CSV [NUMBERS]     a run on one core
    python -m tokenspace_benchmarks.reading page CSV PAGE      the table of all runs, into a page

A run adds a row a dimension, format and place to the file: processor time of a copy that moves as
many bytes as the tokens have, and shares of its rate: of reading them, of D(n) alone, of D(n) with
psi's, and of psi's of tokens that stay in the second cache, the loops' arithmetic alone. Processor
time and not the clock's, so that other work on the machine counts less; contestants take turns.
NumPy's large arrays begin 16 bytes after a line of the cache, so that every vector lies across two;
those of JAX and in .npy files that are mapped begin with one.
"""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np

from tokenspace.grids import log_grid
from tokenspace_kernels.dispatch import kernel
from tokenspace_kernels.workers import cores, share

USAGE = (
    "python -m tokenspace_benchmarks.reading run CSV [NUMBERS]\n"
    "python -m tokenspace_benchmarks.reading page CSV PAGE"
)
BEGIN, END = "<!-- shares of a copy -->", "<!-- end of shares -->"
DIMS = (256, 1024, 4096)
OFFSETS = (0, 16)  # bytes after a line
CACHED = 16  # tokens that stay in the second cache
SHARES = ("read", "D(n)", "D(n) and psi's", "psi's in the cache")
LINE = 64  # bytes
FORMATS = {"float32": np.float32, "bfloat16": ml_dtypes.bfloat16, "float16": np.float16}


class Row(NamedTuple):
    """A format in a run: milliseconds of a copy of one branch, and shares of its rate."""

    cores: int
    dim: int
    format: str
    offset: int
    copy: float
    read: float
    divergence: float
    psi: float
    cached: float


def placed(tokens: np.ndarray, offset: int) -> np.ndarray:
    """A copy that begins so many bytes after a line of the cache."""
    memory = np.empty(tokens.nbytes + 2 * LINE, np.uint8)
    first = -memory.ctypes.data % LINE + offset
    out = memory[first : first + tokens.nbytes].view(tokens.dtype).reshape(tokens.shape)
    out[:] = tokens
    return out


def in_cache(a: np.ndarray, b: np.ndarray) -> Callable[[], None]:
    """A call that reads the first tokens again and again, as often as makes all of them."""
    from tokenspace_kernels import given_tokens_loops as loops  # Numba need not be there
    from tokenspace_kernels.given_tokens_cpu import LONGEST_PIECE

    x, y = (h.view(loops.AS_NUMBA[h.dtype.name]) for h in (a, b))
    for h in (x, y):
        h.flags.writeable = False  # as `measure` has them: Numba would compile both kinds
    rows, firsts = np.arange(len(a)) % CACHED, np.arange(0, len(a), LONGEST_PIECE)
    lengths = np.minimum(LONGEST_PIECE, len(a) - firsts)
    pieces = np.stack([firsts, lengths, np.zeros_like(firsts)])

    def read(s: slice) -> None:
        sums, equal = loops.sums_of(1, a.shape[1]), np.zeros(1)
        for k in range(s.start, s.stop):
            loops.sum_pieces(x, y, rows, pieces[:, k : k + 1], True, sums, equal)

    return lambda: share(len(firsts), read)


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
        "psi's in the cache": in_cache(a, b),
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


def measured(numbers: int, repeats: int = 15) -> Iterator[Row]:
    """A row a dimension, format and place; `numbers` of a branch."""
    for dim in DIMS:
        tokens = max(numbers // dim, CACHED)
        both = np.random.default_rng(0).standard_normal((2, tokens, dim), dtype=np.float32)
        for name, dtype in FORMATS.items():
            for offset in OFFSETS:
                a, b = (placed(h.astype(dtype), offset) for h in both)
                took = race(contestants(a, b, np.empty_like(a)), repeats)
                shares = (round(took["copy"] / took[n], 2) for n in SHARES)
                yield Row(cores(), dim, name, offset, round(1e3 * took["copy"], 2), *shares)


def written(rows: Iterable[Row], header: bool = True) -> str:
    """Rows as CSV."""
    lines = [",".join(Row._fields)] if header else []
    return "".join(f"{line}\n" for line in lines + [",".join(map(str, row)) for row in rows])


def from_csv(text: str) -> list[Row]:
    """Rows of a file that `run` wrote."""
    return [
        Row(int(c), int(d), name, int(o), *map(float, rest))
        for c, d, name, o, *rest in list(csv.reader(text.splitlines()))[1:]
    ]


def table(rows: list[Row]) -> str:
    """The least and the most share of all runs, of each dimension and format."""
    columns = [(c, o) for c in sorted({r.cores for r in rows}) for o in OFFSETS]
    words = {1: "one core"}
    heads = [
        f"psi's, {words.get(c, f'{c} cores')}" if o == 0 else "16 bytes after" for c, o in columns
    ]
    out = [f"| | {' | '.join(heads)} | in the cache | D alone |", "|---" * (len(heads) + 3) + "|"]
    for dim in DIMS:
        for name in FORMATS:
            own = [r for r in rows if (r.dim, r.format) == (dim, name)]
            cells = [[r.psi for r in own if (r.cores, r.offset) == c] for c in columns]
            cells += [[r.cached for r in own], [r.divergence for r in own]]
            shown = " | ".join(f"{min(c):.2f} to {max(c):.2f}" for c in cells)
            out.append(f"| {name}, d = {dim:,} | {shown} |")
    return "\n".join(out)


def in_page(page: str, rows: list[Row]) -> str:
    """The page with this table between its marks."""
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}\n{table(rows)}\n{END}{rest.split(END)[1]}"


def main(arguments: list[str]) -> int:
    """Add a run to a file, or write the table of its runs; exit status 2 for bad arguments."""
    match arguments:
        case ["run", file, *numbers] if len(numbers) < 2 and all(n.isdecimal() for n in numbers):
            path, run = Path(file), measured(*map(int, numbers or ["16777216"]))
            text = written(run, header=not path.exists())
            with path.open("a") as out:
                out.write(text)
        case ["page", file, page]:
            rows = from_csv(Path(file).read_text())
            Path(page).write_text(in_page(Path(page).read_text(), rows))
        case _:
            print(USAGE, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
