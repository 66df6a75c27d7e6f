"""Which size of D(n) is compared with the theory, by the tails of the law."""

import numpy as np
import pytest

import tokenspace as ts
from tokenspace import theory
from tokenspace.errors import NoExactResult
from tokenspace.statistics.amplitude import amplitude_of, theoretical_amplitude

BRANCHES = ts.equicorrelated(0.2, 0.3, 0.1)
CASES = [  # law, amplitude, its exact value
    (ts.Gaussian(), "E[D]", theory.expected_divergence),
    (ts.StudentT(2.001), "E[D]", theory.expected_divergence),
    (ts.StudentT(2.0), "median D", theory.median_divergence),
    (ts.UnitNorm(), "rms D", theory.rms_divergence),
    (ts.StudentT(4.001, "token"), "rms D", theory.rms_divergence),
    (ts.StudentT(4.0, "token"), "E[D]", None),
    (ts.StudentT(2.0, "token"), "median D", None),
]


@pytest.mark.parametrize(("law", "name", "exact"), CASES, ids=[repr(c[0]) for c in CASES])
def test_amplitude(law, name, exact):
    model = ts.TokenModel(BRANCHES, ts.Isotropic(8), law)
    assert amplitude_of(model) == name
    if exact is None:
        with pytest.raises(NoExactResult):
            theoretical_amplitude(model, 4)
    else:
        np.testing.assert_array_equal(theoretical_amplitude(model, [1, 4]), exact(model, [1, 4]))


def test_given_tokens_are_measured_by_their_mean():
    assert amplitude_of(None) == "E[D]"
