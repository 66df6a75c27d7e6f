"""The choice between implementations, on fakes: what is fast, what is wrong, what is remembered."""

import json
import time
import warnings
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from kernel_cases import interpreted

from tokenspace.sampling.plan import draw_block
from tokenspace_kernels import (
    choice,
    dispatch,
    given_tokens_gpu,
    given_tokens_tpu,
    sample_divergence_gpu,
    sample_divergence_tpu,
    sample_divergence_unrolled,
    sample_statistics_gpu,
    sample_statistics_unrolled,
    trial,
)

pytestmark = pytest.mark.once  # what is chosen is ours

ARGUMENTS = (jnp.arange(1.0, 9.0),)


def slow(x, factor=1.0):
    """Square roots, with a rest that is long enough to be told apart."""

    def rest(y):
        time.sleep(0.02)
        return y

    return jax.pure_callback(rest, jax.ShapeDtypeStruct(x.shape, x.dtype), factor * jnp.sqrt(x))


def fast(x, factor=1.0):
    return factor * jnp.sqrt(x)


def broken(x):
    raise NotImplementedError("this device has no such thing\nand a long story")


def candidates(**calls):
    return {name: choice.Candidate(call, lambda: ARGUMENTS) for name, call in calls.items()}


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(choice, "_settled", {})
    return tmp_path / "tokenspace" / "kernels.json"


@pytest.fixture
def next_process(monkeypatch):
    """Forgets what this process knows; `measures` says whether the next one may measure."""

    def begins(measures):
        monkeypatch.setattr(choice, "_settled", {})
        if not measures:
            monkeypatch.setattr(choice, "_measured", None)

    return begins


@pytest.mark.parametrize(("one", "other", "want"), [(slow, fast, "b"), (fast, slow, "a")])
def test_the_faster_one_is_taken_and_remembered(own_cache, next_process, one, other, want):
    both = candidates(a=one, b=other)
    assert choice.fastest("k", both) == want
    (of_device,) = json.loads(own_cache.read_text()).values()
    assert of_device == {"k": want}
    next_process(measures=False)
    assert choice.fastest("k", both) == want


def test_two_kernels_are_remembered_side_by_side(own_cache, next_process):
    assert choice.fastest("k", candidates(a=slow, b=fast)) == "b"
    assert choice.fastest("other", candidates(a=fast, b=slow)) == "a"
    next_process(measures=False)
    assert choice.fastest("k", candidates(a=slow, b=fast)) == "b"
    assert [p.name for p in own_cache.parent.iterdir()] == ["kernels.json"]


@pytest.mark.parametrize("factor", [1 + 2e-5, float("nan")])
def test_one_that_differs_is_refused_by_every_process_with_a_warning(
    own_cache, next_process, factor
):
    both = candidates(a=slow, b=partial(fast, factor=factor))
    for _ in range(2):
        with pytest.warns(UserWarning, match="k: 'b' differs from 'a' by .*; 'a' runs instead"):
            assert choice.fastest("k", both) == "a"
        next_process(measures=True)
    assert not own_cache.exists()


def test_a_process_measures_once(monkeypatch, own_cache):
    own_cache.parent.write_text("a file in the way of the folder")
    assert choice.fastest("k", candidates(a=slow, b=fast)) == "b"
    monkeypatch.setattr(choice, "_measured", None)
    assert choice.fastest("k", candidates(a=slow, b=fast)) == "b"


def test_rounding_is_no_difference():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert choice.fastest("k", candidates(a=slow, b=partial(fast, factor=1 + 1e-6))) == "b"


def test_one_that_fails_is_refused_with_a_warning():
    with pytest.warns(UserWarning, match=r"'b' fails here \(NotImpl.*no such thing\); 'a' runs"):
        assert choice.fastest("k", candidates(a=slow, b=broken)) == "a"


@pytest.mark.parametrize("text", ["", "[1]", '{"x": 3', "null", "\x00"])
def test_a_damaged_file_is_begun_anew(own_cache, next_process, text):
    own_cache.parent.mkdir()
    own_cache.write_text(text)
    assert choice.fastest("k", candidates(a=slow, b=fast)) == "b"
    next_process(measures=False)
    assert choice.fastest("k", candidates(a=slow, b=fast)) == "b"


@pytest.mark.parametrize("kept", [{"k": "gone"}, {"k": None}, {"k": ["b"]}, 7])
def test_what_no_longer_exists_is_measured_anew(own_cache, kept):
    own_cache.parent.mkdir()
    own_cache.write_text(json.dumps({choice._device(): kept}))
    assert choice.fastest("k", candidates(a=slow, b=fast)) == "b"


@pytest.mark.parametrize("what", ["another device, jax 0.1, 0", "file in the way"])
def test_another_device_or_no_folder_costs_a_measurement(own_cache, what):
    if what == "file in the way":
        own_cache.parent.write_text("")
    else:
        own_cache.parent.mkdir()
        own_cache.write_text(json.dumps({what: {"k": "a"}}))
    assert choice.fastest("k", candidates(a=slow, b=fast)) == "b"
    if what != "file in the way":
        assert json.loads(own_cache.read_text())[what] == {"k": "a"}


@pytest.fixture
def with_pallas(monkeypatch):
    """A CPU that has a kernel in Pallas, by the interpreter."""
    monkeypatch.delenv(dispatch.VARIABLE, raising=False)
    call = partial(sample_divergence_gpu.sample_divergence, interpret=True)
    monkeypatch.setattr(
        dispatch, "_of_pallas", lambda name: call if name == "sample_divergence" else None
    )
    for name, size in (("REPLICATES", 2), ("TOKENS", 20), ("DIM", 9)):
        monkeypatch.setattr(trial, name, size)
    return call


def test_dispatch_measures_and_the_variable_overrules(monkeypatch, with_pallas, own_cache):
    chosen = dispatch.kernel("sample_divergence")
    (of_device,) = json.loads(own_cache.read_text()).values()
    assert of_device == {"sample_divergence": chosen.implementation}
    assert dispatch.kernel("collapsed_divergence").implementation != "pallas"
    for name, block in (("pallas", 2), ("xla", None)):
        monkeypatch.setenv(dispatch.VARIABLE, name)
        kernel = dispatch.kernel("sample_divergence")
        assert (kernel.implementation, kernel.token_block) == (name, block)


def test_processes_agree_on_what_the_first_one_chose(monkeypatch, with_pallas):
    monkeypatch.setattr(choice, "fastest", lambda name, candidates: "pallas")
    said = []
    dispatch.settle(True, lambda data: said.append(data) or data)
    assert json.loads(said[0]) == {"sample_divergence": "pallas"}


def test_other_processes_do_not_measure(with_pallas, next_process):
    next_process(measures=False)
    dispatch.settle(False, lambda data: data or b'{"sample_divergence": "pallas"}')
    assert dispatch.kernel("sample_divergence").implementation == "pallas"


@pytest.mark.parametrize("size", [2, 16, 64])
def test_the_trial_is_the_same_problem_for_every_block(size):
    keys, (term,), where = trial.sample_divergence(size)
    got = dispatch.KERNELS["sample_divergence"]["xla"](keys[:2], (term,), where)
    keys, (term,), where = trial.sample_divergence(8)
    want = dispatch.KERNELS["sample_divergence"]["reference"](keys[:2], (term,), where)
    np.testing.assert_allclose(got, want, rtol=1e-5)


def test_the_trial_of_statistics_is_the_same_problem_for_pairs(with_pallas):
    pairs, blocks = map(trial.sample_statistics, (dispatch.PALLAS_BLOCK, dispatch.TRIAL_BLOCK))
    got = interpreted(sample_statistics_gpu.sample_statistics)(*pairs)
    for name in ("xla", "reference"):
        want = dispatch.KERNELS["sample_statistics"][name](*blocks)
        for x, y in zip(got, want, strict=True):
            assert np.max(abs(x - y)) <= choice.AGREEMENT * np.max(abs(y))


@pytest.mark.parametrize("module", [given_tokens_gpu, given_tokens_tpu])
def test_the_trial_of_given_tokens_is_passed_by_kernels_in_pallas(monkeypatch, module):
    for name, size in (("PAIRS", 2), ("GIVEN", 300), ("DIM", 40)):
        monkeypatch.setattr(trial, name, size)
    plain = trial.of("measure", dispatch.KERNELS["measure"]["xla"], dispatch.TRIAL_BLOCK)
    pallas = trial.of("measure", partial(module.measure, interpret=True), dispatch.PALLAS_BLOCK)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        choice.fastest("measure", {"xla": plain, "pallas": pallas})


@pytest.mark.parametrize("factor", [1.1, float("nan")])
def test_every_output_must_agree(factor):
    """A small one is not hidden by a large one, nor what is no number by a number."""

    def two(x, factor):
        return 1e6 * x, factor * x

    both = candidates(a=partial(two, factor=1.0), b=partial(two, factor=factor))
    with pytest.warns(UserWarning, match="'b' differs"):
        assert choice.fastest("k", both) == "a"


def test_a_cache_that_cannot_be_written_costs_a_measurement(own_cache, next_process, monkeypatch):
    own_cache.parent.mkdir()
    own_cache.write_text("{}")

    def forbidden(*args, **more):  # as for who owns nothing there; the tests may run as root
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(choice.tempfile, "mkstemp", forbidden)
    assert choice.fastest("k", candidates(a=slow, b=fast)) == "b"
    assert own_cache.read_text() == "{}"


def test_a_cache_folder_that_is_no_whole_path_is_not_made(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    for given in ("cache", ""):
        monkeypatch.setenv("XDG_CACHE_HOME", given)
        assert choice.cache_file() == tmp_path / ".cache" / "tokenspace" / "kernels.json"


def test_a_full_disk_leaves_no_file(monkeypatch, own_cache):
    def full(*args, **more):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(choice.json, "dump", full)
    assert choice.fastest("k", candidates(a=slow, b=fast)) == "b"
    assert list(own_cache.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("features", "law", "want"),
    [(6, "gaussian", "pallas"), (6, "token", "xla"), (4096, "gaussian", "xla")],
)
def test_statistics_run_in_pallas_where_that_can_draw_them(monkeypatch, features, law, want):
    import tokenspace as ts

    call = partial(sample_statistics_gpu.sample_statistics, interpret=True)
    monkeypatch.setattr(dispatch, "_of_pallas", lambda name: call)
    monkeypatch.setenv(dispatch.VARIABLE, "pallas")
    laws = {"gaussian": ts.Gaussian(), "token": ts.StudentT(5.0, "token")}
    branches = ts.equicorrelated(0.2, 0.3, 0.1)
    model = ts.TokenModel(branches, ts.Isotropic(features), laws[law])
    grid, statistics = ts.log_grid(40, 5), ("divergence", "correlations")
    if want == "pallas":
        assert ts.sampling.plan(model, grid, "tokens", statistics).kernels == "pallas"
    else:
        with pytest.warns(
            UserWarning, match="'pallas' draws (no more than 2048 features|Gaussian tokens alone)"
        ):
            assert ts.sampling.plan(model, grid, "tokens", statistics).kernels == "xla"


@pytest.mark.parametrize("module", [sample_divergence_gpu, sample_divergence_tpu])
def test_a_whole_experiment_runs_in_pallas(monkeypatch, with_pallas, module):
    import tokenspace as ts

    call = partial(module.sample_divergence, interpret=True)
    monkeypatch.setattr(
        dispatch, "_of_pallas", lambda name: call if name == "sample_divergence" else None
    )
    model = ts.TokenModel(ts.equicorrelated(0.2, 0.3, 0.1), ts.PowerLawSpectrum(6, 1.0))
    runs = {}
    for name in ("pallas", "xla"):
        monkeypatch.setenv(dispatch.VARIABLE, name)
        runs[name] = ts.simulate(model, 40, 3, 1, "tokens", ["divergence"], max_memory=80_000)
        assert runs[name].kernels == name
    np.testing.assert_allclose(runs["pallas"].mean, runs["xla"].mean, rtol=1e-5)


def test_plans_for_a_gpu_take_its_own_programs(monkeypatch):
    """Short steps where plain JAX draws, and the program of any platform for other laws."""
    import tokenspace as ts

    monkeypatch.setenv(dispatch.VARIABLE, "xla")
    grid = ts.log_grid(100, 5)

    def planned(law, *statistics):
        model = ts.TokenModel(ts.equicorrelated(0.2, 0.3, 0.1), ts.Isotropic(8), law)
        with dispatch.as_on("gpu"):
            return ts.sampling.plan(model, grid, "tokens", statistics)

    divergence = planned(ts.Gaussian(), "divergence")
    assert divergence.draw.draw is sample_divergence_unrolled.sample_divergence
    assert divergence.elements == sample_divergence_unrolled.BLOCK * 8
    (term,), _ = divergence.arrays[0]
    assert term.noise.shape[-1] == sample_divergence_unrolled.BLOCK
    both = planned(ts.UnitNorm(), "divergence", "correlations")
    assert both.draw.draw is sample_statistics_unrolled.sample_statistics
    assert both.elements == 2 * 2 * sample_statistics_unrolled.PAIRS * 8
    assert both.arrays["total"].factor.shape[1:] == (2, 2)
    special = planned(ts.StudentT(5.0, "token"), "divergence", "correlations")
    assert special.draw.draw is dispatch.KERNELS["sample_statistics"]["xla"]
    here = dispatch.kernel("sample_divergence").call
    assert here is dispatch.KERNELS["sample_divergence"]["xla"]


@pytest.mark.slow
def test_a_plan_for_a_gpu_draws_the_same_numbers(monkeypatch):
    import tokenspace as ts

    monkeypatch.setenv(dispatch.VARIABLE, "xla")
    model = ts.TokenModel(ts.Branches(ts.Exponential(9.0)), ts.PowerLawSpectrum(6, 1.0))
    request = (model, ts.log_grid(40, 7), "tokens", ("divergence",))
    with dispatch.as_on("gpu"):
        other = ts.sampling.plan(*request)
    first, second = (
        draw_block(p.draw, 2, (3, 0), np.uint32(1), p.arrays)["divergence"]
        for p in (other, ts.sampling.plan(*request))
    )
    np.testing.assert_allclose(first, second, rtol=1e-5)
