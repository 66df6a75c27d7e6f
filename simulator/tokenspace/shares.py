"""Shares and levels that a user names: numbers between 0 and 1, no per cent."""

from __future__ import annotations

from typing import Any

import numpy as np

from tokenspace.errors import InputError


def require_share(name: str, value: Any) -> None:
    """Refuse what is no number between 0 and 1, of Python, NumPy or JAX.

    Raises:
        InputError: it is 0, 1, outside, a text, a list or nothing.
    """
    try:
        number = np.asarray(value).item() if np.ndim(value) == 0 else None
    except ValueError:  # a list of lists of unlike lengths
        number = None
    if not (isinstance(number, (int, float)) and 0 < number < 1):
        raise InputError(
            f"{name} = {value!r} is not allowed; it must be a number between 0 and 1, as 0.95 for "
            "95 %"
        )
