"""`tokenspace measure` and `doctor`: what cannot be known is said, never printed as NaN."""

import json
import os

import numpy as np
import pytest

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
    document = json.loads(call("measure", *files, "--json")[1])
    assert document["n_balance"] is None and document["lambda"] > 0
    assert all(d > 0 for d in document["mean"])


def test_branches_that_differ_in_length_alone(call, saved):
    files = saved(lambda a, b: (a, 3 * a))
    status, out, err = call("measure", *files)
    assert status == 0 and err == "" and "nan" not in out
    assert "Upsilon(n) is 0 to the accuracy of float32 at n = 1" in out and "n_balance =" in out
    assert json.loads(call("measure", *files, "--json")[1])["lambda"] is None


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")
def test_doctor_counts_the_cores_that_this_process_may_use(call):
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        assert json.loads(call("doctor", "--json")[1])["cores"] == cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)
