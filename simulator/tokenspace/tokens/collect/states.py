"""Hidden states of a batch of texts or pictures: one tensor (n, d) a sequence, part and layer."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tokenspace.errors import InputError
from tokenspace.tokens.collect.arrange import arranged
from tokenspace.tokens.collect.batches import is_out_of_memory
from tokenspace.tokens.collect.cross_attention import (
    PROJECTED,
    WHICH,
    crosses,
    every_layer,
    patches_of,
    watched,
)
from tokenspace.tokens.collect.models import Loaded
from tokenspace.tokens.collect.pictures import Picture, open_picture
from tokenspace.tokens.collect.prefix import Encoded, applied
from tokenspace.tokens.manifest import Branch

ANSWER = "the answer's tokens, in order; the prompt's are left out"
PICTURE = "the picture's tokens in the language model, in its order"


@dataclass
class States:
    """One sequence: part -> every layer's tokens, and part -> which tokens these are."""

    branch: Branch
    parts: dict[str, list[Any]] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)


def of_texts(loaded: Loaded, batch: Sequence[Encoded]) -> list[States]:
    """Hidden states of the answers' tokens.

    Shorter sequences are padded on the right and the padding is masked: no token attends to it, and
    none of it is returned.
    """
    import torch

    most = max(len(text.ids) for text in batch)
    fill = getattr(loaded.reader, "pad_token_id", None) or 0
    if fill >= loaded.model.get_input_embeddings().num_embeddings:
        fill = 0  # padding that was added to the tokenizer only
    ids = torch.full((len(batch), most), fill)
    mask = torch.zeros((len(batch), most), dtype=torch.long)
    for row, text in enumerate(batch):
        ids[row, : len(text.ids)] = torch.tensor(text.ids)
        mask[row, : len(text.ids)] = 1
    layers = _layers(loaded, _forward(loaded, {"input_ids": ids, "attention_mask": mask}))
    if crosses(loaded.model.config):
        layers = every_layer(layers, loaded.model.config)
    out = []
    for row, text in enumerate(batch):
        span = slice(text.prefix, text.prefix + text.answer)
        branch = Branch(text.id, text.answer, text.label, text.pair, text.branch, None, text.prefix)
        parts = {"language": [h[row, span] for h in layers]}
        out.append(States(branch, parts, {"language": ANSWER}))
    return out


def of_pictures(loaded: Loaded, batch: Sequence[Picture], chat: bool) -> list[States]:
    """Hidden states of the pictures' tokens in the encoder, and in the language model if any.

    Raises:
        OneAtATime: the encoder's tokens cannot be told apart in a batch.
        InputError: a picture that cannot be read, or a model that has no tokens of pictures.
    """
    images = [open_picture(picture) for picture in batch]
    encoder = loaded.model.get_encoder(modality="image")
    if crosses(loaded.model.config):
        return _crossing(loaded, batch, images, encoder)
    if loaded.picture_token is None:
        inputs = dict(loaded.reader(images=images, return_tensors="pt"))
        with _kept(encoder) as outputs:
            _forward(loaded, inputs, encoder)
    else:
        inputs = _asked(loaded, batch, images, chat)
        with _kept(encoder) as outputs:
            language = _layers(loaded, _forward(loaded, inputs))
    vision: list[Any] = []
    if loaded.picture_token is None or encoder is not loaded.model:  # else it has no encoder
        seen = _layers(loaded, outputs[0] if len(outputs) == 1 else None)
        vision, words = arranged(seen, inputs, encoder.config, len(batch))
    out = []
    for row, picture in enumerate(batch):
        states = States(_branch(picture))
        if vision:
            states.parts["vision"], states.tokens["vision"] = vision[row], words
        if loaded.picture_token is not None:
            here = (inputs["input_ids"][row] == loaded.picture_token).nonzero()[:, 0]
            if not len(here):
                raise InputError(
                    f"{loaded.name}: its input for {picture.name} has no token of the picture; "
                    "give its chat template, or collect by hand, see docs/collect_by_hand.md"
                )
            states.parts["language"] = [h[row, here.to(h.device)] for h in language]
            states.tokens["language"] = PICTURE
        out.append(states)
    return out


def _crossing(
    loaded: Loaded, batch: Sequence[Picture], images: list[Any], encoder: Any
) -> list[States]:
    """As `of_pictures`, where no token of a picture enters the language model: it need not run."""
    import torch

    inputs = dict(loaded.reader(images=[[image] for image in images], return_tensors="pt"))
    inputs.pop("num_tiles", None)
    with watched(encoder) as layers:
        last = _forward(loaded, inputs, encoder).last_hidden_state
    with torch.inference_mode():
        projected = loaded.model.multi_modal_projector(last)
    vision = patches_of(layers, inputs, encoder.num_patches)
    read = patches_of([projected], inputs, encoder.num_patches)
    words = {"vision": WHICH, "projected": PROJECTED}
    return [
        States(_branch(picture), {"vision": vision[row], "projected": read[row]}, words)
        for row, picture in enumerate(batch)
    ]


def _branch(picture: Picture) -> Branch:
    return Branch(f"{picture.number:06d}", 1, picture.label, picture=picture.name)


def _asked(loaded: Loaded, batch: Sequence[Picture], images: list[Any], chat: bool) -> dict:
    """The processor's inputs for pictures with their prompts."""
    reader = loaded.reader
    texts = []
    for picture in batch:
        if chat:
            content = [{"type": "image"}, {"type": "text", "text": picture.prompt}]
            asked = [{"role": "user", "content": content}]
            texts.append(applied(reader.tokenizer, asked, reader.chat_template))
        else:
            token = getattr(reader, "image_token", None) or reader.tokenizer.convert_ids_to_tokens(
                loaded.picture_token
            )
            texts.append(f"{token}\n{picture.prompt}")
    opening = getattr(reader.tokenizer, "bos_token", None)
    whole = opening is None or not texts[0].startswith(opening)  # a template may have put it there
    try:
        found = reader(
            images=[[image] for image in images],
            text=texts,
            padding=True,
            padding_side="right",
            add_special_tokens=whole,
            return_tensors="pt",
        )
    except (ValueError, TypeError, RuntimeError) as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{loaded.name}: its processor refuses the pictures: {said}") from None
    return dict(found)


def _forward(loaded: Loaded, inputs: dict[str, Any], module: Any = None) -> Any:
    """The model's, or a part's, outputs with the hidden states of every layer."""
    import torch

    module = loaded.model if module is None else module
    numbers = module.dtype
    given = {
        name: value.to(loaded.device, numbers if value.is_floating_point() else None)
        for name, value in inputs.items()
        if isinstance(value, torch.Tensor)
    }
    if getattr(module.config.get_text_config(), "use_cache", False):
        given["use_cache"] = False  # nothing is generated
    try:
        with torch.inference_mode(), _exact_convolutions(torch):
            return module(**given, output_hidden_states=True, return_dict=True)
    except Exception as error:  # whatever a model may raise
        if is_out_of_memory(error):
            raise
        raise InputError(
            f"{loaded.name}: cannot run on what it is given ({type(error).__name__}: {error}); "
            "collect by hand, see docs/collect_by_hand.md"
        ) from error


def _exact_convolutions(torch: Any) -> Any:
    """Within the context, a GPU's convolutions in float32 are not rounded to 10 bits."""
    return torch.backends.cudnn.flags(enabled=torch.backends.cudnn.enabled, allow_tf32=False)


def _layers(loaded: Loaded, output: Any) -> Any:
    """The hidden states in what a model or an encoder returned."""
    maps = getattr(output, "reshaped_hidden_states", None)  # where tokens lie in the picture
    layers = maps or getattr(output, "hidden_states", None)
    if not layers:
        raise InputError(
            f"{loaded.name}: gives no hidden states of its layers; collect by hand, see "
            "docs/collect_by_hand.md"
        )
    return layers


@contextmanager
def _kept(encoder: Any) -> Any:
    """Within the context, the list of what the encoder returned, with its hidden states."""
    outputs: list[Any] = []

    def ask(module: Any, arguments: Any, named: dict[str, Any]) -> Any:
        return arguments, named | {"output_hidden_states": True, "return_dict": True}

    def keep(module: Any, arguments: Any, output: Any) -> None:
        outputs.append(output)

    hooks = [
        encoder.register_forward_pre_hook(ask, with_kwargs=True),
        encoder.register_forward_hook(keep),
    ]
    try:
        yield outputs
    finally:
        for hook in hooks:
            hook.remove()
