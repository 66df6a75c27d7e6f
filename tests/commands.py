"""Calling a command in this process, and configurations of one point and of three."""

import sys

from tokenspace import cli

CONFIG = """
[tokens]
count = 256
points = 12
[features]
model = "isotropic"
dim = 64
[branches]
model = "equicorrelated"
psi_equal = 0.2
psi_within = 0.3
psi_cross = 0.1
[run]
replicates = 3000
"""
SWEPT = CONFIG.replace("psi_within = 0.3", "psi_within = { sweep = [0.2, 0.3, 0.5] }")


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
