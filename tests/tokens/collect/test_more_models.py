"""Other families of models, held to forward hooks: what is stored is what their layers give."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra [models]")
transformers = pytest.importorskip("transformers", reason="needs the extra [models]")

from hooks import CLOSE, by_language, everything, hooked  # noqa: E402
from PIL import Image  # noqa: E402

from tokenspace.tokens.collect import models, states  # noqa: E402
from tokenspace.tokens.collect.arrange import RASTER  # noqa: E402
from tokenspace.tokens.collect.cross_attention import PROJECTED  # noqa: E402
from tokenspace.tokens.collect.pictures import find_pictures, open_picture  # noqa: E402
from tokenspace.tokens.collect.run import Request, collect  # noqa: E402

SPEAKING = ["gemma3", "paligemma", "idefics3", "idefics3:SmolVLM", "internvl", "qwen3_vl"]


def blocks_of(encoder):
    """The layers of a vision encoder: its one list of as many modules."""
    lists = [m for m in encoder.modules() if isinstance(m, torch.nn.ModuleList) and len(m) == 3]
    return [*lists[0]]


def rows_of(layer, patches=16):
    """Patches of every tile one after the other, without a class token before them."""
    layer = layer if layer.ndim == 3 else layer[None]
    return layer[:, -patches:].reshape(-1, layer.shape[-1]) if len(layer) > 1 else layer[0]


@pytest.mark.parametrize("name", SPEAKING)
def test_pictures_in_and_before_the_language_model(tiny, pictures, tmp_path, name, monkeypatch):
    from transformers.models.smolvlm import processing_smolvlm

    monkeypatch.setattr(processing_smolvlm, "num2words", lambda *a: "", raising=False)
    name, *more = name.split(":")
    folder = str(tiny(name, *more))
    collected = collect(Request(folder, tmp_path / "out", pictures=pictures, batch=3))
    stored = everything(collected)
    loaded = models.load(folder, pictures=True)
    speaker = getattr(loaded.model, "language_model", None) or loaded.model.text_model
    modules = [*by_language(speaker)[1:], *blocks_of(loaded.model.get_encoder(modality="image"))]
    chat = loaded.reader.chat_template is not None
    for picture, branch in zip(find_pictures(pictures), collected.sequences, strict=True):
        inputs = states._asked(loaded, [picture], [open_picture(picture)], chat)
        run = loaded.model.forward
        if "attention_mask" in inputs:  # nothing is padded, so no mask is needed
            assert inputs["attention_mask"].all()
        seen = hooked(lambda run=run, inputs=inputs: run(**inputs), modules)
        here = (inputs["input_ids"][0] == loaded.picture_token).numpy()
        assert here.sum() == branch.length == branch.lengths["language"]
        for k, layer in enumerate(seen[:4], 1):
            np.testing.assert_allclose(
                stored[f"language.{k:02d}", branch.id], layer[0, here], **CLOSE
            )
        for k, layer in enumerate(seen[4:], 1):
            found, expected = stored[f"vision.{k:02d}", branch.id], rows_of(layer)
            if len(expected) == len(found) + 1:
                expected = expected[1:]  # a class token
            if name == "qwen3_vl":  # sorted back into raster order, see test_states
                found, expected = (x[np.lexsort(x.T)] for x in (found, expected))
            np.testing.assert_allclose(found, expected, **CLOSE)
    if name in ("idefics3", "internvl"):
        assert collected.groups[-1].tokens == "patches of each tile, row by row, tile after tile"


def test_a_language_model_that_pictures_never_enter(tiny, tmp_path):
    """Llama 3.2 Vision: encoder's tokens and those, projected, that cross-attention reads."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for k, shape in enumerate([(28, 28), (28, 56), (56, 28)]):  # 1, 2 and 2 tiles
        pixels = np.random.default_rng(k).integers(0, 256, (*shape, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{k}.png")
    collected = collect(Request(str(tiny("mllama")), tmp_path / "out", pictures=folder, batch=3))
    stored = everything(collected)
    assert [g.name for g in collected.groups] == [
        "projected.00",
        *(f"vision.0{k}" for k in range(6)),
    ]
    assert collected.groups[0].tokens == PROJECTED and "no token of a picture" in PROJECTED
    assert [b.length for b in collected.sequences] == [16, 32, 32]  # no class token, no padding
    model = transformers.AutoModelForImageTextToText.from_pretrained(tiny("mllama")).eval()
    reader = transformers.AutoProcessor.from_pretrained(tiny("mllama"))
    vision = model.model.vision_model
    modules = [*vision.transformer.layers, *vision.global_transformer.layers]
    modules += [model.model.multi_modal_projector]
    for branch in collected.sequences:
        image = Image.open(folder / branch.picture)
        inputs = reader(images=image, text="<|image|>what?", return_tensors="pt")
        seen = hooked(lambda inputs=inputs: model(**inputs), modules)
        tiles = branch.length // 16
        names = [*(f"vision.0{k}" for k in range(1, 6)), "projected.00"]
        for name, layer in zip(names, seen, strict=True):
            rows = layer.reshape(4, -1, layer.shape[-1])[:tiles, 1:17]
            np.testing.assert_allclose(
                stored[name, branch.id], rows.reshape(-1, layer.shape[-1]), **CLOSE
            )


def test_texts_through_layers_of_cross_attention(tiny, texts, tmp_path):
    """Without a picture they are skipped: layer k is what leaves layer k all the same."""
    collected = collect(
        Request(str(tiny("mllama")), tmp_path / "out", texts=texts, batch=1, limit=1)
    )
    stored = everything(collected)
    assert [g.layer for g in collected.groups] == [*range(6)]
    model = transformers.AutoModel.from_pretrained(tiny("mllama")).eval()
    reader = transformers.AutoTokenizer.from_pretrained(tiny("mllama"))
    ids = reader("<s><|user|>is it ?<|end|><|assistant|>yes it is", add_special_tokens=False)
    inputs = {"input_ids": torch.tensor([ids["input_ids"]])}
    parts = model.language_model
    ran = [parts.embed_tokens, parts.layers[0], parts.layers[2], parts.norm]
    seen = hooked(lambda: model(**inputs), ran)
    for k, layer in enumerate([seen[0], seen[1], seen[1], seen[2], seen[2], seen[3]]):
        found = stored[f"language.{k:02d}", "000000A"]
        np.testing.assert_allclose(found, layer[0, -len(found) :], **CLOSE)


PYRAMIDS = ["Swin", "ConvNext", "Hiera"]


@pytest.mark.parametrize("kind", PYRAMIDS)
def test_layers_that_differ_in_length(tiny, pictures, tmp_path, kind):
    folder = tiny("pyramid", kind)
    collected = collect(Request(str(folder), tmp_path / "out", pictures=pictures, batch=2))
    stored = everything(collected)
    lengths = [collected.sequences[0].length_in(g) for g in collected.groups]
    assert lengths[0] == 256 == collected.sequences[0].length and lengths[-1] in (4, 16)
    assert [g.tokens for g in collected.groups] == [RASTER] * 5
    model = transformers.AutoModel.from_pretrained(folder).eval()
    reader = transformers.AutoImageProcessor.from_pretrained(folder)
    stages = getattr(model.encoder, "layers", None) or model.encoder.stages
    for branch in collected.sequences:
        inputs = reader(images=Image.open(pictures / branch.picture), return_tensors="pt")
        seen = hooked(lambda inputs=inputs: model(**inputs), [*stages])
        for k, layer in enumerate(seen, 1):
            found, rows = stored[f"vision.{k:02d}", branch.id], layer[0]
            if kind == "ConvNext":
                rows = rows.reshape(len(rows), -1).T
            if kind == "Hiera":  # it holds them in the order of its windows
                found, rows = (x[np.lexsort(x.T)] for x in (found, rows))
            np.testing.assert_allclose(found, rows, **CLOSE)
    one = collect(Request(str(folder), tmp_path / "one", pictures=pictures, layers="2,last"))
    assert [g.layer for g in one.groups] == [2, 4]
    for key, tokens in everything(one).items():
        np.testing.assert_allclose(tokens, stored[key], **CLOSE)


@pytest.mark.parametrize("kind", PYRAMIDS)
def test_places_of_a_pyramid_are_in_raster_order(tiny, tmp_path, kind):
    """What changes most when a block of a picture does lies where the block is, in each layer."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    blocks = [None, (0, 0), (0, 3), (2, 1), (3, 2)]
    for k, block in enumerate(blocks):
        pixels = np.full((64, 64, 3), 100, np.uint8)
        if block is not None:
            r, c = block
            pixels[16 * r : 16 * r + 16, 16 * c : 16 * c + 16] = 200
        Image.fromarray(pixels).save(folder / f"{k}.png")
    request = Request(str(tiny("pyramid", kind)), tmp_path / "out", pictures=folder, layers="0,1,2")
    collected = collect(request)
    stored = everything(collected)
    for group in collected.groups:
        plain = stored[group.name, "000000"]
        side = round(len(plain) ** 0.5)
        for k, (r, c) in list(enumerate(blocks))[1:]:
            moved = np.abs(stored[group.name, f"{k:06d}"] - plain).max(axis=1)
            row, column = divmod(int(moved.argmax()), side)
            assert (4 * row // side, 4 * column // side) == (r, c)


def test_measure_reads_layers_that_differ_in_length(tiny, pictures, tmp_path):
    from tokenspace.tokens.folders import measure_groups, token_groups

    collect(Request(str(tiny("pyramid", "Swin")), tmp_path / "out", pictures=pictures))
    found = list(measure_groups(token_groups(tmp_path / "out")))
    assert [int(m.result.n[-1]) for m in found] == [256, 64, 16, 4, 4]
