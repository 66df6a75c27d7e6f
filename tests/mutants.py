"""Mutation testing of a room: one operator or number is changed at a time, and a test must notice.

`make mutants ROOM=theory` runs it on a copy of the tree. Cosmic Ray makes the mutants; pytest, in a
fork that finds the libraries imported, kills them: the tests of the mutated module first, then the
others of its room. The time a mutant may take is its own CPU time, whatever else the machine does; one
that takes longer is a timeout, which is no kill. Survivors must stand in docs/mutants.md, with the
reason; those that do are not tried again, and count as alive. Needs fork: Linux.
"""

import argparse
import difflib
import importlib
import multiprocessing
import os
import resource
import shlex
import shutil
import signal
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
from scipy import stats

ROOT = Path(__file__).parent.parent
ROOMS = ("theory", "statistics", "scaling", "tokens")
TREE = ("simulator", "kernels", "benchmarks", "tests")
LAST = ("test_gradients.py",)  # compiles at length, and few mutants need it
IMPORTED = "jax hypothesis matplotlib.pyplot numba optax pandas scipy.optimize scipy.stats xarray"
OPTIONS = "-xq -p no:cacheprovider -m 'not slow' -k 'not in_seconds'"  # the last: whatever the load
COMPILED = {  # what JAX compiles is kept, by what the program is: mutants have most of it in common
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}
LEAST_KILLED = 0.9
LONGEST = 5  # times the CPU time of the tests without a mutation
PASSED = (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)  # the latter: all are slow
# One or two replacements of an operator: more of them raise at once, or die of the same test. None
# of `|`, which stands in annotations, and none of decorators.
OPERATORS = """
    Add_Sub Sub_Add Mul_Div Div_Mul FloorDiv_Mul Mod_Mul Pow_Mul BitAnd_BitOr USub_UAdd Delete_Invert
    Delete_Not Eq_NotEq NotEq_Eq Lt_LtE Lt_GtE LtE_Lt LtE_Gt Gt_GtE Gt_LtE GtE_Gt GtE_Lt Is_IsNot
    IsNot_Is AddNot TrueWithFalse FalseWithTrue AndWithOr OrWithAnd BreakWithContinue
    ContinueWithBreak ExceptionReplacer NumberReplacer ZeroIterationForLoop
"""


def mutations_of(place):
    """Every mutation of a room's modules, or of one module, in the order of its lines."""
    with use_db(":memory:") as db:
        init(find_modules([Path("simulator/tokenspace", place)]), db, {})
        found = [mutation for item in db.work_items for mutation in item.mutations]
    wanted = [m for m in found if m.operator_name.endswith(tuple(OPERATORS.split()))]
    return sorted(wanted, key=lambda m: (m.module_path, m.start_pos, m.operator_name, m.occurrence))


def enter_copy(folder):
    """Work from now on in a copy of the tree, which is imported before what is installed."""
    os.chdir(tempfile.mkdtemp(dir=folder))
    for name in (*TREE, "docs"):
        shutil.copytree(ROOT / name, name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", ".")
    sys.path[:0] = map(os.path.abspath, TREE)
    sys.dont_write_bytecode = True
    os.environ |= COMPILED | {"JAX_COMPILATION_CACHE_DIR": f"{folder}/compiled"}
    for name in IMPORTED.split():  # JAX starts in the forks only
        importlib.import_module(name)


def own_and_other_tests(room, module=Path()):
    """The test files of a room that mirror a module or its folder, and the others."""
    tests = sorted(Path("tests", room).glob("test_*.py"), key=lambda t: (t.name in LAST, t.name))
    parts = (*module.parent.parts, module.stem)
    own = [t for t in tests if t.stem.removeprefix("test_") in parts]
    return own, [t for t in tests if t not in own]


def fate_of(parts, seconds=resource.RLIM_INFINITY):
    """What becomes of the tree as it is now under lists of test files, in so much CPU time."""

    def tests():
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.RLIM_INFINITY))
        os.dup2(os.open("pytest.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
        for files in filter(None, parts):
            code = pytest.main([*shlex.split(OPTIONS), *map(str, files)])
            if code not in PASSED:
                sys.exit(int(code))

    child = multiprocessing.get_context("fork").Process(target=tests)
    child.start()
    child.join()
    return {0: "survived", -signal.SIGXCPU: "timeout"}.get(child.exitcode, "killed")


def seconds_of(parts):
    """The CPU time that the tests take without a mutation; they must pass."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    if fate_of(parts) != "survived":
        raise RuntimeError("the tests fail without a mutation; see pytest.log")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def run(mutation, room, seconds, reasons):
    """The fate of a mutant, and its line as it was and is; one with a reason is not tried."""
    operator = get_operator(mutation.operator_name)()
    with use_mutation(mutation.module_path, operator, mutation.occurrence) as codes:
        old, new = (code.splitlines() for code in codes)
        lines = list(difflib.unified_diff(old, new, n=0, lineterm=""))[3:]
        listed = f"`{mutation.module_path.name}`: `{lines[-1][1:].strip()}`"
        if listed in reasons:
            return "listed", lines
        return fate_of(own_and_other_tests(room, mutation.module_path), seconds), lines


def is_held(place, every, offset, workers, folder):
    """Whether its tests kill enough mutants of a room or module; docs/mutants.md names the others."""
    room = Path(place).parts[0]
    reasons = Path("docs/mutants.md").read_text()
    fates = Counter(killed=0)
    with ProcessPoolExecutor(workers, initializer=enter_copy, initargs=(folder,)) as pool:
        seconds = pool.submit(seconds_of, own_and_other_tests(room)).result()
        mutations = pool.submit(mutations_of, place).result()
        sample = mutations[offset::every]
        print(f"{place}: {len(sample)} of {len(mutations)} mutants; {seconds:.0f} s", flush=True)
        limit = int(LONGEST * seconds) + 1
        results = pool.map(run, sample, repeat(room), repeat(limit), repeat(reasons))
        for m, (fate, lines) in zip(sample, results, strict=True):
            fates[fate] += 1
            shown = lines if fate in ("survived", "timeout") else []
            print(f"{fate}: {m.module_path}:{m.start_pos[0]}", *shown, sep="\n", flush=True)
    rate = stats.binomtest(fates["killed"], len(sample))
    low, high = rate.proportion_ci()  # Clopper & Pearson's, for what a sample says of all
    print(f"{place}: {rate.statistic:.1%} of {len(sample)} mutants killed; {dict(fates)}")
    if every > 1:
        print(f"of all {len(mutations)}: {low:.1%} to {high:.1%}, at 95 %")
    return rate.statistic >= LEAST_KILLED and not fates["survived"]


def place(name):
    """A room, or a module as "theory/median.py"."""
    if Path(name).parts[:1] and Path(name).parts[0] not in ROOMS:
        raise argparse.ArgumentTypeError(f"{name!r} is in none of {', '.join(ROOMS)}")
    if not Path("simulator/tokenspace", name).exists():
        raise argparse.ArgumentTypeError(f"there is no simulator/tokenspace/{name}")
    return name


if __name__ == "__main__":
    os.chdir(ROOT)
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("places", nargs="+", type=place, help="theory, or theory/median.py")
    arguments.add_argument("--every", type=int, default=1, help="try every k-th mutant only")
    arguments.add_argument("--offset", type=int, default=0, help="of which this one is the first")
    arguments.add_argument("--workers", type=int, default=1, help="how many at a time")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        held = [is_held(p, given.every, given.offset, given.workers, folder) for p in given.places]
    sys.exit(not all(held))
