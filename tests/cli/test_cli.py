"""The command line as a user meets it: every command, every kind of mistake."""

import functools
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from commands import call
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

import tokenspace as ts
from tokenspace.experiments.config import ConfigError, points_of
from tokenspace.figures import suited
from tokenspace_benchmarks import sizes, suite

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


@pytest.fixture
def write(tmp_path):
    def make(text, name="run.toml"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return make


def test_run_prints_a_verdict(capfd, write):
    status, out, _ = call(capfd, "run", write(CONFIG))
    assert status == 0 and "PASS" in out and "n_balance" in out
    status, out, _ = call(capfd, "run", write(CONFIG), "--json")
    document = json.loads(out)
    assert document["check"]["verdict"] == "PASS" and document["sampler"] == "collapsed"


def test_failed_check_exits_1(capfd, write, tmp_path):
    call(capfd, "sweep", write(CONFIG), "--out", tmp_path / "r")
    point = next((tmp_path / "r" / "points").glob("*.npz"))
    with np.load(point) as data:
        arrays = dict(data)
    arrays["mean"] = arrays["mean"] * 1.2
    np.savez(point, **arrays)
    status, out, _ = call(capfd, "check", tmp_path / "r")
    assert status == 1 and "FAIL" in out


def test_sweep_resumes_and_opens(capfd, write, tmp_path):
    out_folder = tmp_path / "r"
    assert "3 of 3 points computed" in call(capfd, "sweep", write(SWEPT), "--out", out_folder)[1]
    next((out_folder / "points").glob("*.npz")).unlink()
    assert "1 of 3 points computed" in call(capfd, "sweep", write(SWEPT), "--out", out_folder)[1]
    status, out, _ = call(capfd, "check", out_folder, "--json")
    assert status == 0 and len(json.loads(out)["points"]) == 3
    dataset = ts.open_results(out_folder)
    assert list(dataset["psi_within"].values) == [0.2, 0.3, 0.5]
    np.testing.assert_allclose(dataset["mean"], dataset["theory"], rtol=0.02)
    assert {"mean", "standard_error"} <= set(dataset.to_dataframe().columns)
    status, _, err = call(capfd, "sweep", write(SWEPT.replace("3000", "2000")), "--out", out_folder)
    assert status == 2 and "run.replicates: 3000 in the folder, 2000 now" in err


@pytest.mark.once
def test_killed_sweep_loses_nothing(write, tmp_path):
    values = ", ".join(f"{v:.3f}" for v in np.linspace(0.15, 0.6, 12))
    config = write(CONFIG.replace("psi_within = 0.3", f"psi_within = {{ sweep = [{values}] }}"))
    folder = tmp_path / "r"
    command = [sys.executable, "-m", "tokenspace", "sweep", str(config), "--out", str(folder)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    deadline = time.time() + 120
    while len(list(folder.glob("points/*.npz"))) < 3 and time.time() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = {p.name: p.stat().st_mtime_ns for p in folder.glob("points/*.npz")}
    assert len(done) >= 3
    finished = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"{12 - len(done)} of 12 points computed" in finished.stdout
    for name, written in done.items():  # nothing finished was computed twice
        assert (folder / "points" / name).stat().st_mtime_ns == written
    assert ts.open_results(folder, layout="points").sizes["point"] == 12


def test_corrupt_point_is_named(capfd, write, tmp_path):
    call(capfd, "sweep", write(CONFIG), "--out", tmp_path / "r")
    point = next((tmp_path / "r" / "points").glob("*.npz"))
    point.write_bytes(point.read_bytes()[:200])
    for command in (("check", tmp_path / "r"), ("sweep", write(CONFIG), "--out", tmp_path / "r")):
        status, _, err = call(capfd, *command)
        assert status == 2 and point.name in err.replace("\n", "") and "delete it" in err


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("psi_within = 0.3", "psi_within = 3.0", "branches.psi_within: 3.0 is not allowed"),
        ("psi_within", "psi_witin", "did you mean 'psi_within'?"),
        ("psi_within = 0.3", "", "branches.psi_within: missing"),
        ("psi_within = 0.3", "psi_within = 0.05", "valid up to n = "),
        ('"equicorrelated"', '"equicorelated"', "did you mean 'equicorrelated'?"),
        ('"equicorrelated"', '"nowhere:Thing"', "--plugin MODULE"),
        ("dim = 64", "dim = 64.5", "features.dim: 64.5 is not allowed; it must be an integer >= 1"),
        ("dim = 64", 'dim = "many"', "features.dim: 'many'"),
        ("count = 256", "count = 0", "tokens.count: 0 is not allowed"),
        ("replicates = 3000", "replicates = true", "run.replicates"),
        ("replicates = 3000", "replicates = 3000\nsampler = 'fast'", "run.sampler"),
        ("[run]", "[runs]", "did you mean 'run'?"),
        ("count = 256", "count = 256\ngrid = [5, 3]", "tokens.grid"),
        ("[tokens]", "[tokens", "not valid TOML"),
        ("psi_within = 0.3", "psi_within = { sweep = [] }", "at least one value"),
    ],
)
def test_bad_configuration(capfd, write, old, new, words):
    path = write(CONFIG.replace(old, new, 1))
    status, out, err = call(capfd, "run", path)
    assert status == 2 and out == ""
    assert str(path) in err.replace("\n", "") and words in err


def test_all_problems_are_listed_at_once(capfd, write):
    bad = CONFIG.replace("dim = 64", "dim = 0").replace("psi_cross = 0.1", "psi_cross = 2")
    _, _, err = call(capfd, "run", write(bad))
    assert "features.dim" in err and "branches.psi_cross" in err


def test_zip_cases_and_algebra(write):
    import tomllib

    raw = tomllib.loads(SWEPT.replace("dim = 64", "dim = { sweep = [2, 3, 4] }"))
    assert len(points_of(raw)) == 9
    assert len(points_of(raw | {"sweep": {"mode": "zip"}})) == 3
    with pytest.raises(ConfigError, match="one length"):
        points_of(raw | {"sweep": {"mode": "zip"}, "run": {"replicates": {"sweep": [1, 2]}}})
    within = {
        "sum": [
            {"model": "exponential", "length": 4, "scale": 0.5},
            {"model": "block", "size": 2, "scale": 0.5},
        ]
    }
    case = {"name": "both", "branches": {"model": "branches", "within": within}}
    (point,) = points_of(tomllib.loads(CONFIG) | {"case": [case]})
    assert point.label == "both"
    assert point.experiment.model.branches.within == 0.5 * ts.Exponential(4) + 0.5 * ts.Block(2)


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 2**70),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["exponential", "isotropic", "equicorrelated"]),
)
junk = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["model", "sweep", "sum", "length", "x"]), inner, max_size=3
        ),
    ),
    max_leaves=6,
)


@settings(max_examples=300)
@given(
    st.sampled_from(["tokens", "features", "branches", "law", "run", "sweep", "case", "x"]),
    st.sampled_from(
        [None, "count", "model", "dim", "psi_equal", "psi_within", "replicates", "mode"]
    ),
    junk,
)
def test_any_junk_gives_a_config_error_or_points(table, key, value):
    import tomllib

    raw = tomllib.loads(CONFIG)
    if key is None:
        raw[table] = value
    else:
        raw.setdefault(table, {})[key] = value
    try:
        points_of(raw)
    except ConfigError as error:
        assert error.problems


def test_models_doctor_and_version_of_everything(capfd):
    status, out, _ = call(capfd, "models")
    assert status == 0 and "patch_grid" in out and "hurst" in out.lower()
    assert "partial_sums" in out and "crossover" in out
    assert "@ts.register" in out and "--plugin MODULE" in out and "module:Class" not in out
    listing = json.loads(call(capfd, "models", "--json")[1])
    assert (
        listing["position"]["exponential"]["parameters"]["length"]["allowed"]
        == "a number >= 1e-09 and <= 1e+18"
    )
    assert json.loads(call(capfd, "doctor", "--json")[1])["versions"]["jax"]


def test_fit(capfd, write, tmp_path):
    csv = write("model,vision_tokens,score\na,1,2\na,4,4\na,16,8\na,64,16.1\n", "c.csv")
    status, out, _ = call(capfd, "fit", csv, "--json")
    (curve,) = json.loads(out)["fits"]
    assert status == 0 and curve["laws"]["power"]["parameters"]["alpha"] == pytest.approx(
        -0.5, abs=0.01
    )
    few = call(capfd, "fit", write("n,score\n1,2\n4,5\n9,7\n", "few.csv"))
    assert (
        few[0] == 0 and few[1].count("no curve has enough points") == 3 and "prefer l" not in few[1]
    )
    sizes = "".join(
        f"{m},{b},{n},{k + n},{size}\n"
        for k, (m, b, size) in enumerate((("s", "x", 1e9), ("l", "y", 7e9)))
        for n in (1, 4, 16)
    )
    csv = write("model,benchmark,n,score,model_size\n" + sizes, "sizes.csv")
    assert call(capfd, "fit", csv, "--law", "power")[0] == 0  # no benchmark has both sizes
    csv = write("model,benchmark,n,score,model_size\n" + sizes.replace(",y,", ",x,"), "sizes.csv")
    found = json.loads(call(capfd, "fit", csv, "--law", "power", "--json")[1])
    (one,) = found["sizes"]
    assert len(found["fits"]) == 2 and one["benchmark"] == "x" and one["points"] == 6
    assert set(one["parameters"]) == {"limit", "A", "b", "g"}
    flat = write("n,score\n16,50\n32,50\n64,50\n128,50\n256,50\n", "flat.csv")
    out = call(capfd, "fit", flat, "--law", "power")[1]
    assert "0.000000" in out and "-0.000000" not in out
    assert "0 to 0" in out and "alpha = 0 (0 to 0)" in out
    for text, words in (
        ("a,b\n1,2\n", "needs columns"),
        ("n,score\n1,x\n", "line 2"),
        ("n,score,Score\n1,2,3\n2,3,4\n", "bad.csv: column 'Score' would name curves"),
        ("n,score,seed\n1,2,3\n2,3,4\n4,3,5\n", "what names a curve here: seed"),
    ):
        status, _, err = call(capfd, "fit", write(text, "bad.csv"))
        assert status == 2 and words in err
    assert call(capfd, "fit", tmp_path / "none.csv")[0] == 2


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".safetensors"])
def test_measure(capfd, tmp_path, suffix):
    rng = np.random.default_rng(0)
    paths = []
    for name in "ab":
        path, tokens = tmp_path / f"{name}{suffix}", rng.standard_normal((3, 40, 8)).astype("f4")
        if suffix == ".npy":
            np.save(path, tokens)
        elif suffix == ".npz":
            np.savez(path, tokens=tokens)
        else:
            save_file({"tokens": tokens}, path)
        paths.append(path)
    status, out, _ = call(capfd, "measure", *paths, "--order", "random", "--json")
    document = json.loads(out)
    assert status == 0 and document["lambda"]["mean"] > 0 and document["replicates"] == 3
    status, out, _ = call(capfd, "measure", *paths)
    assert status == 0 and "sqrt(Upsilon)" in out
    status, _, err = call(capfd, "measure", *paths, "--order", "zigzag")
    assert status == 2 and "zigzag" in err


class Bomb:
    def __reduce__(self):
        return os.system, ("touch exploded",)


def test_pickles_are_never_run(capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("bomb.npy", np.array([Bomb()], dtype=object), allow_pickle=True)
    status, _, err = call(capfd, "measure", "bomb.npy", "bomb.npy")
    assert status == 2 and "cannot be read" in err and not os.path.exists("exploded")


def test_figures(capfd, write, tmp_path):
    config = CONFIG.replace("[run]", '[run]\nstatistics = ["correlations"]').replace("3000", "200")
    call(capfd, "sweep", write(config), "--out", tmp_path / "r")
    status, out, _ = call(capfd, "figures", "--results", tmp_path / "r", "--out", tmp_path / "f")
    files = sorted(p.name for p in (tmp_path / "f").iterdir())
    drawn = suited(ts.load_results(tmp_path / "r"))
    assert status == 0 and len(drawn) > 7
    assert files == sorted(f"{name}.{kind}" for name in drawn for kind in ("png", "svg"))
    for path in (tmp_path / "f").iterdir():
        start = path.read_bytes()[:200]
        assert start.startswith(b"\x89PNG") if path.suffix == ".png" else b"<?xml" in start
        assert path.stat().st_size > 10_000


def test_own_class_from_the_command_line(capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(
        "import numpy as np, tokenspace as ts\n"
        "@ts.register\n"
        "@ts.model\n"
        "class Triangle(ts.Stationary):\n"
        "    width: float = ts.parameter('width in tokens', above=0)\n"
        "    def at_lag(self, lag):\n"
        "        return np.maximum(1 - lag / self.width, 0.0)\n"
    )
    own = 'model = "branches"\nwithin = { model = "triangle", width = 5.0 }\n[run]'
    start = CONFIG[: CONFIG.index('model = "equicorrelated"')]
    text = start + own + CONFIG[CONFIG.index("[run]") + 5 :]
    (tmp_path / "own.toml").write_text(text)
    status, out, _ = call(capfd, "run", "own.toml", "--plugin", "mine")
    assert status == 0 and "PASS" in out
    (tmp_path / "bad.toml").write_text(text.replace("5.0", "-5.0"))
    status, _, err = call(capfd, "run", "bad.toml", "--plugin", "mine")
    assert status == 2 and "branches.within.width: -5.0 is not allowed" in err


def test_a_plugin_neither_ends_the_command_nor_spoils_its_json(capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "leaves.py").write_text("import sys\nsys.exit(0)\n")
    status, out, err = call(capfd, "models", "--plugin", "leaves")
    assert status == 2 and out == "" and "'leaves' cannot be imported: it raised SystemExit" in err
    (tmp_path / "talks.py").write_text("print('hello')\n")
    status, out, err = call(capfd, "models", "--json", "--plugin", "talks")
    assert status == 0 and "hello" in err and json.loads(out)["samplers"][0] == "auto"


@pytest.mark.parametrize("cases", [1, pytest.param(None, marks=pytest.mark.slow)])
def test_bench(capfd, tmp_path, monkeypatch, cases):
    if cases is not None:
        chosen = suite.all_cases("quick")[:cases]
        monkeypatch.setattr(suite, "all_cases", lambda use: chosen)
        monkeypatch.setattr(sizes, "SAMPLERS", ("collapsed",))
        once = functools.cache(lambda run=suite.run_suite: run(True, False, str))
        monkeypatch.setattr(suite, "run_suite", lambda *_: once())  # compared with itself below
    status, out, _ = call(capfd, "bench", "--quick", "--no-memory", "--out", tmp_path, "--json")
    document = json.loads(out)
    assert status == 0 and document["limits"]["giga_operations_per_s"] > 0
    file = next(tmp_path.rglob("latest.json"))
    assert not list(tmp_path.rglob("unfinished.json"))
    saved = json.loads(file.read_text())
    assert saved["versions"]["jax"] and saved["device"]
    assert {"tokens", "NumPy, dense"} <= {t["contestant"] for t in saved["timings"]}
    for timing in saved["timings"]:  # as if everything had been a thousand times faster
        for name in ("median", "low", "high"):
            timing[name] /= 1000
    file.write_text(json.dumps(saved))
    options = ("--quick", "--no-memory", "--out", tmp_path / "new", "--compare", file)
    status, out, err = call(capfd, "bench", *options)
    assert status == 1 and "slower" in err and "of the limit" in out
    status, _, err = call(capfd, "bench", "--compare", tmp_path / "none.json")
    assert status == 2 and "none.json" in err


def test_coverage(call, tmp_path, monkeypatch):
    from tokenspace.experiments import coverage

    work = [(coverage.cover, coverage.Case("Gaussian", 4), 5)]
    monkeypatch.setattr(coverage, "tasks", lambda: work)
    out = tmp_path / "c.csv"
    status, said, _ = call("coverage", "--runs", 20, "--out", out)
    assert status == 0 and "E[D]: goal 93 to 97 %" in said and str(out.with_suffix(".md")) in said
    assert len(out.read_text().splitlines()) == 1 + 7
    assert out.with_suffix(".md").read_text().startswith("# Coverage\n")
    status, said, _ = call("coverage", "--runs", 20, "--json")
    rows = json.loads(said)
    assert status == 0 and {r["quantity"] for r in rows} >= {"E[D]", "n_balance"}
    assert all(0 <= r["lowest"] <= r["highest"] <= 1 and "met" in r for r in rows)


@pytest.mark.parametrize("out", ["c.txt", "nothing/c.csv"])
def test_coverage_says_where_it_cannot_write(call, tmp_path, out):
    status, said, err = call("coverage", "--out", tmp_path / out)
    assert (
        status == 2 and said == "" and "FILE.csv in a folder that exists" in " ".join(err.split())
    )
