"""Where a number comes from: versions and device."""

from __future__ import annotations

import platform
from functools import lru_cache
from importlib import metadata

PACKAGES = ("tokenspace", "jax", "jaxlib", "numpy", "scipy", "numba")
OPTIONAL = ("numba", "torchvision")


@lru_cache
def versions(packages: tuple[str, ...] = PACKAGES) -> dict[str, str]:
    """Versions of Python and of the packages that decide numbers."""
    out = {"python": platform.python_version()}
    for name in packages:
        try:
            out[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            if name not in OPTIONAL:
                out[name] = "unknown"
    return out


__version__ = versions(("tokenspace",))["tokenspace"]


def device_name(count: int = 1) -> str:
    """Kind and platform of the devices that JAX computes on, e.g. "cpu" or "NVIDIA H100 (gpu)"."""
    import jax  # here, since what runs without it shall not wait for it

    device = jax.devices()[0]
    kind = device.device_kind
    name = device.platform if kind == device.platform else f"{kind} ({device.platform})"
    return name if count == 1 else f"{count} x {name}"
