"""`report --tokens` and `fit-tokens` on folders: the page, unequal lengths, and what is refused."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

import tokenspace as ts
from tokenspace.cli.token_report import groups_of
from tokenspace.errors import InputError
from tokenspace.printable import number, to_error
from tokenspace.tokens.collected import MANIFEST
from tokenspace.tokens.folders import token_groups
from tokenspace.tokens.one_length import usual_length

LENGTHS = (12, 12, 12, 12, 9, 12)
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    (tmp_path / "layers").mkdir()
    for name in ("even", "odd"):
        lengths = LENGTHS if name == "odd" else (9,) * 6
        h = {f"{k}": rng.standard_normal((n, 5)).astype("f4") + 1 for k, n in enumerate(lengths)}
        save_file(h, tmp_path / "layers" / f"{name}.safetensors")
    return tmp_path / "layers"


def collected(path, prompts, lengths, alike=0):
    """A folder as `tokenspace collect` writes it: pairs of answers, labelled by their prompts.

    alike: first tokens that the answers of a pair share, of pairs above 10 tokens.
    """
    path.mkdir()
    rng = np.random.default_rng(1)
    sequences, arrays = [], {}
    for pair, (prompt, both) in enumerate(zip(prompts, lengths, strict=True)):
        for branch, n in zip("AB", both, strict=True):
            name = f"{pair}{branch}"
            row = {"id": name, "length": n, "group_label": prompt, "pair": pair, "branch": branch}
            sequences.append(row)
            arrays[name] = rng.standard_normal((n, 4)).astype("f4")
        if alike and min(both) > 10:
            arrays[f"{pair}B"][:alike] = arrays[f"{pair}A"][:alike]
    save_file(arrays, path / "g.safetensors")
    group = {"name": "language_1", "layer": 1, "part": "language", "file": "g.safetensors"}
    about = {"format": 1, "kind": "text", "model": HOSTILE, "revision": "abc123"}
    groups = [group | {"features": 4, "dtype": "float32"}]
    (path / MANIFEST).write_text(json.dumps(about | {"groups": groups, "sequences": sequences}))
    return arrays


def test_the_page_has_figures_tables_and_provenance_and_no_script(call, folder, tmp_path):
    lengths = [(10, 8), (8, 8), (8, 9), (11, 10), (5, 9), (8, 12)]
    collected(tmp_path / "texts", list("abcdef"), lengths)
    status, out, err = call(
        "report", "--tokens", "layers", "--tokens", "texts", "--out", "t.html", "--json"
    )
    assert status == 0 and json.loads(out) == {"report": "t.html"}
    page = (tmp_path / "t.html").read_text()
    assert "<script" not in page and "&lt;script&gt;" in page and "script-src" not in page
    assert not re.search(r"(src|href)=\"(?!data:|#)", page)
    assert page.count("data:image/png") >= 5 and "revision abc123" in page
    measured = ts.measure(list(_arrays("layers", "odd")), pairs="all")
    last = measured.reached()
    assert number(last.mean[-1], last.standard_error[-1]) in page
    said = ts.describe_tokens("layers", only="even").found["kurtosis"]
    assert f"<td>{number(said.mean, said.standard_error)}</td>" in page
    assert "12 tokens of each sequence" in page and ">nan" not in page


def test_long_answers_that_begin_alike_have_numbers_where_there_are_some(call, tmp_path):
    """D = 0 up to n = 3 in every pair that reaches the end, which lambda and n_balance are of."""
    lengths = [(12, 12)] * 4 + [(6, 7), (5, 5), (8, 6)]
    arrays = collected(tmp_path / "texts", list("abcdefg"), lengths, alike=3)
    a, b = ([arrays[f"{k}{branch}"] for k in range(7)] for branch in "AB")
    found = json.loads(call("measure", tmp_path / "texts", "--json")[1])[0]
    want = ts.measure(a, b, found["n"])
    status, out, err = call("measure", tmp_path / "texts", "--norms")
    assert status == 0 and not err.strip() and "nan" not in out
    assert "lambda of the 4 pairs with n = 12: D(n) = 0 at n = 1 and 2 more token counts" in out
    assert "\nn_balance: unknown, as lambda is\n" in out
    rows = [row for row in map(str.split, out.splitlines()) if row[:1] and row[0].isdigit()]
    rows = [row for row in rows if "pairs," not in row]
    slopes = want.local_exponent()
    assert [row[4] for row in rows[1 : len(want.n)]] == [
        to_error(x, e) for x, e in zip(slopes.mean, slopes.standard_error, strict=True)
    ]
    assert found["n_balance"] is found["lambda"] is found["norms"]["bend"] is None
    np.testing.assert_allclose(found["exponent"]["mean"], slopes.mean, rtol=1e-6)
    np.testing.assert_allclose(found["mean"], want.mean, rtol=1e-6)
    status, out, err = call("report", "--tokens", tmp_path / "texts", "--out", tmp_path / "t.html")
    page = (tmp_path / "t.html").read_text()
    assert status == 0 and ">nan" not in page
    assert f"<td>{number(slopes.mean[-1], slopes.standard_error[-1])}</td>" in page
    status, out, err = call(
        "figures",
        "--tokens",
        tmp_path / "texts",
        "--figure",
        "tokens_divergence",
        "--out",
        tmp_path,
    )
    assert status == 0 and (tmp_path / "tokens_divergence.png").exists()


def _arrays(folder, name):
    group = next(g for g in token_groups(folder) if g.name == name)
    return group.open().sequences


def test_few_pictures_are_measured_and_said_not_to_be_described(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tokenspace.report.tokens.figures_of", lambda *_: [])  # for speed
    (tmp_path / "few").mkdir()
    for k in range(2):
        np.save(f"few/{k}.npy", np.random.default_rng(k).standard_normal((5, 3)))
    assert call("report", "--tokens", "few")[0] == 0
    page = (tmp_path / "tokens.html").read_text()
    assert "not described: " in page and "at least 4 pictures" in page and "no manifest" in page


def test_folders_of_one_model_are_told_apart_and_each_is_taken_once(folder, tmp_path):
    for name in ("texts", "more"):
        collected(tmp_path / name, list("abcd"), [(6, 6)] * 4)
    groups = groups_of([Path("layers"), Path("texts"), Path("more")])
    assert [g.label for g in groups[:2]] == ["layers even", "layers odd"]
    assert [g.model.rsplit(" ")[-1] for g in groups[2:]] == ["(texts)", "(more)"]
    assert len({g.label for g in groups}) == 4 and all(g.name in g.label for g in groups)
    with pytest.raises(InputError, match="is given twice"):
        groups_of([Path("texts"), Path("../") / tmp_path.name / "texts"])


def test_a_report_is_of_a_sweep_or_of_tokens(call, folder):
    for arguments in ((), ("x", "--tokens", "layers")):
        status, _, err = call("report", *arguments)
        assert status == 2 and "tokenspace report --tokens DIR" in err
    for out in ("layers/manifest.json", "no/t.html"):
        status, _, err = call("report", "--tokens", "layers", "--out", out)
        assert status == 2 and "must be a file FILE.html in a folder that exists" in err


def test_a_fit_of_a_folder_is_that_of_its_arrays(call, folder):
    h = np.stack(list(_arrays("layers", "even")))
    fit, same = (
        ts.fit_tokens("layers", only="even"),
        ts.fit_tokens(h, pairs="all"),
    )
    assert repr(fit) == repr(same)
    h = np.stack([x for x in _arrays("layers", "odd") if len(x) == 12])
    cut = ts.fit_tokens("layers", only="odd", tokens=12)
    assert repr(cut) == repr(ts.fit_tokens(h, pairs="all"))
    arguments = ("--family", "constant", "--tokens", "9", "--json")
    status, out, _ = call("fit-tokens", "layers", *arguments)
    first, second = json.loads(out)
    assert status == 0 and (first["name"], second["name"]) == ("even", "odd")
    assert isinstance(first["model"], str) and "branches" in first["fitted_model"]
    psi = first["parameters"]["psi_equal"]["mean"]
    assert psi == pytest.approx(float(fit.parameters["psi_equal"].mean))
    status, out, _ = call("fit-tokens", "layers", "--only", "even", "--family", "constant")
    assert status == 0 and out.startswith("layers even\n") and "kurtosis" in out


def test_pairs_of_texts_keep_their_prompts(tmp_path):
    lengths = [(10, 8), (8, 8), (8, 9), (11, 10), (5, 9), (8, 12)]
    h = collected(tmp_path / "texts", list("aabbcd"), lengths)
    given = token_groups(tmp_path / "texts")[0].open()
    assert usual_length(given) == 8
    kept = [0, 1, 2, 3, 5]
    a, b = (np.stack([h[f"{k}{side}"][:8] for k in kept]) for side in "AB")
    fit = ts.fit_tokens(tmp_path / "texts", tokens=8)
    assert repr(fit) == repr(ts.fit_tokens(a, b, groups=[0, 0, 1, 1, 3]))
    assert fit.parameters["psi_equal"].degrees_of_freedom <= 2
    collected(tmp_path / "one", list("aaaa"), [(8, 8)] * 4)
    with pytest.raises(InputError, match="all pairs share one prompt"):
        ts.fit_tokens(tmp_path / "one")


def test_what_is_refused(call, folder, tmp_path):
    h = np.ones((4, 3, 2))
    for arguments, match in (
        ({}, "2 groups; name one by only=: even, odd"),
        ({"only": "oddd"}, "no such group; there are even, odd"),
        ({"only": "odd"}, "9 to 12 tokens, .*; 12 tokens keep 10 of 15 pairs"),
        ({"only": "odd", "tokens": 13}, r"it must be 1\.\.12"),
        ({"only": "odd", "tokens": 0}, r"it must be 1\.\.12"),
        ({"pairs": "all"}, "says itself what is paired"),
    ):
        with pytest.raises(InputError, match=match):
            ts.fit_tokens("layers", **arguments)
    with pytest.raises(InputError, match="of folders of tokens"):
        ts.fit_tokens(h, pairs="all", tokens=2)
    for arguments, said in (
        (("layers", "--config", "m.toml"), "--only: even, odd"),
        (("layers", "--only", "odd"), "a fit needs one length (tokens=, or --tokens N)"),
        (("layers", "--pairs", "all"), "--pairs is not allowed"),
    ):
        status, _, err = call("fit-tokens", *arguments)
        assert status == 2 and said in " ".join(err.split())


def test_a_group_that_cannot_be_fitted_costs_no_other(call, folder):
    status, out, err = call("fit-tokens", "layers", "--json")
    (row,) = json.loads(out)
    assert status == 2 and row["name"] == "even" and row["description"]["law"]
    assert "1 of 2 groups are not fitted: layers odd: pairs have 9 to 12 tokens" in err


def test_tokens_that_cannot_be_described_are_fitted(call, folder, tmp_path):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "a.npy", rng.standard_normal((3, 12, 5)).astype("f4"))
    asked = ("a.npy", "--pairs", "all", "--family", "constant")
    status, out, _ = call("fit-tokens", *asked)
    assert status == 0 and "Parameters of" in out and "not described: " in out
    status, out, _ = call("fit-tokens", *asked, "--json")
    assert "at least 4 pictures" in json.loads(out)["description"]["why"]
