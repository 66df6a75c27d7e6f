"""What samplers of D alone share: factors of the prefix sums' covariance, and the plan."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tokenspace.covariance import SumModel, TokenLaw, TokenModel
from tokenspace.covariance.cholesky import semidefinite_cholesky
from tokenspace.sampling.plan import Divergences, Plan
from tokenspace_kernels.dispatch import Kernel


def root_eigenvalues(model: TokenModel | SumModel) -> np.ndarray:
    """Square roots of the feature eigenvalues of each term, (terms, d)."""
    return np.sqrt([t.features.eigenvalues for t in model.terms])


def grid_cholesky(covariance: np.ndarray) -> np.ndarray:
    """Cholesky factor of prefix sums, normalised first: their variances span many decades."""
    root = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(root, root)
    return root[:, None] * semidefinite_cholesky(correlation, 1.0)


def on_device(law: TokenLaw) -> TokenLaw:
    """A law with its numbers in float32, so that a sweep over them compiles once."""
    return jax.tree.map(jnp.float32, law)


def divergences(drawer: Kernel, law: TokenLaw, arrays: Any, method: str, elements: int) -> Plan:
    """The plan of a kernel that gives D at the grid, with what the law does to a whole pair."""
    return Plan(
        method=method,
        kernels=drawer.implementation,
        elements=elements,
        draw=Divergences(drawer.call),
        arrays=(arrays, on_device(law)),
    )
