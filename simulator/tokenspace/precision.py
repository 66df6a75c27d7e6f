"""64-bit JAX numbers where they are needed, whatever the user has set: the one place that asks."""

from __future__ import annotations

from contextlib import AbstractContextManager

try:
    from jax import enable_x64
except ImportError:  # an older JAX
    from jax.experimental import enable_x64  # type: ignore[no-redef, attr-defined]


def float64() -> AbstractContextManager[None]:
    """Context in which JAX makes and keeps 64-bit numbers; the user's setting returns after it."""
    return enable_x64(True)
