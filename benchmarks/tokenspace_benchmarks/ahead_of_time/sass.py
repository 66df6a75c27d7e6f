"""Machine code of a GPU kernel: registers, spills, and the instructions that a thread executes.

Instructions are counted along the control flow, statically: a loop counts its trips, read off the
constants of its counter; of a two-sided branch each side counts half, since a thread takes one.
Subroutines (slow paths of divisions and roots) count nothing.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections import Counter
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from tokenspace.errors import InputError
from tokenspace_benchmarks.ahead_of_time.gpu import kind_of
from tokenspace_benchmarks.ahead_of_time.sass_loops import Instruction, trips

ARCHITECTURE = "sm_90a"
LOGARITHM = "MUFU.LG2"
INSTRUCTION = re.compile(r"/\*[0-9a-f]{4,}\*/\s+(@!?U?P\w+\s+)?([A-Z]\w*(?:\.\w+)*)\s*(.*?)\s*;")
LABEL = re.compile(r"^(\.L_x_\d+|\$\S+):")
BRANCH_TO = re.compile(r"(\.L_x_\d+)")


@dataclass(frozen=True, eq=False)
class Code:
    """A kernel.

    Attributes:
        registers: of a thread; spills: bytes stored for want of them.
        instructions: that a thread executes, by kind; loops of unknown trips count once.
        unknown_loops: how many there are.
        walks: of each loop of unknown trips that draws normals, its instructions for one of them,
            by kind. Each normal takes one logarithm (`random_bits.bits_to_normal`).
    """

    registers: int
    spills: int
    instructions: Counter[str]
    unknown_loops: int
    walks: tuple[Counter[str], ...] = ()


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


def assemble(ptx: str) -> Code:
    """Assemble the PTX of one kernel and count what a thread executes."""
    said, text = disassembled(ptx)
    registers = max(int(n) for n in re.findall(r"Used (\d+) registers", said))
    spills = sum(int(n) for n in re.findall(r"(\d+) bytes spill stores", said))
    return Code(registers, spills, *count(parse(text)))


@cache
def disassembled(ptx: str) -> tuple[str, str]:
    """What the assembler says of PTX, and the machine code that it makes."""
    with tempfile.TemporaryDirectory() as folder:
        source, cubin = Path(folder) / "kernel.ptx", Path(folder) / "kernel.cubin"
        source.write_text(ptx)
        said = run("ptxas", "-v", "-O3", f"-arch={ARCHITECTURE}", source, "-o", cubin).stderr
        return said, run("nvdisasm", "-c", cubin).stdout


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


def count(code: list[Instruction]) -> tuple[Counter[str], int, tuple[Counter[str], ...]]:
    """Instructions executed by kind, the number of loops of unknown trips, and their walks."""
    weights = [1.0] * len(code)
    unknown: list[tuple[int, int]] = []
    for index, instruction in enumerate(code):
        to = instruction.target
        if to is None:
            continue
        if to <= index:
            known = trips(code, to, index)
            scale(weights, to, index + 1, known or 1)
            if known is None:
                unknown.append((to, index + 1))
        elif instruction.predicate:
            last = code[min(to, len(code)) - 1]
            jumps = last.name == "BRA" and last.target is not None and last.target > to
            leaves = last.name in ("EXIT", "RET")
            if not last.predicate and (jumps or leaves):
                end = last.target if jumps else len(code)
                scale(weights, index + 1, to, 0.5)
                scale(weights, to, end or len(code), 0.5)
    inner = [a for a in unknown if not any(a != b and a[0] <= b[0] < b[1] <= a[1] for b in unknown)]
    walks = tuple(w for first, end in inner if (w := walk(code[first:end], weights[first:end])))
    return by_kind(code, weights), len(unknown), walks


def by_kind(code: list[Instruction], weights: list[float]) -> Counter[str]:
    """Sum of weights of each kind of instruction."""
    out: Counter[str] = Counter()
    for instruction, weight in zip(code, weights, strict=True):
        if instruction.name != "NOP":
            out[kind_of(instruction.opcode)] += weight  # type: ignore[assignment]
    return out


def walk(body: list[Instruction], weights: list[float]) -> Counter[str] | None:
    """Instructions for each logarithm of a loop's body, None where it takes none."""
    marks = zip(body, weights, strict=True)
    logarithms = sum(weight for i, weight in marks if i.opcode.startswith(LOGARITHM))
    return by_kind(body, [w / logarithms for w in weights]) if logarithms else None


def scale(weights: list[float], first: int, end: int, factor: float) -> None:
    for k in range(first, end):
        weights[k] *= factor
