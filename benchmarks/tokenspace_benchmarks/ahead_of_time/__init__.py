"""Programs compiled for accelerators that are not here: what their compilers say, nothing run.

`compile_for` compiles one function for one device and gives a `Record`; `python -m` this package
(`make ahead-of-time`) compiles every kernel and writes the result files.
"""

from tokenspace_benchmarks.ahead_of_time.compile import compile_for
from tokenspace_benchmarks.ahead_of_time.record import Record
from tokenspace_benchmarks.ahead_of_time.targets import TARGETS, missing

__all__ = ["TARGETS", "Record", "compile_for", "missing"]
