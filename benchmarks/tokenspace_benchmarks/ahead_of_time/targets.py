"""The devices that programs are compiled for, without having one: public facts and descriptions.

H100 SXM5: data sheet and "NVIDIA H100 Tensor Core GPU Architecture" (132 multiprocessors, 50 MiB of
L2, 80 GB of HBM3 at 3.35 TB/s; 67e12 float32 operations/s = 132 x 128 x 2 x 1.98 GHz), limits of a
block and a multiprocessor from the CUDA C++ Programming Guide, compute capability 9.0.

TPUs: Google Cloud's pages of v5e, v5p and v6e give bfloat16 operations/s and bandwidth. Clock =
that rate / (2 x multiply-adds a cycle): 4 x 128^2 on v5e, 8 x 128^2 on v5p (two cores), 4 x 256^2
on v6e.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jax

from tokenspace.errors import InputError
from tokenspace_benchmarks.ahead_of_time import gpu

EXTRA = "install the extra `ahead-of-time` (`make ahead-of-time` does)"


@dataclass(frozen=True)
class Target:
    """A device: name, the platform that JAX lowers for and the one that it reports, cycles and
    bytes a second, the topology of each number of chips, and cores that share a program.
    """

    device: str
    lowering: str
    platform: str
    clock: float
    bandwidth: float
    topologies: dict[int, str]
    cores: int = 1


TARGETS = {
    "h100": Target(
        "NVIDIA H100 SXM5",
        "cuda",
        "gpu",
        1.98e9,
        3.35e12,
        {1: "1x1x1", 4: "1x1x4", 16: "1x2x8"},  # slices x hosts x devices of a host
    ),
    "v5e": Target("TPU v5e", "tpu", "tpu", 1.5e9, 0.82e12, {1: "2x2", 4: "2x2", 16: "4x4"}),
    "v5p": Target(
        "TPU v5p", "tpu", "tpu", 1.75e9, 2.77e12, {1: "2x2x1", 4: "2x2x1", 16: "2x2x4"}, 2
    ),
    "v6e": Target("TPU v6e", "tpu", "tpu", 1.75e9, 1.64e12, {1: "2x2", 4: "2x2", 16: "4x4"}),
}
H100 = {  # fields of XLA's description of a GPU
    "threads_per_block_limit": 1024,
    "threads_per_warp": 32,
    "shared_memory_per_block": 48 << 10,
    "shared_memory_per_core": 228 << 10,
    "shared_memory_per_block_optin": 227 << 10,
    "threads_per_core_limit": 2048,
    "core_count": gpu.MULTIPROCESSORS,
    "fpus_per_core": gpu.LANES["arithmetic"],
    "block_dim_limit_x": (1 << 31) - 1,
    "block_dim_limit_y": (1 << 16) - 1,
    "block_dim_limit_z": (1 << 16) - 1,
    "thread_dim_limit_x": 1024,
    "thread_dim_limit_y": 1024,
    "thread_dim_limit_z": 64,
    "registers_per_core_limit": 1 << 16,
    "registers_per_block_limit": 1 << 16,
    # Two transfers of 5,120 bits at 2.619 GHz; a rounded 3.35e12 makes XLA choose other tiles.
    "memory_bandwidth": 2 * 2_619_000_000 * 5120 // 8,
    "l2_cache_size": gpu.L2,
    "clock_rate_ghz": 1.98,
    "device_memory_size": 80 * 10**9,
    "device_address_bits": 64,
    "device_vendor": "NVIDIA Corporation",
    "name": "NVIDIA H100 80GB HBM3",
    "runtime_version": "12.8.0",
    "compile_time_toolkit_version": "12.8.0",
    "driver_version": "12.8.0",
    "dnn_version": "9.10.0",
}
# XLA's number of a type -> lanes of a multiprocessor, and operations of a lane a cycle
SCALAR_UNITS = {"s32": (4, 64, 1), "u32": (8, 64, 1), "f16": (10, 128, 2), "f32": (11, 128, 2)}
MATRIX_UNITS = {"f16": (10, 4, 1024), "bf16": (16, 4, 1024), "tf32 for f32": (11, 4, 512)}


def gpu_description() -> str:
    """An H100 in the text format that XLA reads."""
    fields = [f"  {k}: " + (f'"{v}"' if isinstance(v, str) else str(v)) for k, v in H100.items()]
    for unit, rates in (("scalar", SCALAR_UNITS), ("matrix", MATRIX_UNITS)):
        rows = " ".join(
            f"rate_infos {{ key: {key} value {{ clock_rate_ghz: {H100['clock_rate_ghz']} "
            f"units_per_core: {lanes} ops_per_clock: {operations} }} }}"
            for key, lanes, operations in rates.values()
        )
        fields.append(f"  {unit}_unit_description {{ {rows} }}")
    capability = "  cuda_compute_capability { major: 9 feature_extension: ACCELERATED_FEATURES }"
    return "\n".join(
        [
            "gpu_device_info {",
            *fields,
            capability,
            "}",
            'platform_name: "CUDA"',
            "dnn_version_info { major: 9 minor: 10 }",
            f'device_description_str: "{H100["name"]}"',
        ]
    )


def missing(name: str) -> str | None:
    """Why nothing can be compiled for a target here, None where all that it needs is installed."""
    needed = {"cuda": ("jax_cuda12_plugin", "triton"), "tpu": ("libtpu",)}[target(name).lowering]
    absent = [package for package in needed if not find_spec(package)]
    return f"{name} needs {', '.join(absent)}: {EXTRA}" if absent else None


def target(name: str) -> Target:
    """A target by name.

    Raises:
        InputError: there is none of that name.
    """
    if name not in TARGETS:
        raise InputError(f"target {name!r} is not known; known are {', '.join(TARGETS)}")
    return TARGETS[name]


@cache
def dump_folder() -> Path:
    """Where libtpu writes the machine code of what it compiles in this process."""
    folder = tempfile.mkdtemp(prefix="tokenspace-libtpu-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


@cache
def topology(name: str, chips: int = 1) -> Any:
    """JAX's description of so many devices of a target; must come before JAX is used otherwise."""
    from jax.experimental import topologies

    if why := missing(name):
        raise InputError(why)
    found = target(name)
    jax.config.update("jax_platforms", "cpu")  # a plugin must not look for its device
    if found.lowering == "cuda":
        return topologies.get_topology_desc(
            platform="cuda",
            topology_name=name,
            topology=found.topologies[chips],
            target_config=gpu_description(),
        )
    for variable, value in (
        ("TPU_SKIP_MDS_QUERY", "1"),  # there is no machine to ask what it is
        ("TPU_ACCELERATOR_TYPE", "v5litepod-4"),
        ("TPU_WORKER_HOSTNAMES", "localhost"),
        ("ALLOW_MULTIPLE_LIBTPU_LOAD", "1"),  # compilers may run side by side
    ):
        os.environ.setdefault(variable, value)
    dump = (
        f"--xla_jf_dump_to={dump_folder()} --xla_jf_dump_llo_text=true "
        "--xla_jf_dump_llo_pass_label_regex=^final_bundles$"  # not the seventy stages before it
    )
    given = os.environ.get("LIBTPU_INIT_ARGS", "")
    if dump not in given:
        os.environ["LIBTPU_INIT_ARGS"] = f"{given} {dump}".strip()
    return topologies.get_topology_desc(
        platform="tpu", topology_name=f"{name}:{found.topologies[chips]}"
    )


def devices(name: str, chips: int = 1) -> list[Any]:
    """That many devices of a target; programs compiled for them do not run here."""
    return list(topology(name, chips).devices[:chips])
