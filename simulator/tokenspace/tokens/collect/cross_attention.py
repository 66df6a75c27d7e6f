"""Models that look at pictures through cross-attention, as Llama 3.2 Vision does.

No token of a picture enters the sequence of such a language model, so there is nothing of it to
collect inside. What there is are the vision encoder's tokens, and those, projected, that the
cross-attention layers read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from typing import Any

WHICH = "patches of each tile, row by row, tile after tile"
PROJECTED = (
    f"{WHICH}, as cross-attention reads them; no token of a picture is in the language model"
)


def crosses(config: Any) -> bool:
    """Whether a model's language part reads pictures by cross-attention."""
    return bool(_cross_layers(config))


def _cross_layers(config: Any) -> Sequence[int]:
    return getattr(config.get_text_config(), "cross_attention_layers", None) or ()


def every_layer(layers: Sequence[Any], config: Any) -> list[Any]:
    """Hidden states of a text alone: a layer of cross-attention is skipped and leaves them alone.

    Args:
        layers: what enters the first layer, and what leaves each one that ran.
    """
    found = iter(layers)
    out = [next(found)]
    for k in range(len(layers) - 1 + len(_cross_layers(config))):
        out.append(out[-1] if k in _cross_layers(config) else next(found))
    return out


@contextmanager
def watched(encoder: Any) -> Any:
    """Within the context, the list of an encoder's hidden states: its input and after each layer.

    The encoder is two stacks one after the other, a local and a global one; it returns neither's.
    """
    layers: list[Any] = []
    hooks = [
        encoder.transformer.register_forward_pre_hook(lambda _, given: layers.append(given[0])),
        encoder.transformer.register_forward_hook(lambda *a: layers.extend(a[2].hidden_states)),
        encoder.global_transformer.register_forward_hook(
            lambda *a: layers.extend(a[2].hidden_states)
        ),
    ]
    try:
        yield layers
    finally:
        for hook in hooks:
            hook.remove()


def patches_of(layers: Sequence[Any], inputs: Mapping[str, Any], tile: int) -> list[list[Any]]:
    """Of each picture the patches (n, d) in every layer, without what fills tiles and batch up.

    Args:
        layers: (pictures, ..., d), tile after tile, in each a class token, then the patches.
        inputs: of the model; its aspect_ratio_mask says which tiles there are.
        tile: class token and patches of one tile.
    """
    real = inputs["aspect_ratio_mask"].flatten(1).bool().to(layers[0].device)
    count, tiles = real.shape
    rows = [h.reshape(count, tiles, -1, h.shape[-1])[:, :, 1:tile] for h in layers]
    return [[h[k, real[k]].flatten(0, 1) for h in rows] for k in range(count)]
