"""Read prompts with two answers each from a JSONL file, as preference data sets have them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from tokenspace.errors import InputError
from tokenspace.ordinary import require_ordinary

NAMES = ("prompt", "chosen", "rejected")

Message = dict[str, str]
Item = TypeVar("Item")
Made = TypeVar("Made")


@dataclass(frozen=True)
class TextPair:
    """A prompt, as messages of a conversation, and two answers: branch A and branch B."""

    number: int
    label: str
    prompt: tuple[Message, ...]
    answers: tuple[str, str]


def read_rows(path: Path, limit: int | None) -> list[tuple[int, dict[str, Any]]]:
    """The objects of a JSONL file with the numbers of their lines; empty lines are left out.

    Raises:
        InputError: no ordinary file, or a line that is no JSON object.
    """
    require_ordinary(path)
    try:
        with path.open(encoding="utf-8-sig") as file:
            lines = ((number, line) for number, line in enumerate(file, 1) if line.strip())
            rows = each(islice(lines, limit), lambda row: (row[0], _object(path, *row)))
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is no UTF-8 text ({error.reason})") from None
    if not rows:
        raise InputError(f"{path}: is empty; each line must be a JSON object")
    return rows


def each(items: Iterable[Item], read: Callable[[Item], Made]) -> list[Made]:
    """What `read` makes of every item.

    Raises:
        InputError: what was said of the first one that cannot be read, and how many more there are.
    """
    made, problems = [], []
    for item in items:
        try:
            made.append(read(item))
        except InputError as error:
            problems.append(error)
    if problems:
        more = f"; {len(problems) - 1:,} more cannot be used either" if len(problems) > 1 else ""
        raise InputError(f"{problems[0]}{more}") from None
    return made


def _object(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}, line {number}: is no JSON: {error}") from None
    try:
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which no tokenizer reads
        raise InputError(f"{path}, line {number}: holds \\ud800 or the like, no text") from None
    if not isinstance(row, dict):
        raise InputError(f"{path}, line {number}: must be a JSON object, {{...}}")
    return row


def read_texts(
    path: Path, names: tuple[str, str, str] = NAMES, limit: int | None = None
) -> list[TextPair]:
    """One pair a line: {"prompt": ..., "chosen": ..., "rejected": ...}.

    A prompt is text or a list of messages {"role", "content"}; an answer is text or a list of
    messages, whose last one is the answer. Pairs with one prompt share a label.

    Args:
        names: of prompt, chosen (branch A) and rejected (branch B) in the file.
        limit: most lines to read.

    Raises:
        InputError: a line without these, or with something else in them; it says which line.
    """
    known: dict[str, int] = {}

    def pair(numbered: tuple[int, tuple[int, dict[str, Any]]]) -> TextPair:
        number, (line, row) = numbered
        where = f"{path}, line {line}"
        missing = [name for name in names if name not in row]
        if missing:
            raise InputError(
                f"{where}: has no {missing[0]!r}; it has {', '.join(map(repr, row)) or 'nothing'}. "
                "Say with --names which ones are prompt, chosen and rejected"
            )
        prompt = _messages(where, names[0], row[names[0]])
        answers = [_messages(where, name, row[name])[-1]["content"] for name in names[1:]]
        label = known.setdefault(json.dumps(prompt), len(known))
        return TextPair(number, str(label), prompt, (answers[0], answers[1]))

    return each(enumerate(read_rows(path, limit)), pair)


def _messages(where: str, name: str, value: Any) -> tuple[Message, ...]:
    if isinstance(value, str):
        return ({"role": "user", "content": value},)
    if isinstance(value, list) and value and all(_is_message(m) for m in value):
        return tuple({"role": m["role"], "content": m["content"]} for m in value)
    raise InputError(
        f"{where}: {name!r} must be text or a list of messages with a role and a content of text"
    )


def _is_message(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(value.get(key), str) for key in ("role", "content")
    )
