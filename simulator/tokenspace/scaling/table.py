"""A CSV of measured scores as a table that was checked: a row a score, bad cells told by line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.errors import ParserError

from tokenspace.errors import InputError
from tokenspace.ordinary import require_ordinary

LARGEST = 1 << 30  # bytes of a CSV, far above what measured curves take

COUNTS = ("vision_tokens", "n")
ERRORS = ("standard_error", "questions")
SIZE = "model_size"
NUMBERS = (*ERRORS, SIZE, "flops")  # numbers that may stand beside a score
WORDS = ("confound", "trained_for_n", "source", "note")  # words that name no curve
COLUMNS = (*COUNTS, "score", *NUMBERS, *WORDS)
TRAINED = ("yes", "no", "")
EMPTY = ("na", "n/a", "nan", "null", "none", "<na>", "#n/a")  # but not where it names a curve
RANGE = (1e-99, 1e99)  # of numbers, wide of all that is measured: squares and powers stay finite


def read_table(source: Path) -> tuple[pd.DataFrame, str, int]:
    """(rows with a score, name of the column of n, rows without a score, which are left out).

    The rows' index is the line of each in the file, but for cells that hold line breaks.

    Raises:
        InputError: as `curves.read_curves`.
    """
    require_ordinary(source)
    if (size := source.stat().st_size) > LARGEST:
        raise InputError(f"{source}: has {size:,} bytes; at most {LARGEST:,} are read")
    if not size:
        raise InputError(f"{source}: is empty; it needs columns vision_tokens (or n) and score")
    try:
        # blank lines are counted, and a small compressed file could hold one without end; cells
        # are kept as they stand, as models may be called 01 and 1, or None
        table = pd.read_csv(
            source,
            compression=None,
            skip_blank_lines=False,
            dtype=str,
            keep_default_na=False,
            na_values=[""],
        )
    except UnicodeDecodeError as error:
        raise InputError(
            f"{source}: cannot be read as CSV: it is no UTF-8 text ({error.reason}); "
            "save it as UTF-8, and decompress it first if it is compressed"
        ) from None
    except (OSError, ValueError, ParserError) as error:
        raise InputError(f"{source}: cannot be read as CSV: {error}") from None
    table.columns = [str(name).strip() for name in table.columns]
    twice = [c for c in COLUMNS if f"{c}.1" in table]  # so pandas calls the second
    if twice:
        raise InputError(f"{source}: two columns are named {twice[0]!r}; leave one of them out")
    if other := next((mark for mark in (";", "\t") if mark in table.columns[0]), ""):
        raise InputError(
            f"{source}: its cells are separated by {other!r}; save it with commas between cells, "
            "and points in numbers"
        )
    if not isinstance(table.index, pd.RangeIndex):  # pandas took the first cells for names of rows
        raise InputError(f"{source}: its rows have more cells than its header has columns")
    count = next((c for c in COUNTS if c in table), None)
    if count is None or "score" not in table:
        raise InputError(
            f"{source}: needs columns vision_tokens (or n) and score, but has "
            f"{', '.join(table.columns)}; names are written in small letters"
        )
    # one letter may well name something else than n
    if odd := [
        c for c in table.columns if len(c) > 1 and c not in COLUMNS and c.lower() in COLUMNS
    ]:
        raise InputError(
            f"{source}: column {odd[0]!r} would name curves, as it is not {odd[0].lower()!r}; "
            "names are written in small letters: rename it, or leave it out"
        )
    if all(c in table for c in ERRORS):
        raise InputError(f"{source}: has both standard_error and questions; leave one of them out")
    table.index = pd.RangeIndex(2, len(table) + 2)
    for column in (c for c in COLUMNS if c in table):
        table[column] = table[column].mask(table[column].str.strip().str.lower().isin(EMPTY))
    table = table.dropna(how="all").dropna(how="all", axis="columns")
    if all(c in table for c in COUNTS):
        raise InputError(
            f"{source}: has both vision_tokens and n; leave one of them out, or rename it if it is "
            "not how many tokens there are"
        )
    count = next((c for c in COUNTS if c in table), count)
    if "score" not in table or count not in table:
        raise InputError(f"{source}: holds no rows below its header")
    _check(source, table, count)
    scored = table["score"].notna()
    return table[scored], count, int((~scored).sum())


def _check(source: Path, table: pd.DataFrame, count: str) -> None:
    """Cells as numbers and words, in place; InputError at the first that is bad."""
    for column in (count, "score", *(c for c in NUMBERS if c in table)):
        numbers = table[column].map(_number)
        missing = numbers.isna() & (table[column].notna() | (column == count))
        refuse(source, table[column], missing, _no_number)
        least = 1.0 if column == "questions" else RANGE[0]
        bad = numbers.notna() & ~((numbers >= least) & (numbers <= RANGE[1]))
        refuse(source, table[column], bad, _out_of_range)
        table[column] = numbers
    for column in (c for c in WORDS if c in table):
        table[column] = table[column].astype(object).fillna("").astype(str)
    if "trained_for_n" in table:
        odd = ~table["trained_for_n"].isin(TRAINED)
        refuse(
            source,
            table["trained_for_n"],
            odd,
            lambda *_: "is not allowed; it must be yes, no, or empty",
        )


def refuse(source: Path, cells: pd.Series, bad: pd.Series, why: Callable[[str, str], str]) -> None:
    """InputError at the first cell that is bad, if any is; `why` is told its column and text."""
    if bad.any():
        line, cell = int(bad.idxmax()), cells[bad].iloc[0]
        column = str(cells.name)
        text = "" if pd.isna(cell) else f"{cell:g}" if isinstance(cell, float) else str(cell)
        more = f" ({int(bad.sum()) - 1} more in this column)" if bad.sum() > 1 else ""
        raise InputError(f"{source}: line {line}: {column} = {text!r} {why(column, text)}{more}")


def _no_number(column: str, text: str) -> str:
    if "%" in text:
        return "is not a number; write 45.2 for 45.2 %"
    if "," in text or "'" in text:
        return "is not a number; write 1234.5, with a point, and nothing between thousands"
    return "is not a number"


def _out_of_range(column: str, text: str) -> str:
    if column == "questions":
        return "is not allowed; it is how many a score is the share of, at least 1"
    out = ""
    if column == "score" and _number(text) == 0:
        out = "; laws are fitted to log S, leave a score of 0 out"
    elif column in COUNTS and _number(text) == 0:
        out = "; a score without tokens has no place on log n, leave it out"
    if 0 < _number(text) < np.inf:
        return f"is not allowed; it must lie within {RANGE[0]:g} and {RANGE[1]:g}"
    return f"is not allowed; it must be finite and > 0{out}"


def _number(text: object) -> float:
    """A cell as a number, NaN where it is none."""
    if "_" in str(text):  # which Python reads over
        return float("nan")
    try:
        return float(text)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return float("nan")
