"""A folder of results that tests of what others may send change."""

import pytest
from folders import CONFIG

import tokenspace as ts


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Results of one point, in the current folder, where a shell command would leave its trace."""
    monkeypatch.chdir(tmp_path)
    ts.run_sweep(CONFIG, tmp_path / "r")
    yield tmp_path / "r"
    assert not (tmp_path / "exploded").exists()
