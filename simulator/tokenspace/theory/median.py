"""The median of D(n): what is left to compare where D has no variance, or no mean."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tokenspace.covariance import SumModel, TokenModel
from tokenspace.errors import NoExactResult
from tokenspace.theory.correlation import as_counts, upsilon

LOG_U = (-45.0, 45.0)  # below, the integrand is below 1e-16; above, rho is e^44 at least
VANISHED = 38.0  # natural logarithm of rho where the integrand ends


def median_divergence(model: TokenModel | SumModel, n: Any) -> np.ndarray:
    """Median of D(n) = w ||Sigma^(1/2) z|| sqrt(2 Upsilon(n)) with w^2 = nu / chi2_nu, exact.

    Its exponent is that of sqrt(Upsilon).

    Args:
        model: a TokenModel whose law scales the whole pair by such a w: Student-t.
        n: numbers of tokens >= 1.

    Returns:
        Array shaped like n, float64, relative error below 1e-8, in the units of the tokens.

    Raises:
        NoExactResult: another law.

    Source: derived for this project; Imhof 1961 for the distribution of quadratic forms.
    """
    n = as_counts(n)
    freedom = model.law.chi_square_freedom()
    if isinstance(model, SumModel) or freedom is None:
        raise NoExactResult(
            f"no exact median of D(n) is known for the token law {model.law!r}, only for tokens "
            "whose pair shares one Student-t scale"
        )
    return np.sqrt(2 * upsilon(model, n)) * _median_norm(model.features.eigenvalues, freedom)


def _median_norm(eigenvalues: np.ndarray, freedom: float) -> float:
    """The y at which sum lambda z^2 exceeds y^2 chi2_nu / nu with probability 1/2.

    P(sum_k c_k chi2_k > 0) = 1/2 + (1/pi) int_0^inf sin(theta(u)) / (u rho(u)) du, with theta the
    sum of the arguments, and rho the product of the sizes, of (1 - i c_k u)^(degrees / 2).
    """
    from scipy import integrate, optimize  # take long to import, and only this median needs them

    values, counts = np.unique(eigenvalues[eigenvalues > 0], return_counts=True)
    total = float(values @ counts)
    degrees = np.append(counts, freedom) / 2

    def excess(log_square: float) -> float:
        c = np.append(values / total, -math.exp(log_square) / freedom)

        def log_rho(log_u: float) -> float:
            return float(np.log1p((math.exp(log_u) * c) ** 2) @ degrees) / 2

        def integrand(log_u: float) -> float:
            theta = np.arctan(math.exp(log_u) * c) @ degrees
            return math.sin(theta) * math.exp(-log_rho(log_u))

        end = optimize.brentq(lambda v: log_rho(v) - VANISHED, *LOG_U)
        return float(integrate.quad(integrand, LOG_U[0], end, limit=2000, epsabs=1e-11)[0])

    # medians of chi2_1 and of chi2_nu / nu, nu > 1, lie between 0.45 and 1
    log_square = optimize.brentq(excess, -1.0, 1.0, xtol=1e-12)
    return math.sqrt(total * math.exp(log_square))
