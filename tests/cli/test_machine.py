"""`models`, `doctor` and `bench`."""

import functools
import json

from commands import call

from tokenspace_benchmarks import sizes, suite


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


def test_bench(capfd, tmp_path, monkeypatch):
    """One of the quick cases; the script for a GPU runs them all."""
    chosen = suite.all_cases("quick")[:1]
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
