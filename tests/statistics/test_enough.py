"""How many replicates are asked for before Student's t is believed."""

import pytest

import tokenspace as ts
from tokenspace.statistics.enough import least_for_scores, least_for_squares

GAUSSIAN = ts.Gaussian()
BRANCHES = ts.equicorrelated(0.2, 0.3, 0.1)


def model(law, dim):
    return ts.TokenModel(BRANCHES, ts.Isotropic(dim), law)


@pytest.mark.parametrize(
    ("law", "dim", "scores"),
    [
        (GAUSSIAN, 64, 10),
        (GAUSSIAN, 11, 10),
        (GAUSSIAN, 9, 12),
        (GAUSSIAN, 1, 100),
        (ts.StudentT(4.5), 64, 1000),
        (ts.StudentT(4.0), 64, 10_000),
        (ts.StudentT(2.1), 64, 10_000),
        (ts.StudentT(2.0), 64, 1000),
        (ts.StudentT(1.5), 1, 1000),
    ],
)
def test_for_scores(law, dim, scores):
    assert least_for_scores(model(law, dim)) == scores


@pytest.mark.parametrize(
    ("law", "dim", "squares"),
    [
        (ts.UnitNorm(), 64, 2),
        (ts.UnitNorm(), 1, 100),
        (ts.StudentT(8.5, "token"), 3, 34),
        (ts.StudentT(8.0, "token"), 3, 1000),
        (ts.StudentT(5.0, "token"), 1, 1000),
    ],
)
def test_for_squares(law, dim, squares):
    assert least_for_squares(model(law, dim)) == squares


def test_effective_features_of_all_terms_count():
    """(1 + 1/2)^2 / (1 + 1/4) = 1.8 of one term and 2 of the other."""
    one = ts.TokenModel(BRANCHES, ts.Spectrum((1.0, 0.5, 0.0, 0.0)))
    other = ts.TokenModel(BRANCHES, ts.Spectrum((0.0, 0.0, 1.0, 1.0)))
    assert [least_for_scores(m) for m in (one, other, one + other)] == [56, 50, 27]
    assert [least_for_squares(m) for m in (one, other, one + other)] == [56, 50, 27]
