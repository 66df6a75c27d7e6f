import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import tokenspace as ts
from models import BRANCHES, N
from oracles import within_and_cross
from tokenspace.covariance.validity import levinson_valid_n
from tokenspace.errors import NotPositiveSemidefinite

psi = st.floats(-0.99, 0.99)


@pytest.mark.parametrize("name", BRANCHES)
def test_joint_law_exists(name):
    BRANCHES[name].require_valid(N)
    within, cross = within_and_cross(BRANCHES[name], N)
    joint = np.block([[within, cross], [cross, within]])
    assert np.linalg.eigvalsh(joint)[0] > -1e-9


@given(psi, psi, psi, st.integers(2, 40))
def test_validity_is_that_of_the_joint_matrix(equal, within, cross, n):
    def smallest(size):
        w = np.full((size, size), within) + (1 - within) * np.eye(size)
        c = np.full((size, size), cross) + (equal - cross) * np.eye(size)
        return np.linalg.eigvalsh(np.block([[w, c], [c, w]]))[0]

    assume(all(abs(smallest(k)) > 1e-6 for k in (2, n)))
    try:
        ts.equicorrelated(equal, within, cross).require_valid(n)
        valid = True
    except NotPositiveSemidefinite as error:
        valid = False
        assert error.largest_valid_n < n
        if error.largest_valid_n >= 1:
            assert smallest(error.largest_valid_n) > -1e-7
        assert smallest(error.largest_valid_n + 1) < 1e-7
    assert valid == (smallest(n) > 0)


def test_message_names_parameters_eigenvalue_and_largest_n():
    branches = ts.equicorrelated(0.2, 0.1, 0.12)
    with pytest.raises(NotPositiveSemidefinite) as caught:
        branches.require_valid(100)
    # (1 - 0.2) - Delta (1 - n) with Delta = -0.02: 0.82 - 0.02 n >= 0 up to n = 41.
    assert caught.value.largest_valid_n == 41
    assert caught.value.eigenvalue == pytest.approx(0.82 - 0.02 * 100)
    assert "within - cross" in str(caught.value) and "n = 41" in str(caught.value)


def test_levinson_finds_the_largest_n():
    lags = np.concatenate([[1.0], np.full(60, -0.05)])
    matrix = lags[abs(np.subtract.outer(np.arange(61), np.arange(61)))]
    valid = [np.linalg.eigvalsh(matrix[:n, :n])[0] > -1e-9 for n in range(1, 62)]
    assert levinson_valid_n(lags) == sum(valid) == 21
    assert levinson_valid_n(np.ones(50)) == 50


def test_non_markov_difference_is_refused():
    with pytest.raises(NotPositiveSemidefinite, match="up to n = 1"):
        ts.Branches(ts.PowerLaw(0.4), 0.9 * ts.SquaredExponential(20.0))
    later = ts.Branches(ts.PowerLaw(0.4), 0.5 * ts.Constant())
    later.require_valid(4)
    with pytest.raises(NotPositiveSemidefinite) as caught:
        later.require_valid(4096)
    difference = later.difference
    largest = caught.value.largest_valid_n
    assert np.linalg.eigvalsh(difference.dense(largest))[0] > -1e-9
    assert np.linalg.eigvalsh(difference.dense(largest + 1))[0] < 0


def test_shared_context_cancels():
    branches = ts.shared_context(ts.PowerLaw(0.2), ts.Exponential(4.0), 0.3)
    assert branches.difference == 0.7 * ts.Exponential(4.0)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ts.equicorrelated(1.0, 0.1, 0.1), "psi_equal = 1.0"),
        (lambda: ts.equicorrelated(0.2, 1.5, 0.1), "psi_within = 1.5"),
        (lambda: ts.shared_context(ts.White(), ts.White(), 1.0), "share = 1.0"),
        (lambda: ts.Branches(2 * ts.White()), "scale it by 0.5"),
        (lambda: ts.Branches(ts.White(), ts.White()), "within equals cross"),
        (lambda: ts.TokenModel(ts.White(), ts.Isotropic(3)), "must be Branches"),
        (lambda: ts.Spiked(2, (1.0, 2.0, 3.0)), "do not fit"),
        (lambda: ts.Spectrum((1.0, -1.0)), "eigenvalues[1] = -1.0"),
        (lambda: ts.StudentT(1.0), "df = 1.0"),
    ],
)
def test_refuses_with_words(make, words):
    with pytest.raises(ts.TokenspaceError) as caught:
        make()
    assert words in str(caught.value)


def test_features():
    assert ts.Isotropic(7).effective_dimension == pytest.approx(7)
    for features in (ts.PowerLawSpectrum(9, 1.0), ts.Spiked(9, (4.0, 2.0)), ts.Isotropic(9)):
        lam = features.eigenvalues
        assert features.total_variance == pytest.approx(1.0) and lam.shape == (9,)
        assert features.effective_dimension == pytest.approx(lam.sum() ** 2 / (lam @ lam))
    np.testing.assert_allclose(ts.Spectrum((3.0, 1.0)).eigenvalues, [3, 1])


def test_validity_is_proved_once(monkeypatch):
    """Of difference and total, whatever is then asked of the model: sampler, theory, verdict."""
    from tokenspace.covariance import validity

    proofs = []
    plain = validity._largest_valid_n
    monkeypatch.setattr(validity, "_largest_valid_n", lambda k, n: proofs.append(n) or plain(k, n))
    grid = ts.PatchGrid(8, 8, ts.Exponential(3.0), ts.Exponential(3.0))
    branches = ts.Branches(grid, 0.3 * grid - 0.01 * ts.Exponential(2.0))
    model = ts.TokenModel(branches, ts.Isotropic(8))
    ts.simulate(model, [1, 8, 64], 200).check()
    ts.theory.upsilon(model, 64)
    assert proofs.count(64) == 1  # the total is valid by construction
