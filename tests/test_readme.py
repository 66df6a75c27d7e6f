"""What the README shows must run."""

import re
from pathlib import Path

README = (Path(__file__).parent.parent / "README.md").read_text()


def test_python_example_runs(capsys):
    (code,) = re.findall(r"```python\n(.*?)```", README, re.S)
    exec(code, {})
    assert "PASS" in capsys.readouterr().out


def test_every_command_is_listed():
    from tokenspace.cli import app

    for command in app.registered_commands:
        assert f"`tokenspace {command.callback.__name__}" in README, command.callback.__name__
