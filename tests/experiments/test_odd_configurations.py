"""Configurations that are no ordinary file, or ask for more than can be: refused in words."""

import os

import pytest
from folders import CONFIG

from tokenspace.experiments.config import ConfigError, points_of, read_configuration
from tokenspace.experiments.format_2 import keys_in_order


def test_points_are_counted_over_all_cases_before_any_is_made():
    cases = [{"name": str(k)} for k in range(300)]
    axis = {"sweep": [0.1] * 300}
    many = CONFIG | {"case": cases, "branches": CONFIG["branches"] | dict(x=axis, y=axis)}
    with pytest.raises(ConfigError, match="27,000,000 points; at most 100,000"):
        points_of(many)
    with pytest.raises(ConfigError, match="100,001 cases"):
        points_of(CONFIG | {"case": [{"name": "a"}] * 100_001})
    assert keys_in_order(many, "old") == []


ODD_FILES = {
    "pipe": (os.mkfifo, "no ordinary file"),
    "device": (lambda p: p.symlink_to("/dev/zero"), "no ordinary file"),
    "digits": (lambda p: p.write_text("x = 1" + "0" * 5000), "not valid TOML"),
    "hexadecimal": (lambda p: p.write_text("x = 0x" + "f" * 5000), "not valid TOML"),
    "large": (lambda p: p.open("wb").truncate(2**26 + 1), "at most 67,108,864"),
}


@pytest.mark.parametrize(("make", "words"), ODD_FILES.values(), ids=ODD_FILES)
def test_odd_configuration_files_are_refused_in_words(tmp_path, make, words):
    make(tmp_path / "c.toml")
    with pytest.raises(ConfigError, match=words):
        read_configuration(tmp_path / "c.toml")


def test_configurations_nested_without_end_are_refused_in_words():
    deep = {}
    for _ in range(5000):
        deep = {"a": deep}
    with pytest.raises(ConfigError, match="nested too deep"):
        points_of(CONFIG | {"branches": CONFIG["branches"] | {"a": deep}})


def test_a_wrong_sampler_is_named_once():
    with pytest.raises(ConfigError) as caught:
        points_of(CONFIG | {"run": {"replicates": 3, "sampler": "fast"}})
    assert [p.split(":")[0] for p in caught.value.problems] == ["run.sampler"]
