"""An unfinished point on disk: what goes in comes out, and what is damaged is drawn again."""

import dataclasses

import folders
import numpy as np
import pytest

import tokenspace as ts
from tokenspace.errors import Interrupted
from tokenspace.experiments import partial
from tokenspace.experiments.arrays import pack, unpack
from tokenspace.experiments.config import points_of
from tokenspace.experiments.store import encode_point, save_point
from tokenspace.statistics import quantiles, streaming

CONFIG = folders.CONFIG | {
    "tokens": {"count": 16, "points": 4},
    "run": {"replicates": 400, "statistics": ["divergence", "correlations"]},
}


@pytest.fixture
def point():
    (found,) = points_of(CONFIG)
    return found


def accumulated(point, rows=300):
    """What some replicates leave behind, with a histogram, full segments and a rest."""
    rng = np.random.default_rng(0)
    names = ("divergence", "psi_equal", "psi_cross_AA", "psi_cross_BB", "psi_cross_AB")
    m = len(point.experiment.grid)
    samples = {k: rng.uniform(0, 1, (rows, m)).astype(np.float32) for k in names}
    return streaming.update(streaming.begin(point.experiment.grid, psi=True), samples)


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(streaming, "SEGMENT", 64)
    monkeypatch.setattr(partial, "SEGMENT", 64)
    monkeypatch.setattr(quantiles, "KEPT", 400)
    monkeypatch.setattr(quantiles, "LEAST_KEPT", 1)


def test_what_goes_in_comes_out(tmp_path, point, small):
    assert partial.read_partial(tmp_path, point) is None
    seen = accumulated(point)
    assert seen.count == 300 and len(seen.pending["divergence"]) == 300 % 64
    assert not seen.sketch.exact
    partial.save_partial(tmp_path, point, seen)
    back = partial.decode(partial.read_partial(tmp_path, point), point)
    assert back.count == 300
    for name, array in partial.to_arrays(seen).items():
        np.testing.assert_array_equal(array, partial.to_arrays(back)[name])
    (file,) = (tmp_path / "points").glob(".*.partial")
    result = ts.simulate(
        point.experiment.model, point.experiment.grid, 5, statistics=point.experiment.statistics
    )
    save_point(tmp_path, point, encode_point(point, result))
    assert not file.exists()


DAMAGE = {
    "another shape": lambda a: a | {"mean": a["mean"][1:]},
    "no number": lambda a: a | {"scatter": a["scatter"] * np.nan},
    "another count": lambda a: a | {"count": a["count"] + 1},
    "more than was asked for": lambda a: a | {"count": a["count"] * 1000},
    "a missing array": lambda a: {k: v for k, v in a.items() if k != "rows"},
    "a missing statistic": lambda a: {k: v for k, v in a.items() if k != "pending.psi_equal"},
    "broken numbers of replicates": lambda a: a | {"counts": a["counts"].astype(float)},
    "negative numbers of replicates": lambda a: a | {"counts": -a["counts"], "count": -a["count"]},
    "a rest of a wrong length": lambda a: a | {"pending.psi_equal": a["pending.psi_equal"][1:]},
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_damaged_is_thrown_away(tmp_path, point, small, damage):
    partial.save_partial(tmp_path, point, accumulated(point))
    (file,) = (tmp_path / "points").glob(".*.partial")
    arrays = unpack(file.read_bytes())
    assert partial.read_partial(tmp_path, point) is not None
    file.write_bytes(pack(DAMAGE[damage](arrays)))
    assert partial.read_partial(tmp_path, point) is None and not file.exists()


def test_a_torn_file_is_thrown_away(tmp_path, point):
    partial.save_partial(tmp_path, point, accumulated(point))
    (file,) = (tmp_path / "points").glob(".*.partial")
    file.write_bytes(file.read_bytes()[:100])
    assert partial.read_partial(tmp_path, point) is None and not file.exists()


def test_going_on_gives_the_same_bits(point):
    """Moments, psi's, quantiles: interrupted anywhere, or not at all."""
    experiment = point.experiment
    how = dict(statistics=experiment.statistics, sampler="tokens")
    whole = ts.simulate(experiment.model, experiment.grid, 9000, **how)
    with pytest.raises(Interrupted) as caught:
        ts.simulate(experiment.model, experiment.grid, 9000, stop=lambda: True, **how)
    larger = dataclasses.replace(experiment, replicates=9000)
    arrays = unpack(pack(partial.to_arrays(caught.value.seen)))
    begun = partial.from_arrays(larger, arrays)
    again = ts.simulate(experiment.model, experiment.grid, 9000, begun=begun, **how)
    np.testing.assert_array_equal(again.joint.covariance, whole.joint.covariance)
    np.testing.assert_array_equal(again.mean_square.covariance, whole.mean_square.covariance)
    np.testing.assert_array_equal(again.quantile_intervals, whole.quantile_intervals)
    for name, estimate in whole.correlations.items():
        np.testing.assert_array_equal(again.correlations[name].mean, estimate.mean)
        np.testing.assert_array_equal(
            again.correlations[name].standard_error, estimate.standard_error
        )
    assert "before an interruption" in again.notes[0]
