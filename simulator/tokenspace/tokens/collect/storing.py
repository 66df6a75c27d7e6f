"""Hidden states as what is stored: chosen layers, in the type in which the model gives them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from tokenspace.errors import InputError
from tokenspace.tokens.collect.folder import Plan
from tokenspace.tokens.collect.layers import chosen_layers
from tokenspace.tokens.collect.shards import TAGS, room_for
from tokenspace.tokens.collect.states import States
from tokenspace.tokens.manifest import Branch, Group


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


def stored(plan: Plan, one: States) -> tuple[Branch, list[np.ndarray]]:
    """A sequence with its lengths, and its tokens (n, d) in every group of a plan.

    Raises:
        InputError: hidden states are not finite.
    """
    rows = []
    for group, dtype in zip(plan.groups, plan.dtypes, strict=True):
        tensor = one.parts[group.part][group.layer]
        rows.append(_array(tensor, dtype, f"{one.branch.id} in {group.name}"))
    lengths = _lengths(plan, [len(tokens) for tokens in rows])
    main = lengths.get("language", len(rows[0]))
    return replace(one.branch, length=main, lengths=lengths), rows


def _lengths(plan: Plan, found: list[int]) -> dict[str, int]:
    """The length in each part; in each group where the layers of a part differ."""
    lengths: dict[str, int] = {}
    for part in {group.part for group in plan.groups}:
        own = {g.name: n for g, n in zip(plan.groups, found, strict=True) if g.part == part}
        alike = len(set(own.values())) == 1
        lengths |= {part: next(iter(own.values()))} if alike else own
    return dict(sorted(lengths.items()))


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
