"""The model that a fit stands for: branches and features from numbers."""

from __future__ import annotations

import numpy as np

from tokenspace.covariance import Branches, Constant, Spectrum, White
from tokenspace.covariance.base import combine
from tokenspace.covariance.branches import equicorrelated
from tokenspace.tokens.fit.search import Shape, Target


def branches_of(
    target: Target, fit: Shape, psi: dict[str, float]
) -> tuple[Branches, tuple[str, ...]]:
    """Branches of a fitted family, and what had to be changed for them to exist; see `fit_tokens`.

    psi: psi_equal, psi_within and psi_cross. What the branches share has no shape of its own: a
    constant psi_cross and white noise. Where pictures share nothing, psi_cross may come out below 0
    by chance, and sequences of many tokens cannot have that; then it becomes what they can.
    """
    equal, within, cross = (psi[f"psi_{k}"] for k in ("equal", "within", "cross"))
    if not target.aim:
        return equicorrelated(equal, within, cross), ()
    at_zero = 1 - equal
    *parts, constant, white = at_zero * fit.weights
    decaying = target.family.covariances(fit.values, target.place)
    rest = [(constant, Constant()), *zip(parts, decaying, strict=True), (white, White())]
    difference = combine([(float(w), part) for w, part in rest])
    allowed = shared_with(target, fit, equal, cross)
    if allowed is None:
        across = combine([(equal / at_zero, difference)])
        notes: tuple[str, ...] = (
            f"psi_equal = {equal:.3g} < 0 needs covariances across branches that fall with the "
            "distance; the model has psi_equal times those of the difference",
        )
    else:
        across = combine([(allowed, Constant()), (equal - allowed, White())])
        notes = (f"psi_cross = {cross:.3g} belongs to no model; the model has {allowed:.3g}",)
        notes = notes if allowed != cross else ()
    return Branches(combine([(1.0, difference), (1.0, across)]), across), notes


def shared_with(target: Target, fit: Shape, equal: float, cross: float) -> float | None:
    """The psi_cross that a model may have, nearest to the measured one.

    None where psi_equal is so far below 0 that what branches share must look like their difference.
    """
    if not target.aim:
        return cross
    *_, constant, white = (1 - equal) * fit.weights
    low, high = -constant / 2, equal + white / 2  # else within + cross has a weight below 0
    return None if low > high else float(min(max(cross, low), high)) + 0.0  # no -0 in what is said


def spectrum_of(second: np.ndarray, size: float) -> Spectrum:
    """Eigenvalues of a second moment (d, d), scaled so that they sum to `size`."""
    eigenvalues = np.linalg.eigvalsh(second)[::-1].clip(0.0)
    return Spectrum(size * eigenvalues / eigenvalues.sum())
