"""Before a command starts: what it loads, its version, completion, and options that it refuses."""

import errno
import gc
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from processes import COMMAND, environment

from tokenspace import cli
from tokenspace.cli.interrupts import interruptible
from tokenspace.errors import InputError

HEAVY = ("numpy", "scipy", "jax", "pandas", "matplotlib", "xarray", "numba")
SAY = f"import sys; print('loaded', [m for m in {HEAVY!r} if m in sys.modules])"


def loaded(code):
    """Which of HEAVY a process has loaded after some code."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{SAY}"], capture_output=True, text=True, env=environment()
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def command(*arguments, **variables):
    done = subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, env=environment(**variables)
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["sweep", "--help"]])
def test_help_and_version_load_nothing_heavy(arguments):
    code = f"""
import sys
from tokenspace import cli
sys.argv = ["tokenspace", *{arguments!r}]
try:
    cli.main()
except SystemExit as stop:
    assert not stop.code
"""
    assert loaded(code) == "loaded []"


def test_import_loads_nothing_heavy():
    assert loaded("import tokenspace") == "loaded []"


def test_simulating_loads_no_more_than_it_needs():
    code = f"""
import tokenspace as ts
ts.simulate, ts.measure
{SAY}
assert not {{"scipy.stats", "scipy.optimize", "scipy.integrate"}} & set(sys.modules)"""
    assert loaded(code) == "loaded ['numpy', 'scipy', 'jax']"


def test_version():
    from importlib.metadata import version

    status, out, _ = command("--version")
    assert status == 0 and out == f"tokenspace {version('tokenspace')}\n"
    code = "import tokenspace as ts; print(ts.__version__)"
    done = subprocess.run([sys.executable, "-c", f"{code}; {SAY}"], capture_output=True, text=True)
    assert done.stdout == f"{version('tokenspace')}\nloaded []\n"


def test_completion_knows_commands_and_options():
    for typed, wanted in (("sw", "sweep"), ("sweep --max", "--max-memory")):
        words = f"tokenspace {typed}"
        variables = {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
        _, out, _ = command(_TOKENSPACE_COMPLETE="complete_bash", **variables)
        assert out.split() == [wanted]
    assert "--install-completion" in command("--help")[1]


@pytest.mark.parametrize("value", ["nan", "-1", "0", "inf", "-inf", "1e999"])
@pytest.mark.parametrize("name", ["run", "check", "report"])
def test_tolerances_that_mean_nothing_are_refused_at_once(call, tmp_path, name, value):
    """Also where the command would not come to use it: here there is nothing to read."""
    status, out, err = call(name, tmp_path / "nothing", f"--tolerance={value}")
    assert status == 2 and out == ""
    assert "--tolerance" in err and "is not allowed" in err


def test_fit_says_in_words_what_has_no_number(call, tmp_path):
    csv = tmp_path / "c.csv"
    csv.write_text("model,vision_tokens,score\na,1,2\na,4,4\na,16,8\na,64,16.1\n")
    status, out, _ = call("fit", csv)
    assert status == 0 and "nan" not in out and "inf" not in out


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
def test_a_full_disk_is_told_in_words():
    with open("/dev/full", "w") as full:
        found = subprocess.run(
            [*COMMAND, "models"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert found.returncode == 2 and "Traceback" not in found.stderr
    assert "the output: cannot be written (No space left on device); free" in found.stderr


def test_a_read_that_fails_is_not_told_to_free_space(call, monkeypatch):
    def reads(**_):
        raise OSError(errno.EIO, "Input/output error", "scores.csv")

    monkeypatch.setattr(cli, "_commands", lambda: reads)
    monkeypatch.setattr(cli, "_drop_output", lambda: None)
    status, _, err = call("fit", "scores.csv")
    assert status == 2 and "free" not in err
    assert "scores.csv: cannot be read or written (Input/output error); see to its disk" in err


class Dropping:
    """Interrupted where Python drops what is raised."""

    def __del__(self):
        signal.raise_signal(signal.SIGINT)


def at_collection(phase, _):
    gc.callbacks.remove(at_collection)
    signal.raise_signal(signal.SIGINT)


def test_an_interrupt_ends_a_command_wherever_it_comes(request, monkeypatch):
    """In an import, which turns it into another error; and where Python would drop it."""
    own = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a background job
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, own))
    others = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: others.append(args.exc_type))
    hook = sys.unraisablehook
    with pytest.raises(SystemExit) as ended, interruptible():
        Dropping()
        time.sleep(10)
    assert ended.value.code == 130
    with pytest.raises(SystemExit) as ended, interruptible():
        gc.callbacks.append(at_collection)
        gc.collect()
        time.sleep(10)
    assert ended.value.code == 130 and others == []
    with interruptible():
        monkeypatch.setattr(Dropping, "__del__", lambda self: 1 / 0)
        Dropping()
    assert others == [ZeroDivisionError] and sys.unraisablehook is hook
    with pytest.raises(SystemExit) as ended, interruptible():
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise ImportError("half of it") from None
    assert ended.value.code == 130 and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with pytest.raises(ImportError, match="its own"), interruptible():
        raise ImportError("its own")
    with pytest.raises(InputError, match="its own"), interruptible():
        with suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        raise InputError("its own")
    with pytest.raises(SystemExit), interruptible():
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise InputError("install it") from ImportError("half of it")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with interruptible():
        signal.raise_signal(signal.SIGINT)  # of a job in the background
