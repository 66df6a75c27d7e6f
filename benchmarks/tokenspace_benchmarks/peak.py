"""What a process that measures peak memory runs: `python -m` this module, see `memory`."""

from __future__ import annotations

import json
import sys

from tokenspace_benchmarks.memory import peak_here


def main(kind: str, *names: str) -> None:
    """kind "case": USE CASE CONTESTANT; kind "size": SAMPLER N D REPLICATES."""
    if kind == "size":
        from tokenspace_benchmarks.sizes import builder  # each process loads what it measures

        build = builder(names[0], *map(int, names[1:]))
    else:
        from tokenspace_benchmarks.cases import all_cases

        use, case_name, contestant = names
        (case,) = (c for c in all_cases(use) if c.name == case_name)
        (build,) = (c.build for c in case.contestants if c.name == contestant)
    print(json.dumps(peak_here(build)))


if __name__ == "__main__":
    main(*sys.argv[1:])
