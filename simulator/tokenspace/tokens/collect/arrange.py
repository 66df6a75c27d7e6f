"""Which of a vision encoder's rows are patches of which picture, and in which order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tokenspace.tokens.collect.batches import OneAtATime

RASTER = "patches of the picture, row by row"
TILES = "patches of each tile, row by row, tile after tile"
CLASS_LAST = ("llama4_vision_model",)
UNKNOWN = "every token of the encoder, in its order"


def arranged(
    layers: Sequence[Any], inputs: Mapping[str, Any], config: Any, count: int
) -> tuple[list[list[Any]], str]:
    """Of each of `count` pictures the tokens (n, d) in every layer, and which they are.

    Encoders hold tokens (pictures, T, d) with class and register tokens first, or those of all
    pictures in one row (T, d), in blocks that are merged later and windows that attend; or maps
    (pictures, d, rows, columns), features last too, that may shrink from layer to layer.

    Args:
        layers: hidden states of a batch, one tensor a layer.
        inputs: what the model was given.
        config: of the encoder.

    Raises:
        OneAtATime: the batch cannot be told apart.
    """
    shape = layers[0].shape
    if "image_grid_thw" in inputs and len(shape) == 2:
        grids: list[Sequence[int]] = inputs["image_grid_thw"].tolist()
        if sum(t * h * w for t, h, w in grids) == shape[0]:
            index = _packed_order(inputs["image_grid_thw"], grids, config)
            return _split(layers, index, [t * h * w for t, h, w in grids]), RASTER
    spatial = all(h.ndim == 4 for h in layers)
    layers = _in_rows(layers, config)
    rows, tokens = layers[0].shape[:2]
    if rows != count and count > 1:
        raise OneAtATime
    alike = all(h.shape[1] == tokens for h in layers)
    mask = inputs.get("pixel_attention_mask", inputs.get("pixel_mask"))
    if alike and mask is not None and mask.shape == (rows, tokens):  # of patches, row by row
        real = mask.bool().to(layers[0].device)
        return [[h[k, real[k]] for h in layers] for k in range(count)], RASTER
    padded = mask is not None and not bool(mask.all())
    if padded and count > 1:  # to the largest picture of the batch
        raise OneAtATime
    span, words = slice(None), RASTER if spatial else UNKNOWN
    known = alike and not spatial and not padded and len(shape) == 3
    patches = _patches(inputs, config) if known else None
    if patches is not None and tokens - patches in _others(config):
        span = slice(patches) if config.model_type in CLASS_LAST else slice(tokens - patches, None)
        words = RASTER if rows == count else TILES
    if rows == count:
        return [[h[k, span] for h in layers] for k in range(count)], words
    return [[h[:, span].flatten(0, 1) for h in layers]], words


def _in_rows(layers: Sequence[Any], config: Any) -> list[Any]:
    """Every layer as (pictures, tokens, d), maps of the picture row by row."""
    maps = [h.shape for h in layers if h.ndim == 4]
    last = bool(maps) and _features_last(maps[0], maps[-1], config)
    rows = []
    for h in layers:
        if h.ndim == 2:
            h = h[None]
        elif h.ndim == 4 and last:  # (pictures, rows, columns, d)
            h = h.flatten(1, 2)
        elif h.ndim == 4:  # (pictures, d, rows, columns)
            h = h.flatten(2).transpose(1, 2)
        rows.append(h)
    return rows


def _features_last(first: Sequence[int], last: Sequence[int], config: Any) -> bool:
    """Whether maps end with features: along a pyramid maps shrink and features grow."""
    if tuple(first[1:]) != tuple(last[1:]):
        return last[1] < first[1] or last[3] > first[3]
    return first[3] == getattr(config, "hidden_size", None) != first[1]


def _others(config: Any) -> set[int]:
    """How many tokens may be no patches: none, a class, one to distil too, all with registers."""
    classes = {0, 1, 2, getattr(config, "n_cls_tokens", 0) or 0}
    return classes | {k + (getattr(config, "num_register_tokens", 0) or 0) for k in classes}


def _patches(inputs: Mapping[str, Any], config: Any) -> int | None:
    """How many patches one tile of the input has, where that is known."""
    size = getattr(config, "patch_size", None)
    pixels = inputs.get("pixel_values")
    if size is None or pixels is None or pixels.ndim < 4:
        return None
    high, wide = (size, size) if isinstance(size, int) else tuple(size)[-2:]
    return (pixels.shape[-2] // high) * (pixels.shape[-1] // wide)


def _packed_order(grid_thw: Any, grids: Sequence[Sequence[int]], config: Any) -> Any:
    """Where each patch lies, in raster order of each picture, (T,).

    Patches come in blocks of merge x merge that become one token of the language model; with
    windows, the blocks are sorted by window (transformers knows how).
    """
    import torch

    merge = getattr(config, "spatial_merge_size", 1)
    total = sum(t * h * w for t, h, w in grids)
    place = torch.arange(total)  # of each patch in the input, where it lies in the encoder
    if getattr(config, "window_size", None) and hasattr(config, "fullatt_block_indexes"):
        from transformers.vision_utils import get_vision_window_index

        blocks, _ = get_vision_window_index(
            grid_thw.cpu(), merge, config.window_size, config.patch_size
        )
        inverse = torch.argsort(blocks)
        place = (inverse[:, None] * merge**2 + torch.arange(merge**2)).flatten()
    orders, start = [], 0
    for t, h, w in grids:
        mine = place[start : start + t * h * w]
        mine = mine.reshape(t, h // merge, w // merge, merge, merge).permute(0, 1, 3, 2, 4)
        orders.append(mine.flatten())
        start += t * h * w
    return torch.cat(orders)


def _split(layers: Sequence[Any], index: Any, lengths: Sequence[int]) -> list[list[Any]]:
    index = index.to(layers[0].device)
    sorted_layers = []
    for h in layers:
        merged = len(index) // len(h)  # patches that the last layer made one token, in raster order
        rows = h[index] if merged == 1 else h
        sorted_layers.append(rows.split([n // merged for n in lengths]))
    return [[h[k] for h in sorted_layers] for k in range(len(lengths))]
