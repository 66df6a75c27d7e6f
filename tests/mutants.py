"""Mutation testing of a room: one operator or number is changed at a time, and a test must notice.

`make mutants ROOM=theory` runs it on a copy of the tree. Cosmic Ray makes the mutants; pytest, in a
fork that finds the libraries imported, kills them. Survivors must stand in docs/mutants.md, with the
reason. Needs fork: Linux.
"""

import argparse
import difflib
import importlib
import multiprocessing
import os
import shlex
import shutil
import sys
import tempfile
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path

import pytest
from cosmic_ray.commands.init import init
from cosmic_ray.modules import find_modules
from cosmic_ray.mutating import use_mutation
from cosmic_ray.plugins import get_operator
from cosmic_ray.work_db import use_db

ROOT = Path(__file__).parent.parent
TREE = ("simulator", "kernels", "benchmarks", "tests")
LAST = ("test_gradients.py",)  # compiles at length, and few mutants need it
IMPORTED = "jax hypothesis matplotlib.pyplot numba optax pandas scipy.optimize scipy.stats xarray"
OPTIONS = "-xq -p no:cacheprovider -m 'not slow' -k 'not in_seconds'"  # the last: whatever the load
LEAST_KILLED = 0.9
LONGEST = 300.0  # seconds that the tests of a room may take
# One or two replacements of an operator: more of them raise at once, or die of the same test. None
# of `|`, which stands in annotations, and none of decorators.
OPERATORS = """
    Add_Sub Sub_Add Mul_Div Div_Mul FloorDiv_Mul Mod_Mul Pow_Mul BitAnd_BitOr USub_UAdd Delete_Invert
    Delete_Not Eq_NotEq NotEq_Eq Lt_LtE Lt_GtE LtE_Lt LtE_Gt Gt_GtE Gt_LtE GtE_Gt GtE_Lt Is_IsNot
    IsNot_Is AddNot TrueWithFalse FalseWithTrue AndWithOr OrWithAnd BreakWithContinue
    ContinueWithBreak ExceptionReplacer NumberReplacer ZeroIterationForLoop
"""


def mutations_of(room):
    """Every mutation of a room's modules, in the order of its lines."""
    with use_db(":memory:") as db:
        init(find_modules([Path("simulator/tokenspace", room)]), db, {})
        found = [mutation for item in db.work_items for mutation in item.mutations]
    wanted = [m for m in found if m.operator_name.endswith(tuple(OPERATORS.split()))]
    return sorted(wanted, key=lambda m: (m.module_path, m.start_pos, m.operator_name, m.occurrence))


def enter_copy(folder):
    """Work from now on in a copy of the tree, which is imported before what is installed."""
    os.chdir(tempfile.mkdtemp(dir=folder))
    for name in TREE:
        shutil.copytree(ROOT / name, name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", ".")
    sys.path[:0] = map(os.path.abspath, TREE)
    sys.dont_write_bytecode = True
    for name in IMPORTED.split():  # JAX starts in the forks only
        importlib.import_module(name)


def fate_of(arguments):
    """What becomes of the tree as it is now: killed by pytest with these arguments, or not."""

    def tests():
        os.dup2(os.open("pytest.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
        sys.exit(int(pytest.main(arguments)))

    child = multiprocessing.get_context("fork").Process(target=tests)
    child.start()
    child.join(LONGEST)
    if child.exitcode is None:
        child.kill()
        return "timeout"
    return "killed" if child.exitcode else "survived"


def run(mutation, arguments):
    """The fate of a mutant, and its line as it was and is."""
    operator = get_operator(mutation.operator_name)()
    with use_mutation(mutation.module_path, operator, mutation.occurrence) as codes:
        old, new = (code.splitlines() for code in codes)
        lines = list(difflib.unified_diff(old, new, n=0, lineterm=""))[3:]
        return fate_of(arguments), lines


def is_held(room, every, workers, folder):
    """Whether its tests kill enough mutants of a room, and docs/mutants.md names the others."""
    tests = sorted(Path("tests", room).glob("test_*.py"), key=lambda t: (t.name in LAST, t.name))
    arguments = [*shlex.split(OPTIONS), *map(str, tests)]
    reasons = Path("docs/mutants.md").read_text().splitlines()
    fates = Counter()
    with ProcessPoolExecutor(workers, initializer=enter_copy, initargs=(folder,)) as pool:
        if pool.submit(fate_of, arguments).result() != "survived":
            sys.exit(f"the tests of {room} fail without a mutation")
        mutations = pool.submit(mutations_of, room).result()[::every]
        print(f"{room}: {len(mutations)} mutants", flush=True)
        results = pool.map(run, mutations, repeat(arguments))
        for m, (fate, lines) in zip(mutations, results, strict=True):
            fates[fate] += 1
            if fate == "survived":
                new = lines[-1][1:].strip()
                known = any(f"`{m.module_path.name}`: `{new}`" in reason for reason in reasons)
                fates["without a reason"] += not known
                print(f"{m.module_path}:{m.start_pos[0]}", "" if known else "(no reason given)")
                print(*lines, sep="\n", flush=True)
    killed = 1 - fates["survived"] / len(mutations)
    print(f"{room}: {killed:.1%} of {len(mutations)} mutants killed; {dict(fates)}")
    return killed >= LEAST_KILLED and not fates["without a reason"]


if __name__ == "__main__":
    os.chdir(ROOT)
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("rooms", nargs="+", choices=("theory", "statistics", "scaling"))
    arguments.add_argument("--every", type=int, default=1, help="try every k-th mutant only")
    arguments.add_argument("--workers", type=int, default=1, help="how many at a time")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        held = [is_held(room, given.every, given.workers, folder) for room in given.rooms]
    sys.exit(not all(held))
