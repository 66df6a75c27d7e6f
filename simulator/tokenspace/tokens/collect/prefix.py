"""Texts as token ids: the prompt, which both branches share, and then one answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from tokenspace.errors import InputError
from tokenspace.tokens.collect.texts import Message, TextPair

TODAY = datetime(2024, 7, 26)  # for templates that ask for it: each day gives the same numbers


@dataclass(frozen=True)
class Encoded:
    """Token ids of one branch: `prefix` shared ones, `answer` of its own, and what closes it."""

    id: str
    pair: int
    branch: str
    label: str
    ids: tuple[int, ...]
    prefix: int
    answer: int


@dataclass(frozen=True)
class Encoder:
    """Turns pairs of texts into ids.

    tokenizer: of the model. chat: whether its chat template is applied. parts: whether that
    template takes a message's content as a list of parts, as those of vision-language models do.
    context: most tokens the model reads. longest: most tokens of an answer.
    """

    tokenizer: Any
    chat: bool
    parts: bool
    context: int
    longest: int | None

    def encode(self, pair: TextPair) -> list[Encoded]:
        """Both branches; nothing where they are alike, one is empty, or the prompt leaves no room.

        The answer is tokenised apart from the prompt, so that the prompt's tokens are the same in
        both branches; it is cut to what fits.
        """
        opening, closing = ([], []) if self.chat else self._around()
        prefix = opening + self._prefix(pair.prompt)
        room = self.context - len(prefix) - len(closing)
        if self.longest is not None:
            room = min(room, self.longest)
        found: list[Encoded] = []
        if pair.answers[0] == pair.answers[1]:
            return found
        for branch, text in zip("AB", pair.answers, strict=True):
            answer = self._as_text(text)[: max(room, 0)]
            if not answer:
                return []
            ids = (*prefix, *answer, *closing)
            name = f"{pair.number:06d}{branch}"
            sizes = len(prefix), len(answer)
            found.append(Encoded(name, pair.number, branch, pair.label, ids, *sizes))
        return found

    def holds_marks(self, text: str) -> bool:
        """Whether the words of a special token, such as </s>, are in a text."""
        return any(mark in text for mark in self._marks)

    @cached_property
    def _marks(self) -> tuple[str, ...]:
        added = getattr(self.tokenizer, "added_tokens_decoder", {}).values()
        return tuple(token.content for token in added if token.special)

    def _as_text(self, text: str) -> list[int]:
        """Ids of a text in which special tokens are words like others: a text cannot end itself."""
        if self.holds_marks(text):
            found = self.tokenizer(text, add_special_tokens=False, split_special_tokens=True)
            return list(found["input_ids"])
        return self._ids(text)

    def _ids(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def _around(self) -> tuple[list[int], list[int]]:
        """Special tokens that the tokenizer puts before and after a text, such as [CLS], [SEP]."""
        plain = self._ids("a")
        whole = list(self.tokenizer("a")["input_ids"])
        for k in range(len(whole) - len(plain) + 1):
            if whole[k : k + len(plain)] == plain:
                return whole[:k], whole[k + len(plain) :]
        return [], []

    def _prefix(self, messages: Iterable[Message]) -> list[int]:
        if not self.chat:
            return self._as_text("\n".join(m["content"] for m in messages))
        return self._ids(self._asked(list(messages)))

    def _asked(self, messages: list[Message]) -> str:
        asked: list[dict[str, Any]] = list(messages)
        if self.parts:
            asked = [m | {"content": [{"type": "text", "text": m["content"]}]} for m in messages]
        text = applied(self.tokenizer, asked)
        if self.parts and any(str(m["content"]) in text for m in asked):
            text = applied(self.tokenizer, messages)  # it printed the lists: it knows texts only
        lost = [m["content"] for m in messages if m["content"].strip() not in text]
        if lost:
            raise InputError(
                f"the model's chat template leaves out the prompt {lost[0][:60]!r}; use "
                "--no-template"
            )
        return text


def is_dated(template: Any) -> bool:
    """Whether a chat template asks for today's date."""
    return "strftime_now" in str(template)


def _dated() -> str:
    """A line before a template that answers its question for the date."""
    formats = [f"%{letter}" for letter in "aAbBdHIjmMpSyY"]
    words = "".join(f"|replace('{f}', '{TODAY.strftime(f)}')" for f in formats)
    return "{% macro strftime_now(format) %}{{ format" + words + " }}{% endmacro %}\n"


def applied(tokenizer: Any, messages: list[dict[str, Any]], template: Any = None) -> str:
    """Messages as text by the chat template, up to where the model's answer begins.

    Args:
        template: in the place of the tokenizer's own.

    Raises:
        InputError: the template refuses them.
    """
    how: dict[str, Any] = {"add_generation_prompt": True, "tokenize": False}
    template = template or getattr(tokenizer, "chat_template", None)
    if isinstance(template, dict):  # several, by name
        template = template.get("default")
    if template is not None:
        how["chat_template"] = (_dated() if is_dated(template) else "") + template
    try:
        return str(tokenizer.apply_chat_template(messages, **how))
    except Exception as error:  # templates are the model's own
        raise InputError(
            f"the model's chat template cannot be applied ({error}); use --no-template"
        ) from None
