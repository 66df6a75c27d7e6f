"""Oracles in plain NumPy and SciPy, written apart from the code that they check."""

import numpy as np
from scipy import integrate, stats


def within_and_cross(branches, n):
    """Correlation matrices element by element, through __call__ only."""
    i, j = np.meshgrid(np.arange(n), np.arange(n), indexing="ij")
    within = np.broadcast_to(branches.within(i, j), (n, n)).astype(float)
    cross = np.broadcast_to(branches.cross(i, j), (n, n)).astype(float)
    return within, cross


def upsilon_from_psi(branches, n):
    """Upsilon from averages of correlations, the paper's definition."""
    within, cross = within_and_cross(branches, n)
    psi_equal = np.mean(np.diag(cross))
    if n == 1:
        return 1 - psi_equal
    off = ~np.eye(n, dtype=bool)
    return n * (1 - psi_equal) + n * (n - 1) * (within[off].mean() - cross[off].mean())


def sample_pairs(rng, branches, eigenvalues, n, replicates):
    """Tokens of both branches from a dense Cholesky factor of their joint 2n x 2n covariance."""
    within, cross = within_and_cross(branches, n)
    joint = np.block([[within, cross], [cross.T, within]])
    values, vectors = np.linalg.eigh(joint)
    root = vectors * np.sqrt(np.maximum(values, 0))
    z = rng.standard_normal((replicates, 2 * n, len(eigenvalues)))
    h = np.einsum("ij,rjd->rid", root, z) * np.sqrt(eigenvalues)
    return h[:, :n], h[:, n:]


def divergences(a, b, grid):
    """D(n) by definition."""
    return np.linalg.norm(np.cumsum(a - b, axis=-2), axis=-1)[..., np.asarray(grid) - 1]


def realised_psi(a, b, n):
    """psi's of one pair (N, d) from explicit n x n matrices of cosines."""
    u = a[:n] / np.linalg.norm(a[:n], axis=1, keepdims=True)
    v = b[:n] / np.linalg.norm(b[:n], axis=1, keepdims=True)
    off = ~np.eye(n, dtype=bool)
    aa, bb, ab = u @ u.T, v @ v.T, u @ v.T
    return np.diag(ab).mean(), (aa[off].mean() + bb[off].mean()) / 2, ab[off].mean()


def mean_norm_by_quadrature(eigenvalues):
    """E sqrt(x' diag(lambda) x) by adaptive quadrature of the Laplace-transform formula."""
    lam = np.asarray(eigenvalues, float)

    def integrand(u):
        t = np.exp(u)
        return -np.expm1(-0.5 * np.sum(np.log1p(2 * t * lam))) * np.exp(-u / 2)

    value, _ = integrate.quad(
        integrand, -80, 80, limit=2000, epsabs=1e-13, epsrel=1e-13, points=[-10, 0, 10]
    )
    return value / (2 * np.sqrt(np.pi))


def assert_agrees(mean, standard_error, expected, level=1e-4):
    """Every z-score within the two-sided level, corrected for how many there are."""
    mean, standard_error, expected = np.broadcast_arrays(mean, standard_error, expected)
    assert np.all(np.isfinite(standard_error)) and np.all(standard_error > 0)
    z = (mean - expected) / standard_error
    limit = stats.norm.isf(level / (2 * z.size))
    assert np.max(abs(z)) < limit, f"max |z| = {np.max(abs(z)):.2f} exceeds {limit:.2f}"
