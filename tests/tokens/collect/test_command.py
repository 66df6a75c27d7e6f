"""The command `collect` as people use it: what it says, refuses, and goes on with."""

import json
import random
import shutil
import signal
import sys
import time
from functools import partial

import commands
import numpy as np
import processes
import pytest

torch = pytest.importorskip("torch", reason="needs the extra [models]")
transformers = pytest.importorskip("transformers", reason="needs the extra [models]")

from tokenspace.errors import Interrupted  # noqa: E402
from tokenspace.tokens.collect import run  # noqa: E402
from tokenspace.tokens.collected import read_collected  # noqa: E402


@pytest.fixture
def call(capfd):
    return partial(commands.call, capfd)


def test_texts(call, tiny, texts, tmp_path):
    out = tmp_path / "out"
    status, said, err = call("collect", tiny("llama"), "--text", texts, "--out", out)
    assert status == 0 and "error" not in err
    assert said.splitlines()[0] == "12 pairs of texts through LlamaModel in float32 on cpu"
    assert "language: 5 layers, 3 to " in said and "tokens of 48 features" in said
    assert "`tokenspace measure` reads it" in said
    status, again, err = call("collect", tiny("llama"), "--text", texts, "--out", out)
    assert status == 0 and again == said and "holds this collection already" in err
    status, _, err = call("collect", tiny("llama"), "--text", texts, "--out", out, "--limit", 3)
    assert status == 2 and "items = 12, not 3; choose another --out folder" in err


def test_pictures_as_json(call, tiny, pictures, tmp_path):
    out = tmp_path / "out"
    options = ("--pictures", pictures, "--out", out, "--layers", "2,last", "--json")
    status, said, _ = call("collect", tiny("qwen"), *options)
    found = json.loads(said)
    assert status == 0 and found["sequences"] == 5 and found["kind"] == "pictures"
    assert [g["name"] for g in found["groups"]] == [
        "language.02",
        "language.04",
        "vision.02",
        "vision.03",
    ]
    assert found["bytes"] == sum(p.stat().st_size for p in out.glob("*.safetensors"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--layers", "9"], "the model has no layer 9; it has 0 to 4 (language)"),
        (["--layers", "some"], "--layers 'some' is not allowed"),
        (["--dtype", "int8"], "--dtype 'int8' is not allowed; it must be one of auto, float32"),
        (["--device", "cuda:77"], "--device 'cuda:77' cannot be used"),
        (["--device", "meta"], "--device 'meta' cannot be used"),
        (["--names", "a,b"], "--names 'a,b' is not allowed"),
        (["--names", "a,chosen,rejected"], "line 1: has no 'a'; it has 'prompt'"),
        (["--pictures", "."], "--text FILE.jsonl, or --pictures FOLDER"),
    ],
)
def test_what_cannot_be_done_is_said_and_leaves_nothing(call, tiny, texts, tmp_path, options, said):
    out = tmp_path / "out"
    status, _, err = call("collect", tiny("llama"), "--text", texts, "--out", out, *options)
    assert status == 2 and said in " ".join(err.split())
    assert not list(tmp_path.glob("out/*.safetensors"))


def test_models_that_do_not_read_what_is_given(call, tiny, texts, pictures, tmp_path):
    out = tmp_path / "out"
    status, _, err = call("collect", tiny("llama"), "--pictures", pictures, "--out", out)
    assert status == 2 and "no model that reads pictures" in err
    status, _, err = call("collect", tiny("dinov2"), "--text", texts, "--out", out)
    assert status == 2 and "it has no tokenizer" in " ".join(err.split())
    status, _, err = call("collect", tmp_path, "--text", texts, "--out", out)
    assert status == 2 and "cannot be loaded" in err
    assert not out.exists()


def test_what_a_model_raises_is_told(call, tiny, texts, tmp_path, monkeypatch):
    def fails(self, **given):
        raise IndexError("index 7 is out of range")

    monkeypatch.setattr(transformers.LlamaModel, "forward", fails)
    out = tmp_path / "out"
    status, _, err = call("collect", tiny("llama"), "--text", texts, "--out", out)
    assert status == 2 and "(IndexError: index 7 is out of range); collect by hand" in err
    full = torch.OutOfMemoryError("CUDA out of memory")
    monkeypatch.setattr(transformers.LlamaModel, "to", lambda *a: (_ for _ in ()).throw(full))
    status, _, err = call("collect", tiny("llama"), "--text", texts, "--out", out)
    assert status == 2 and "does not fit into the memory of cpu; use --dtype bfloat16" in err
    assert not out.exists()


def test_a_damaged_picture_is_named(call, tiny, pictures, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    whole = (pictures / "0.png").read_bytes()
    (folder / "a.png").write_bytes(whole)
    (folder / "b.png").write_bytes(whole[:2000])
    options = ("--pictures", folder, "--out", tmp_path / "out")
    status, _, err = call("collect", tiny("dinov2"), *options)
    assert status == 2 and "b.png: cannot be read as a picture" in err
    assert not list((tmp_path / "out").glob("*.safetensors*"))  # before the model has begun


def test_an_encoder_that_hides_patches_at_random_is_refused(call, tiny, pictures, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(tiny("dinov2"), folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"mask_ratio": 0.75}))
    status, _, err = call("collect", folder, "--pictures", pictures, "--out", tmp_path / "out")
    assert status == 2 and "hides patches of each picture at random" in " ".join(err.split())


def pickled(tiny, folder):
    """The tiny Llama with its weights in a pickle, as old models have them."""
    model = transformers.AutoModelForCausalLM.from_pretrained(tiny("llama"))
    model.config.save_pretrained(folder)
    transformers.AutoTokenizer.from_pretrained(tiny("llama")).save_pretrained(folder)
    torch.save(model.state_dict(), folder / "pytorch_model.bin")


def test_pickled_weights_are_read_when_asked_only(call, tiny, texts, tmp_path):
    pickled(tiny, tmp_path / "model")
    options = ("--text", texts, "--limit", 2, "--out", tmp_path / "out")
    status, _, err = call("collect", tmp_path / "model", *options)
    assert status == 2 and "has no safetensors weights" in err and "--any-weights" in err
    status, _, _ = call("collect", tmp_path / "model", *options, "--any-weights")
    assert status == 0


def test_code_of_a_model_is_never_run(call, tiny, texts, tmp_path):
    folder = tmp_path / "model"
    transformers.AutoModelForCausalLM.from_pretrained(tiny("llama")).save_pretrained(folder)
    transformers.AutoTokenizer.from_pretrained(tiny("llama")).save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "mine", "auto_map": {"AutoConfig": "code.C", "AutoModel": "code.M"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "code.py").write_text(f"open({str(tmp_path / 'exploded')!r}, 'w')")
    status, _, err = call("collect", folder, "--text", texts, "--out", tmp_path / "out")
    assert status == 2 and "needs code of its own, which tokenspace never runs" in err
    assert not (tmp_path / "exploded").exists()


def test_a_model_that_lacks_weights_is_refused(call, tiny, texts, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "model"
    transformers.AutoModelForCausalLM.from_pretrained(tiny("llama")).save_pretrained(folder)
    transformers.AutoTokenizer.from_pretrained(tiny("llama")).save_pretrained(folder)
    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.2.mlp.up_proj.weight"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    status, _, err = call("collect", folder, "--text", texts, "--out", tmp_path / "out")
    assert status == 2 and "lack 1 tensors, such as 'layers.2.mlp.up_proj.weight'" in err


def changed(tiny, folder, **settings):
    """The tiny Llama with other settings in its config.json."""
    shutil.copytree(tiny("llama"), folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | settings))
    return folder


@pytest.mark.parametrize(
    ("setting", "value"),
    [("hidden_size", "x"), ("hidden_size", -4), ("hidden_size", 64), ("num_attention_heads", 0)],
)
def test_a_damaged_config_is_told_in_words(call, tiny, texts, tmp_path, setting, value):
    folder = changed(tiny, tmp_path / "model", **{setting: value})
    status, _, err = call("collect", folder, "--text", texts, "--out", tmp_path / "out")
    assert status == 2 and "cannot be loaded" in " ".join(err.split())


def test_damaged_weights_are_told_in_words(call, tiny, texts, tmp_path):
    folder = changed(tiny, tmp_path / "model")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    status, _, err = call("collect", folder, "--text", texts, "--out", tmp_path / "out")
    assert status == 2 and "cannot be loaded" in " ".join(err.split())


def test_a_config_does_not_choose_code_from_the_hub(call, tiny, texts, tmp_path):
    folder = changed(tiny, tmp_path / "model", attn_implementation="someone/kernel")
    options = ("--text", texts, "--limit", 1, "--layers", "last", "--revision", "old")
    status, _, err = call("collect", folder, *options, "--out", tmp_path / "out")
    assert status == 0, err
    assert read_collected(tmp_path / "out").about["revision"] is None  # a folder has none


def test_pictures_that_changed_are_another_collection(call, tiny, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for k in range(2):
        (folder / f"{k}.ppm").write_bytes(b"P6 28 28 255\n" + bytes([40 * k]) * 28 * 28 * 3)
    options = ("--pictures", folder, "--layers", "last", "--out", tmp_path / "out")
    assert call("collect", tiny("dinov2"), *options)[0] == 0
    (folder / "0.ppm").write_bytes(b"P6 28 28 255\n" + bytes([90]) * 28 * 28 * 3)
    status, _, err = call("collect", tiny("dinov2"), *options)
    assert status == 2 and "holds a collection with source" in " ".join(err.split())


SLOWLY = """
import sys, time
from tokenspace import cli
from tokenspace.tokens.collect import run, states
run.BETWEEN_COMMITS = 0.0
given = states.of_texts
states.of_texts = lambda *a: (time.sleep(0.05), given(*a))[1]
sys.argv = ["tokenspace", *sys.argv[1:]]
cli.main()
"""


def start(*arguments):
    """The command, in a process that takes 0.05 s a batch and commits after each."""
    command = processes.COMMAND
    processes.COMMAND = [sys.executable, "-c", SLOWLY]
    try:
        return processes.start(*arguments)
    finally:
        processes.COMMAND = command


def test_a_collection_survives_kill_and_goes_on_after_a_signal(call, tiny, texts, tmp_path):
    """Killed, stopped, with another batch each time; then it equals an undisturbed one."""
    whole, out = tmp_path / "whole", tmp_path / "out"
    call("collect", tiny("llama"), "--text", texts, "--out", whole, "--batch", 4)
    journal = out / "collecting.partial"

    def lines():
        return journal.read_bytes().count(b"\n") if journal.exists() else 0

    rng = random.Random(0)
    for batch, number in ((1, signal.SIGKILL), (2, signal.SIGTERM)):
        options = ("--text", texts, "--out", out, "--batch", batch)
        more = lines() + 3
        process = start("collect", tiny("llama"), *options)
        processes.wait_for(lambda more=more: lines() > more)
        time.sleep(rng.random() * 0.05)
        said = processes.kill(process, number)
        if number == signal.SIGTERM:
            assert process.returncode == 143 and "The same command goes on" in said
            assert "of 24 sequences were there already" in said
    status, _, err = call("collect", tiny("llama"), "--text", texts, "--out", out)
    assert status == 0 and "were there already" in err
    one, other = read_collected(whole), read_collected(out)
    assert one.sequences == other.sequences and one.groups == other.groups
    for group in one.groups:
        with one.open(group.name) as a, other.open(group.name) as b:
            for branch in one.sequences:
                np.testing.assert_allclose(
                    a.tokens(branch.id), b.tokens(branch.id), rtol=2e-5, atol=2e-6
                )


def test_another_version_is_told_when_a_collection_goes_on(tiny, texts, tmp_path, monkeypatch):
    """Numbers of two versions would lie in one folder; nobody would see it later."""
    request = run.Request(str(tiny("llama")), tmp_path / "out", texts=texts, batch=4)
    now = run.versions(run.PACKAGES)
    monkeypatch.setattr(run, "versions", lambda packages: now | {"transformers": "4.0"})
    with pytest.raises(Interrupted):
        run.collect(request, stop=lambda: True)
    said = []
    monkeypatch.setattr(run, "versions", lambda packages: now)
    found = run.collect(request, say=said.append)
    change = f"transformers 4.0 (now {transformers.__version__})"
    assert any(f"they are from {change}: numbers may differ" in words for words in said)
    assert found.about["begun_with"]["transformers"] == "4.0"
    assert found.about["versions"] == now
    monkeypatch.setattr(run, "versions", lambda packages: now | {"torch": "9"})
    run.collect(request, say=said.append)
    assert said[-1].startswith(f"it is from torch {now['torch']} (now 9)")


def test_the_same_versions_are_not_told(tiny, texts, tmp_path):
    request = run.Request(str(tiny("llama")), tmp_path / "out", texts=texts, batch=4)
    with pytest.raises(Interrupted):
        run.collect(request, stop=lambda: True)
    said = []
    found = run.collect(request, say=said.append)
    run.collect(request, say=said.append)
    assert not any("from" in words for words in said) and "begun_with" not in found.about


def test_the_page_on_collecting_by_hand_runs(tmp_path, monkeypatch):
    import re
    from pathlib import Path

    page = Path(__file__).parents[3] / "docs" / "collect_by_hand.md"
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in re.findall(r"```python\n(.*?)```", page.read_text(), re.S):
        exec(block, names)
    collected = read_collected(tmp_path / "by-hand")
    pairs = list(collected.pairs())
    assert len(pairs) == 20 and [a.length for a, _ in pairs] == [*range(40, 60)]
    with collected.open("language.02") as shard:
        np.testing.assert_array_equal(shard.tokens("000003B"), names["b"][3, :43])
    seen = names["model"].layers[:2]
    with torch.inference_mode():
        expected = seen[1](seen[0](names["inputs"]["A"]))
    np.testing.assert_allclose(names["a"], expected.numpy(), atol=1e-5)
    assert np.load("a.npy").shape == (20, 64, 32)


def test_the_page_on_folders_reads_one(tiny, pictures, call, tmp_path, monkeypatch, capfd):
    import re
    from pathlib import Path

    call("collect", tiny("llava"), "--pictures", pictures, "--out", tmp_path / "DIR", "--layers", 2)
    page = Path(__file__).parents[3] / "docs" / "collected_tokens.md"
    (code,) = re.findall(r"```python\n(.*?)```", page.read_text(), re.S)
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    assert capfd.readouterr().out.splitlines()[0] == "language.02 (16, 48) (16, 48)"


def test_a_name_on_the_hub_is_found_in_the_cache_without_a_network(tiny, texts, tmp_path):
    commit = "0123456789abcdef0123456789abcdef01234567"
    cached = tmp_path / "cache" / "models--someone--tiny"
    (cached / "refs").mkdir(parents=True)
    (cached / "refs" / "main").write_text(commit)
    shutil.copytree(tiny("llama"), cached / "snapshots" / commit)
    options = ("--text", texts, "--out", tmp_path / "out", "--limit", 2, "--layers", "last")
    offline = {"HF_HUB_CACHE": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1"}
    status, said = processes.call("collect", "someone/tiny", *options, **offline)
    assert status == 0, said
    about = read_collected(tmp_path / "out").about
    assert (about["model"], about["revision"]) == ("someone/tiny", commit)
    status, said = processes.call("collect", "someone/other", *options, **offline)
    assert status == 2 and "holds a collection with model = 'someone/tiny'" in said
    options = ("--text", texts, "--out", tmp_path / "other")
    status, said = processes.call("collect", "someone/other", *options, **offline)
    assert status == 2 and "is no folder here, and the hub that has it cannot be reached" in said
