"""Files of tokens that `measure` reads, and none that it runs."""

import json
import os
import pickle
import shlex

import numpy as np
import pytest
from commands import call
from ml_dtypes import bfloat16
from safetensors.numpy import save_file


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".safetensors"])
def test_measure(capfd, tmp_path, suffix):
    rng = np.random.default_rng(0)
    paths = []
    for name in "ab":
        path, tokens = tmp_path / f"{name}{suffix}", rng.standard_normal((3, 40, 8)).astype("f4")
        if suffix == ".npy":
            np.save(path, tokens)
        elif suffix == ".npz":
            np.savez(path, tokens=tokens)
        else:
            save_file({"tokens": tokens}, path)
        paths.append(path)
    status, out, _ = call(capfd, "measure", *paths, "--order", "random", "--json")
    document = json.loads(out)
    assert status == 0 and document["lambda"]["mean"] > 0 and document["replicates"] == 3
    status, out, _ = call(capfd, "measure", *paths)
    assert status == 0 and "sqrt(Upsilon)" in out
    status, _, err = call(capfd, "measure", *paths, "--order", "zigzag")
    assert status == 2 and "zigzag" in err


class Bomb:
    def __reduce__(self):
        return os.system, ("touch exploded",)


def test_pickles_are_never_run(capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("bomb.npy", np.array([Bomb()], dtype=object), allow_pickle=True)
    status, _, err = call(capfd, "measure", "bomb.npy", "bomb.npy")
    assert status == 2 and "cannot be read" in err and not os.path.exists("exploded")
    with open("bomb.npz", "wb") as file:
        pickle.dump(Bomb(), file)
    status, _, err = call(capfd, "measure", "bomb.npz", "bomb.npz")
    assert status == 2 and "is no .npz file, as numpy.savez writes it" in err
    assert "allow_pickle" not in err and not os.path.exists("exploded")


TOKENS = np.ones((2, 3, 4), np.float32)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: path.write_text("hello"), "is no .npy file, as numpy.save writes it"),
        (lambda path: np.save(path, TOKENS[:0]), "tokens a are none: their shape is (0, 3, 4)"),
        (lambda path: np.save(path, TOKENS.astype(bfloat16)), "use .safetensors, or save float32"),
        (lambda path: np.save(path, TOKENS[0, 0]), "tokens must be (pairs, N, d) or (N, d)"),
        (lambda path: (np.save(path, TOKENS), os.truncate(path, 150)), "fewer bytes than its"),
    ],
)
def test_what_is_no_file_of_tokens_is_told_in_words(capfd, tmp_path, make, said):
    path = tmp_path / "a.npy"
    make(path)
    status, _, err = call(capfd, "measure", path, path)
    assert status == 2 and said in " ".join(err.split()) and "pickle" not in err


def test_of_many_names_some_are_said(capfd, tmp_path):
    np.savez(tmp_path / "none.npz")
    np.savez(tmp_path / "many.npz", **{f"array{k}": TOKENS for k in range(30)})
    for name, said in (("none", "holds no array"), ("many", "array9 and 20 more")):
        status, _, err = call(capfd, "measure", tmp_path / f"{name}.npz")
        assert status == 2 and said in " ".join(err.split())
    (tmp_path / "layers").mkdir()
    for k in range(12):
        save_file(
            {"a": TOKENS[0], "b": TOKENS[0] + k}, tmp_path / "layers" / f"it's {k:02d}.safetensors"
        )
    status, _, err = call(capfd, "measure", tmp_path / "layers", "--only", "x")
    assert status == 2 and "it's 09 and 2 more" in " ".join(err.split())
    _, out, _ = call(capfd, "measure", tmp_path / "layers")
    again = shlex.split(out.split("one group: ")[1])
    assert again == ["tokenspace", "measure", str(tmp_path / "layers"), "--only", "it's 11"]
