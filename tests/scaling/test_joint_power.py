"""What a joint fit could tell: truths, critical values and settings of the table of power."""

from dataclasses import replace

import numpy as np
import pytest
from joint_curves import N, curves

import tokenspace as ts
from tokenspace.scaling.curves import Curve
from tokenspace.scaling.joint import fit as fit_module
from tokenspace.scaling.joint import power as module
from tokenspace.scaling.joint.family import Family
from tokenspace.scaling.joint.fit import refined
from tokenspace.scaling.joint.noise import KINDS, Noise
from tokenspace.scaling.joint.power import MIDDLE, power
from tokenspace.scaling.joint.ratios import deviance, drawn_ratios, p_value, ratios


def parabolas():
    """Rising curves that are parabolas in log n; the last of three bends upwards."""
    n = np.log(N)
    return [
        Curve(f"b{k}", N, np.exp(3 + 0.2 * n - b * n**2)) for k, b in enumerate((0.01, 0.01, -0.02))
    ]


def test_truths_are_the_curves_own_and_nulls_what_is_to_be_refused(monkeypatch):
    monkeypatch.setattr(module, "BALANCES", (MIDDLE,))
    monkeypatch.setattr(module, "SPREADS", (0.0,))
    family = Family.of(curves(MIDDLE))
    need, sharing, _ = module._cases(family, 60.0)
    _, _, shape = module._cases(Family.of(parabolas()), 60.0)
    assert (need.null, sharing.null, shape.null) == (0.0, MIDDLE, 60.0)
    for case, truth in ((need, family), (sharing, family), (shape, Family.of(parabolas()))):
        drawn = case.draw(np.random.default_rng(0), N, 2)
        np.testing.assert_allclose(drawn, np.broadcast_to(truth.log_score, drawn.shape), rtol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_less_noise_and_more_counts_tell_more(kind, monkeypatch):
    """And each row is told to `progress`; counts are added between the first and the last."""
    monkeypatch.setattr(module, "BALANCES", (10.0,))
    monkeypatch.setattr(module, "SPREADS", (1.0,))
    monkeypatch.setattr(module, "SETTINGS", ((1.0, 1), (0.25, 1), (1.0, 4)))
    at, seen, real = [], [], Family.at
    monkeypatch.setattr(Family, "at", lambda self, n: at.append(n) or real(self, n))
    found = power(curves(10.0, 0.5), kind=kind, runs=100, progress=lambda *of: seen.append(of))
    need = found[found["test"] == "need"]["rejected"].to_numpy()
    assert need[1] > need[0] + 0.2 and need[2] > need[0] + 0.1
    assert seen == [(k, 9) for k in range(1, 10)]
    np.testing.assert_allclose(at[0][[0, -1]], N[[0, -1]])


def test_one_curve_never_refuses_to_share():
    found = power(curves(60.0, 0.05)[:1], runs=20)
    assert (found[found["test"] == "sharing"]["rejected"] == 0).all()


def test_p_of_need_is_that_of_power_laws(monkeypatch):
    monkeypatch.setattr(fit_module, "EVERY", 40)  # the second n_balance is far from 0
    given = curves(3.0, 0.4, seed=1)
    fit = ts.fit_joint(given, runs=99)
    family = refined(Family.of(given))
    noise = Noise.of(family, fit.n_balance)
    for kind in KINDS:
        null = drawn_ratios(family, family.fitted(0.0), noise, kind, 99, 0)[0]
        want = p_value(float(ratios(family)[0]), null)
        assert fit.tests[0].p[kind] == want and 0.02 < want < 0.98


def test_curves_that_fall_bend_the_other_way():
    rise, fall = parabolas(), [replace(c, score=1 / c.score) for c in parabolas()]
    assert ts.fit_joint(rise, runs=99).against == ts.fit_joint(fall, runs=99).against == 2


def test_the_step_of_the_fine_grid_is_a_standard_error():
    """One step to either side of the best n_balance -2 log L rises by 1."""
    family = refined(Family.of(curves(60.0, 0.02)))
    sides = family.near * np.exp(np.array([-1, 1]) * family.width)
    place = [int(np.argmin(abs(family.grid - b))) for b in sides]
    np.testing.assert_allclose(family.grid[place], sides)  # every fourth of the fine grid
    assert deviance(family)[place].mean() == pytest.approx(1, rel=0.1)


def test_the_usual_limit_is_that_of_chi_square():
    """Of one degree of freedom, for one n_balance."""
    fit = ts.fit_joint(curves(60.0, 0.05)[:2], runs=99, level=0.9)
    np.testing.assert_allclose(fit.limits["chi-square"], 2.70554, rtol=1e-5)
