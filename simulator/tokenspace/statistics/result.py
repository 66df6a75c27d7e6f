"""What an experiment found: estimates with errors on a grid of token counts, and how they arose."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tokenspace.deferred import DeferredField
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
        """gamma between adjacent grid points, with the covariance across n in its errors.

        Raises:
            InputError: fewer than 2 grid points, or D(n) = 0 at one of them.
        """
        return exponent.local_exponent(self.n, self.amplitude()[1])

    def secant_exponent(self, beta: float) -> exponent.Exponent:
        """alpha(n) of S proportional to E[D]^beta, from n = 1 to each later grid point.

        Raises:
            InputError: the grid does not start at 1, or as `local_exponent`.
        """
        return exponent.secant_exponent(self.n, self.amplitude()[1], beta)

    def n_balance(self, level: float = 0.95) -> exponent.Balance:
        """n_balance under the law of constant correlations, with a Fieller interval.

        Raises:
            InputError: fewer than 3 grid points or 2 replicates, or D(n) = 0 at a grid point.
        """
        if len(self.n) < 3 or self.replicates < 2:
            raise InputError("n_balance needs at least 3 token counts and 2 replicates")
        return exponent.fit_balance(self.n, self.amplitude()[1], level)

    def cosine_upsilon(self) -> np.ndarray:
        """Upsilon(n) = n (1 - psi_equal) + n (n - 1) (psi_within - psi_cross), shape (m,).

        The psi's are means of realised cosines, so this is not `theory.upsilon`, whose psi's are
        correlations of the model; the two differ where d is finite or norms vary.

        Raises:
            InputError: psi's were not measured; ask for statistics=("divergence", "correlations").
        """
        return self._upsilon_terms()[0]

    def upsilon(self) -> np.ndarray:
        """The old name of `cosine_upsilon`, deprecated."""
        warnings.warn(
            "Result.upsilon() is now called Result.cosine_upsilon(), since it is made of realised "
            "cosines and theory.upsilon of correlations",
            DeprecationWarning,
            stacklevel=2,
        )
        return self.cosine_upsilon()

    def _upsilon_terms(self) -> tuple[np.ndarray, np.ndarray]:
        """Upsilon(n), and the sum of the sizes of its terms, which its rounding grows with."""
        if self.correlations is None:
            raise InputError(
                'Upsilon needs realised psi\'s: ask for statistics=("divergence", "correlations")'
            )
        psi = {k: v.mean for k, v in self.correlations.items()}
        within, cross = (np.where(self.n > 1, psi[k], 0.0) for k in ("psi_within", "psi_cross"))
        n, pairs = self.n, self.n * (self.n - 1.0)
        upsilon = n * (1 - psi["psi_equal"]) + pairs * (within - cross)
        return upsilon, n * (1 + abs(psi["psi_equal"])) + pairs * (abs(within) + abs(cross))

    def scale_fit(self) -> tuple[float, float]:
        """The paper's one-lambda fit E[D(n)] = lambda sqrt(Upsilon(n)): lambda, largest deviation.

        Upsilon is `cosine_upsilon`. Least squares in log; the deviation is relative.

        Raises:
            InputError: psi's were not measured, or D(n) or Upsilon(n) is 0 (to the accuracy of
                float32) at some n.
        """
        exponent.require_points("lambda", self.n, self.divergence, 1)
        upsilon, size = self._upsilon_terms()
        zero = self.n[~(upsilon > ROUNDING * size)]
        if len(zero):
            raise InputError(
                f"lambda: Upsilon(n) is 0 to the accuracy of float32 at n = {zero[0]}: the tokens "
                "of both branches point the same way there"
            )
        ratio = np.log(self.mean / np.sqrt(upsilon))
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


# A stored result is read without its model, which is built when it is asked for. (Set here: inside
# the class a dataclass would take the descriptor for the field's default.)
Result.model = DeferredField("model")


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
