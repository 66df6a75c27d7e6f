"""Memory does not grow with replicates: a process of its own, whose peak can be read."""

import subprocess
import sys

import pytest

PEAK = """
import resource, sys
import tokenspace as ts
model = ts.TokenModel(ts.equicorrelated(0.2, 0.3, 0.1), ts.Isotropic(64))
result = ts.simulate(model, ts.log_grid(65536, 16), int(sys.argv[1]))
assert result.replicates == int(sys.argv[1])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def peak(replicates):
    """MiB that a run takes at most."""
    command = [sys.executable, "-c", PEAK, str(replicates)]
    return int(subprocess.check_output(command, text=True)) / 1024


@pytest.mark.slow
def test_twenty_times_as_many_replicates_take_no_more_memory():
    """Samples of 2e6 replicates at 16 n alone would take 122 MiB, 420 with what was made of them."""
    assert peak(2_000_000) - peak(100_000) < 60
