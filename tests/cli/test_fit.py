"""`fit`: laws of curves in a CSV file."""

import json
from functools import partial

import numpy as np
import pytest
from commands import call
from rich.console import Console
from rich.markup import escape
from scipy import stats

from tokenspace.cli import present
from tokenspace.cli.present import dense_table, show_table
from tokenspace.scaling import curves


def test_fit(capfd, write, tmp_path):
    csv = write("model,vision_tokens,score\na,1,2\na,4,4\na,16,8\na,64,16.1\n", "c.csv")
    status, out, _ = call(capfd, "fit", csv, "--json")
    (curve,) = json.loads(out)["fits"]
    assert status == 0 and curve["laws"]["power"]["parameters"]["alpha"] == pytest.approx(
        -0.5, abs=0.01
    )
    few = call(capfd, "fit", write("n,score\n1,2\n4,5\n9,7\n", "few.csv"))
    assert (
        few[0] == 0 and few[1].count("no curve has enough points") == 3 and "prefer l" not in few[1]
    )
    sizes = "".join(
        f"{m},{b},{n},{k + n},{size}\n"
        for k, (m, b, size) in enumerate((("s", "x", 1e9), ("l", "y", 7e9)))
        for n in (1, 4, 16)
    )
    csv = write("model,benchmark,n,score,model_size\n" + sizes, "sizes.csv")
    assert call(capfd, "fit", csv, "--law", "power")[0] == 0  # no benchmark has both sizes
    csv = write("model,benchmark,n,score,model_size\n" + sizes.replace(",y,", ",x,"), "sizes.csv")
    found = json.loads(call(capfd, "fit", csv, "--law", "power", "--json")[1])
    (one,) = found["sizes"]
    assert len(found["fits"]) == 2 and one["benchmark"] == "x" and one["points"] == 6
    assert set(one["parameters"]) == {"limit", "A", "b", "g"}
    flat = write("n,score\n16,50\n32,50\n64,50\n128,50\n256,50\n", "flat.csv")
    out = call(capfd, "fit", flat, "--law", "power")[1]
    assert "0.000000" in out and "-0.000000" not in out
    half = f"{stats.t.ppf(0.975, 3) * 1e-6 / np.log(2) / np.sqrt(10):.4g}"  # of a scatter of 1e-6
    assert f"alpha = 0 (-{half} to {half})" in out
    for text, words in (
        ("a,b\n1,2\n", "needs columns"),
        ("n,score\n1,x\n", "line 2"),
        ("n,score,Score\n1,2,3\n2,3,4\n", "bad.csv: column 'Score' would name curves"),
        ("n,score,seed\n1,2,3\n2,3,4\n4,3,5\n", "what names a curve here: seed"),
    ):
        status, _, err = call(capfd, "fit", write(text, "bad.csv"))
        assert status == 2 and words in err
    assert call(capfd, "fit", tmp_path / "none.csv")[0] == 2


def test_scatter_is_more_than_the_errors_say_only_by_every_law(capfd, write):
    """Where s is above 1 a law may be preferred that chi^2 refuses: it is rare, and is said."""
    score, off = (18.2, 24.0, 27.2, 33.1, 38.8, 46.3), (4, -7, 9, -5, 6, -8)
    rows = list(zip((1, 4, 16, 64, 256, 1024), score, off, strict=True))

    def said(much, *more):
        lines = "".join(f"{n},{s + much * e:.2f},{0.021 * s:.2f}\n" for n, s, e in rows)
        return call(capfd, "fit", write(f"n,score,standard_error\n{lines}", "e.csv"), *more)[1]

    found = said(0)
    assert "the law of smallest AICc does not fit (p < 0.05), but another law does" in found
    assert "scatter more" not in found and "of the law of smallest AICc" in found
    by_errors = "1 of 1: laws are compared by the standard errors"
    assert by_errors in found
    found = said(1)
    assert "1 of 1 scatter more by every law than the errors say" in found
    assert by_errors not in found
    found = said(0, "--law", "power")
    assert "1 of 1 scatter more about this law" in found and by_errors not in found


def test_laws_of_too_many_parameters_are_preferred_by_no_criterion(capfd, write):
    """With five points laws of three parameters have no AICc; BIC would take one of them."""
    csv = write("n,score\n1,5\n2,6\n3,6.5\n4,6.7\n5,6.8\n", "few.csv")
    said = call(capfd, "fit", csv)[1]
    assert "By AICc 1 prefers logarithm; 0 of 1 decisively." in said
    assert "By BIC: 1 logarithm." in said


SATURATED = "n,score\n1,20.1\n4,42.2\n16,48.4\n64,49.3\n256,50.2\n1024,49.9\n"


def test_odds_are_named_and_their_limit_is_a_score(capfd, write):
    csv = write(SATURATED, "s.csv")
    said = call(capfd, "fit", csv, "--top", 100)[1]
    assert "1 curve: S / (100 - S) = c / n^alpha; limits are scores" in said
    assert "limit = 50.35 (49.37 to 51.4)" in said
    said = call(capfd, "fit", csv, "--top", 100, "--chance", 5, "--law", "saturating")[1]
    assert "(S - 5) / (100 - S) by saturating" in said and "limit = 50.35 (" in said
    assert "limits" not in call(capfd, "fit", csv, "--top", 100, "--law", "power")[1]
    found = json.loads(call(capfd, "fit", csv, "--top", 100, "--json")[1])["fits"][0]
    odds = found["laws"]["saturating"]["parameters"]["limit"]
    assert 100 * odds / (1 + odds) == pytest.approx(50.35, abs=0.005)


def test_the_level_of_intervals_is_said(capfd, write, monkeypatch):
    monkeypatch.setattr(curves, "fit_curves", partial(curves.fit_curves, level=0.8))
    said = call(capfd, "fit", write(SATURATED, "s.csv"), "--law", "power")[1]
    assert said.count("80 %") == 2 and "95 %" not in said


def test_a_floor_of_rounding_is_0(capfd, write):
    said = call(capfd, "fit", write(SATURATED, "s.csv"), "--law", "offset")[1]
    assert "S(n) by offset" in said and "n^alpha" not in said and "floor = 0 (" in said


def test_no_table_is_cut_by_a_narrow_terminal(capfd, write, monkeypatch):
    """A name of 200 letters, and 80 columns: a paragraph a row with each cell whole."""
    name = f"[b]{'x' * 200}[/b]"
    csv = write(f"m,n,score\n{name},1,2\n{name},4,4.1\n{name},16,8\n{name},64,16.1\n", "c.csv")
    out = call(capfd, "fit", csv)[1]
    assert f"\n{name}\n" in out
    table = dense_table("title", ["law", "skill", "interval"], left=1)
    table.add_row(escape(name), "12.5 %", "c = 1\nk = 2")
    for width in (80, 20):
        monkeypatch.setattr(present, "stdout", lambda width=width: Console(width=width))
        show_table(table)
        said = capfd.readouterr().out.splitlines()
        assert said[:2] == ["title", name] and max(map(len, said[2:])) <= width
        assert " ".join(" ".join(said[2:]).split()) == "skill: 12.5 %; interval: c = 1, k = 2"
    assert "12.5 %" in said[2]  # a number and its sign stay together
    monkeypatch.setattr(present, "stdout", lambda: Console(width=300))
    show_table(table)
    assert "─" in capfd.readouterr().out
    words = dense_table("title", ["what", "left"], left=2)
    words.add_row("a long sentence that is folded between its words " * 3, "cut by its author …")
    monkeypatch.setattr(present, "stdout", lambda: Console(width=60))
    show_table(words)
    assert "─" in capfd.readouterr().out


def test_the_table_over_sizes_says_what_is_not_told_and_what_is_in_two_units(capfd, write):
    """Of "falls" g is 0, and as small as any; of "units" one size is in shares, one in per cent."""
    lines = ["model,benchmark,n,score,model_size"]
    for model, size, unit in (("s", 1e9, 1), ("m", 3e9, 1), ("l", 7e9, 100)):
        for n in (1, 4, 16, 64):
            gap = 0.3 * (size / 1e9) ** -0.2 * n**-0.15
            lines.append(f"{model},falls,{n},{0.5 + gap},{size}")
            lines.append(f"{model},units,{n},{unit * (0.7 - gap)},{size}")
    csv = write("\n".join(lines), "sizes.csv")
    out = call(capfd, "fit", csv, "--law", "power")[1]
    _, sizes = out.split("All sizes of model together")
    row = next(line for line in sizes.splitlines() if "│ falls" in line)
    _, _, _, limit, _, b, g, _, _ = row.split("│")
    assert "(not bounded)" in g and " to " in b and "(the best there can be)" in limit, row
    assert "units: some sizes look like shares of 1 and others like per cent" in sizes
    assert "falls: some sizes" not in sizes
