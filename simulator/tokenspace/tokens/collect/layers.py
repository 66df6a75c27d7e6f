"""Which layers: "all", or numbers from 0 (what enters the first) to the last one."""

from __future__ import annotations

from tokenspace.errors import InputError


def check_layers(words: str) -> list[int | None] | None:
    """The numbers in "3,9,last", None standing for the last; None alone for "all".

    Raises:
        InputError: something else.
    """
    if words.strip() == "all":
        return None
    found: list[int | None] = []
    for word in words.split(","):
        word = word.strip()
        if word != "last" and not (word.isascii() and word.isdecimal()):
            raise InputError(
                f"--layers {words!r} is not allowed; it must be all, or numbers from 0 on and "
                "last, e.g. 3,9,last"
            )
        found.append(None if word == "last" else int(word))
    return found


def chosen_layers(words: str, depths: dict[str, int]) -> dict[str, list[int]]:
    """Part -> numbers of layers, in order; a number beyond the last is left out of that part.

    Args:
        words: as `check_layers`.
        depths: part -> its last layer.

    Raises:
        InputError: a number that no part of the model has.
    """
    wanted = check_layers(words)
    if wanted is None:
        return {part: list(range(last + 1)) for part, last in depths.items()}
    most = max(depths.values())
    beyond = [k for k in wanted if k is not None and k > most]
    if beyond:
        parts = ", ".join(f"0 to {last} ({part})" for part, last in depths.items())
        raise InputError(f"--layers: the model has no layer {beyond[0]}; it has {parts}")
    chosen = {
        part: sorted({last if k is None else k for k in wanted if k is None or k <= last})
        for part, last in depths.items()
    }
    return {part: numbers for part, numbers in chosen.items() if numbers}
