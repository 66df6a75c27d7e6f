"""Calling a command in this process."""

import sys

from tokenspace import cli


def call(capfd, *arguments):
    """Exit status, stdout and stderr of a command."""
    old = sys.argv
    sys.argv = ["tokenspace", *map(str, arguments)]
    try:
        cli.main()
        status = 0
    except SystemExit as stop:
        status = stop.code or 0
    finally:
        sys.argv = old
    out, err = capfd.readouterr()
    assert "Traceback" not in out + err
    return status, out, err
