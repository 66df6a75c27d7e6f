"""Hidden states as what is stored: chosen layers, in the type in which the model gives them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from tokenspace.errors import InputError
from tokenspace.tokens.collect.folder import GrowingFolder, Plan
from tokenspace.tokens.collect.layers import chosen_layers
from tokenspace.tokens.collect.shards import TAGS, room_for
from tokenspace.tokens.collect.states import States
from tokenspace.tokens.manifest import Group


def plan_of(first: States, layers: str, names: list[str]) -> Plan:
    """Groups of a collection, after its first sequence has shown what the model gives.

    Args:
        layers: which, see `chosen_layers`.
        names: of all sequences.

    Raises:
        InputError: layers that the model does not have.
    """
    depths = {part: len(layers) - 1 for part, layers in first.parts.items()}
    groups, dtypes = [], []
    for part, numbers in sorted(chosen_layers(layers, depths).items()):
        for k in numbers:
            tensor = first.parts[part][k]
            name = f"{part}.{k:02d}"
            features = tensor.shape[1]
            groups.append(Group(name, k, part, f"{name}.safetensors", features, first.tokens[part]))
            kind = str(tensor.dtype).removeprefix("torch.")
            dtypes.append(kind if kind in TAGS else "float32")
    return Plan(tuple(groups), tuple(dtypes), room_for(names))


def store(folder: GrowingFolder, one: States) -> None:
    """Add one sequence to a folder.

    Raises:
        InputError: layers differ in their tokens, or hidden states are not finite.
    """
    assert folder.plan is not None
    rows = []
    lengths: dict[str, int] = {}
    for group, dtype in zip(folder.plan.groups, folder.plan.dtypes, strict=True):
        tensor = one.parts[group.part][group.layer]
        known = lengths.setdefault(group.part, len(tensor))
        if len(tensor) != known or tensor.shape[1] != group.features:
            raise InputError(
                f"{group.name}: has {len(tensor)} tokens of {tensor.shape[1]} features where other "
                f"layers or sequences have {known} of {group.features}; choose one by --layers"
            )
        rows.append(_array(tensor, dtype, f"{one.branch.id} in {group.name}"))
    main = lengths.get("language", next(iter(lengths.values())))
    folder.add(replace(one.branch, length=main, lengths=lengths), rows)


def _array(tensor: Any, dtype: str, where: str) -> np.ndarray:
    """A tensor as NumPy's array of the stored type."""
    import ml_dtypes
    import torch

    tensor = tensor.detach().to(getattr(torch, dtype))
    if not bool(torch.isfinite(tensor).all()):
        raise InputError(
            f"{where}: hidden states are not finite; float16 overflows at 65,504, so try --dtype "
            "bfloat16 or float32"
        )
    tensor = tensor.cpu().contiguous()
    if dtype == "bfloat16":
        return tensor.view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    return tensor.numpy()
