"""How often a loop of machine code runs, from the constants of its counter."""

from __future__ import annotations

import re
import struct
from math import ceil
from typing import NamedTuple

ADDS = ("IADD3", "VIADD", "UIADD3", "IADD", "IMAD")
MOVES = ("MOV", "IMAD", "UMOV", "CS2R", "HFMA2", "R2UR")
NEGATED = {"LT": "GE", "GE": "LT", "GT": "LE", "LE": "GT", "NE": "EQ", "EQ": "NE"}
TWO_RESULTS = ("IADD3", "UIADD3", "ISETP", "UISETP", "PLOP3", "UPLOP3")  # a carry or a predicate


class Instruction(NamedTuple):
    """predicate "@P0 " or "", opcode with its modifiers, operands, index of its target if any."""

    predicate: str
    opcode: str
    operands: list[str]
    target: int | None

    @property
    def name(self) -> str:
        return self.opcode.split(".")[0]


def trips(code: list[Instruction], first: int, last: int) -> int | None:
    """How often the loop code[first..last] runs, from the constants of its counter.

    None where the counter is not found, or counts down from what is no constant. One that counts up
    from what is none (a thread's own number) is taken to start at 0.
    """
    body, predicate = code[first : last + 1], code[last].predicate.strip("@")
    negated, predicate = predicate.startswith("!"), predicate.strip("!")
    at = written(body, predicate)
    while at is not None and body[at].name == "PLOP3":  # a uniform predicate made an ordinary one
        uniform = [o.strip("!") for o in body[at].operands[1:] if o.strip("!").startswith("UP")]
        if not uniform:
            return None
        negated ^= f"!{uniform[0]}" in body[at].operands or body[at].operands[-2] == "0x40"
        at = written(body, uniform[0])
    if at is not None and body[at].name == "UPLOP3":
        return 2 if set(body[at].operands[1:-2]) == {"UPT"} else None  # true once, then no more
    if at is None or body[at].name not in ("ISETP", "UISETP"):
        return None
    compare = body[at].opcode.split(".")[1]
    register, bound = body[at].operands[2], constant(body[at].operands[3])
    where = written(body, register)
    if where is None or bound is None or compare not in NEGATED:
        return None
    step, source = added(body[where])
    if not step or source is None:
        return None
    start = initial(code[:first], source)
    if start is None:
        if step < 0:
            return None
        start = 0
    compare = NEGATED[compare] if negated else compare
    bound += {"LE": 1, "GE": -1}.get(compare, 0)
    late = at < where and source == register  # compared before the step is added
    return max(1, ceil((bound - start) / step) + late)


def written(body: list[Instruction], register: str) -> int | None:
    """Index of the last instruction that writes a register or predicate."""
    for k in range(len(body) - 1, -1, -1):
        results = 2 if body[k].name in TWO_RESULTS else 1
        if register in body[k].operands[:results] and not body[k].opcode.startswith("ST"):
            return k
    return None


def added(instruction: Instruction) -> tuple[int, str | None]:
    """The constant that an instruction adds to a register, and that register."""
    if instruction.name not in ADDS:
        return 0, None
    sources = [o for o in instruction.operands[1:] if re.fullmatch(r"-?U?R\d+", o)]
    numbers = [n for n in map(constant, instruction.operands[1:]) if n]
    return (numbers[0], sources[-1]) if len(numbers) == 1 and sources else (0, None)


def initial(code: list[Instruction], register: str) -> int | None:
    """The constant that a register holds after code; None where it holds none."""
    number = int(register.strip("UR"))
    for instruction in reversed(code):
        first = instruction.operands[0]
        pair = instruction.opcode == "CS2R" and first == f"R{number - 1}"
        if first != register and not pair:
            continue
        if instruction.name == "HFMA2":
            high, low = (float(x) for x in instruction.operands[-2:])
            return int.from_bytes(struct.pack("<ee", low, high), "little")
        return constant(instruction.operands[-1]) if instruction.name in MOVES else None
    return None


def constant(operand: str) -> int | None:
    """The value of an immediate operand."""
    if operand in ("RZ", "URZ", "SRZ"):
        return 0
    return int(operand, 16) if re.fullmatch(r"-?0x[0-9a-f]+", operand) else None
