"""Noise of several curves of one model, for the bootstrap: what is drawn, and what that assumes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tokenspace.scaling.joint.family import Family, earlier, mean

INDEPENDENT, BLOCKS = "independent", "blocks"
KINDS = (INDEPENDENT, BLOCKS)


@dataclass(frozen=True)
class Noise:
    """Scatter of log S about a joint fit, as its residuals show it.

    Each curve has its own standard deviation, or one with others (`joint.stated`), over the root of
    a point's weight where it has one, and else the same at every n. "independent": normal, and
    independent between scores. "blocks": the residuals of a whole count n, all its scores, are
    drawn together, with replacement, so that what one checkpoint scored stays as correlated as it
    is; each curve's own, of one variance or not.

    deviations: (K,) of log S at weight 1; columns: residuals (K, m) times the root of the weight,
    less their mean, those of one n with their part in common over sqrt(1 - its leverage); present:
    (K, m); n: (m,), ascending.
    """

    deviations: np.ndarray
    columns: np.ndarray
    present: np.ndarray
    n: np.ndarray

    @classmethod
    def of(cls, family: Family, balance: float) -> Noise:
        """The noise about the best lines at a shared n_balance."""
        direction = family.directions(np.array([balance]))
        squares = family.squares(direction)[..., 0]
        share = family.weight / family.weight.sum(axis=1, keepdims=True)
        residuals = family.root * (family.log_score - family.fitted(balance))
        # the fit takes what scores of one n have in common, and nothing of how they differ
        different, place = np.unique(family.n, return_inverse=True)
        one_n = np.eye(len(different))[place]  # (m, different n)
        weights = family.weight @ one_n
        common = (family.root * residuals) @ one_n / np.where(weights > 0, weights, 1.0)
        leverage = (share + direction[..., 0] ** 2) @ one_n
        common *= 1 / np.sqrt(np.maximum(1 - leverage, 1e-3)) - 1
        scaled = residuals + family.root * common[:, place]
        columns = np.where(family.present, scaled - mean(scaled, family.present), 0.0)
        freedom = family.counts - 2
        variances = squares / freedom
        if (one := ~family.alone).any():
            variances[one] = squares[one].sum() / freedom[one].sum()
        return cls(np.sqrt(variances), columns, family.present, family.n)

    def draw(
        self,
        kind: str,
        rng: np.random.Generator,
        runs: int,
        weight: np.ndarray,
        n: np.ndarray | None = None,
    ) -> np.ndarray:
        """Noise of log S of scores of these weights (K, m), shape (runs, K, m).

        They stand at n, (m,) ascending, those of the residuals by default. In blocks, a cell in
        which a curve has no score is drawn as if independent.
        """
        size = np.sqrt(np.where(weight > 0, weight, 1.0))
        counts = weight.shape[1]
        n = self.n if n is None else n
        normal = rng.standard_normal((runs, len(self.deviations), counts))
        normal *= self.deviations[:, None]
        if kind == INDEPENDENT:
            return normal / size
        different, first, scores = np.unique(self.n, return_index=True, return_counts=True)
        wanted, place = np.unique(n, return_inverse=True)
        block = rng.integers(len(different), size=(runs, len(wanted)))[:, place]
        which = first[block] + earlier(n) % scores[block]
        drawn = np.moveaxis(self.columns[:, which], 0, 1)
        return np.where(np.moveaxis(self.present[:, which], 0, 1), drawn, normal) / size

    @property
    def correlation(self) -> np.ndarray:
        """Correlations of the residuals between curves, (K, K); 0 with a curve that has none."""
        norms = np.linalg.norm(self.columns, axis=1)
        none = norms == 0
        norms[none] = 1.0
        found = self.columns @ self.columns.T / np.outer(norms, norms)
        found[none, none] = 1.0
        return found

    @property
    def independent_curves(self) -> float:
        """How many independent curves would scatter as these: K / (1 + (K - 1) r^2).

        r^2: mean square of the correlations between curves, less 1 / nu, which it would have by
        chance from residuals with nu = m - 2 degrees of freedom.
        """
        curves = len(self.deviations)
        if curves < 2:
            return float(curves)
        squares = ((self.correlation**2).sum() - curves) / (curves * (curves - 1))
        chance = 1 / max(self.present.sum(axis=1).mean() - 2, 1 + 1e-9)
        share = max((squares - chance) / (1 - chance), 0.0)
        return float(curves / (1 + (curves - 1) * share))

    @property
    def freedom(self) -> float:
        """Degrees of freedom of the residuals that draws in blocks take, over all curves.

        Their number, less two for each curve and one. Of r scores of a curve at one n
        r / (1 + (r - 1) rho^2) count, where `alike` is rho: copies are one, independent ones r. Of
        a block with fewer scores than are asked some are taken twice, and count once.
        """
        _, first, scores = np.unique(self.n, return_index=True, return_counts=True)
        own = np.add.reduceat(self.present, first, axis=1, dtype=int)  # (K, different n)
        sizes, times = np.unique(scores, return_counts=True)  # of blocks
        taken = np.minimum(own[:, :, None], sizes)
        count = taken / (1 + np.maximum(taken - 1, 0) * self.alike**2)
        return float((count @ times).sum() / len(scores) - 2 * len(own) - 1)

    @property
    def alike(self) -> float:
        """Correlation of scores of one curve at one n, 0 to 1; 0 where no n has two of a curve.

        Sum of e_i e_j over sum of (e_i^2 + e_j^2) / 2, over all pairs of their residuals e.
        """
        first = np.unique(self.n, return_index=True)[1]
        norms = np.linalg.norm(self.columns, axis=1, keepdims=True)
        e = self.columns / np.where(norms > 0, norms, 1.0)
        own, sums, squares = (
            np.add.reduceat(x, first, axis=1, dtype=float) for x in (self.present, e, e**2)
        )
        both = own > 1
        largest = ((own - 1) * squares)[both].sum()
        return max(float((sums**2 - squares)[both].sum() / largest), 0.0) if largest > 0 else 0.0
