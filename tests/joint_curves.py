"""Curves of one model whose n_balance is known, for tests of joint fits."""

import numpy as np

from tokenspace.scaling.curves import Curve
from tokenspace.scaling.joint.family import abscissa

N = np.array([1.0, 8, 16, 32, 64, 128, 256, 384, 512, 768])
BETAS = np.linspace(0.1, 0.5, 6)


def curves(balances, noise=0.0, seed=0, n=N):
    """Curves of one model, an n_balance each, with independent noise."""
    rng = np.random.default_rng(seed)
    x = abscissa(n, np.broadcast_to(balances, BETAS.shape))
    logs = 1 + BETAS[:, None] * x + noise * rng.standard_normal(x.shape)
    return [Curve(f"b{k}", n, np.exp(y)) for k, y in enumerate(logs)]
