"""What is stored is what forward hooks see, one sequence at a time and without padding."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra [models]")
transformers = pytest.importorskip("transformers", reason="needs the extra [models]")

from hooks import CLOSE, by_language, everything, hooked  # noqa: E402
from PIL import Image  # noqa: E402

from tokenspace.errors import InputError  # noqa: E402
from tokenspace.tokens.collect.run import Request, collect  # noqa: E402
from tokenspace.tokens.collected import read_collected  # noqa: E402


def ids_of(folder, row, branch):
    """Token ids of a prompt in the chat template and of an answer, apart."""
    reader = transformers.AutoTokenizer.from_pretrained(folder)
    said = "<|user|>" + row["prompt"] + "<|end|><|assistant|>"
    prefix = reader(said, add_special_tokens=False)["input_ids"]
    answer = reader(row[{"A": "chosen", "B": "rejected"}[branch]], add_special_tokens=False)
    return prefix, answer["input_ids"]


@pytest.mark.parametrize("batch", [1, 5, 64])
def test_texts_through_a_language_model(tiny, texts, tmp_path, batch):
    collected = collect(Request(str(tiny("llama")), tmp_path / "out", texts=texts, batch=batch))
    stored = everything(collected)
    model = transformers.AutoModelForCausalLM.from_pretrained(tiny("llama")).eval()
    rows = [json.loads(line) for line in texts.read_text().splitlines()]
    assert len(collected.sequences) == 24 and [g.layer for g in collected.groups] == [*range(5)]
    for branch in collected.sequences:
        prefix, answer = ids_of(tiny("llama"), rows[branch.pair], branch.branch)
        assert (branch.prefix, branch.length) == (len(prefix), len(answer))
        assert branch.group_label == str(branch.pair // 2)
        ids = torch.tensor([prefix + answer])
        seen = hooked(lambda ids=ids: model(ids), by_language(model.model))
        for group, layer in zip(collected.groups, seen, strict=True):
            np.testing.assert_allclose(
                stored[group.name, branch.id], layer[0, len(prefix) :], **CLOSE
            )
    assert len({branch.length for branch in collected.sequences}) > 10  # so there was padding


def test_padding_is_masked_where_tokens_see_those_after_them(tiny, jsonl, tmp_path):
    rows = [
        {"prompt": "ab", "chosen": "c" * 9, "rejected": "d"},
        {"prompt": "e", "chosen": "f", "rejected": "g" * 30},
    ]
    collected = collect(Request(str(tiny("bert")), tmp_path / "out", texts=jsonl(rows), batch=4))
    stored = everything(collected)
    reader = transformers.AutoTokenizer.from_pretrained(tiny("bert"))
    model = transformers.BertModel.from_pretrained(tiny("bert")).eval()
    number = reader.convert_tokens_to_ids
    for branch in collected.sequences:
        row = rows[branch.pair]
        answer = row[{"A": "chosen", "B": "rejected"}[branch.branch]]
        middle = reader.tokenize(row["prompt"]) + reader.tokenize(answer)
        ids = number(["[CLS]", *middle, "[SEP]"])
        modules = [model.embeddings, *model.encoder.layer]
        seen = hooked(lambda ids=ids: model(torch.tensor([ids])), modules)
        for group, layer in zip(collected.groups, seen, strict=True):
            expected = layer[0, branch.prefix : -1]
            np.testing.assert_allclose(stored[group.name, branch.id], expected, **CLOSE)


def one_by_one(folder, kind, picture, marks="<image>", opening="<s>"):
    """(model, its inputs) for one picture, as transformers itself prepares them."""
    from tokenspace.tokens.collect.models import load

    reader = load(str(folder), pictures=True).reader
    text = f"{opening}<|user|>{marks}Describe the picture.<|end|><|assistant|>"
    inputs = reader(
        images=Image.open(picture), text=text, add_special_tokens=False, return_tensors="pt"
    )
    assert inputs["input_ids"][0, :2].tolist() == [0, 3]  # <s> once, then <|user|>
    return getattr(transformers, kind).from_pretrained(folder).eval(), inputs


@pytest.mark.parametrize("batch", [1, 3, 8])
def test_pictures_through_llava(tiny, pictures, tmp_path, batch):
    request = Request(str(tiny("llava")), tmp_path / "out", pictures=pictures, batch=batch)
    collected = collect(request)
    stored = everything(collected)
    names = [(g.part, g.layer) for g in collected.groups]
    assert names == [("language", k) for k in range(5)] + [("vision", k) for k in range(4)]
    for branch in collected.sequences:
        kind = "LlavaForConditionalGeneration"
        model, inputs = one_by_one(tiny("llava"), kind, pictures / branch.picture)
        tower = model.model.vision_tower
        modules = [
            *by_language(model.model.language_model)[1:],
            tower.pre_layrnorm,
            *tower.encoder.layers,
        ]
        seen = hooked(lambda model=model, inputs=inputs: model(**inputs), modules)
        here = (inputs["input_ids"][0] == model.config.image_token_id).numpy()
        assert here.sum() == 16 == branch.lengths["language"] == branch.lengths["vision"]
        expected = [layer[0, here] for layer in seen[:4]] + [layer[0, 1:] for layer in seen[4:]]
        for group, tokens in zip(collected.groups[1:], expected, strict=True):
            np.testing.assert_allclose(stored[group.name, branch.id], tokens, **CLOSE)


@pytest.mark.parametrize("generation", ["Qwen2VL", "Qwen2_5_VL"])
@pytest.mark.parametrize("batch", [1, 5])
def test_pictures_through_qwen(tiny, pictures, tmp_path, batch, generation):
    folder = tiny("qwen", generation)
    collected = collect(Request(str(folder), tmp_path / "out", pictures=pictures, batch=batch))
    stored = everything(collected)
    marks = "<|vision_start|><|image_pad|><|vision_end|>"
    assert len({branch.length for branch in collected.sequences}) == 2
    for branch in collected.sequences:
        kind = f"{generation}ForConditionalGeneration"
        model, inputs = one_by_one(folder, kind, pictures / branch.picture, marks=marks)
        modules = [*by_language(model.model.language_model)[1:], *model.model.visual.blocks]
        seen = hooked(lambda model=model, inputs=inputs: model(**inputs), modules)
        here = (inputs["input_ids"][0] == model.config.image_token_id).numpy()
        patches = inputs["image_grid_thw"].prod().item()
        assert branch.lengths["vision"] == patches == 4 * here.sum() == 4 * branch.length
        for group in collected.groups:
            tokens = stored[group.name, branch.id]
            if group.part == "language" and group.layer:
                np.testing.assert_allclose(tokens, seen[group.layer - 1][0, here], **CLOSE)
            if group.part == "vision" and group.layer:
                order = np.lexsort(tokens.T)
                rows = seen[3 + group.layer]
                np.testing.assert_allclose(tokens[order], rows[np.lexsort(rows.T)], **CLOSE)


RASTER = [
    "dinov2",
    "dinov2:Dinov2WithRegisters",
    "clip",
    "llava",
    "qwen:Qwen2VL",
    "qwen:Qwen2_5_VL",
]


@pytest.mark.parametrize("model", RASTER)
def test_patches_are_in_raster_order(tiny, tmp_path, model):
    """A picture that differs in one patch differs in that patch's row before the first layer."""
    name, *more = model.split(":")
    size, rows, columns = (14, 6, 10) if name == "qwen" else (7, 4, 4)
    folder = tmp_path / "pictures"
    folder.mkdir()
    for k in range(rows * columns + 1):
        grey = np.full(rows * columns + 1, 100)
        grey[k] = 200  # the last one, of no patch, is the picture to compare with
        pixels = np.kron(grey[:-1].reshape(rows, columns), np.ones((size, size)))
        Image.fromarray(pixels.astype(np.uint8)).convert("RGB").save(folder / f"{k:02d}.png")
    request = Request(str(tiny(name, *more)), tmp_path / "out", pictures=folder, layers="0")
    stored = everything(collect(request))
    plain = stored["vision.00", f"{rows * columns:06d}"]
    assert len(plain) == rows * columns
    for k in range(rows * columns):
        moved = np.abs(stored["vision.00", f"{k:06d}"] - plain).max(axis=1)
        assert np.flatnonzero(moved > 1e-4).tolist() == [k]


@pytest.mark.parametrize("batch", [1, 4])
def test_pictures_in_tiles_are_taken_one_at_a_time(tiny, pictures, tmp_path, batch):
    folder = tiny("llava_next")
    collected = collect(Request(str(folder), tmp_path / "out", pictures=pictures, batch=batch))
    stored = everything(collected)
    for branch in collected.sequences:
        kind = "LlavaNextForConditionalGeneration"
        model, inputs = one_by_one(folder, kind, pictures / branch.picture)
        tower = model.model.vision_tower
        modules = [*by_language(model.model.language_model)[1:], *tower.encoder.layers]
        seen = hooked(lambda model=model, inputs=inputs: model(**inputs), modules)
        here = (inputs["input_ids"][0] == model.config.image_token_id).numpy()
        assert branch.length == here.sum() > 16
        for k, tokens in enumerate(seen):
            if k < 4:
                expected, name = tokens[0, here], f"language.{k + 1:02d}"
            else:
                expected, name = tokens[:, 1:].reshape(-1, 32), f"vision.{k - 3:02d}"
            np.testing.assert_allclose(stored[name, branch.id], expected, **CLOSE)


def test_vision_encoders_alone(tiny, pictures, tmp_path):
    for name in ("dinov2", "clip"):
        out = tmp_path / name
        collected = collect(Request(str(tiny(name)), out, pictures=pictures, batch=3))
        stored = everything(collected)
        assert {group.part for group in collected.groups} == {"vision"}
        reader = transformers.AutoImageProcessor.from_pretrained(tiny(name))
        model = transformers.AutoModel.from_pretrained(tiny(name)).eval()
        vision = model if name == "dinov2" else model.vision_model
        blocks = vision.encoder.layer if name == "dinov2" else vision.encoder.layers
        for branch in collected.sequences:
            image = Image.open(pictures / branch.picture)
            inputs = reader(images=image, return_tensors="pt")
            seen = hooked(lambda vision=vision, inputs=inputs: vision(**inputs), [*blocks])
            for layer, tokens in enumerate(seen, 1):
                found = stored[f"vision.{layer:02d}", branch.id]
                np.testing.assert_allclose(found, tokens[0, 1:], **CLOSE)


def test_a_prompt_of_its_own_and_pictures_from_a_list(tiny, pictures, jsonl, tmp_path):
    rows = [{"picture": str(pictures / f"{k}.png"), "group": "same"} for k in range(3)]
    rows[1]["prompt"] = "how many?"
    request = Request(str(tiny("llava")), tmp_path / "out", pictures=jsonl(rows), layers="last")
    collected = collect(request)
    assert [b.group_label for b in collected.sequences] == ["same"] * 3
    assert len(list(collected.pairs())) == 3


def test_layers_types_and_limits(tiny, texts, tmp_path):
    request = Request(
        str(tiny("llama")),
        tmp_path / "out",
        texts=texts,
        layers="3,last",
        dtype="bfloat16",
        limit=2,
        longest=5,
    )
    collected = collect(request)
    assert [g.name for g in collected.groups] == ["language.03", "language.04"]
    assert len(collected.sequences) == 4 and all(b.length <= 5 for b in collected.sequences)
    with collected.open("language.03") as shard:
        assert shard.tokens("000001B").dtype.name == "bfloat16"
    assert collected.about["dtype"] == "bfloat16"
    exact = collect(
        Request(str(tiny("llama")), tmp_path / "exact", texts=texts, limit=2, longest=5)
    )
    rough, fine = everything(collected), everything(exact)
    for key, tokens in rough.items():
        error = np.linalg.norm(tokens - fine[key]) / np.linalg.norm(fine[key])
        assert 1e-4 < error < 0.03  # 8 bits, over 4 layers


def test_answers_are_cut_to_what_the_model_reads_and_others_left_out(tiny, jsonl, tmp_path):
    rows = [
        {"prompt": "a", "chosen": "yes " * 400, "rejected": "no"},
        {"prompt": "b " * 300, "chosen": "yes", "rejected": "no"},
        {"prompt": "c", "chosen": "", "rejected": "no"},
    ]
    collected = collect(Request(str(tiny("llama")), tmp_path / "out", texts=jsonl(rows)))
    assert [b.id for b in collected.sequences] == ["000000A", "000000B"]
    assert collected.sequences[0].prefix + collected.sequences[0].length == 256
    assert collected.about["skipped"] == 2


def test_a_model_without_a_template_reads_the_texts_as_they_are(tiny, texts, tmp_path):
    folder = str(tiny("llama"))
    plain = collect(Request(folder, tmp_path / "out", texts=texts, template=False, limit=1))
    reader = transformers.AutoTokenizer.from_pretrained(folder)
    assert plain.sequences[0].prefix == 1 + len(reader.tokenize("is it ?"))  # <s> is before it
    without = collect(Request(str(tiny("llama", False)), tmp_path / "none", texts=texts, limit=1))
    assert not without.about["template"]
    assert without.sequences[0].prefix == plain.sequences[0].prefix


def test_a_vision_language_model_reads_texts(tiny, texts, tmp_path):
    collected = collect(Request(str(tiny("llava")), tmp_path / "out", texts=texts, limit=2))
    assert {g.part for g in collected.groups} == {"language"}
    prefix, answer = ids_of(tiny("llava"), json.loads(texts.read_text().splitlines()[0]), "A")
    assert collected.sequences[0].prefix == len(prefix)


def test_padding_that_the_model_does_not_know(tiny, texts, tmp_path):
    """Tokenizers are given a padding token by people, and models no row for it."""
    folder = tmp_path / "model"
    shutil.copytree(tiny("llama"), folder)
    reader = transformers.AutoTokenizer.from_pretrained(folder)
    reader.add_special_tokens({"pad_token": "[new]"})
    reader.save_pretrained(folder)
    found = everything(collect(Request(str(folder), tmp_path / "out", texts=texts)))
    expected = everything(collect(Request(str(tiny("llama")), tmp_path / "whole", texts=texts)))
    for key, tokens in expected.items():
        np.testing.assert_allclose(found[key], tokens, **CLOSE)


def test_values_that_are_not_finite_are_refused(tiny, texts, tmp_path):
    folder = tmp_path / "broken"
    model = transformers.AutoModelForCausalLM.from_pretrained(tiny("llama"))
    with torch.no_grad():
        model.model.layers[1].mlp.down_proj.weight[:] = np.inf
    model.save_pretrained(folder)
    transformers.AutoTokenizer.from_pretrained(tiny("llama")).save_pretrained(folder)
    with pytest.raises(InputError, match=r"language\.02.*not finite"):
        collect(Request(str(folder), tmp_path / "out", texts=texts))


def test_memory_that_runs_out_halves_the_batch(tiny, texts, tmp_path, monkeypatch):
    from tokenspace.tokens.collect import states

    sizes, widths, said = [], [], []
    forward = states._forward

    def small(loaded, inputs, module=None):
        sizes.append(len(inputs["input_ids"]))
        widths.append(inputs["input_ids"].shape[1])
        if sizes[-1] > 3:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB")
        return forward(loaded, inputs, module)

    expected = everything(collect(Request(str(tiny("llama")), tmp_path / "whole", texts=texts)))
    monkeypatch.setattr(states, "_forward", small)
    request = Request(str(tiny("llama")), tmp_path / "out", texts=texts, batch=8)
    found = everything(collect(request, say=said.append))
    assert sizes == [8, 4] + [2] * 12 and len(said) == 2
    assert widths == sorted(widths, reverse=True)  # the longest first, so that it runs out early
    assert found.keys() == expected.keys()
    for key, tokens in found.items():
        np.testing.assert_allclose(tokens, expected[key], **CLOSE)


def test_measure_reads_what_was_collected(tiny, pictures, tmp_path):
    import tokenspace as ts

    collected = collect(Request(str(tiny("llava")), tmp_path / "out", pictures=pictures))
    with read_collected(tmp_path / "out").open("language.04") as shard:
        tokens = np.stack([shard.tokens(branch.id) for branch in collected.sequences])
    assert ts.measure(tokens, pairs="all").replicates == 10


def test_commits_of_a_model_are_not_mixed(tiny, texts, tmp_path, monkeypatch):
    from tokenspace.errors import Interrupted
    from tokenspace.tokens.collect import models

    request = Request(str(tiny("llama")), tmp_path / "out", texts=texts, batch=4)
    monkeypatch.setattr(models, "_commit", lambda *a: "a" * 40)
    with pytest.raises(Interrupted):
        collect(request, stop=lambda: True)
    monkeypatch.setattr(models, "_commit", lambda *a: "b" * 40)
    with pytest.raises(InputError, match=r"begun with commit a+ of .* is at b+ now"):
        collect(request)
    monkeypatch.setattr(models, "_commit", lambda *a: "a" * 40)
    assert collect(request).about["revision"] == "a" * 40


def test_a_model_folder_that_changed_is_another_model(tiny, texts, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(tiny("llama"), folder)
    request = Request(str(folder), tmp_path / "out", texts=texts, limit=1, layers="last")
    collect(request)
    collect(request)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    with torch.no_grad():
        model.model.norm.weight[:] = 2.0
    model.save_pretrained(folder)  # as training does, with files of the same sizes
    with pytest.raises(InputError, match="holds a collection with model_files"):
        collect(request)


def test_a_model_without_an_encoder_has_a_language_part_only(tiny, pictures, tmp_path, monkeypatch):
    request = Request(str(tiny("llava")), tmp_path / "whole", pictures=pictures, layers="3")
    expected = everything(collect(request))
    monkeypatch.setattr(transformers.LlavaModel, "get_encoder", lambda self, modality: self)
    found = everything(collect(replace(request, out=tmp_path / "out")))
    assert {group for group, _ in found} == {"language.03"}
    for key, tokens in found.items():
        np.testing.assert_array_equal(tokens, expected[key])


def test_a_template_that_asks_for_the_date_is_given_the_same_each_day(tiny, texts, tmp_path):
    """As those of Llama 3 do; the numbers would differ from day to day else."""
    folder = tmp_path / "model"
    shutil.copytree(tiny("llama"), folder)
    reader = transformers.AutoTokenizer.from_pretrained(folder)
    template = reader.chat_template
    asks = "{% if strftime_now is defined %}{% set day = strftime_now('%d %b %Y') %}{% endif %}"
    reader.chat_template = asks + "{{ day }}" + template
    reader.save_pretrained(folder)
    request = Request(str(folder), tmp_path / "out", texts=texts, limit=1, layers="last")
    dated = collect(request)
    assert dated.about["today"] == "2024-07-26"
    reader.chat_template = "26 Jul 2024" + template
    reader.save_pretrained(folder)
    plain = collect(replace(request, out=tmp_path / "plain"))
    assert plain.about["today"] is None
    found, expected = everything(dated), everything(plain)
    for key, tokens in expected.items():
        np.testing.assert_array_equal(found[key], tokens)


@pytest.mark.parametrize("template", [True, False])
def test_words_of_special_tokens_in_an_answer_are_words(tiny, jsonl, tmp_path, template):
    rows = [{"prompt": "a", "chosen": "yes<|end|> no", "rejected": "</s>"}]
    said = []
    request = Request(str(tiny("llama")), tmp_path / "out", texts=jsonl(rows), template=template)
    collected = collect(request, say=said.append)
    reader = transformers.AutoTokenizer.from_pretrained(tiny("llama"))
    letters = [reader.tokenize("yes"), [*"<|end|>"], reader.tokenize(" no")]
    assert collected.sequences[0].length == sum(map(len, letters)) > 8
    assert collected.sequences[1].length == len("</s>")
    assert said == ["2 answers hold words of the model's special tokens; they are read as words"]


def test_memory_of_the_device_in_use_is_given_back(monkeypatch):
    """With a stand-in for the device, which is not here."""
    from types import SimpleNamespace

    from tokenspace.tokens.collect.run import _free

    freed = []
    device = SimpleNamespace(empty_cache=lambda: freed.append(True))
    monkeypatch.setattr(torch, "get_device_module", lambda device: {"cuda:1": fake}[device])
    fake = device
    _free("cuda:1")
    assert freed == [True]
    fake = SimpleNamespace()  # as a CPU's
    _free("cuda:1")


def test_convolutions_in_float32_are_not_rounded_on_a_gpu(tiny, pictures, tmp_path, monkeypatch):
    seen = []
    forward = transformers.Dinov2Model.forward

    def watched(self, *given, **named):
        seen.append(torch.backends.cudnn.allow_tf32)
        return forward(self, *given, **named)

    before = torch.backends.cudnn.allow_tf32
    monkeypatch.setattr(transformers.Dinov2Model, "forward", watched)
    collect(Request(str(tiny("dinov2")), tmp_path / "out", pictures=pictures, layers="last"))
    assert before and not any(seen) and seen and torch.backends.cudnn.allow_tf32


def test_nothing_stays_on_the_device_when_the_next_batch_runs(
    tiny, pictures, tmp_path, monkeypatch
):
    """Hidden states of a batch are let go of once they are copied into what is stored."""
    import weakref

    from tokenspace.tokens.collect import states

    kept, alive = [], []
    given = states.of_pictures

    def watched(*arguments):
        alive.append(sum(tensor() is not None for tensor in kept))
        found = given(*arguments)
        kept[:] = [weakref.ref(h) for one in found for part in one.parts.values() for h in part]
        return found

    monkeypatch.setattr(states, "of_pictures", watched)
    collect(Request(str(tiny("llava")), tmp_path / "out", pictures=pictures, batch=2))
    assert alive == [0, 0, 0] and len(kept) == 9
