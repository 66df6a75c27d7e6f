"""Errors carried through a function by finite differences, apart from the code that they check."""

import numpy as np


def propagated(function, mean, covariance):
    """J C J' with the Jacobian of `function` at `mean`, by centred differences."""
    columns = []
    for k in range(len(mean)):
        step = np.zeros(len(mean))
        step[k] = 1e-6 * abs(mean[k])
        columns.append((function(mean + step) - function(mean - step)) / (2 * step[k]))
    jacobian = np.stack([np.atleast_1d(c) for c in columns], axis=-1)
    return jacobian @ covariance @ jacobian.T
