"""Settings of all tests: as users run, but shapes of different rank never mixed by accident.

JAX stays in its 32-bit mode, which users have: oracles in float64 are NumPy's, and what concerns
64-bit JAX asks for it with `tokenspace.precision.float64`.
"""

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu" if os.environ.get("CI") else "")
if not os.environ["JAX_PLATFORMS"]:
    del os.environ["JAX_PLATFORMS"]

import jax
import matplotlib
from hypothesis import settings

jax.config.update("jax_numpy_rank_promotion", "raise")
matplotlib.use("Agg")
settings.register_profile("tokenspace", deadline=None, max_examples=50, derandomize=True)
settings.load_profile("tokenspace")
