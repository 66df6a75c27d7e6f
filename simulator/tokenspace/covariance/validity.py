"""Whether a covariance is positive semi-definite at n tokens, and up to which n it is.

Leading blocks of a positive semi-definite matrix are so too, hence there is one largest valid n.
Structure decides how it is found: by construction, in closed form where all pairs of tokens are
alike, by the spectrum of a circulant embedding (O(n log n)), by the recursions of a Markov form
(O(n)), by Levinson's recursion (O(n^2)), or densely.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tokenspace.covariance import innovations
from tokenspace.covariance.base import Array, Covariance
from tokenspace.covariance.structure import Exchangeable
from tokenspace.covariance.sums import LARGEST_LAGS
from tokenspace.errors import InputError, NotPositiveSemidefinite

TOLERANCE = 1e-10  # negative eigenvalues below this times k(0) n are rounding
LARGEST_DENSE = 12_000  # tokens; a dense check takes n^2 memory and n^3 time
LARGEST_LEVINSON = 50_000
FIRST = 1024  # tokens of a dense matrix that are looked at for what is not finite


def require_valid(covariance: Covariance, n: int, what: str) -> None:
    """Raise `NotPositiveSemidefinite` when the covariance is not valid at n tokens.

    `what` names it in the message, which shows its parameters too.
    """
    covariance.require_tokens(n)
    if covariance.structure.valid:
        return
    largest = _largest_valid_n(covariance, n)
    if largest >= n:
        return
    what = f"{what} = {covariance!r}"
    alike = covariance.structure.exchangeable
    if alike is not None:
        eigenvalue = min(alike.variance - alike.covariance, _common(alike, n))
    else:
        shown = min(n, max(largest + 1, min(n, 2048)))
        eigenvalue = float(np.linalg.eigvalsh(covariance.dense(shown))[0])
        if shown < n:
            what = f"{what} (eigenvalue given for the first {shown} tokens)"
    raise NotPositiveSemidefinite(what, n, eigenvalue, largest)


def _largest_valid_n(covariance: Covariance, n: int) -> int:
    structure = covariance.structure
    if structure.exchangeable is not None:
        return _exchangeable_valid_n(structure.exchangeable, n)
    if n > LARGEST_LAGS:
        raise InputError(
            f"{covariance!r} cannot be checked at n = {n:,} tokens, only up to {LARGEST_LAGS:,}; "
            "ask for fewer tokens, or build it from sums and products of valid covariances"
        )
    if structure.at_lag is not None:
        lags = np.asarray(structure.at_lag(np.arange(n)), np.float64)
        _require_finite(covariance, lags)
        spectrum = np.fft.rfft(np.concatenate([lags, lags[-2:0:-1]])).real
        if spectrum.min() >= -TOLERANCE * max(lags[0], 0.0):
            return n
    if structure.markov is not None:
        return innovations.largest_valid_n(covariance, n)
    if structure.at_lag is not None and n <= LARGEST_LEVINSON:
        return levinson_valid_n(lags)
    if n <= LARGEST_DENSE:
        _require_finite(covariance, covariance.dense(min(n, FIRST)))
        return largest_valid_size(covariance.dense, n)
    raise InputError(
        f"{covariance!r} cannot be proved valid at n = {n}: without more structure "
        f"the check is dense and limited to n = {LARGEST_DENSE}. Build it from sums and products "
        "of valid covariances, subclass Stationary, or say so in `structure`"
    )


def _require_finite(covariance: Covariance, values: Array) -> None:
    if not np.isfinite(values).all():
        raise InputError(f"{covariance!r} is not finite at every pair of tokens; mend its formula")


def _common(alike: Exchangeable, n: int) -> float:
    """The eigenvalue that belongs to the sum of n tokens."""
    return float(alike.variance + (n - 1) * alike.covariance)


def _exchangeable_valid_n(alike: Exchangeable, n: int) -> int:
    """Largest n' <= n with variance - covariance >= 0 and variance + (n' - 1) covariance >= 0."""
    rounding = TOLERANCE * max(alike.variance, 0.0)
    if alike.variance < 0:
        return 0
    if alike.variance - alike.covariance < -rounding:
        return 1
    if _common(alike, n) >= -rounding:
        return n
    return 1 + int((alike.variance + rounding) / -alike.covariance)


def levinson_valid_n(lags: Array) -> int:
    """Largest n at which the Toeplitz matrix of these lags is positive semi-definite.

    Levinson-Durbin recursion: valid while the error of prediction stays >= 0.
    """
    if lags[0] < 0:
        return 0
    error, a = lags[0], np.zeros(0)
    for n in range(1, len(lags)):
        miss = lags[n] - a @ lags[n - 1 : 0 : -1] if n > 1 else lags[n]
        if error <= TOLERANCE * lags[0]:
            # Singular: from here on every value is predicted exactly, or the matrix is not valid.
            if abs(miss) > np.sqrt(TOLERANCE) * lags[0]:
                return n
            a = np.append(a, 0.0)
            continue
        reflection = miss / error
        a = np.append(a - reflection * a[::-1], reflection)
        error *= 1 - reflection**2
        if error < -TOLERANCE * lags[0]:
            return n
    return len(lags)


def largest_valid_size(leading: Callable[[int], Array], n: int) -> int:
    """Largest size <= n whose leading block is positive semi-definite, by bisection."""

    def valid(size: int) -> bool:
        matrix = leading(size)
        scale = abs(np.diag(matrix)).max()
        try:
            np.linalg.cholesky(matrix + TOLERANCE * scale * np.eye(size))
            return True
        except np.linalg.LinAlgError:
            return bool(np.linalg.eigvalsh(matrix)[0] >= -TOLERANCE * scale * size)

    if valid(n):
        return n
    low, high = 0, n  # valid at low, not at high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if valid(middle) else (low, middle)
    return low
