"""What a figure states: what it shows, where it stands among the others, and how it is drawn."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Any, ClassVar

from tokenspace.errors import InputError
from tokenspace.figures.labelled import labelled
from tokenspace.registry import ROOMS


class NothingToShow(InputError):
    """These results have nothing of what a figure shows; where all are drawn it is left out."""


class Figure(ABC):
    """One theory figure, drawn from stored results and exact theory; never by sampling.

    meaning: what it shows, in a line, for the report; order: its place, smallest first, and by
    name among equals; of_results: whether it shows results, and not the theory or the paper alone;
    in_report: whether the report of a sweep has it, and not `tokenspace figures` alone.
    """

    room: ClassVar[str] = "figure"
    meaning: ClassVar[str]
    order: ClassVar[float] = 1000
    of_results: ClassVar[bool] = True
    in_report: ClassVar[bool] = True

    @classmethod
    def suits(cls, loaded: list[Any]) -> bool:
        """Whether these results have what it shows; others are left out where all are drawn."""
        return True

    @abstractmethod
    def draw(self, loaded: list[Any]) -> Any:
        """A matplotlib Figure from the pairs of `labelled`.

        Raises:
            NothingToShow: it would be empty.
        """

    @classmethod
    def of(cls, loaded: list[Any], **options: str) -> Any:
        """The same in the style of all figures; pyplot does not keep it: a notebook shows it once.

        Raises:
            InputError: it has no such option.
        """
        import matplotlib.pyplot as plt

        from tokenspace.figures.style import style_of, words

        unknown = [k for k in options if k not in inspect.signature(cls).parameters]
        if unknown:
            name = ROOMS[cls.room].name_of(cls)
            raise InputError(f"the figure {name} has no option {unknown[0]!r}")
        loaded = [(replace(p, label=words(p.label)), result) for p, result in labelled(loaded)]
        plt.draw_if_interactive()  # loads what draws, whose settings the context would take back
        with plt.rc_context(style_of(loaded)):
            figure = cls(**options).draw(loaded)
        plt.close(figure)
        return figure
