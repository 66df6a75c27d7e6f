"""A CSV of measured scores as a table that was checked: bad cells are told by line.

A row a score, or, as papers print it, a row a count and a column a benchmark.
"""

from __future__ import annotations

import codecs
import re
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
# cells without a number or word, but not where they name a curve
EMPTY = ("na", "n/a", "nan", "null", "none", "<na>", "#n/a", "-", "\N{EN DASH}", "\N{EM DASH}")
UNITS = {"k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}  # of sizes, as models are named by them
BENCHMARKS = ("benchmark", "metric", "task", "dataset")  # labels that name no model
RANGE = (1e-99, 1e99)  # of numbers, wide of all that is measured: squares and powers stay finite
# how files begin that hold no text, and what they are
BEGINNINGS = {
    rb"PK\x03\x04": "a spreadsheet, or compressed: save it as CSV, or decompress it first",
    rb"\x1f\x8b": "compressed by gzip: decompress it first",
    rb"BZh[1-9]1AY&SY": "compressed by bzip2: decompress it first",
    rb"\xfd7zXZ\x00": "compressed by xz: decompress it first",
    rb"\x28\xb5\x2f\xfd": "compressed by zstd: decompress it first",
    rb"\xff\xfe|\xfe\xff": "text in UTF-16: save it as UTF-8",
    rb"(?s:.*)\x00": "no text, as it holds a byte 0: save it as CSV, or decompress it first",
}


def read_table(source: Path) -> tuple[pd.DataFrame, str, int, list[str]]:
    """(rows with a score, name of the column of n, scores that are missing, columns of scores).

    The rows' index is the line of each in the file, but for cells that hold line breaks. Without a
    column score, those right of n hold the scores, one a benchmark; they are named.

    Raises:
        InputError: as `curves.read_curves`.
    """
    require_ordinary(source)
    if (size := source.stat().st_size) > LARGEST:
        raise InputError(f"{source}: has {size:,} bytes; at most {LARGEST:,} are read")
    if not size:
        raise InputError(f"{source}: is empty; it needs columns vision_tokens (or n) and score")
    _require_header(source)
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
        raise InputError(f"{source}: {_no_utf8(error)}") from None
    except (OSError, ValueError, ParserError) as error:
        raise InputError(
            f"{source}: cannot be read as CSV: {' '.join(str(error).split())}"
        ) from None
    table.columns = [str(name).strip() for name in table.columns]
    twice = [c for c in COLUMNS if f"{c}.1" in table]  # so pandas calls the second
    if twice:
        raise InputError(f"{source}: two columns are named {twice[0]!r}; leave one of them out")
    if not isinstance(table.index, pd.RangeIndex):  # pandas took the first cells for names of rows
        raise InputError(
            f"{source}: its rows have more cells than its header has columns; its first line must "
            "name the columns, each once"
        )
    count = next((c for c in COUNTS if c in table), None)
    if count is None:
        raise InputError(f"{source}: {_no_count(list(table.columns))}")
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
    wide = [] if "score" in table else _scores(source, table, count)
    for column in (c for c in (*COLUMNS, *wide) if c in table):
        table[column] = table[column].mask(table[column].str.strip().str.lower().isin(EMPTY))
    table = table.dropna(how="all").dropna(how="all", axis="columns")
    if all(c in table for c in COUNTS):
        raise InputError(
            f"{source}: has both vision_tokens and n; leave one of them out, or rename it if it is "
            "not how many tokens there are"
        )
    count = next((c for c in COUNTS if c in table), count)
    scores = [c for c in wide or ["score"] if c in table]
    if not scores or count not in table:
        empty = f"column {count if scores else 'score'} is empty" if len(table) else ""
        raise InputError(f"{source}: {empty or 'holds no rows below its header'}")
    _check(source, table, count, scores)
    if wide := scores if wide else []:
        table = _a_row_a_score(source, table, wide)
    scored = table["score"].notna()
    return table[scored], count, int((~scored).sum()), wide


def _require_header(source: Path) -> None:
    """InputError for what is no text, or whose first line names no columns between commas."""
    try:
        with open(source, "rb") as file:
            head = file.read(1 << 16)
    except OSError as error:
        raise InputError(f"{source}: cannot be read ({error.strerror or error})") from None
    if kind := next((kind for begin, kind in BEGINNINGS.items() if re.match(begin, head)), ""):
        raise InputError(f"{source}: is {kind}")
    try:  # before marks are looked for, which bytes of anything may be; the last letter may be cut
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError as error:
        raise InputError(f"{source}: {_no_utf8(error)}") from None
    first = head.splitlines()[0].decode("utf-8-sig", "replace").strip()
    if not first.strip(","):
        raise InputError(f"{source}: begins with an empty line; the first line names the columns")
    alone = ("|", "&") if "," not in first else ()  # else they may stand in a name
    name = first.split(",")[0]
    if other := next((mark for mark in (";", "\t", *alone) if mark in name), ""):
        raise InputError(
            f"{source}: its cells are separated by {other!r}; save it with commas between cells, "
            "and points in numbers"
        )


def _no_utf8(error: UnicodeDecodeError) -> str:
    return (
        f"cannot be read as CSV: it is no UTF-8 text ({error.reason}); "
        "save it as UTF-8, and decompress it first if it is compressed"
    )


def _no_count(columns: list[str]) -> str:
    """What to do with a table without a column of n."""
    said = f"needs columns vision_tokens (or n) and score, but has {', '.join(columns)}"
    near = [c for c in columns if c.strip("# ").lower() in ("n", "tokens") or "token" in c.lower()]
    if near:
        return f"{said}; names are written in small letters: is {near[0]!r} the count? Call it n"
    if any(part in c.lower() for c in columns for part in ("reten", "retain", "ratio")):
        return f"{said}; n is a count: a share that is kept, times the tokens of the whole"
    if any("resol" in c.lower() for c in columns):
        return f"{said}; n is a count: (resolution / size of a patch)^2, where none are merged"
    return f"{said}; names are written in small letters"


def _scores(source: Path, table: pd.DataFrame, count: str) -> list[str]:
    """Columns right of n, which hold scores where none is called so; InputError without any."""
    right = list(table.columns)[table.columns.get_loc(count) + 1 :]
    found = [c for c in right if c not in COLUMNS and not c.startswith("Unnamed: ")]
    if not found:
        raise InputError(
            f"{source}: needs columns vision_tokens (or n) and score, but has "
            f"{', '.join(table.columns)}; or a column of scores a benchmark, right of {count}"
        )
    if twice := [c for c in found if f"{c}.1" in found]:
        raise InputError(f"{source}: two columns are named {twice[0]!r}; name them apart")
    if len(found) > 1 and (given := [c for c in ERRORS if c in table]):
        raise InputError(
            f"{source}: which of the columns {', '.join(found)} does {given[0]} belong to? Write a "
            f"row a score, in columns benchmark, {count}, score and {given[0]}"
        )
    return found


def _a_row_a_score(source: Path, table: pd.DataFrame, wide: list[str]) -> pd.DataFrame:
    """The same with a row for each score."""
    name = next((c for c in BENCHMARKS if c not in table), None)
    if name is None:
        raise InputError(
            f"{source}: no column is called score, and those right of n cannot be benchmarks, as "
            f"{', '.join(BENCHMARKS)} are columns already"
        )
    rest = [c for c in table.columns if c not in wide]
    return table.melt(rest, wide, var_name=name, value_name="score", ignore_index=False)


def _check(source: Path, table: pd.DataFrame, count: str, scores: list[str]) -> None:
    """Cells as numbers and words, in place; InputError at the first that is bad."""
    for column in (count, *scores, *(c for c in NUMBERS if c in table)):
        numbers = table[column].map(size_of if column == SIZE else number)
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
    if re.search(r"\d[,']\d", text):
        return "is not a number; write 1234.5, with a point, and nothing between thousands"
    if grid := re.fullmatch(r"\s*(\d+)\s*[x\N{MULTIPLICATION SIGN}*]\s*(\d+)\s*", text):
        return f"is not a number; write {int(grid[1]) * int(grid[2])}"
    if text.strip().startswith("#"):
        return "is an error of a spreadsheet; leave the cell empty"
    if np.isfinite(number(plain := text.replace("\N{MINUS SIGN}", "-"))):
        return f"is not a number; write {plain.strip()}"
    inside = re.findall(r"(?<![A-Za-z\d.-])\d+(?:\.\d+)?(?![A-Za-z\d.])", text)
    if len(inside) == 2 and ("\N{PLUS-MINUS SIGN}" in text or "\\pm" in text):
        return f"is not a number; write {inside[0]}, and {inside[1]} in a column standard_error"
    if len(inside) == len(re.findall(r"\d+(?:\.\d+)?", text)) == 1:  # a date has several
        return f"is not a number; write {inside[0]}"
    if column in COUNTS and text.strip().isalpha():
        return "is not a number; write how many tokens that is"
    if column not in COLUMNS:
        return (
            "is not a number; without a column score those right of n are scores: names stand left "
            "of it"
        )
    return "is not a number"


def _out_of_range(column: str, text: str) -> str:
    if column == "questions":
        return "is not allowed; it is how many a score is the share of, at least 1"
    out = ""
    if column not in (*COUNTS, *NUMBERS) and number(text) == 0:
        out = "; laws are fitted to log S, leave a score of 0 out"
    elif column in COUNTS and number(text) == 0:
        out = "; a score without tokens has no place on log n, leave it out"
    if 0 < number(text) < np.inf:
        return f"is not allowed; it must lie within {RANGE[0]:g} and {RANGE[1]:g}"
    return f"is not allowed; it must be finite and > 0{out}"


def size_of(text: object) -> float:
    """Parameters of a model, also as 7B or 500M; NaN where it is no number."""
    unit = str(text).strip()[-1:].lower()
    if unit not in UNITS:
        return number(text)
    return UNITS[unit] * number(str(text).strip()[:-1])


def size_name(size: float) -> str:
    """Parameters as models are named by them: 0.5B, 7B."""
    billions = size / UNITS["b"]
    return f"{billions:g}B" if 0.01 <= billions < 1e5 else f"{size:g}"


def number(text: object) -> float:
    """A cell as a number, NaN where it is none."""
    if "_" in str(text):  # which Python reads over
        return float("nan")
    try:
        return float(text)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return float("nan")
