"""`tokenspace measure` and `doctor`: what cannot be known is said, never printed as NaN."""

import gzip
import json
import os
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
from commands import call

from tokenspace.tokens import arrays
from tokenspace_kernels.workers import cores

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture
def saved(tmp_path):
    """Saves tokens, made of (pairs, N, d) normals by a function, and gives both files."""

    def save(make, shape=(3, 20, 8)):
        a, b = np.random.default_rng(0).standard_normal((2, *shape)).astype(np.float32)
        files = []
        for name, tokens in zip("ab", make(a, b), strict=True):
            files.append(tmp_path / f"{name}.npy")
            np.save(files[-1], tokens)
        return files

    return save


@pytest.mark.parametrize("json_wanted", [[], ["--json"]])
@pytest.mark.parametrize("tokens", [1, 20])
def test_the_same_file_twice(call, saved, tokens, json_wanted):
    same = saved(lambda a, b: (a, a), (3, tokens, 8))
    status, out, err = call("measure", *same, *json_wanted)
    assert status == 2 and out == "" and "D(n) = 0 at every n, since both branches" in err


def test_a_first_token_that_both_branches_share(call, saved):
    def shared(a, b):
        b[:, 0] = a[:, 0]
        return a, b

    status, out, err = call("measure", *saved(shared))
    assert status == 2 and out == ""
    assert "D(n) = 0 at n = 1" in err and "tokens that the branches share" in err


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((3, 1, 8), "exponents need at least 2 token counts, n_balance at least 3"),
        ((3, 2, 8), "n_balance needs at least 3 token counts"),
        ((1, 20, 8), "n_balance and errors need at least 2 pairs"),
    ],
)
def test_what_is_missing_is_said(call, saved, shape, words):
    files = saved(lambda a, b: (a, b), shape)
    status, out, err = call("measure", *files)
    assert status == 0 and err == "" and words in out and "nan" not in out
    assert ("scaled to norm 1" in out) == (shape[0] > 1 and shape[1] > 1)  # else true of any
    assert ("as the paper fits it" in out) == (shape[1] > 1)
    document = json.loads(call("measure", *files, "--json")[1])
    assert document["n_balance"] is None and document["lambda"]["mean"] > 0
    assert all(d > 0 for d in document["mean"])


def test_branches_that_differ_in_length_alone(call, saved):
    files = saved(lambda a, b: (a, 3 * a))
    status, out, err = call("measure", *files)
    assert status == 0 and err == "" and "nan" not in out
    assert "Upsilon(n) is 0 to the accuracy of float32 at n = 1" in out and "n_balance =" in out
    assert json.loads(call("measure", *files, "--json")[1])["lambda"] is None


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
@pytest.mark.parametrize("command", [["measure", "p.npy", "p.npy"], ["fit", "p.npy"]])
def test_pipes_and_folders_are_refused_at_once(call, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    for make, unmake in ((os.mkfifo, os.unlink), (os.mkdir, os.rmdir)):
        make("p.npy")
        status, out, err = call(*command)
        folder = command[0] == "measure" and make is os.mkdir  # which is read, but alone
        words = "the folder p.npy says itself" if folder else "p.npy: is no ordinary file"
        assert status == 2 and out == "" and words in err
        unmake("p.npy")


def test_compressed_tokens_are_read_but_bombs_are_not(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tokens = np.random.default_rng(0).standard_normal((2, 3, 20, 8)).astype(np.float32)
    for name, half in zip("ab", tokens, strict=True):
        np.savez_compressed(name, tokens=half)
    assert call("measure", "a.npz", "b.npz")[0] == 0
    np.save("zeros.npy", np.zeros((1, 1 << 17, 1 << 8), np.float32))
    with zipfile.ZipFile("a.npz", "w", zipfile.ZIP_BZIP2) as archive:
        archive.write("zeros.npy", "tokens.npy")
    status, out, err = call("measure", "a.npz", "b.npz")
    assert status == 2 and out == "" and "declares 134,217,856 when it is read" in err
    monkeypatch.setattr(arrays.psutil, "virtual_memory", lambda: SimpleNamespace(available=1000))
    status, out, err = call("measure", "b.npz", "b.npz")
    assert status == 2 and out == "" and "where 1,000 are free" in err


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_headers_without_end_are_refused(call, tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    head = b"\x93NUMPY\x02\x00" + (1 << 20).to_bytes(4, "little") + b" " * (1 << 20)
    if suffix == ".npy":
        path.write_bytes(head)
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("tokens.npy", head)
    status, out, err = call("measure", path, path)
    assert status == 2 and out == "" and "its header declares 1,048,576 characters" in err


def test_scores_are_not_decompressed(call, tmp_path):
    path = tmp_path / "c.csv.gz"
    path.write_bytes(gzip.compress(b"n,score\n1,2\n4,4\n16,8\n64,16.1\n", mtime=0))
    status, out, err = call("fit", path)
    assert status == 2 and out == "" and "decompress it first" in err


def test_scores_have_a_largest_size(call, tmp_path):
    path = tmp_path / "c.csv"
    with path.open("wb") as file:
        file.truncate((1 << 30) + 1)
    status, out, err = call("fit", path)
    assert status == 2 and out == "" and "at most 1,073,741,824 are read" in err


def test_a_key_needs_a_file_with_names(call, saved):
    status, out, err = call("measure", *saved(lambda a, b: (a, b)), "--key", "nosuch")
    assert status == 2 and out == "" and "--key 'nosuch' is not allowed" in err


@pytest.mark.parametrize("command", ["check", "report", "measure", "fit"])
def test_names_longer_than_any(call, command):
    path = "x" * 5000
    status, out, err = call(command, path, *[path] * (command == "measure"))
    assert status == 2 and out == "" and "too long" in err and len(err) < 500


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")
def test_doctor_counts_the_cores_that_this_process_may_use(call):
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        assert json.loads(call("doctor", "--json")[1])["cores"] == cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)


def test_fit_calls_nothing_decisive_that_cannot_be_compared(tmp_path, capfd):
    """With five points the laws of three parameters have no AICc."""
    (tmp_path / "few.csv").write_text("n,score\n1,5\n2,6\n3,6.5\n4,6.7\n5,6.8\n")
    laws = "crossover,saturating"
    status, out, _ = call(capfd, "fit", tmp_path / "few.csv", "--law", laws)
    assert status == 0 and "By AICc no curve has enough points." in out
    assert "decisively" not in out
    assert "1 of 1: 5 points are too few to compare the laws." in out


def test_fit_says_what_the_data_do_not_bound(tmp_path, capfd):
    (tmp_path / "few.csv").write_text("n,score\n1,5\n2,6\n8,6.5\n")
    status, out, _ = call(capfd, "fit", tmp_path / "few.csv", "--law", "crossover")
    words = "1 of 1: 3 points do not bound the 3 parameters and the noise of the crossover law."
    assert status == 0 and words in out and "no interval" in out and "decisively" not in out
