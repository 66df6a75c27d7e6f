"""What the machine can do at best, and the floor that this puts under a case.

Rates are measured by loops that do nothing else (`probes`), never by the project's own code. A
case counts what it cannot do without (`work`, `operations`). Its floor is the largest quotient

    bytes / copy bandwidth,  rotations / their rate,  multiplications / their rate,
    all operations together / the most operations of any kind a second,

and on accelerators also products / rate of matrix products, and its share of the limit is its floor
over its time. The largest and not the sum: a processor that has several kinds of units can use them
at once, so that only the largest is a bound for all. Where kinds share units, as integers and
floats do on x86, the last quotient counts them together. No rewriting of the same mathematics with
the same generator beats these quotients but the first: reading alone may be faster than a copy, by
about a tenth where it was tried.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

RATES = {  # name of a limit, in 1e9 a second -> what of the work it bounds
    "copy_gb_per_s": "bytes",
    "giga_operations_per_s": "operations",
    "giga_rotations_per_s": "rotations",
    "giga_multiplications_per_s": "multiplications",
    "matrix_gflop_per_s": "products",
}


@dataclass(frozen=True)
class Work:
    """What has to be done at least, in operations on 32-bit numbers.

    bytes: read and written; rotations: of integers, which some machines make of two shifts;
    multiplications: of floats, those fused with an addition too; others: additions, logic, shifts,
    conversions; products: operations of matrix products where a machine has units of their own for
    them, two a multiply-add.
    """

    bytes: float = 0.0
    rotations: float = 0.0
    multiplications: float = 0.0
    others: float = 0.0
    products: float = 0.0

    @property
    def operations(self) -> float:
        """Operations of every kind but matrix products."""
        return self.rotations + self.multiplications + self.others

    def __add__(self, more: Work) -> Work:
        return Work(*(getattr(self, f.name) + getattr(more, f.name) for f in fields(self)))

    def __rmul__(self, times: float) -> Work:
        return Work(*(times * getattr(self, f.name) for f in fields(self)))

    def floor(self, limits: dict[str, float]) -> tuple[float, str]:
        """Seconds at the limit of the machine, and the resource that sets them."""
        seconds = {
            what: getattr(self, what) / (1e9 * limits[name])
            for name, what in RATES.items()
            if getattr(self, what)
        }
        most = max(seconds, key=lambda what: seconds[what])
        return seconds[most], most
