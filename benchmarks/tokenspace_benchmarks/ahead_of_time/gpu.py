"""Rates of a GPU's multiprocessor, and what they allow a kernel at most.

Model, H100: each cycle a multiprocessor issues 4 instructions of 32 threads (128 lanes). Of those,
integer instructions, comparisons and selections share 64 lanes; float32 adds, multiplies, fused
multiply-adds and integer multiply-adds share 128; special functions (logarithm, root, ...) have 16,
loads and stores 32. A kernel lasts at least as long as the busiest of them, on as many of the 132
multiprocessors as it has blocks; kernels run one after another. Latency, occupancy, launches and
caches cost more, never less, so a rate from here is a bound and no estimate.

Source: CUDA C++ Programming Guide, "Throughput of Native Arithmetic Instructions", compute
capability 9.0; "NVIDIA H100 Tensor Core GPU Architecture".
"""

from __future__ import annotations

from collections import Counter
from math import prod
from typing import NamedTuple

MULTIPROCESSORS = 132
L2 = 50 << 20
LANES = {"issue": 128, "integer": 64, "arithmetic": 128, "special": 16, "memory": 32}

# kind -> the lanes that it takes beside the issue slot, and its instructions
KINDS: dict[str, tuple[str | None, str]] = {
    "integer": (
        "integer",
        "LOP LOP3 SHF SHL SHR IADD3 LEA ISETP PRMT SEL PLOP3 MOV VIADD VIMNMX VIADDMNMX IMNMX IABS "
        "SGXT BMSK P2R R2P POPC FLO BREV",
    ),
    "integer multiply": ("arithmetic", "IMAD IMUL IDP"),
    "fma": ("arithmetic", "FFMA HFMA2"),
    "other float": ("arithmetic", "FADD FMUL HADD2 HMUL2"),
    "comparison": ("integer", "FSETP FSEL FMNMX FSET FCHK I2F F2I F2F I2FP F2FP FRND"),
    "special": ("special", "MUFU"),
    "memory": (
        "memory",
        "LD LDG LDS LDSM LDL LDC ST STG STS STL STSM ATOM ATOMG ATOMS RED LDGSTS SHFL UTMALDG "
        "UTMASTG",
    ),
    "tensor": (None, "HMMA IMMA HGMMA IGMMA QGMMA DMMA"),
}
CONTROL = "control"  # branches, barriers, and the uniform instructions that a warp shares
KIND_OF = {opcode: kind for kind, (_, opcodes) in KINDS.items() for opcode in opcodes.split()}


def kind_of(opcode: str) -> str:
    """The kind of an instruction, by its name up to the first dot."""
    return KIND_OF.get(opcode.split(".")[0], CONTROL)


class Launch(NamedTuple):
    """One start of a kernel: blocks, threads of a block, and how often a call of the program does
    it.
    """

    kernel: str
    blocks: int
    threads: int
    times: float


def lanes_busy(instructions: Counter[str]) -> dict[str, float]:
    """Cycles that a thread's instructions take of each resource, in units of one lane."""
    busy = dict.fromkeys(LANES, 0.0)
    for kind, count in instructions.items():
        busy["issue"] += count
        lanes = KINDS[kind][0] if kind in KINDS else None
        if lanes is not None:
            busy[lanes] += count
    return busy


def cycles(launch: Launch, instructions: Counter[str]) -> tuple[float, str]:
    """Least cycles of one start of a kernel whose threads execute these, and what sets them."""
    processors = min(launch.blocks, MULTIPROCESSORS)
    busy = {k: v / LANES[k] for k, v in lanes_busy(instructions).items()}
    most = max(busy, key=lambda k: busy[k])
    return launch.blocks * launch.threads * busy[most] / processors, most


def size(text: str) -> int:
    """Product of the sizes in "[a, b, c]"."""
    return prod(int(n) for n in text.strip("[]").split(","))
