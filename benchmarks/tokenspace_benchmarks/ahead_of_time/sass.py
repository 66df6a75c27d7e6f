"""Machine code of a GPU kernel: registers, spills, and the instructions that a thread executes.

Instructions are counted along the control flow, statically: a loop counts its trips, read off the
constants of its counter; of a two-sided branch each side counts half, since a thread takes one.
Subroutines (slow paths of divisions and roots) count nothing.
"""

from __future__ import annotations

import re
import struct
import subprocess
import tempfile
from collections import Counter
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from math import ceil
from pathlib import Path
from typing import NamedTuple

from tokenspace.errors import InputError
from tokenspace_benchmarks.ahead_of_time.gpu import kind_of

ARCHITECTURE = "sm_90a"
INSTRUCTION = re.compile(r"/\*[0-9a-f]{4,}\*/\s+(@!?U?P\w+\s+)?([A-Z]\w*(?:\.\w+)*)\s*(.*?)\s*;")
LABEL = re.compile(r"^(\.L_x_\d+|\$\S+):")
BRANCH_TO = re.compile(r"(\.L_x_\d+)")
ADDS = ("IADD3", "VIADD", "UIADD3", "IADD", "IMAD")
MOVES = ("MOV", "IMAD", "UMOV", "CS2R", "HFMA2", "R2UR")
NEGATED = {"LT": "GE", "GE": "LT", "GT": "LE", "LE": "GT", "NE": "EQ", "EQ": "NE"}


class Instruction(NamedTuple):
    """predicate "@P0 " or "", opcode with its modifiers, operands, index of its target if any."""

    predicate: str
    opcode: str
    operands: list[str]
    target: int | None

    @property
    def name(self) -> str:
        return self.opcode.split(".")[0]


@dataclass(frozen=True, eq=False)
class Code:
    """A kernel: registers a thread, bytes spilt, instructions a thread executes by kind, and how
    many loops there are whose trips are not known (they count once).
    """

    registers: int
    spills: int
    instructions: Counter[str]
    unknown_loops: int


def tool(name: str) -> Path:
    """ptxas or nvdisasm, as the package `triton` brings them."""
    found = find_spec("triton")
    for folder in (found.submodule_search_locations or []) if found else []:
        path = Path(folder) / "backends" / "nvidia" / "bin" / name
        if path.exists():
            return path
    raise InputError(f"{name} is not installed: it comes with the package triton")


def entry(ptx: str) -> str | None:
    """Name of the kernel in PTX, None where there is none (constants alone)."""
    found = re.search(r"\.entry (\w+)", ptx)
    return found[1] if found else None


@cache
def assemble(ptx: str) -> Code:
    """Assemble the PTX of one kernel and count what a thread executes."""
    with tempfile.TemporaryDirectory() as folder:
        source, cubin = Path(folder) / "kernel.ptx", Path(folder) / "kernel.cubin"
        source.write_text(ptx)
        said = run("ptxas", "-v", "-O3", f"-arch={ARCHITECTURE}", source, "-o", cubin).stderr
        text = run("nvdisasm", "-c", cubin).stdout
    registers = max(int(n) for n in re.findall(r"Used (\d+) registers", said))
    spills = sum(int(n) for n in re.findall(r"(\d+) bytes spill stores", said))
    counted, unknown = count(parse(text))
    return Code(registers, spills, counted, unknown)


def run(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run one of NVIDIA's tools; `CalledProcessError` where it fails."""
    return subprocess.run([tool(name), *arguments], capture_output=True, text=True, check=True)


def parse(text: str) -> list[Instruction]:
    """Instructions of the kernel itself, up to its subroutines and the padding at the end."""
    lines: list[tuple[str, str, str]] = []
    labels: dict[str, int] = {}
    for line in text.splitlines():
        if label := LABEL.match(line.strip()):
            if label[1].startswith("$"):
                break
            labels[label[1]] = len(lines)
        elif found := INSTRUCTION.search(line):
            lines.append((found[1] or "", found[2], found[3]))
    code = []
    for predicate, opcode, rest in lines:
        to = BRANCH_TO.search(rest) if opcode.startswith("BRA") else None
        target = labels.get(to[1]) if to else None
        operands = [o.strip().removesuffix(".reuse") for o in rest.split(",")]
        code.append(Instruction(predicate.strip(), opcode, operands, target))
    for index, instruction in enumerate(code):
        if instruction.target == index:  # the branch to itself that ends every kernel
            return code[:index]
    return code


def count(code: list[Instruction]) -> tuple[Counter[str], int]:
    """Instructions executed by kind, and the number of loops of unknown trips."""
    weights = [1.0] * len(code)
    unknown = 0
    for index, instruction in enumerate(code):
        to = instruction.target
        if to is None:
            continue
        if to <= index:
            known = trips(code, to, index)
            unknown += known is None
            scale(weights, to, index + 1, known or 1)
        elif instruction.predicate:
            last = code[min(to, len(code)) - 1]
            jumps = last.name == "BRA" and last.target is not None and last.target > to
            leaves = last.name in ("EXIT", "RET")
            if not last.predicate and (jumps or leaves):
                end = last.target if jumps else len(code)
                scale(weights, index + 1, to, 0.5)
                scale(weights, to, end or len(code), 0.5)
    out: Counter[str] = Counter()
    for instruction, weight in zip(code, weights, strict=True):
        if instruction.name != "NOP":
            out[kind_of(instruction.opcode)] += weight  # type: ignore[assignment]
    return out, unknown


def scale(weights: list[float], first: int, end: int, factor: float) -> None:
    for k in range(first, end):
        weights[k] *= factor


def trips(code: list[Instruction], first: int, last: int) -> int | None:
    """How often the loop code[first..last] runs, from the constants of its counter.

    None where the counter is not found; a start that is no constant (a thread's own) is taken as 0.
    """
    body, predicate = code[first : last + 1], code[last].predicate.strip("@")
    negated, predicate = predicate.startswith("!"), predicate.strip("!")
    at = written(body, predicate)
    while at is not None and body[at].name == "PLOP3":  # a uniform predicate made an ordinary one
        uniform = [o.strip("!") for o in body[at].operands[1:] if o.strip("!").startswith("UP")]
        if not uniform or uniform[0] == "UPT":
            return None
        negated ^= any(o == f"!{uniform[0]}" for o in body[at].operands)
        at = written(body, uniform[0])
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
    compare = NEGATED[compare] if negated else compare
    bound += {"LE": 1, "GE": -1}.get(compare, 0)
    late = at < where and source == register  # compared before the step is added
    return max(1, ceil((bound - start) / step) + late)


def written(body: list[Instruction], register: str) -> int | None:
    """Index of the last instruction that writes a register or predicate."""
    for k in range(len(body) - 1, -1, -1):
        results = 2 if body[k].name in ("IADD3", "UIADD3", "ISETP", "UISETP", "PLOP3") else 1
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


def initial(code: list[Instruction], register: str) -> int:
    """The constant that a register holds after code; 0 where it holds none."""
    number = int(register.strip("UR"))
    for instruction in reversed(code):
        first = instruction.operands[0]
        pair = instruction.opcode == "CS2R" and first == f"R{number - 1}"
        if first != register and not pair:
            continue
        if instruction.name == "HFMA2":
            high, low = (float(x) for x in instruction.operands[-2:])
            return int.from_bytes(struct.pack("<ee", low, high), "little")
        value = constant(instruction.operands[-1]) if instruction.name in MOVES else None
        return value or 0
    return 0


def constant(operand: str) -> int | None:
    """The value of an immediate operand."""
    if operand in ("RZ", "URZ", "SRZ"):
        return 0
    return int(operand, 16) if re.fullmatch(r"-?0x[0-9a-f]+", operand) else None
