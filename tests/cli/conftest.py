"""Commands called in this process."""

from functools import partial

import commands
import pytest


@pytest.fixture
def call(capfd):
    """Exit status, stdout and stderr of a command."""
    return partial(commands.call, capfd)
