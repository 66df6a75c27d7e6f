"""One run over many hosts: every process computes its share, process 0 alone reads and writes.

Processes run the same program in step (SPMD). If one dies the others cannot go on; what was stored
stays, and the next start resumes.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from tokenspace.errors import InputError, WorkerDied
from tokenspace_kernels.dispatch import settle

HEARTBEAT_SECONDS = 20  # a host that is silent for so long is taken for dead
CHILD = "TOKENSPACE_DISTRIBUTED_CHILD"
LOST = 75  # exit status of a child that lost the others


def supervise() -> int | None:
    """Run this very command in a child process; its exit status, or None in the child itself.

    JAX ends a process by abort when another host is lost, so only a parent can say what happened.

    Raises:
        WorkerDied: the child could not go on, because another process ended or it was killed.
    """
    if os.environ.get(CHILD):
        return None
    command = [sys.executable, "-m", "tokenspace", *sys.argv[1:]]
    child = subprocess.Popen(command, env={**os.environ, CHILD: "1"})
    for s in (signal.SIGINT, signal.SIGTERM):
        signal.signal(s, lambda number, frame: child.send_signal(number))
    status = child.wait()
    if status < 0 or status == LOST:
        raise WorkerDied(
            "this process of the distributed run cannot go on: another one died or was lost. "
            "Finished points are stored; start all processes again to resume"
        )
    return status


def _together(collective: Callable[[Any], Any], value: Any) -> np.ndarray:
    """Do what all processes must do at once; end when another one is lost.

    A supervised process ends at once: nothing is left to clean up, and JAX would wait for the
    others before it gives up.

    Raises:
        WorkerDied: another process is lost, in a process that nobody supervises.
    """
    try:
        return np.asarray(collective(value))
    except Exception as error:
        if os.environ.get(CHILD):
            sys.stderr.write(f"{str(error).splitlines()[0]}\n")
            sys.stderr.flush()
            os._exit(LOST)
        raise WorkerDied(f"another process of the distributed run is lost: {error}") from None


def start(coordinator: str | None, processes: int | None, process_id: int | None) -> None:
    """Join the run, with addresses as given or as JAX finds them (Slurm, Open MPI, Kubernetes).

    All processes then use the kernels that process 0 measures to be the fastest.

    Raises:
        InputError: the others cannot be reached, or nothing says where they are.
    """
    try:
        jax.distributed.initialize(
            coordinator,
            processes,
            process_id,
            initialization_timeout=60,
            heartbeat_timeout_seconds=HEARTBEAT_SECONDS,
        )
    except (ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"--distributed: the processes did not find each other ({reason}). Start every process "
            "with the same --coordinator HOST:PORT and --processes N and with its own "
            "--process-id, or under Slurm, Open MPI or Kubernetes"
        ) from None
    settle(is_writer(), bytes_from_writer)


def is_writer() -> bool:
    """Whether this process reads and writes files: process 0, or the only one."""
    return jax.process_index() == 0


def any_host(flag: bool) -> bool:
    """Whether the flag is set on some host; every host gets the same answer."""
    if jax.process_count() == 1:
        return flag
    return bool(np.any(gather(np.asarray(flag))))


def least(number: int) -> int:
    """The smallest of the numbers that the hosts give; every host gets the same answer."""
    if jax.process_count() == 1:
        return number
    return int(np.min(gather(np.asarray(float(number)))))


def gather(value: np.ndarray) -> np.ndarray:
    """The arrays of all processes, (processes, ...), on every one; shapes must be alike."""
    return _together(multihost_utils.process_allgather, value)


def from_writer(value: np.ndarray) -> np.ndarray:
    """The array that process 0 has, on every host; shapes must be alike."""
    if jax.process_count() == 1:
        return value
    return _together(multihost_utils.broadcast_one_to_all, value)


def bytes_from_writer(data: bytes | None) -> bytes | None:
    """The bytes that process 0 has read, or None, on every host."""
    if jax.process_count() == 1:
        return data
    size = int(from_writer(np.asarray(-1 if data is None else len(data))))
    if size < 0:
        return None
    own = np.zeros(size, np.uint8) if data is None else np.frombuffer(data, np.uint8)
    return from_writer(own).tobytes()
