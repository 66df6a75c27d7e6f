"""n_balance where correlations are not constant: how far it depends on the token counts."""

from dataclasses import replace

import numpy as np
import pytest

import tokenspace as ts
from tokenspace.printable import between, to_error
from tokenspace.statistics.balance import balance_curve, fit_balance
from tokenspace.tokens.balance import curve_of, said_of_grid
from tokenspace.tokens.rounding import COSINE_ROUNDING, EPSILON, psi_rounding

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
    error = (high - low) / 3.92
    assert f"all 30 tokens it is {to_error(of_the_definition(WALKS), error)} " in said
    assert f"(95 % interval {between((low, high), error)})" in said
    middle = len(result.n) // 2
    lower = fit_balance(result.n[: middle + 1], result.divergence.select(slice(middle + 1)))
    assert (
        f"(up to n = {result.n[middle]} it is {to_error(lower.mean, lower.standard_error)}, from there on "
        in said
    )


def test_the_balance_of_psis_ends_at_the_second_digit_of_its_error():
    result = ts.measure(WALKS[:, :18], pairs="all", grid=[1, 5, 18])
    value, low, high = (x[-1] for x in curve_of(result))
    assert 0.05 < (high - low) / 3.92 < 0.095  # so its second digit is the third decimal
    said = f"18 tokens it is {value:.3f} (95 % interval {low:.3f} to {high:.3f})"
    assert said in said_of_grid(result)


def test_few_counts_have_no_halves_and_what_cancels_no_balance():
    few = ts.measure(WALKS, pairs="all", grid=[1, 10, 30])
    assert "up to n" not in said_of_grid(few) and "all 30 tokens" in said_of_grid(few)
    still = np.diff(RNG.standard_normal((8, 12, 4)), axis=1)
    said = said_of_grid(ts.measure(still, pairs="all", grid=11))
    assert "psi_within - psi_cross of all 11 tokens is not above 0" in said


def alike(tokens, seed, sign=1):
    """psi's of tokens that all point the same way, or of branches that point opposite ways."""
    one = np.random.default_rng(seed).standard_normal((1, 1, 2)).astype(np.float32)
    h = np.repeat(one, tokens, axis=1)
    return ts.correlations(h, sign * h, [2, tokens])


@pytest.mark.parametrize("tokens", [4, 64, 512, 4096])
def test_psi_of_tokens_all_alike_is_1_but_for_the_rounding_of_their_sums(tokens):
    found = [alike(tokens, seed) for seed in range(20)]
    off = max(abs(psi["psi_within"] - 1).max() for psi in found)
    assert off <= psi_rounding(tokens)
    assert tokens < 512 or off > psi_rounding(tokens) / 4  # no more than that is allowed
    assert max(abs(psi["psi_equal"] - 1).max() for psi in found) <= COSINE_ROUNDING


def test_no_rounding_counts_where_tokens_are_added_in_pieces():
    assert psi_rounding(1 << 20) == psi_rounding(512) == pytest.approx(EPSILON * (4 + 512 / 3))


@pytest.mark.parametrize(("off", "known"), [(0.9, False), (1.1, True)])
def test_a_balance_is_known_where_psi_equal_is_below_1_by_more_than_rounding(off, known):
    result = ts.measure(WALKS, pairs="all", grid=[1, 10, 30])
    away = off * np.array([psi_rounding(n) for n in result.n])
    equal = replace(result.correlations["psi_equal"], mean=1 - away)
    found = replace(result, correlations=result.correlations | {"psi_equal": equal})
    assert (~np.isnan(curve_of(found)[0][1:])).tolist() == [known] * 2
