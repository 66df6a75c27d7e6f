"""n_balance where correlations are not constant: how far it depends on the token counts."""

import numpy as np
import pytest

import tokenspace as ts
from tokenspace.statistics.balance import balance_curve, fit_balance
from tokenspace.tokens.balance import said_of_grid

RNG = np.random.default_rng(3)
WALKS = np.cumsum(RNG.standard_normal((9, 30, 4)), axis=1)[:, ::-1] + RNG.standard_normal((9, 1, 4))


def of_the_definition(h):
    """(1 - psi_equal)/(psi_within - psi_cross) - 1 of all tokens, from their cosines."""
    u = h / np.linalg.norm(h, axis=-1, keepdims=True)
    tokens, sums = h.shape[1], []
    for i in range(len(u)):
        for j in range(i):
            a, b = u[i], u[j]
            equal = np.mean(np.sum(a * b, axis=1))
            within = (np.sum(a @ a.T) + np.sum(b @ b.T)) / 2 - tokens
            cross = np.sum(a @ b.T) - tokens * equal
            sums.append([equal, (within - cross) / (tokens * (tokens - 1))])
    equal, delta = np.mean(sums, axis=0)
    return (1 - equal) / delta - 1


@pytest.mark.parametrize("points", [7, 12, 30])
def test_of_all_tokens_it_is_the_same_on_every_grid(points):
    result = ts.measure(WALKS, pairs="all", grid=ts.log_grid(30, points))
    assert not result.n_balance().constant
    said = said_of_grid(result)
    psi = result.correlations
    low, high = (
        end[-1]
        for end in balance_curve(
            result.n, psi["psi_equal"], psi["psi_delta"], result.cosine_upsilon()
        )[1:]
    )
    assert f"all 30 tokens it is {of_the_definition(WALKS):.4g} " in said
    assert f"(95 % interval {low:.3g} to {high:.3g})" in said
    middle = len(result.n) // 2
    lower = fit_balance(result.n[: middle + 1], result.divergence.select(slice(middle + 1)))
    assert f"(up to n = {result.n[middle]} it is {lower.mean:.3g}, from there on " in said


def test_few_counts_have_no_halves_and_what_cancels_no_balance():
    few = ts.measure(WALKS, pairs="all", grid=[1, 10, 30])
    assert "up to n" not in said_of_grid(few) and "all 30 tokens" in said_of_grid(few)
    still = np.diff(RNG.standard_normal((8, 12, 4)), axis=1)
    said = said_of_grid(ts.measure(still, pairs="all", grid=11))
    assert "psi_within - psi_cross of all 11 tokens is not above 0" in said
