"""Commands called in this process."""

from functools import partial

import commands
import pytest


@pytest.fixture
def call(capfd):
    """Exit status, stdout and stderr of a command."""
    return partial(commands.call, capfd)


@pytest.fixture
def write(tmp_path):
    def make(text, name="run.toml"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return make
