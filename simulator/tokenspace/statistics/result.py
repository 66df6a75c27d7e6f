"""What an experiment found: estimates with errors on a grid of token counts, and how they arose."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tokenspace.errors import InputError
from tokenspace.statistics import exponent, verdict
from tokenspace.statistics.estimate import QUANTILES, Estimate, Moments, moments

ROUNDING = 1e-6  # relative, of D from float32 sums


@dataclass(frozen=True)
class Result:
    """Estimates of D(n), and of the realised psi's when they were asked for.

    n: (m,) token counts; divergence, mean_square: moments of D and D^2 with their covariance
    across n; quantiles: (5, m) of D at `quantile_levels`; correlations: name -> Estimate (m,) of
    the realised cosines (NaN where undefined, at n = 1); the rest says how it was made.
    """

    n: np.ndarray
    divergence: Moments
    mean_square: Moments
    quantiles: np.ndarray
    correlations: dict[str, Estimate] | None
    model: Any
    sampler: str
    method: str
    reason: str
    kernels: str
    device: str
    seed: int | None
    seconds: float
    versions: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    quantile_levels: tuple[float, ...] = QUANTILES

    @property
    def replicates(self) -> int:
        """Number of replicates (or of given pairs of sequences)."""
        return self.divergence.count

    @property
    def mean(self) -> np.ndarray:
        """Estimate of E[D(n)]."""
        return self.divergence.mean

    @property
    def std(self) -> np.ndarray:
        """Standard deviation of D(n) over replicates."""
        return self.divergence.std

    @property
    def standard_error(self) -> np.ndarray:
        """Standard error of `mean`."""
        return self.divergence.standard_error

    @property
    def covariance(self) -> np.ndarray:
        """Covariance of `mean` across n, (m, m)."""
        return self.divergence.covariance

    def amplitude(self) -> tuple[str, Moments]:
        """What is compared with the theory: E[D], or rms D for laws with no exact E[D].

        Its covariance includes the rounding of D to float32, which matters where D at two n differs
        by a fixed factor and sampling errors cancel.
        """
        if self.model is None or self.model.law.joint_scale:
            name, mean, covariance = "E[D]", self.mean, self.covariance
        else:
            name, mean = "rms D", np.sqrt(self.mean_square.mean)
            covariance = self.mean_square.covariance / (4 * np.outer(mean, mean))
        rounding = np.diag((mean * ROUNDING) ** 2)
        return name, Moments(mean, covariance + rounding, self.replicates)

    def local_exponent(self) -> exponent.Exponent:
        """gamma between adjacent grid points, with the covariance across n in its errors."""
        return exponent.local_exponent(self.n, self.amplitude()[1])

    def secant_exponent(self, beta: float) -> exponent.Exponent:
        """alpha(n) of S proportional to E[D]^beta, from the first grid point (n = 1) to each n."""
        return exponent.secant_exponent(self.n, self.amplitude()[1], beta)

    def n_balance(self, level: float = 0.95) -> exponent.Balance:
        """n_balance under the law of constant correlations, with a Fieller interval."""
        if len(self.n) < 3 or self.replicates < 2:
            raise InputError("n_balance needs at least 3 grid points and 2 replicates")
        return exponent.fit_balance(self.n, self.amplitude()[1], level)

    def upsilon(self) -> np.ndarray:
        """Upsilon(n) from the mean realised psi's, (m,).

        Raises:
            InputError: psi's were not measured; ask for statistics=("divergence", "correlations").
        """
        if self.correlations is None:
            raise InputError(
                'Upsilon needs realised psi\'s: ask for statistics=("divergence", "correlations")'
            )
        psi = {k: v.mean for k, v in self.correlations.items()}
        pairs = np.where(self.n > 1, psi["psi_within"] - psi["psi_cross"], 0.0)
        return self.n * (1 - psi["psi_equal"]) + self.n * (self.n - 1.0) * pairs

    def scale_fit(self) -> tuple[float, float]:
        """The paper's one-lambda fit E[D(n)] = lambda sqrt(Upsilon(n)): lambda, largest deviation.

        Least squares in log; the deviation is relative.
        """
        ratio = np.log(self.mean / np.sqrt(self.upsilon()))
        log_lambda = float(np.mean(ratio))
        return float(np.exp(log_lambda)), float(np.max(abs(np.expm1(ratio - log_lambda))))

    def check(self, tolerance: float = 0.02) -> verdict.Check:
        """Compare with the theory of the model: PASS, FAIL or UNDECIDED. See `verdict.check`."""
        return verdict.check(self, tolerance)

    def __repr__(self) -> str:
        return (
            f"Result({self.replicates} replicates, n = {self.n[0]}..{self.n[-1]} "
            f"({len(self.n)} points), sampler = {self.sampler!r}, device = {self.device!r})"
        )


def with_psi_within(psi: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The kernels' four psi's under the paper's names, with psi_within, the mean of AA and BB."""
    return {
        "psi_equal": psi["psi_equal"],
        "psi_within": (psi["psi_cross_AA"] + psi["psi_cross_BB"]) / 2,
        "psi_cross": psi["psi_cross_AB"],
        "psi_cross_AA": psi["psi_cross_AA"],
        "psi_cross_BB": psi["psi_cross_BB"],
    }


def summarise(n: np.ndarray, samples: dict[str, np.ndarray], **how: Any) -> Result:
    """A Result from samples: name -> (R, m), with "divergence" and perhaps the four psi's."""
    d = samples["divergence"]
    if not np.isfinite(d).all():
        raise InputError(
            f"D(n) is not finite in {int(np.sum(~np.isfinite(d)))} of {d.size} values: the tokens "
            "overflow float32; scale them down"
        )
    correlations = None
    if "psi_equal" in samples:
        psi = with_psi_within(samples)
        correlations = {k: moments(v).estimate for k, v in psi.items()}
    return Result(
        n=n,
        divergence=moments(d),
        mean_square=moments(np.square(d, dtype=np.float64)),
        quantiles=np.quantile(d, QUANTILES, axis=0),
        correlations=correlations,
        **how,
    )
