"""Where a number comes from: versions and device."""

from __future__ import annotations

import platform
from functools import lru_cache
from importlib import metadata

import jax


@lru_cache
def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide numbers."""
    out = {"python": platform.python_version()}
    for name in ("tokenspace", "jax", "jaxlib", "numpy", "scipy", "numba"):
        try:
            out[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            if name != "numba":  # optional
                out[name] = "unknown"
    return out


def device_name(count: int = 1) -> str:
    """Kind and platform of the devices that JAX computes on, e.g. "cpu" or "NVIDIA H100 (gpu)"."""
    device = jax.devices()[0]
    kind = device.device_kind
    name = device.platform if kind == device.platform else f"{kind} ({device.platform})"
    return name if count == 1 else f"{count} x {name}"
