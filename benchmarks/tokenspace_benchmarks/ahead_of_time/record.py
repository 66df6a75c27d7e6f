"""What a compiler says about one program for one device: nothing here was run."""

from __future__ import annotations

from dataclasses import dataclass, field

# Said of loops, of programs and inside kernels, that end at numbers that only a run knows, such as
# the points of a grid.
WALKS = "loops of unknown trips run until all normals are drawn, one logarithm each"
ONCE = "a loop of unknown trips counts once"


@dataclass(frozen=True)
class Record:
    """A program as compiled for a device.

    Attributes:
        program, device: names; implementation: which one of the kernel ("xla", ...).
        numbers: normals drawn (or given numbers read) by one call; they are what rates count;
            replicates: that a call draws (1 where tokens are given).
        temporaries, arguments, outputs: bytes on the device.
        steps: trips of the main loop, 1 without one; launches_step, launches_run: kernels and
            copies started in a step and in a call (None where there are none to start: TPU).
        registers: of the kernel that needs most (GPU); spills: bytes stored to memory for want of
            registers, over all kernels (TPU: Pallas kernels alone).
        instructions: by kind, executed for each number (GPU).
        cycles_step, cycles: of a step and of a call, by the compiler's estimate (TPU) or by the
            model of `gpu` (None where it has nothing to say).
        bound_numbers_per_s: numbers a second that these allow at most, bound_by what sets it.
        notes: what could not be counted, in words.
    """

    program: str
    device: str
    implementation: str
    numbers: float
    replicates: int
    temporaries: int
    arguments: int
    outputs: int
    steps: int
    launches_step: int | None
    launches_run: int | None
    registers: int | None
    spills: int | None
    instructions: dict[str, float] | None
    cycles_step: float | None
    cycles: float | None
    bound_numbers_per_s: float
    bound_by: str
    notes: tuple[str, ...] = field(default=())

    @property
    def instructions_a_number(self) -> float | None:
        """All kinds together."""
        return None if self.instructions is None else sum(self.instructions.values())

    @property
    def bound_replicates_per_s(self) -> float:
        """Replicates (or passes over given tokens) a second at the same bound."""
        return self.bound_numbers_per_s / self.numbers * self.replicates
