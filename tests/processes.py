"""Running the command line in processes of its own, for tests that kill, signal and share."""

import os
import signal
import socket
import subprocess
import sys
import time
import tomllib

COMMAND = [sys.executable, "-m", "tokenspace"]

SWEEP = """
[tokens]
count = {tokens}
points = 9
[features]
model = "isotropic"
dim = {dim}
[branches]
model = "equicorrelated"
psi_equal = 0.2
psi_within = {{ sweep = [{psi}] }}
psi_cross = 0.1
[run]
replicates = {replicates}
sampler = "{sampler}"
"""


def sweep_file(path, points, tokens=64, dim=8, replicates=300, sampler="collapsed"):
    """A configuration of so many points."""
    psi = ", ".join(f"{0.2 + 0.5 * k / max(points, 1):.6f}" for k in range(points))
    text = SWEEP.format(tokens=tokens, dim=dim, replicates=replicates, sampler=sampler, psi=psi)
    tomllib.loads(text)
    path.write_text(text)
    return path


def environment(devices=1, **more):
    flags = f"--xla_force_host_platform_device_count={devices}"
    return {**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags, **more}


def start(*arguments, devices=1, **more):
    """A command in the background, stdout and stderr together."""
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(devices, **more),
    )


def call(*arguments, devices=1, timeout=180, **more):
    """(exit status, what it printed) of a command."""
    process = start(*arguments, devices=devices, **more)
    out, _ = process.communicate(timeout=timeout)
    return process.returncode, out


def wait_for(condition, seconds=90):
    """Poll until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def kill(process, signal_number=signal.SIGKILL):
    process.send_signal(signal_number)
    return process.communicate(timeout=120)[0]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]
