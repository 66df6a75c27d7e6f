"""`tokenspace measure` of pairs that share pictures: what is asked for, and what is said."""

import json
from itertools import combinations

import numpy as np
import pytest

import tokenspace as ts

pytestmark = pytest.mark.filterwarnings("error")

PICTURES = np.random.default_rng(0).standard_normal((5, 20, 8)).astype(np.float32)
IJ = np.array(list(combinations(range(5), 2)))


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Files by name in the folder where commands run."""
    monkeypatch.chdir(tmp_path)
    np.save("all.npy", PICTURES)
    np.save("two.npy", PICTURES[:2])
    np.save("a.npy", PICTURES[IJ[:, 0]])
    np.save("b.npy", PICTURES[IJ[:, 1]])
    np.save("numbers.npy", IJ)
    np.save("words.npy", np.array(["cat", "dog", "sea", "sun", "owl"])[IJ])
    np.save("few.npy", IJ[:4])


def test_all_pairs_and_groups_say_the_same(call, files):
    documents = []
    for arguments in (
        ["all.npy", "--pairs", "all"],
        ["a.npy", "b.npy", "--groups", "numbers.npy"],
        ["a.npy", "b.npy", "--groups", "words.npy"],
    ):
        status, out, err = call("measure", *arguments, "--json", "--points", "4")
        assert status == 0 and err == ""
        documents.append(json.loads(out))
    result = ts.measure(PICTURES, pairs="all", grid=documents[0]["n"])
    slope = result.local_exponent()
    for document in documents:
        assert document["degrees_of_freedom"] == 4 and document["replicates"] == 10
        exponent, delta = document["exponent"], document["correlations"]["psi_delta"]
        np.testing.assert_allclose(exponent["n"], slope.n)
        np.testing.assert_allclose(exponent["mean"], slope.mean, rtol=1e-6)
        np.testing.assert_allclose(exponent["standard_error"], slope.standard_error, rtol=1e-6)
        np.testing.assert_allclose(exponent["interval"], slope.interval(), rtol=1e-5)
        want = result.correlations["psi_delta"]
        np.testing.assert_allclose(delta["standard_error"][1:], want.standard_error[1:], rtol=1e-5)
        np.testing.assert_allclose(delta["interval"][0][1:], want.interval()[0][1:], rtol=1e-5)


def test_the_table_says_what_errors_are(call, files, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    status, out, err = call("measure", "all.npy", "--pairs", "all", "--points", "4")
    assert status == 0 and err == "" and "nan" not in out
    assert "10 pairs, raster order; all pairs of 5 pictures" in out
    assert "errors by leaving one picture out: 4 degrees of freedom" in " ".join(out.split())
    (header,) = [line for line in out.splitlines() if "psi_delta" in line]
    assert header.count("± s.e.") == 3
    assert max(len(line.rstrip()) for line in out.splitlines()[:12]) <= 125
    result = ts.measure(PICTURES, pairs="all", grid=ts.log_grid(20, 4))
    last = [line for line in out.splitlines() if line.split()[:1] == ["20"]][-1].split()
    errors = [result.standard_error[-1], result.local_exponent().standard_error[-1]]
    errors.append(result.correlations["psi_delta"].standard_error[-1])
    assert [last[2], last[4], last[9]] == [f"{e:.2g}" for e in errors]


def test_two_pictures_have_no_errors(call, files):
    status, out, err = call("measure", "two.npy", "--pairs", "all")
    assert status == 0 and err == "" and "nan" not in out
    assert "the one pair of 2 pictures, errors unknown" in " ".join(out.split())
    assert "at least 2 pairs, or 3 pictures with --pairs all" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a.npy"], "tokens of both branches are needed"),
        (["a.npy", "b.npy", "--pairs", "all"], "leave b out"),
        (["all.npy", "--pairs", "some"], "pairs = 'some' is not allowed"),
        (["all.npy", "--pairs", "all", "--groups", "words.npy"], "what each of 5 pictures shares"),
        (["a.npy", "b.npy", "--groups", "few.npy"], "each of 10 pairs shares"),
        (["a.npy", "b.npy", "--groups", "a.npy"], "but their shape is (10, 20, 8)"),
        (["a.npy", "b.npy", "--groups", "none.npy"], "none.npy: no such file"),
        (["all.npy", "--pairs", "all", "--key", "h"], "a .npy file holds one array"),
    ],
)
def test_refuses_in_words(call, files, arguments, words):
    status, out, err = call("measure", *arguments)
    assert status == 2 and out == "" and words in " ".join(err.split())
