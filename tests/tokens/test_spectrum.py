"""The spectrum of given tokens is what its definition says, by hand, with and without each block."""

from itertools import combinations

import numpy as np
import pytest

import tokenspace as ts
from tokenspace.grids import log_grid
from tokenspace.tokens.pairs import pairs_of
from tokenspace.tokens.spectrum import HALVINGS, MOST, NAMES, _decay, spectrum_rows

FALLING = 1.0 / np.arange(1, 11)


def differences(h, given):
    """a - b of every pair that lies in a set of pictures, or of the pairs of the set."""
    if given == "pairs":
        return (h[:, 0] - h[:, 1]).reshape(-1, h.shape[-1])
    return np.concatenate([a - b for a, b in combinations(h, 2)])


def by_hand(one, other, given):
    """Effective dimension, leading share, decay, the Gaussian's variance; and the spectrum."""
    shares, moments = [], []
    for h in (one, other):
        e = differences(h, given)
        shares.append(e.T @ e / np.sum(e**2))
        tokens = h.reshape(-1, h.shape[-1])
        moments.append((tokens.mean(axis=0), np.cov(tokens.T, bias=True), np.mean(tokens**2)))
    (m, c, size), (n, e, other_size) = moments
    features = len(m)
    gaussian = 2 * m @ (c + e) @ n + 2 * np.trace(c @ e)
    gaussian /= size * other_size * features**2
    both = []
    for a, b in (shares, shares[::-1]):
        directions = np.linalg.eigh(b)[1].T[::-1]
        both.append([v @ a @ v for v in directions])
    spectrum = np.mean(both, axis=0)
    k = log_grid(max(np.count_nonzero(spectrum > 0) // 2, 2), 17)
    decay = -np.polyfit(np.log(k), np.log(spectrum[k - 1]), 1)[0]
    return [1 / np.trace(shares[0] @ shares[1]), spectrum[0], decay, gaussian], spectrum


@pytest.mark.parametrize(("count", "given"), [(7, "pictures"), (11, "pictures"), (8, "pairs")])
def test_numbers_are_their_definitions(count, given):
    """Of 11 pictures some share a block; what halves are is drawn as the docstring says."""
    rng = np.random.default_rng(count)
    shape = (count, 2, 20, 10) if given == "pairs" else (count, 20, 10)
    h = rng.standard_normal(shape) * np.sqrt(FALLING) + 0.4
    h = h.astype(np.float32).astype(float)
    pairs = (
        pairs_of(h[:, 0], h[:, 1], None, None)
        if given == "pairs"
        else pairs_of(h, None, "all", None)
    )
    rows, spectrum = spectrum_rows(pairs, np.arange(count), np.random.default_rng(3))
    rng = np.random.default_rng(3)
    blocks = min(count, MOST)
    block = rng.permutation(count) * blocks // count
    wanted, spectra = [], []
    for _ in range(HALVINGS):
        order = rng.permutation(blocks)
        sides = [np.isin(block, side) for side in (order[: blocks // 2], order[blocks // 2 :])]
        found, share = by_hand(*(h[side] for side in sides), given)
        left = [
            by_hand(*(h[side & (block != k)] for side in sides), given)[0] for k in range(blocks)
        ]
        wanted.append([found, *left])
        spectra.append(share)
    assert len(rows) == 1 + blocks
    np.testing.assert_allclose(rows, np.mean(wanted, axis=0), rtol=1e-9)
    np.testing.assert_allclose(spectrum, np.mean(spectra, axis=0), rtol=1e-8)
    of = {"a": h[:, 0], "b": h[:, 1]} if given == "pairs" else {"a": h, "pairs": "all"}
    said = ts.describe_tokens(**of, seed=3)
    told = [said.found[name] for name in NAMES] + [said.gaussian["norm_variation"]]
    np.testing.assert_allclose([value.mean for value in told], rows[0], rtol=1e-9)
    np.testing.assert_allclose(said.eigenvalues, spectrum, rtol=1e-8)


@pytest.mark.filterwarnings("error")
def test_few_shares_have_the_decay_of_two_or_none():
    assert _decay(np.array([0.6, 0.3, 0.1])) == pytest.approx(1)  # halves from 1 to 2
    assert np.isnan(_decay(np.array([0.6, -0.1, 0.3, 0.2]))) and np.isnan(_decay(np.ones(1)))
