"""`tokenspace measure DIR` and `figures --tokens DIR`: what is said, in words and in JSON."""

import json
import sys

import numpy as np
import pytest
from safetensors.numpy import save_file

import tokenspace as ts
from tokenspace.cli import main
from tokenspace.cli.measure_tables import _at
from tokenspace.printable import to_error
from tokenspace.report.tokens import _overview, _table
from tokenspace.statistics.estimate import Estimate
from tokenspace.tokens.folders import Measured
from tokenspace.tokens.rounding import COSINE_ROUNDING, psi_rounding

RNG = np.random.default_rng(0)
TOKENS = {f"{k}": RNG.standard_normal((12 - k, 6)).astype("f4") + 1 for k in range(5)}


@pytest.fixture
def call(capfd, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "layers").mkdir()
    for layer in "abcd":
        save_file(TOKENS, tmp_path / "layers" / f"{layer}.safetensors")

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["tokenspace", *arguments])
        status = 0
        try:
            main()
        except SystemExit as end:
            status = end.code or 0
        return status, *capfd.readouterr()

    return run


def test_a_table_of_one_group_and_a_line_for_each_of_many(call):
    status, out, err = call("measure", "layers", "--only", "b", "--norms")
    assert status == 0 and out.startswith("layers b\n") and not err.strip()
    assert "10 pairs, raster order; all pairs of 5 pictures" in out and "  pairs  " in out
    assert (
        "scaled to norm 1" in out
        and "as the paper fits it (that above: least squares in log), every n alike: " in out
    )
    assert (
        "exponents are of the pairs that reach both n; lambda and n_balance of the 6 pairs that "
        "reach n = 9, the last that half of them do\n"
        in out
        and "nan" not in out
    )
    status, out, _ = call("measure", "layers")
    assert status == 0 and "tokenspace measure layers --only d" in out
    r = ts.measure([TOKENS[str(k)] for k in range(5)], pairs="all").reached()
    slope = r.local_exponent()
    line = []
    for x, error in (
        (r.mean[-1], r.standard_error[-1]),
        (slope.mean[-1], slope.standard_error[-1]),
    ):
        line += [to_error(x, error), to_error(error, error)]
    for name in "abcd":
        (cells,) = (row.split() for row in out.splitlines() if row.startswith(f" {name} "))
        assert cells[:7] == [name, "6", str(r.n[-1]), *line]


def test_a_group_where_all_pictures_start_alike_does_not_end_the_others(call, tmp_path):
    """As the first token of a vision encoder does before its first layer."""
    shared = {k: np.concatenate([np.ones((1, 6), "f4"), h]) for k, h in TOKENS.items()}
    for name in "cd":
        (tmp_path / "layers" / f"{name}.safetensors").unlink()
    save_file(shared, tmp_path / "layers" / "a.safetensors")
    status, out, err = call("measure", "layers", "--norms")
    assert status == 0 and not err.strip() and "nan" not in out
    first, second = out.split("layers b\n")
    assert (
        "lambda of the 6 pairs with n = 10: D(n) = 0 at n = 1, where both branches have " in first
    )
    assert "lambda = " in second and "\nn_balance: none seen, " in second
    assert "\nn_balance: unknown, as lambda is" in first
    status, out, _ = call("measure", "layers", "--json")
    first, second = json.loads(out)
    names = ("lambda", "lambda_plain", "lambda_unit_norm", "n_balance")
    assert status == 0 and all(first[k] is None for k in names)
    assert first["exponent"]["mean"][0] is None and first["exponent"]["mean"][1] > 0
    assert all(second[k] is not None for k in names)


def test_a_picture_that_is_there_twice_is_said(call, tmp_path):
    for name in "abcd":
        save_file(TOKENS | {"again": TOKENS["0"]}, tmp_path / "layers" / f"{name}.safetensors")
    said = "1 of 6 pictures has the tokens of another and is left out"
    for more in ([], ["--only", "a"]):
        status, out, _ = call("measure", "layers", *more)
        assert status == 0 and out.count(said) == 1
    assert said in json.loads(call("measure", "layers", "--json")[1])[0]["notes"][0]


def test_psi_has_the_digits_that_its_error_allows():
    psi = Estimate(np.array([0.123456, 0.123456, 0.5, np.nan]), np.array([0.0123, 2e-5, 0, 1]), 9)
    assert [_at(psi, k, 9) for k in range(4)] == ["0.123", "0.123456", "0.5", "-"]
    tiny = Estimate(np.array([0.5]), np.array([3e-12]), 9)
    assert _at(tiny, 0, 9) == "0.50000000"  # float32 has no more
    equal = Estimate(np.array([1.00000005, -1e-9, 2.6e-8]), np.full(3, 2e-8), 9)
    assert [_at(equal, k, 9) for k in range(3)] == ["1", "0", "0"]


@pytest.mark.parametrize("n", [2, 100, 512])
def test_psi_is_said_to_be_1_or_0_where_it_is_that_but_for_rounding(n):
    for exact, rounding in ((0, COSINE_ROUNDING), (1, psi_rounding(n))):
        for off in (-0.9, 0.9, -1.1, 1.1):
            near = Estimate(np.array([exact + off * rounding]), np.array([rounding]), 9)
            assert (_at(near, 0, n) == str(exact)) == (abs(off) < 1)
        noise = Estimate(np.array([exact + 0.1 * rounding]), np.array([1.1 * rounding]), 9)
        assert _at(noise, 0, n) != str(exact)


def test_psi_that_is_small_by_chance_is_no_0():
    chance = Estimate(np.array([4e-7]), np.array([3.2e-6]), 9)
    assert _at(chance, 0, 9) == "4e-07"  # small by chance, not by rounding


def test_json_has_counts_and_every_lambda(call):
    status, out, _ = call("measure", "layers", "--json")
    documents = json.loads(out)
    want = ts.measure(list(TOKENS.values()), pairs="all", grid=documents[0]["n"])
    assert status == 0 and [d["name"] for d in documents] == list("abcd")
    found = documents[0]
    np.testing.assert_array_equal(found["counts"], want.counts)
    assert found["fitted"] == {"pairs": 6, "up_to": 9}
    np.testing.assert_allclose(found["unit_norm"]["mean"], want.unit_divergence.mean)
    for name, how in (("", {}), ("_plain", {"by": "plain"}), ("_unit_norm", {"unit": True})):
        assert found[f"lambda{name}"]["mean"] == pytest.approx(want.scale_fit(**how).mean)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["layers", "layers"], "B is not allowed: the folder layers says itself"),
        (["layers", "--pairs", "all"], "--pairs is not allowed"),
        (["layers", "--only", "x"], "only = 'x': no such group; there are a, b, c, d"),
        (["layers/a.safetensors", "--only", "x"], "layers/a.safetensors is no folder"),
        (["nosuch"], "nosuch: no such file"),
    ],
)
def test_refuses_in_words(call, arguments, words):
    status, _, err = call("measure", *arguments)
    assert status == 2 and words in err


def test_figures_of_tokens(call, tmp_path):
    status, out, _ = call(
        "figures", "--tokens", "layers", "--out", "f", "--figure", "tokens_balance"
    )
    assert status == 0 and out.split() == ["f/tokens_balance.png", "f/tokens_balance.svg"]
    assert (tmp_path / "f" / "tokens_balance.png").read_bytes().startswith(b"\x89PNG")
    status, _, err = call("figures", "--tokens", "layers", "--results", "x", "--out", "f")
    assert status == 2 and "give one of them" in err


def test_an_n_balance_that_depends_on_the_grid_is_told(call, tmp_path):
    """In words of one group, by a star of many; not where correlations are constant."""
    rng = np.random.default_rng(3)
    walks = np.cumsum(rng.standard_normal((9, 30, 4)), axis=1)[:, ::-1]
    constant = rng.standard_normal((9, 30, 4)) + 2 * rng.standard_normal((9, 1, 4))
    groups = {"a": walks, "b": constant, "c": constant, "d": constant}
    for name, h in groups.items():
        np.save(f"{name}.npy", h.astype("f4"))
        save_file({f"p{k}": h[k].astype("f4") for k in range(9)}, f"layers/{name}.safetensors")
    said = "correlations are not constant, so n_balance depends on the token counts"
    for name in "ab":
        status, out, _ = call("measure", f"{name}.npy", "--pairs", "all")
        assert status == 0 and (said in out) == (name == "a")
    status, out, _ = call("measure", "layers")
    assert status == 0 and f"* {said}; --only NAME" in out
    rows = {line.split()[0]: line for line in out.splitlines() if line.strip()}
    assert ["*" in rows[name] for name in groups] == [True, False, False, False]
    for name, h in groups.items():  # the report
        m = Measured(name, name, "m", "tokens", None, ts.measure(h, pairs="all"))
        assert (said in _table(m)["said"], _overview(m)[-3].endswith("*")) == (name == "a",) * 2
