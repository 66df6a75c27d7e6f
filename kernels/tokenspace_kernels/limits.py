"""What an implementation of a kernel can take; plain JAX and the reference take everything.

`dispatch` asks before it chooses, so that a result names what ran.
"""

from __future__ import annotations

from typing import NamedTuple

LOOP_DIM = 8  # features from which a loop along them beats vectors across replicates
WHOLE_CHANGES = ("none", "unit")  # what laws may do to tokens that an accelerator's kernel forms
PALLAS_DIM = 2048  # features that a program which forms tokens holds at most
GIVEN_DIM = {  # features of a given token: their sums lie in registers, or in vector memory
    "gpu": 8192,
    "tpu": 16_384,
}
LARGEST_GIVEN = 1 << 31  # numbers of a branch in a launch on a GPU: places are of 32 bits


class Work(NamedTuple):
    """What a kernel is asked for.

    dim: features; change: what the law does to tokens, as it says itself; tokens: of a given
    sequence; formats: names of the types of given tokens.
    """

    dim: int
    change: str = "none"
    tokens: int = 0
    formats: frozenset[str] = frozenset()


def forms_other(kernel: str, change: str) -> str | None:
    """Why a kernel of an accelerator that forms tokens cannot do to them what the law does."""
    if kernel != "sample_statistics" or change in WHOLE_CHANGES:
        return None
    return "draws Gaussian tokens alone, as they are or scaled to norm 1"


def unfit(kernel: str, implementation: str, platform: str, work: Work) -> str | None:
    """Why an implementation does not suit, as what follows its name; None where it does."""
    if kernel.startswith("sample_") and implementation == "numba" and work.dim < LOOP_DIM:
        return f"draws no fewer than {LOOP_DIM} features"
    if kernel == "sample_statistics" and implementation == "numba" and work.change == "other":
        return "draws no law that changes tokens in its own way"
    if kernel == "sample_statistics" and implementation == "pallas":
        if work.dim > PALLAS_DIM:
            return f"draws no more than {PALLAS_DIM} features"
        return forms_other(kernel, work.change)
    if kernel == "measure" and implementation == "pallas":
        if work.dim > GIVEN_DIM[platform]:
            return f"reads no more than {GIVEN_DIM[platform]} features"
        if platform == "tpu" and "float16" in work.formats:
            return "reads no float16 on a TPU (convert the tokens to bfloat16 or float32)"
        if platform == "gpu" and work.tokens * work.dim >= LARGEST_GIVEN:
            return f"reads sequences of fewer than {LARGEST_GIVEN} numbers"
    return None


def require(kernel: str, implementation: str, platform: str, work: Work) -> None:
    """As `unfit`, for who calls an implementation by itself.

    Raises:
        ValueError: it does not suit.
    """
    if why := unfit(kernel, implementation, platform, work):
        raise ValueError(f"{kernel}: {implementation!r} {why}")
