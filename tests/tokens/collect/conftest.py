"""Tiny models, made once; files of texts and pictures."""

import json

import pytest


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """tiny("llama") is the folder of that model."""
    pytest.importorskip("torch", reason="needs the extra [models]")
    pytest.importorskip("transformers", reason="needs the extra [models]")
    import tiny_models
    import tiny_vision

    made = {}

    def folder(name, *arguments):
        key = (name, *arguments)
        if key not in made:
            build = getattr(tiny_models, name, None) or getattr(tiny_vision, name)
            made[key] = build(tmp_path_factory.mktemp(name), *arguments)
        return made[key]

    return folder


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """A folder of 5 pictures of two shapes."""
    pytest.importorskip("PIL")
    pytest.importorskip("torch", reason="needs the extra [models]")
    import tiny_models

    folder = tmp_path_factory.mktemp("pictures")
    for k in range(5):
        tiny_models.noise(folder / f"{k}.png", 140, 84 + 56 * (k % 2), k)
    return folder


@pytest.fixture
def jsonl(tmp_path):
    """Writes rows into a file, a line each."""

    def write(rows, name="texts.jsonl"):
        path = tmp_path / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    return write


@pytest.fixture
def texts(jsonl):
    """12 pairs of 6 prompts; answers have 1 to 40 words."""
    rows = [
        {
            "prompt": f"is it {'or not ' * (k // 2)}?",
            "chosen": "yes " * (1 + 7 * k % 40) + "it is",
            "rejected": "no " * (1 + 11 * k % 17) + "not",
        }
        for k in range(12)
    ]
    return jsonl(rows)
