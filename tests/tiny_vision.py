"""More tiny models with random weights: vision-language ones, and encoders that are pyramids."""

from __future__ import annotations

import json

import torch
import transformers
from tiny_models import CHAT, clip_vision, language, saved, tokenizer


def marked(picture, extra="", **marks):
    """A tokenizer that names its special tokens, with a chat template that puts `picture`."""
    plain = tokenizer(picture + extra)
    reader = transformers.PreTrainedTokenizerFast(
        tokenizer_object=plain._tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        extra_special_tokens=marks,
    )
    reader.chat_template = "<s>" + CHAT.replace("PICTURE", picture)
    return reader


def square(kind, side=28, **more):
    return getattr(transformers, f"{kind}ImageProcessorPil")(
        size={"height": side, "width": side}, **more
    )


def gemma3(folder):
    """Pictures' tokens see each other, and some layers see a window only."""
    torch.manual_seed(8)
    marks = {"boi_token": "<boi>", "eoi_token": "<eoi>", "image_token": "<soft>"}
    reader = marked("<boi>", "<soft><eoi>", **marks)
    number = reader.convert_tokens_to_ids
    windows = ["sliding_attention"] * 2 + ["full_attention"] * 2
    text = {"head_dim": 12, "sliding_window": 8, "query_pre_attn_scalar": 12}
    config = transformers.Gemma3Config(
        text_config=language(len(reader), layer_types=windows, **text),
        vision_config=clip_vision() | {"vision_use_head": False},
        mm_tokens_per_image=4,
        boi_token_index=number("<boi>"),
        eoi_token_index=number("<eoi>"),
        image_token_index=number("<soft>"),
    )
    processor = transformers.Gemma3Processor(
        square("Gemma3"), reader, chat_template=reader.chat_template, image_seq_length=4
    )
    return saved(folder, transformers.Gemma3ForConditionalGeneration(config), processor)


def paligemma(folder):
    """Without a chat template; prompt and picture see each other."""
    torch.manual_seed(9)
    reader = tokenizer("<image>", chat=False)
    images = square("Siglip")
    images.image_seq_length = 16
    processor = transformers.PaliGemmaProcessor(images, reader)
    vision = clip_vision() | {"vision_use_head": False, "model_type": "siglip_vision_model"}
    config = transformers.PaliGemmaConfig(
        text_config=language(len(reader), head_dim=12, model_type="gemma"),
        vision_config=vision,
        image_token_index=reader.convert_tokens_to_ids("<image>"),
        projection_dim=48,
        hidden_size=48,
        vocab_size=len(reader),
    )
    return saved(folder, transformers.PaliGemmaForConditionalGeneration(config), processor)


def idefics3(folder, kind="Idefics3"):
    """A picture is cut into tiles and seen whole, too."""
    torch.manual_seed(10)
    tags = "".join(f"<row_{r}_col_{c}>" for r in (1, 2) for c in (1, 2))
    reader = marked("<image>", "<fake_token_around_image><end_of_utterance><global-img>" + tags)
    images = getattr(transformers, f"{kind}ImageProcessorPil")(
        size={"longest_edge": 56}, max_image_size={"longest_edge": 28}
    )
    config = getattr(transformers, f"{kind}Config")(
        text_config=language(len(reader), model_type="llama"),
        vision_config=clip_vision(),
        image_token_id=reader.convert_tokens_to_ids("<image>"),
        scale_factor=2,
    )
    model = getattr(transformers, f"{kind}ForConditionalGeneration")(config)
    return with_settings(saved(folder, model, images, reader), f"{kind}Processor", image_seq_len=4)


def internvl(folder):
    """Its processor reads videos, too, for which it asks for packages that pictures do not need."""
    torch.manual_seed(11)
    marks = {"start_image_token": "<img>", "end_image_token": "</img>"}
    marks |= {"context_image_token": "<IMG_CONTEXT>", "video_token": "<video>"}
    reader = marked("<IMG_CONTEXT>", "<img></img><video>", **marks)
    images = square("GotOcr2", crop_to_patches=True, max_patches=4, min_patches=1)
    vision = clip_vision() | {"image_size": [28, 28], "patch_size": [7, 7]}
    config = transformers.InternVLConfig(
        text_config=language(len(reader), model_type="qwen2"),
        vision_config=vision,
        image_token_id=reader.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=4,
    )
    model = transformers.InternVLForConditionalGeneration(config)
    folder = saved(folder, model, images, reader)
    return with_settings(folder, "InternVLProcessor", image_seq_length=4)


def with_settings(folder, kind, **settings):
    """The file of a processor, which cannot be made here without packages for videos."""
    settings = {"processor_class": kind} | settings
    (folder / "processor_config.json").write_text(json.dumps(settings))
    return folder


def qwen3_vl(folder):
    """Layers of its encoder go into the first layers of the language model, too."""
    torch.manual_seed(12)
    picture = "<|vision_start|><|image_pad|><|vision_end|>"
    reader = tokenizer(picture + "<|video_pad|>")
    reader.chat_template = "<s>" + CHAT.replace("PICTURE", picture)
    number = reader.convert_tokens_to_ids
    vision = {"depth": 3, "patch_size": 14, "hidden_size": 32, "intermediate_size": 64}
    vision |= {"num_heads": 2, "out_hidden_size": 48, "num_position_embeddings": 64}
    rope = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 2, 2]}
    config = transformers.Qwen3VLConfig(
        vision_config=vision | {"deepstack_visual_indexes": [0, 1]},
        text_config=language(len(reader), rope_parameters=rope, head_dim=12),
        image_token_id=number("<|image_pad|>"),
        video_token_id=number("<|video_pad|>"),
        vision_start_token_id=number("<|vision_start|>"),
        vision_end_token_id=number("<|vision_end|>"),
    )
    images = transformers.Qwen2VLImageProcessorPil(min_pixels=56**2, max_pixels=28 * 28 * 60)
    return saved(folder, transformers.Qwen3VLForConditionalGeneration(config), images, reader)


def mllama(folder):
    """Layers 1 and 3 of its language model look at pictures by cross-attention."""
    torch.manual_seed(13)
    reader = marked("<|image|>", "<|python_tag|>")
    processor = transformers.MllamaProcessor(
        square("Mllama", max_image_tiles=4), reader, chat_template=reader.chat_template
    )
    vision = {k: v for k, v in clip_vision().items() if k != "num_attention_heads"}
    vision |= {"num_global_layers": 2, "attention_heads": 2, "vision_output_dim": 96}
    rope = {"rope_type": "default", "rope_theta": 1e4}
    text = language(len(reader) - 2, num_hidden_layers=5, rope_parameters=rope)
    config = transformers.MllamaConfig(
        text_config=text | {"cross_attention_layers": [1, 3]},
        vision_config=vision | {"intermediate_layers_indices": [0, 2]},
        image_token_index=reader.convert_tokens_to_ids("<|image|>"),
    )
    model = transformers.MllamaForConditionalGeneration(config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith("gate"):
                weight.fill_(0.5)  # they are zero before training, and hide the tiles' places
    return saved(folder, model, processor)


def pyramid(folder, kind):
    """An encoder whose layers have ever fewer tokens of ever more features."""
    torch.manual_seed(14)
    side, reader = 64, square("ViT", 64)
    settings = {"depths": [1, 1, 1, 1], "image_size": side}
    if kind == "Swin":
        settings |= {"embed_dim": 8, "num_heads": [1, 1, 2, 2], "window_size": 2}
    elif kind == "Hiera":
        settings |= {"embed_dim": 8, "num_heads": [1, 1, 2, 2], "image_size": [side, side]}
        settings |= {"patch_padding": [3, 3]}
    else:
        settings |= {"hidden_sizes": [8, 16, 24, 32]}
    config = getattr(transformers, f"{kind}Config")(**settings)
    return saved(folder, getattr(transformers, f"{kind}Model")(config), reader)
