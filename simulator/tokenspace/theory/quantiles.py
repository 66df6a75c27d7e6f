"""Quantiles of D(n) where all features are alike."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from tokenspace.covariance import TokenModel
from tokenspace.theory.correlation import as_counts, upsilon


def isotropic_quantiles(model: TokenModel, n: Any, levels: Any) -> np.ndarray:
    """Quantiles (q, m) of D(n): D^2 / (2 Upsilon) is chi2_d / d, or F of d and nu degrees.

    Args:
        model: isotropic, Gaussian or of a law that scales the whole pair: Student-t.
        n: numbers of tokens >= 1, (m,).
        levels: probabilities (q,), in (0, 1).
    """
    d, freedom = model.features.dim, model.law.chi_square_freedom()
    if freedom is None:
        square = special.chdtri(d, 1 - np.asarray(levels)) / d
    else:
        square = special.fdtri(d, freedom, levels)
    return np.sqrt(np.outer(square, 2 * upsilon(model, as_counts(n))))
