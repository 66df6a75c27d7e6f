"""What tokens cost: FLOPs of one pass through a transformer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tokenspace.errors import InputError


@dataclass(frozen=True)
class TransformerCost:
    """FLOPs of reading n vision tokens and the text once, without generating.

    FLOPs(n) = 2 P m + 2 L w m^2, m = n + text: a multiply and an add a parameter and token, and
    causal attention, whose two products take 4 w FLOPs a pair of tokens, over m^2 / 2 pairs in each
    layer. Embeddings, normalisation and the vision encoder are left out.

    Args:
        parameters: P of the language model, without its embeddings, > 0.
        layers: L, >= 0; 0 leaves attention out.
        width: w of its hidden states, >= 0.
        text: tokens of text beside the vision tokens, >= 0.

    Source: J. Kaplan et al., Scaling Laws for Neural Language Models, 2020, section 2.1.
    """

    parameters: float
    layers: int = 0
    width: int = 0
    text: int = 0

    def __post_init__(self) -> None:
        for name in ("parameters", "layers", "width", "text"):
            value = getattr(self, name)
            least = name == "parameters"
            if not (np.isfinite(value) and (value > 0 if least else value >= 0)):
                raise InputError(
                    f"{name} = {value!r} is not allowed; it must be finite and "
                    f"{'> 0' if least else '>= 0'}"
                )
        if bool(self.layers) != bool(self.width):
            raise InputError("attention needs both layers and width, or neither")

    @property
    def words(self) -> str:
        """What is counted: "7e+09 parameters, attention of 32 layers of width 4096, .."."""
        said = f"{self.parameters:g} parameters"
        if self.layers:
            said += f", attention of {self.layers} layers of width {self.width}"
        return said + (f", {self.text} text tokens beside" if self.text else "")

    def flops(self, n: Any) -> Any:
        """FLOPs at n vision tokens, any shape."""
        tokens = np.asarray(n, np.float64) + self.text
        return 2 * self.parameters * tokens + 2 * self.layers * self.width * tokens**2
