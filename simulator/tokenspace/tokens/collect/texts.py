"""Read prompts with two answers each from a JSONL file, as preference data sets have them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenspace.errors import InputError
from tokenspace.ordinary import require_ordinary

NAMES = ("prompt", "chosen", "rejected")

Message = dict[str, str]


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
    rows: list[tuple[int, dict[str, Any]]] = []
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                if limit is not None and len(rows) == limit:
                    break
                if line.strip():
                    rows.append((number, _object(path, number, line)))
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is no UTF-8 text ({error.reason})") from None
    if not rows:
        raise InputError(f"{path}: is empty; each line must be a JSON object")
    return rows


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
    pairs: list[TextPair] = []
    known: dict[str, int] = {}
    for number, row in read_rows(path, limit):
        where = f"{path}, line {number}"
        missing = [name for name in names if name not in row]
        if missing:
            raise InputError(
                f"{where}: has no {missing[0]!r}; it has {', '.join(map(repr, row)) or 'nothing'}. "
                "Say with --names which ones are prompt, chosen and rejected"
            )
        prompt = _messages(where, names[0], row[names[0]])
        answers = [_messages(where, name, row[name])[-1]["content"] for name in names[1:]]
        label = known.setdefault(json.dumps(prompt), len(known))
        pairs.append(TextPair(len(pairs), str(label), prompt, (answers[0], answers[1])))
    return pairs


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
