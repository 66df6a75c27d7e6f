"""Tiny models with random weights, built from configuration classes and saved as real ones are."""

from __future__ import annotations

import numpy as np
import torch
import transformers
from PIL import Image
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

torch.set_num_threads(1)
SPECIAL = ["<s>", "</s>", "<pad>", "<|user|>", "<|assistant|>", "<|end|>"]
CHAT = (
    "{% for m in messages %}<|{{ m.role }}|>"
    "{% if m.content is string %}{{ m.content }}{% else %}{% for c in m.content %}"
    "{% if c.type == 'image' %}PICTURE{% else %}{{ c.text }}{% endif %}{% endfor %}{% endif %}"
    "<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def tokenizer(picture="", chat=True):
    """Byte-level pairs of letters; `picture` is what the chat template puts for a picture."""
    words = picture.replace(">", "> ").split()
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        special_tokens=[*SPECIAL, *words],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        vocab_size=320,
        show_progress=False,
    )
    made.train_from_iterator(["the answer to the question is yes or no"], trainer)
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", made.token_to_id("<s>"))]
    )
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, bos_token="<s>", eos_token="</s>", pad_token="<pad>"
    )
    if chat:
        fast.chat_template = CHAT.replace("PICTURE", picture)
    return fast


def language(vocabulary, **more):
    return {
        "hidden_size": 48,
        "intermediate_size": 64,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": vocabulary,
        "max_position_embeddings": 256,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "pad_token_id": 2,
    } | more


def saved(folder, model, *readers):
    for part in (model, *readers):
        part.save_pretrained(folder)
    return folder


def llama(folder, chat=True):
    torch.manual_seed(1)
    reader = tokenizer(chat=chat)
    config = transformers.LlamaConfig(**language(len(reader)))
    return saved(folder, transformers.LlamaForCausalLM(config), reader)


def bert(folder):
    """A model whose tokens attend to those after them, so that padding must be masked."""
    torch.manual_seed(2)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz?"]
    words += [f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz?"]
    reader = transformers.BertTokenizer(vocab={word: k for k, word in enumerate(words)})
    config = transformers.BertConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=2,
        vocab_size=len(words),
        max_position_embeddings=64,
    )
    return saved(folder, transformers.BertModel(config), reader)


def clip_vision():
    return {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "image_size": 28,
        "patch_size": 7,
    }


def clip_reader():
    size = {"height": 28, "width": 28}
    return transformers.CLIPImageProcessorPil(size={"shortest_edge": 28}, crop_size=size)


def llava(folder):
    torch.manual_seed(3)
    reader = tokenizer("<image>")
    config = transformers.LlavaConfig(
        vision_config=transformers.CLIPVisionConfig(**clip_vision()),
        text_config=transformers.LlamaConfig(**language(len(reader))),
        image_token_index=reader.convert_tokens_to_ids("<image>"),
    )
    processor = transformers.LlavaProcessor(
        image_processor=clip_reader(),
        tokenizer=reader,
        patch_size=7,
        vision_feature_select_strategy="default",
        image_token="<image>",
        num_additional_image_tokens=1,
        chat_template=reader.chat_template,
    )
    return saved(folder, transformers.LlavaForConditionalGeneration(config), processor)


def qwen(folder, generation="Qwen2_5_VL"):
    """Pictures of any size; 2.5 sorts its patches by the windows in which they attend."""
    torch.manual_seed(4)
    picture = "<|vision_start|><|image_pad|><|vision_end|>"
    reader = tokenizer(picture + "<|video_pad|>")
    reader.chat_template = "<s>" + CHAT.replace("PICTURE", picture)
    number = reader.convert_tokens_to_ids
    vision = {"depth": 3, "patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2}
    if generation == "Qwen2_5_VL":
        vision |= {"hidden_size": 32, "intermediate_size": 64, "num_heads": 2, "window_size": 56}
        vision |= {"out_hidden_size": 48, "fullatt_block_indexes": [2]}
    else:
        vision |= {"embed_dim": 32, "hidden_size": 48, "mlp_ratio": 2, "num_heads": 2}
    rope = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 2, 2]}
    config = getattr(transformers, f"{generation}Config")(
        vision_config=vision,
        text_config=language(len(reader), rope_parameters=rope),
        image_token_id=number("<|image_pad|>"),
        video_token_id=number("<|video_pad|>"),
        vision_start_token_id=number("<|vision_start|>"),
        vision_end_token_id=number("<|vision_end|>"),
    )
    model = getattr(transformers, f"{generation}ForConditionalGeneration")(config)
    kind = transformers.Qwen2VLImageProcessorPil
    return saved(folder, model, kind(min_pixels=56 * 56, max_pixels=28 * 28 * 60), reader)


def llava_next(folder):
    """A picture is cut into tiles, and has as many tokens as its shape asks for."""
    torch.manual_seed(7)
    reader = tokenizer("<image>")
    shapes = [[28, 56], [56, 28], [56, 56]]
    config = transformers.LlavaNextConfig(
        vision_config=transformers.CLIPVisionConfig(**clip_vision()),
        text_config=transformers.LlamaConfig(**language(len(reader))),
        image_token_index=reader.convert_tokens_to_ids("<image>"),
        image_grid_pinpoints=shapes,
    )
    size = {"height": 28, "width": 28}
    images = transformers.LlavaNextImageProcessorPil(
        size={"shortest_edge": 28}, crop_size=size, image_grid_pinpoints=shapes
    )
    processor = transformers.LlavaNextProcessor(
        image_processor=images,
        tokenizer=reader,
        patch_size=7,
        vision_feature_select_strategy="default",
        image_token="<image>",
        num_additional_image_tokens=1,
        chat_template=reader.chat_template,
    )
    return saved(folder, transformers.LlavaNextForConditionalGeneration(config), processor)


def dinov2(folder, kind="Dinov2"):
    """A vision encoder alone; with "Dinov2WithRegisters" it has 4 tokens more that are no patches."""
    torch.manual_seed(5)
    config = getattr(transformers, f"{kind}Config")(
        hidden_size=32, num_hidden_layers=3, num_attention_heads=2, image_size=28, patch_size=7
    )
    size = {"height": 28, "width": 28}
    reader = transformers.BitImageProcessorPil(size={"shortest_edge": 28}, crop_size=size)
    return saved(folder, getattr(transformers, f"{kind}Model")(config), reader)


def clip(folder):
    """A model with an encoder of texts and one of pictures, and no tokens of pictures in texts."""
    torch.manual_seed(6)
    text = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 99}
    config = transformers.CLIPConfig(vision_config=clip_vision(), text_config=text)
    return saved(folder, transformers.CLIPModel(config), clip_reader())


def noise(path, width, height, seed):
    """A picture of random pixels."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path
