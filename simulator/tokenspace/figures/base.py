"""What a figure states: what it shows, where it stands among the others, and how it is drawn."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar


class Figure(ABC):
    """One theory figure, drawn from stored results and exact theory; never by sampling.

    meaning: what it shows, in a line, for the report; order: its place, smallest first, and by
    name among equals; of_results: whether it shows results, and not the theory or the paper alone.
    """

    room: ClassVar[str] = "figure"
    meaning: ClassVar[str]
    order: ClassVar[float] = 1000
    of_results: ClassVar[bool] = True

    @classmethod
    def suits(cls, loaded: list[Any]) -> bool:
        """Whether these results have what it shows; others are left out where all are drawn."""
        return True

    @abstractmethod
    def draw(self, loaded: list[Any]) -> Any:
        """A matplotlib Figure from (point, result) pairs."""
