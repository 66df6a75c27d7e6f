"""Which devices an experiment uses, and how much memory it may take on them."""

from __future__ import annotations

from typing import Any

import jax
import psutil

from tokenspace.errors import InputError
from tokenspace.sampling import Plan

SHARE = 0.8  # of the free memory, which other programs use too


def choose_devices(count: int | None) -> list[Any]:
    """The first `count` devices that JAX sees, on all hosts; all of them without a count.

    Raises:
        InputError: there are not as many.
    """
    known = jax.devices()
    if len(known) != len(jax.local_devices()) * jax.process_count():
        raise InputError("a distributed run needs the same number of devices in every process")
    if count is None:
        return list(known)
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= len(known):
        more = ""
        if known[0].platform == "cpu":
            more = "; on CPUs set XLA_FLAGS=--xla_force_host_platform_device_count=N first"
        raise InputError(
            f"devices = {count!r} is not allowed; it must be an integer from 1 to {len(known)}, "
            f"the {known[0].platform} devices that JAX sees{more}"
        )
    if jax.process_count() > 1 and count != len(known):
        raise InputError(
            f"devices = {count}: a distributed run uses all its {len(known)} devices; start fewer "
            "processes instead"
        )
    return list(known[:count])


def free_memory(device: Any) -> int:
    """Bytes free on a device, or on the host for a CPU."""
    stats = device.memory_stats() or {}
    if "bytes_limit" in stats:
        return int(stats["bytes_limit"]) - int(stats.get("bytes_in_use", 0))
    return int(psutil.virtual_memory().available)


def memory_of(devices: list[Any], max_memory: float | None) -> float:
    """Bytes that sampling may use on each device of this host."""
    own = [d for d in devices if d.process_index == jax.process_index()]
    limit = SHARE * min(free_memory(d) for d in own)
    if own[0].platform == "cpu":
        limit /= len(own)  # they share the memory of the host
    return limit if max_memory is None else min(limit, float(max_memory))


def fit_block(
    plan: Plan, devices: list[Any], max_memory: float | None
) -> tuple[Plan, tuple[str, ...]]:
    """Make the block of replicates small enough for the memory of the devices; says so if it did.

    Raises:
        InputError: max_memory is less than a single replicate needs.
    """
    limit = memory_of(devices, max_memory)
    if plan.bytes_of_block <= limit or jax.process_count() > 1:  # all hosts must choose alike
        return plan, ()
    each = plan.bytes_of_block // plan.block
    if max_memory is not None and each > max_memory:
        raise InputError(
            f"max_memory = {max_memory:.3g} bytes, but sampler {plan.name!r} ({plan.method}) needs "
            f"about {each:.3g} for a single replicate; allow more, use fewer tokens or features, "
            "or a sampler that needs neither: 'partial_sums', 'collapsed'"
        )
    smaller = plan.with_block(1 << (max(1, int(limit // each)).bit_length() - 1))
    if smaller.block == plan.block:
        return plan, ()
    return smaller, (f"blocks of {smaller.block} replicates instead of {plan.block}, for memory",)


def require_memory(size: int, what: str) -> None:
    """Raise `InputError` when that many bytes do not fit into the host's memory."""
    free = psutil.virtual_memory().available
    if size > free:
        raise InputError(
            f"{what} take {size / 2**30:.1f} GiB, but {free / 2**30:.1f} GiB are free; "
            "ask for fewer n"
        )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that a device or the host ran out of memory."""
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, jax.errors.JaxRuntimeError) and (
        "RESOURCE_EXHAUSTED" in str(error) or "out of memory" in str(error).lower()
    )
