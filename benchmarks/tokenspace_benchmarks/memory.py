"""Peak memory of one contestant, measured in a process of its own (see `peak`).

On a CPU it is the largest resident set less that of the process before the contestant was built;
on an accelerator the largest number of bytes in use on the device. Compilation counts.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

MIB = 2.0**20


def _resident() -> float:
    """Largest resident set of this process so far, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would report the parent's peak, which a child starts with
        (line,) = (x for x in status.read_text().splitlines() if x.startswith("VmHWM:"))
        return float(line.split()[1]) * 1024
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes * (1.0 if sys.platform == "darwin" else 1024.0)


def peak_here(build: Any) -> float:
    """Build a contestant, call it once, and return the peak in MiB; for a fresh process."""
    import jax
    import jax.numpy as jnp

    jax.block_until_ready(jax.jit(lambda x: x + 1)(jnp.zeros(8)))  # the compiler is loaded
    before = _resident()
    jax.block_until_ready(build()())
    on_device = (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use")
    return (_resident() - before if on_device is None else float(on_device)) / MIB


def peak_mib(*arguments: str) -> float | None:
    """Peak of what the arguments name, in a process of its own; None when that process fails."""
    environment = {**os.environ, "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    command = [sys.executable, "-m", "tokenspace_benchmarks.peak", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    return float(json.loads(done.stdout)) if done.returncode == 0 else None
