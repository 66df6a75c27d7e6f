"""Runs with a target: where they are judged, when they stop, and what their interval is worth."""

import numpy as np
import pytest

import tokenspace as ts
from tokenspace.statistics.stopping import PILOT, enough, is_look, next_look, relative_error
from tokenspace.statistics.streaming import begin, update

N = np.array([1, 2])


def seen(rows, spread=0.1):
    d = 1 + spread * np.random.default_rng(0).standard_normal((rows, 2))
    return update(begin(N, False), {"divergence": d.astype(np.float32)})


def test_looks_are_fixed_and_grow():
    looks = [c for c in range(1, 1000) if is_look(c)]
    assert looks[:4] == [128, 160, 200, 250] and looks[0] == PILOT
    assert [next_look(c) for c in (0, 127, 128, 159)] == [128, 128, 160, 160]


def test_error_is_the_largest_relative_one():
    state = seen(400)
    d = state.pending["divergence"].astype(float)
    want = np.max(d.std(0, ddof=1) / np.sqrt(400) / d.mean(0))
    assert relative_error(state) == pytest.approx(want, rel=1e-9)


def test_enough_is_asked_at_looks_only():
    assert enough(seen(128), 0.02) and not enough(seen(128), 0.001)
    assert not enough(seen(127), 0.02) and not enough(seen(129), 0.02)


@pytest.mark.parametrize("batch", [7, 64, 1000])
def test_a_run_stops_at_the_same_look_for_every_batch(batch):
    model = ts.TokenModel(ts.equicorrelated(0.2, 0.3, 0.1), ts.Isotropic(4))
    result = ts.simulate(model, [1, 4], 5000, 1, target_relative_error=0.02, batch_size=batch)
    assert is_look(result.replicates) and 250 < result.replicates < 800
    assert max(result.standard_error / result.mean) < 0.02
    assert "stopped after" in result.notes[-1]
