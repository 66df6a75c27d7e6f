"""seed = "independent": a number of 64 bits that follows from the rest of the experiment."""

import copy
import json

import numpy as np
import pytest
from folders import CONFIG

import tokenspace as ts
from tokenspace.errors import InputError
from tokenspace.experiments.config import points_of, read_experiment
from tokenspace.experiments.point import pack_point, unpack_point
from tokenspace.report.evidence import evidence_of
from tokenspace.report.verdicts import checks_of

MODEL = ts.TokenModel(ts.equicorrelated(0.2, 0.3, 0.1), ts.Isotropic(8))


def config(seed="independent", **run):
    out = copy.deepcopy(CONFIG) | {"run": {"replicates": 40, "seed": seed} | run}
    out["branches"]["psi_within"] = {"sweep": [0.2, 0.3, 0.5]}
    return out


def experiment(**more):
    given = {"model": MODEL, "grid": [1, 4, 16], "replicates": 20, "seed": "independent"}
    return ts.Experiment(**given | more)


def test_a_seed_follows_from_the_rest():
    given = experiment()
    assert type(given.seed) is int and 0 <= given.seed < 2**64
    assert given.seed == experiment().seed == experiment(grid=np.array([1, 4, 16])).seed
    assert given.seed == experiment(statistics=["divergence"], sampler="auto").seed
    others = [
        experiment(grid=[1, 4, 17]),
        experiment(replicates=21),
        experiment(sampler="tokens"),
        experiment(statistics=["correlations"]),
        experiment(target_relative_error=0.1),
        experiment(estimator="control"),
        experiment(model=ts.TokenModel(MODEL.branches, ts.Isotropic(9))),
        experiment(model=ts.TokenModel(MODEL.branches, MODEL.features, ts.StudentT(4))),
    ]
    assert len({given.seed, *(e.seed for e in others)}) == 1 + len(others)


def test_seeds_fill_their_64_bits():
    seeds = [experiment(replicates=k).seed for k in range(1, 65)]
    for bit in range(64):
        assert 10 < sum(s >> bit & 1 for s in seeds) < 54  # odds against: 1e-8


def test_the_number_is_kept_exactly():
    """As JSON, in files, and in what travels to other processes, where nothing is derived anew."""
    given = experiment()
    tables = json.loads(json.dumps(given.canonical()))
    assert tables["run"]["seed"] == given.seed
    assert read_experiment(tables) == given and read_experiment(tables).seed == given.seed
    for point in points_of(config()):
        again = unpack_point(json.loads(json.dumps(pack_point(point))), ())
        assert again == point and again.experiment.seed == point.experiment.seed


@pytest.mark.parametrize(
    "seed", ["independent", {"sweep": [1, 2**63 + 1]}, {"sweep": [7, "independent"]}]
)
def test_seeds_of_a_sweep_are_distinct(tmp_path, seed):
    raw = config(seed)
    if seed != "independent":
        raw["branches"]["psi_within"] = 0.3
    points = points_of(raw)
    seeds = [p.experiment.seed for p in points]
    assert len(set(seeds)) == len(points) > 1
    ts.run_sweep(raw, tmp_path)
    loaded = ts.load_results(tmp_path)
    assert [r.seed for _, r in loaded] == seeds
    assert [p.config["run"]["seed"] for p, _ in loaded] == seeds
    assert len({r.mean[0] for _, r in loaded}) == len(points)
    assert not evidence_of(loaded, checks_of(loaded, 0.02)).shared
    assert ts.open_results(tmp_path, layout="points").sizes["point"] == len(points)
    assert ts.run_sweep(raw, tmp_path) == (0, len(points))


def test_points_of_one_integer_seed_are_one_experiment(tmp_path):
    """At n = 1 the same noise makes the same D under every model with one psi_equal."""
    ts.run_sweep(config(3), tmp_path / "same")
    ts.run_sweep(config(), tmp_path / "own")
    same, own = (
        [r.mean[0] for _, r in ts.load_results(tmp_path / name)] for name in ("same", "own")
    )
    np.testing.assert_allclose(same, same[0], rtol=1e-6)
    assert np.ptp(own) > 1e-3 * np.mean(own)


def test_the_same_numbers_for_every_batch():
    runs = [
        ts.simulate(MODEL, 16, 40, seed="independent", sampler="tokens", batch_size=batch)
        for batch in (None, 7, 40)
    ]
    assert runs[0].seed == runs[1].seed == runs[2].seed > 2**32
    np.testing.assert_array_equal(runs[0].mean, runs[1].mean)
    np.testing.assert_array_equal(runs[0].mean, runs[2].mean)


@pytest.mark.slow
def test_the_same_numbers_from_workers_and_shards(tmp_path):
    raw = config()
    ts.run_sweep(raw, tmp_path / "one")
    ts.run_sweep(raw, tmp_path / "two", workers=2)
    for shard in ("2/2", "1/2"):
        ts.run_sweep(raw, tmp_path / "three", shard=shard)
    one, two, three = (ts.load_results(tmp_path / name) for name in ("one", "two", "three"))
    for (_, a), (_, b), (_, c) in zip(one, two, three, strict=True):
        assert a.seed == b.seed == c.seed
        np.testing.assert_array_equal(a.mean, b.mean)
        np.testing.assert_array_equal(a.mean, c.mean)


@pytest.mark.parametrize("seed", ["random", "", "Independent", -1, 2**64, 1.5, True])
def test_other_seeds_are_refused_in_words(seed):
    words = "run.seed: .* is not allowed; it must be an integer >= 0 and <= 1844674407370955161"
    with pytest.raises(InputError, match=rf"{words}5 or 'independent'"):
        points_of(config(seed))
    with pytest.raises(InputError, match=r"seed = .* is not allowed; .* or 'independent'"):
        experiment(seed=seed)
