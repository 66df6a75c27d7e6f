"""Ten thousand malformed inputs: each is refused with status 2 and one clear message."""

import copy
import io
import os
import random
import signal
import struct
import sys
import tomllib
from contextlib import redirect_stderr, redirect_stdout

import numpy as np
import pytest

from tokenspace import cli
from tokenspace.experiments import point
from tokenspace.scaling import curves
from tokenspace.tokens import measure as given_tokens

SECONDS = 20  # a case that takes longer hangs


class Accepted(Exception):
    """Raised in place of the work that follows once an input was found to be good."""


def accept(*arguments, **more):
    raise Accepted


def too_slow(number, frame):
    raise TimeoutError("the input was neither refused nor accepted in time")


def verdict(*arguments):
    """ "accepted" or the message of a refusal; anything else fails the test."""
    out, err, old = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = ["tokenspace", *map(str, arguments)]
    signal.signal(signal.SIGALRM, too_slow)
    signal.alarm(SECONDS)
    try:
        with redirect_stdout(out), redirect_stderr(err):
            cli.main()
        raise AssertionError("neither refused nor accepted")
    except Accepted:
        return "accepted"
    except SystemExit as stop:
        assert stop.code == 2, (stop.code, err.getvalue())
        assert out.getvalue() == "" and "Traceback" not in err.getvalue()
        assert err.getvalue().strip(), "no message"
        return err.getvalue()
    finally:
        signal.alarm(0)
        sys.argv = old


CONFIGS = [
    tomllib.loads(text)
    for text in (
        """
        tokens = { count = 64, points = 9 }
        features = { model = "isotropic", dim = 8 }
        branches = { model = "equicorrelated", psi_equal = 0.2, psi_within = 0.3, psi_cross = 0.1 }
        run = { replicates = 100, seed = 1, sampler = "auto", statistics = ["divergence"] }
        """,
        """
        tokens = { count = 64, grid = [1, 2, 8, 64] }
        features = { model = "power_law", dim = 8, decay = 1.0 }
        law = { model = "student_t", df = 4.0, scale = "pair" }
        branches = { model = "shared_context", share = 0.3, shared = { model = "constant" }, private = { model = "matern", nu = 1.5, length = 8 } }
        run = { replicates = { sweep = [10] }, target_relative_error = 0.01 }
        """,
        """
        tokens = { count = 48 }
        features = { model = "spiked", dim = 8, spikes = [4.0, 2.0] }
        run = { replicates = 100 }
        sweep = { mode = "zip" }
        [[case]]
        name = "sum"
        branches = { model = "branches", within = { sum = [ { model = "exponential", length = 4, scale = 0.5 }, { model = "block", size = 4, scale = 0.5 } ] }, cross = { model = "power_law", decay = 0.4, scale = 0.1 } }
        """,
        """
        tokens = { count = 36 }
        features = { model = "spectrum", eigenvalues = [3.0, 1.0, 0.5] }
        run = { replicates = 100 }
        branches = { model = "branches", within = { model = "patch_grid", rows = 6, columns = 6, row = { model = "exponential", length = 2 }, column = { model = "rational_quadratic", length = 3, mixture = 0.4 }, order = "hilbert" } }
        """,
    )
]
JUNK = [
    float("nan"), float("inf"), -float("inf"), -1, 0, 1.5, 1e308, 1e-320, -1e-9, 2**31, 2**63, 2**70,
    True, False, "", "a", "x" * 5000, "../../../etc/passwd", "/dev/zero", "exponential", "os:system",
    "subprocess:Popen", "\u202e\u0000", "Ω≠🙂", "1e5", [], [1], [1, "a"], [[1, 2], [3]], {}, {"model": 3},
    {"model": "exponential"}, {"sweep": []}, {"sweep": 5}, {"sweep": [{"sweep": [1]}]}, {"sum": []},
    {"product": {}}, {"a": {"b": {"c": {}}}}, [{}] * 3, {"sweep": [1, "x", None]},
]  # fmt: skip


def to_toml(value):
    """A value as inline TOML."""
    if isinstance(value, dict):
        return (
            "{ " + ", ".join(f"{to_toml(str(k))} = {to_toml(v)}" for k, v in value.items()) + " }"
        )
    if isinstance(value, list):
        return "[" + ", ".join(to_toml(v) for v in value if v is not None) + "]"
    if isinstance(value, str):
        return (
            '"'
            + "".join(c if c.isalnum() or c in " _-./:" else f"\\U{ord(c):08x}" for c in value)
            + '"'
        )
    return str(value).lower() if isinstance(value, (bool, float)) else str(value)


def places(value, path=()):
    """Every path in a nested value."""
    found = [path] if path else []
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, inner in items:
        found += places(inner, (*path, key))
    return found


def malformed_config(rng):
    config = copy.deepcopy(rng.choice(CONFIGS))
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        path = rng.choice(places(config))
        target = config
        for step in path[:-1]:
            target = target[step]
        action = rng.random()
        if action < 0.7:
            target[path[-1]] = copy.deepcopy(rng.choice(JUNK))
        elif action < 0.85 and isinstance(target, dict):
            del target[path[-1]]
        elif isinstance(target, dict):
            target[rng.choice(("modle", "x", "", "psi", "dim ", "c\u043eunt"))] = rng.choice(JUNK)
        if not config:
            break
    text = "\n".join(f"{to_toml(k)} = {to_toml(v)}" for k, v in config.items()).encode()
    if rng.random() < 0.15:  # damage to the file itself
        damaged = bytearray(text)
        for _ in range(rng.randrange(1, 6)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        text = bytes(damaged[: rng.choice((len(damaged), rng.randrange(1, len(damaged))))])
    return text


def run_until_refused(make, judge, wanted, rng, limit=3):
    """Make inputs until so many were refused; most must be."""
    refused = accepted = 0
    while refused < wanted:
        message = judge(make(rng))
        refused, accepted = refused + (message != "accepted"), accepted + (message == "accepted")
        assert accepted < limit * wanted
    return refused


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_configurations(tmp_path, monkeypatch, part):
    monkeypatch.setattr(point, "run_point", accept)
    path = tmp_path / "c.toml"

    def judge(text):
        path.write_bytes(text)
        message = verdict("run", path)
        if message != "accepted":
            assert str(path) in message.replace("\n", "")
        return message

    assert run_until_refused(malformed_config, judge, 1750, random.Random(part)) == 1750


class Bomb:
    def __reduce__(self):
        return os.system, ("touch exploded",)


def array_file(rng, path):
    """A good or damaged file of tokens; returns its path."""
    shape = rng.choice([(3, 8, 4), (8, 4), (4,), (), (0, 8, 4), (2, 8, 0), (1, 2, 3, 4), (3, 8, 5)])
    kind = rng.choice(
        ["f4", "f8", "f2", "i4", "c8", "U3", "?", "O", "M8[s]", "nan", "inf", "zero", "bomb"]
    )
    if kind == "bomb" or kind == "O":
        array = np.array([Bomb() if kind == "bomb" else None] * 4, dtype=object)
    elif kind in ("nan", "inf", "zero"):
        array = np.random.default_rng(rng.randrange(9)).standard_normal((3, 8, 4)).astype("f4")
        array[0, rng.randrange(8)] = {"nan": np.nan, "inf": -np.inf, "zero": 0.0}[kind]
    else:
        array = np.ones(shape).astype(kind)
    suffix = rng.choice([".npy", ".npz", ".safetensors", ".txt", ""])
    path = path.with_suffix(suffix)
    buffer = io.BytesIO()
    if suffix == ".npz":
        names = rng.choice([["a"], ["a", "b"], []])
        np.savez(buffer, **dict.fromkeys(names, array))
    else:
        np.save(buffer, array, allow_pickle=True)
    data = bytearray(buffer.getvalue())
    if suffix == ".safetensors":
        header = rng.choice(
            [
                b"{}",
                b"not json",
                b'{"a":{"dtype":"F32","shape":[99999999999],"data_offsets":[0,4]}}',
            ]
        )
        data = bytearray(struct.pack("<Q", rng.choice([len(header), 2**60])) + header + b"0000")
    if rng.random() < 0.3 and len(data) > 4:
        data = data[: rng.randrange(1, len(data))]
    if rng.random() < 0.2 and suffix == ".npy":
        data = bytearray(bytes(data).replace(b"(3, 8, 4)", b"(3, 8, 99999999999)"[:9]))
    for _ in range(rng.choice((0, 0, 3))):
        data[rng.randrange(len(data))] = rng.randrange(256)
    path.write_bytes(data)
    return path


@pytest.mark.slow
def test_arrays(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(given_tokens, "kernel", accept)
    good = tmp_path / "good.npy"
    np.save(good, np.random.default_rng(0).standard_normal((3, 8, 4)).astype("f4"))
    missing = [tmp_path / "none.npy", tmp_path, tmp_path / ("x" * 300), tmp_path / "a\nb.npy"]

    def make(rng):
        bad = array_file(rng, tmp_path / "bad") if rng.random() < 0.95 else rng.choice(missing)
        return rng.choice([(bad, good), (good, bad), (bad, bad), (good, good, "--order", bad)])

    wanted = run_until_refused(make, lambda a: verdict("measure", *a), 1800, random.Random(5))
    assert wanted == 1800 and not (tmp_path / "exploded").exists()


CSV = "model,vision_tokens,score\na,1,2\na,4,4\na,16,8\na,64,16.1\nb,1,3\nb,2,4\nb,4,5\nb,8,7\n"


def malformed_csv(rng):
    lines = [line.split(",") for line in CSV.splitlines()]
    for _ in range(rng.choice((1, 1, 2, 4))):
        row = rng.choice(lines)
        row[rng.randrange(len(row))] = rng.choice(
            [
                "",
                "nan",
                "inf",
                "-1",
                "0",
                "x",
                "1e999",
                '"',
                "\x00",
                "1;2",
                "Ω",
                "=1+1",
                "9" * 400,
                "1,2,3",
                "None",
            ]
        )
    text = "\n".join(",".join(row) for row in lines).encode("utf-8", "surrogateescape")
    if rng.random() < 0.3:
        damaged = bytearray(text)
        for _ in range(3):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        text = bytes(damaged[: rng.randrange(0, len(damaged))])
    return text


@pytest.mark.slow
def test_csv_files(tmp_path, monkeypatch):
    monkeypatch.setattr(curves, "fit_logs", accept)
    path = tmp_path / "c.csv"

    def judge(text):
        path.write_bytes(text)
        return verdict("fit", path)

    assert run_until_refused(malformed_csv, judge, 1500, random.Random(6)) == 1500
