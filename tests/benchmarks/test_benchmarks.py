"""Benchmarks: peers draw the law that they claim, floors and slopes are arithmetic, files compare."""

import json
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from scipy.linalg import block_diag

import tokenspace as ts
from oracles import assert_agrees
from tokenspace_benchmarks import random_quality, scaling, suite
from tokenspace_benchmarks.cases import all_cases
from tokenspace_benchmarks.harness import Case, Contestant, Timing, load, race, slowdowns
from tokenspace_benchmarks.limits import RATES, Work
from tokenspace_benchmarks.machine import Probe
from tokenspace_benchmarks.memory import peak_mib
from tokenspace_benchmarks.models import BRANCHES, MEASURED
from tokenspace_benchmarks.peers import naive, structured
from tokenspace_benchmarks.sizes import Size, slopes

ROOT = Path(__file__).parents[2]
N, DIM = 64, 8
GRID = ts.log_grid(N, 7)
MODELS = {kind: BRANCHES[kind] for kind in MEASURED}
needs_torch = pytest.mark.skipif(naive.torch is None, reason="PyTorch is not installed")
needs_mkl = pytest.mark.skipif(not structured.has_mkl(), reason="mkl_random is not installed")
PEERS = [
    naive.numpy_dense,
    naive.jax_dense,
    structured.numpy_structured,
    structured.jax_structured,
    pytest.param(structured.mkl_structured, marks=needs_mkl),
    pytest.param(partial(naive.torch_dense, device="cpu"), marks=needs_torch),
    pytest.param(partial(structured.torch_structured, device="cpu"), marks=needs_torch),
]


@pytest.mark.parametrize("branches", MODELS.values(), ids=MODELS)
@pytest.mark.parametrize("peer", PEERS, ids=lambda p: getattr(p, "func", p).__name__)
def test_peers_sample_the_model(peer, branches):
    """A peer that drew something else would be no peer."""
    if naive.torch is not None:
        naive.torch.manual_seed(0)
    draw = peer(branches, N, DIM, GRID)
    d = np.concatenate([draw() for _ in range(400)]).astype(float)
    exact = ts.theory.expected_divergence(ts.TokenModel(branches, ts.Isotropic(DIM)), GRID)
    assert_agrees(d.mean(axis=0), d.std(axis=0, ddof=1) / np.sqrt(len(d)), exact)


@pytest.mark.parametrize("branches", MODELS.values(), ids=MODELS)
def test_pieces_of_peers_are_few_and_make_up_the_whole(branches):
    n = 2 * structured.TOKENS + 6
    grid = ts.log_grid(n, 9)
    rows = structured.prefix_rows(branches, n, DIM, grid)
    covariance = 2 * (branches.within.dense(n) - branches.cross.dense(n)) / DIM
    sums = np.cumsum(np.cumsum(covariance, axis=0), axis=1)[np.ix_(grid - 1, grid - 1)]
    assert np.allclose(rows @ rows.T, sums, rtol=1e-6)
    kept, lift = structured.pieces(rows, grid)
    assert [k.shape[1] for k in kept] == [structured.TOKENS, structured.TOKENS, 6]
    assert np.allclose(lift @ block_diag(*kept), rows, atol=1e-9)
    assert sum(map(len, kept)) <= len(grid) + 2 * (len(kept) - 1)


def test_slopes_of_power_laws():
    sizes = [
        Size("N", n, name, 1e-6 * n**power, 5.0 * n**half)
        for name, power, half in (("tokens", 1.0, 0.0), ("collapsed", 0.0, 0.5))
        for n in (8, 32, 128, 512)
    ]
    found = {(s.sampler, s.what): s.slope for s in slopes(sizes)}
    assert found == pytest.approx(
        {
            ("tokens", "seconds"): 1.0,
            ("tokens", "peak_mib"): 0.0,
            ("collapsed", "seconds"): 0.0,
            ("collapsed", "peak_mib"): 0.5,
        },
        abs=1e-9,
    )


def test_race_counts_replicates_and_compares():
    def probe() -> list[int]:
        time.sleep(0.01)
        return [0]

    probes = [Probe(name, probe, 1e6) for name in RATES]
    ours = Contestant("ours", True, lambda: lambda: np.zeros(10), Work(others=1.0))
    (timing,), limits = race(Case("case", [ours], 3), probes)
    assert timing.repeats == 3 and timing.low <= timing.median <= timing.high
    assert 0 < limits["giga_operations_per_s"] <= 1e6 / 0.01
    assert timing.floor == 1 / (1e9 * limits["giga_operations_per_s"])
    assert timing.floor_by == "operations"
    assert timing.fraction == timing.floor / timing.median
    before = Timing("case", "ours", True, 1e-12, 1e-12, 2e-12, 0.0, 3)
    (line,) = slowdowns({"timings": [vars(before)]}, [timing])
    assert "ours takes" in line
    assert slowdowns({"timings": [vars(timing)]}, [timing]) == []


def test_cases_cover_what_is_promised():
    names = [c.name for c in all_cases("full")]
    assert len(names) == len(set(names))
    for words in ("equicorrelated", "AR(1)", "unit norm", "Student-t", "given tokens", "1000000"):
        assert any(words in n for n in names), words


@pytest.mark.once
def test_a_run_that_is_cut_short_leaves_what_it_measured(tmp_path, monkeypatch):
    quick = all_cases("quick")
    stopped = Case("stopped", [Contestant("ours", True, lambda: 1 / 0)])
    first = Case(quick[0].name, quick[0].contestants[:1], 1)
    monkeypatch.setattr(suite, "all_cases", lambda use: [first, stopped])
    with pytest.raises(ZeroDivisionError):
        suite.run_suite(True, False, str, lambda some: suite.save_suite(some, tmp_path, False))
    (path,) = tmp_path.rglob("*.json")
    assert path.name == "unfinished.json"
    (timing,) = load(path)["timings"]
    assert timing["contestant"] == "tokens" and timing["floor"] > 0
    latest = suite.save_suite(suite.Suite({}, [], [], [], []), tmp_path)
    assert latest.name == "latest.json" and not path.exists()


@pytest.mark.once
def test_memory_is_that_of_a_process_of_its_own():
    ballast = np.ones(1 << 26)  # 512 MiB here must not count there
    peak = peak_mib("size", "collapsed", "64", "8", "64")
    assert ballast.size and 0 < peak < 400
    assert peak_mib("case", "quick", "no such case", "x") is None


def test_random_quality_notices_bad_numbers(monkeypatch):
    good = random_quality.check(5_000_000)
    assert min(r["p"] for r in good) * len(good) > 1e-3
    fewer = random_quality.normals
    monkeypatch.setattr(random_quality, "normals", lambda *a: 1.002 * fewer(*a))
    random_quality.sums.clear_cache()
    assert min(r["p"] for r in random_quality.check(5_000_000)) < 1e-3
    random_quality.sums.clear_cache()


def test_scaling_model():
    assert scaling.predict(1.0, 0.01, 0.0, 1000, 1) == pytest.approx(11.0)
    many = scaling.predict(1.0, 0.01, 0.5, 1000, 4)
    assert many == pytest.approx(1.0 + 2.5 + 2 * 0.5 + 4 * 33 * 1000 / 1e9)


@pytest.mark.slow
def test_scaling_runs_two_processes(tmp_path, capsys):
    assert scaling.main(tmp_path, replicates=64, repeats=1) == 0
    saved = json.loads(next(tmp_path.rglob("scaling.json")).read_text())
    assert set(saved["runs"]) == {"strong 1", "strong 2", "weak 2", "half 1"}
    assert [row["devices"] for row in saved["predicted"]] == [8, 8, 64, 64, 512, 512]
