"""Files of tokens that `measure` reads, and none that it runs."""

import json
import os

import numpy as np
import pytest
from commands import call
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
