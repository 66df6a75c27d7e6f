"""Whole commands that are timed: the folders that they get, and the tables that come out."""

import re

import numpy as np
import pytest

from tokenspace.tokens.folders import measure_groups, token_groups
from tokenspace_benchmarks import many


def test_a_folder_of_prompts_is_what_measure_takes(tmp_path):
    many.write_prompts(tmp_path / "tokens", 40)
    (found,) = measure_groups(token_groups(tmp_path / "tokens"))
    result = found.result
    assert result.replicates == 40 and many.SHORTEST <= result.n[-1] <= many.LONGEST
    assert (np.diff(result.counts) <= 0).all()  # fewer pairs reach a larger n
    # white noise: E[D(1)^2] = 2 d, of 40 pairs
    assert result.mean[0] == pytest.approx(np.sqrt(2 * many.DIM), rel=0.2)


def test_what_a_command_used_is_its_own(tmp_path):
    used = many.run("--version")
    assert 0 < used.processor < 60 and used.seconds > 0 and used.peak > 1e6
    with pytest.raises(SystemExit, match=r"nothing\.toml"):
        many.run("sweep", tmp_path / "nothing.toml", "--out", tmp_path / "r")


@pytest.mark.parametrize(
    "wrong", [[], ["points"], ["points", "1"], ["tokens", "5"], ["points", "x"]]
)
def test_what_is_not_understood_is_said(capsys, wrong):
    assert many.main(wrong) == 2
    assert "points|prompts COUNT" in capsys.readouterr().err


@pytest.mark.slow
def test_tables(monkeypatch, capsys):
    monkeypatch.setattr(many.points, "__defaults__", (1,))
    assert many.main(["points", "3"]) == 0 and many.main(["prompts", "30"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"\| 3 \| [\d.]+ s \| ([\d.]+ s|-) \| [\d.]+ s \|", lines[2])
    assert re.fullmatch(r"\| 30 \| \d+\.\d\d GB \| [\d.]+ s \|", lines[-1])
