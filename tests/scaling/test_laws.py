"""Each scaling law against its formula; a law of one's own is one class."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tokenspace as ts
from tokenspace.precision import float64
from tokenspace.registry import ROOMS, register
from tokenspace.scaling.laws import ScalingLaw, known_laws

N = np.array([1, 2, 8, 16, 64, 256, 768.0])


def power(n, c, alpha):
    return c / n**alpha


def crossover(n, c, beta, n_balance):
    return c * (n * (n + n_balance) / (1 + n_balance)) ** (beta / 2)


def saturating(n, limit, q, g):
    return limit * (1 - q * n**-g)


def logarithm(n, c, k):
    return c * (1 + k * np.log(n))


def offset(n, c, floor, b):
    return c * (floor + (1 - floor) * n**b)


def broken(n, c, alpha_1, alpha_2, n_break):
    meets = (1 + n / n_break) / (1 + 1 / n_break)
    return c * n**-alpha_1 * meets ** (alpha_1 - alpha_2)


# A law is added as a row: name, formula, parameters that it may have.
ROWS = [
    ("logarithm", logarithm, [(20.0, 0.15), (3.0, -0.1), (1e-3, 200.0)]),
    ("power", power, [(3.0, -0.2), (1e-3, 1.5)]),
    ("crossover", crossover, [(5.0, 0.4, 30.0), (900.0, -0.3, 1e-3), (2.0, 0.1, 0.0)]),
    ("offset", offset, [(20.0, 0.6, 0.4), (3.0, 0.01, 2.9), (900.0, 0.99, 0.02)]),
    ("saturating", saturating, [(80.0, 0.6, 0.5), (3.0, -4.0, 0.01), (10.0, 0.999, 10.0)]),
    ("broken", broken, [(20.0, -0.3, -0.05, 32.0), (3.0, 0.2, -0.4, 500.0)]),
]
LAWS = pytest.mark.parametrize(("name", "formula", "cases"), ROWS, ids=[row[0] for row in ROWS])


def raw_points(law):
    """Raw parameters far apart: where fits start, and random ones."""
    starts = law.starts(np.log(N), np.log(7 * N**0.3))
    return [*starts, *np.random.default_rng(1).normal(0, 2, (5, len(law.parameters)))]


def test_every_law_has_a_row_and_the_simplest_comes_first():
    assert list(known_laws()) == [row[0] for row in ROWS]


@pytest.mark.every_case
@LAWS
def test_score_is_the_formula(name, formula, cases):
    law = known_laws()[name]
    for values in cases:
        named = dict(zip(law.parameters, values, strict=True))
        np.testing.assert_allclose(law.score(named, N), formula(N, *values), rtol=1e-12)


@pytest.mark.every_case
@LAWS
def test_numpy_and_jax_agree(name, formula, cases):
    law = known_laws()[name]
    with float64():
        for raw in raw_points(law):
            there = law.log_score(jnp.asarray(raw), jnp.asarray(np.log(N)), jnp)
            np.testing.assert_allclose(law.log_score(raw, np.log(N)), there, rtol=1e-13, atol=1e-13)
            there = law.values(jnp.asarray(raw), jnp)
            np.testing.assert_allclose(law.values(raw), there, rtol=1e-13)


@LAWS
def test_raw_undoes_values(name, formula, cases):
    law = known_laws()[name]
    for raw in raw_points(law):
        np.testing.assert_allclose(law.raw(*law.values(raw)), raw, rtol=1e-9, atol=1e-12)
    for values in cases:
        np.testing.assert_allclose(law.values(law.raw(*values)), values, rtol=1e-12)
    many = np.stack(raw_points(law), axis=1)
    named = law.named(many)
    assert list(named) == list(law.parameters)
    for k, raw in enumerate(many.T):
        np.testing.assert_array_equal([v[k] for v in named.values()], law.values(raw))


@LAWS
def test_each_parameter_follows_its_own_raw_one_from_end_to_end_of_its_range(name, formula, cases):
    law = known_laws()[name]
    size = len(law.parameters)
    grid = np.linspace(-8, 8, 17)
    for k, (low, high) in enumerate(law.ranges().values()):
        raw = np.zeros((size, len(grid)))
        raw[k] = grid
        for j, values in enumerate(law.values(raw)):
            steps = np.sign(np.diff(values))
            assert (steps == (steps[0] if j == k else 0)).all() and (steps[0] != 0) == (j == k)
            assert ((low <= values) & (values <= high)).all() or j != k


@LAWS
def test_linear_is_linear(name, formula, cases):
    law = known_laws()[name]
    a, b = np.random.default_rng(2).normal(0, 1, (2, law.size))
    b[law.size - law.shapes :] = a[law.size - law.shapes :]
    bend = [law.log_score(raw, np.log(N)) for raw in (a, (a + b) / 2, b)]
    assert law.linear == np.allclose(bend[0] + bend[2], 2 * bend[1], rtol=0, atol=1e-12)


def test_ranges():
    ranges = {name: law.ranges() for name, law in known_laws().items()}
    inf = np.inf
    assert ranges["power"] == {"c": (0, inf), "alpha": (-inf, inf)}
    assert ranges["crossover"] == {"c": (0, inf), "beta": (-inf, inf), "n_balance": (0, inf)}
    assert ranges["saturating"]["limit"] == (0, inf) and ranges["saturating"]["q"] == (-inf, 1)
    assert ranges["saturating"]["g"] == pytest.approx((0.01, 10))


@LAWS
def test_gradients_are_finite_and_tell_parameters_apart(name, formula, cases):
    law = known_laws()[name]
    slopes = jax.jacfwd(lambda raw, x: law.log_score(raw, x, jnp))
    with float64():
        x = jnp.asarray(np.log(N))
        inside = [law.raw(*values) for values in cases[:1]]
        for raw in [*raw_points(law), *inside, *np.eye(len(law.parameters)) * 30]:
            for sign in (1, -1):
                assert np.isfinite(slopes(jnp.asarray(sign * raw), x)).all()
        for raw in inside:
            assert np.linalg.matrix_rank(slopes(jnp.asarray(raw), x)) == len(law.parameters)


@LAWS
def test_derivatives_are_those_of_the_formula(name, formula, cases):
    """Against JAX's, and what a law has that states none: central differences."""
    law = known_laws()[name]
    slopes = jax.jacfwd(lambda raw, x: law.log_score(raw, x, jnp))
    inside = np.array([law.raw(*values) for values in cases])
    raw = np.concatenate([inside, *(inside[:1] + s * np.eye(law.size) for s in (-4, 2))])
    raw = raw[np.isfinite(raw).all(axis=1)]
    x = np.broadcast_to(np.log(N), (len(raw), len(N)))
    with float64():
        want = np.stack([slopes(jnp.asarray(r), jnp.asarray(np.log(N))) for r in raw])
    np.testing.assert_allclose(law.slopes(raw, x), want, rtol=1e-9, atol=1e-12)
    differences = ScalingLaw.derivatives(law, raw.T[:, :, None], x)
    close = np.stack(np.broadcast_arrays(*differences), axis=-1)
    np.testing.assert_allclose(close, want, rtol=1e-6, atol=1e-8)


def test_a_law_with_another_formula_does_not_inherit_derivatives():
    class Steep(type(known_laws()["power"])):
        def log_score(self, raw, log_n, xp=np):
            return raw[0] - raw[1] ** 3 * log_n

    raw, x = np.array([[1.0, 0.5]]), np.log(N)[None]
    np.testing.assert_allclose(Steep().slopes(raw, x)[0, :, 1], -0.75 * x[0], rtol=1e-6)


def test_starts_run_from_the_first_score_to_the_last_over_a_grid_of_shapes():
    """All whose shape lets them: floors from 0.02 to 0.98 do not rise so far with every b."""
    floor = np.array([[0.02], [0.98]])
    most, least = floor + (1 - floor) * N[-1] ** np.geomspace(0.02, 2, 25)
    last = offset(N[-1], 1, 0.6, 0.4)
    within = {"saturating": np.ones(25, bool), "offset": (least < last) & (last < most)}
    assert within["offset"].sum() == 6
    for name, truth in {"saturating": (80, 0.6, 0.5), "offset": (20.0, 0.6, 0.4)}.items():
        law = known_laws()[name]
        score = law.score(dict(zip(law.parameters, truth, strict=True)), N)
        starts = law.starts(np.log(N), np.log(score))
        assert len(set(starts[:, 2])) == 25 and (np.diff(starts[:, 2]) > 0).all()
        ends = np.log(score[[0, -1]])
        found = law.log_score(starts.T[:, :, None], np.log(N[[0, -1]]))
        np.testing.assert_allclose(found[:, 0], ends[0], atol=1e-6)
        np.testing.assert_allclose(found[within[name], 1], ends[1], atol=1e-6)


def test_rates_at_the_ends_of_their_range_are_infinite_raw_ones():
    """Also where rounding has carried them beyond."""
    for g, end in ((10.0, np.inf), (10 + 1e-12, np.inf), (0.01, -np.inf), (0.01 - 1e-15, -np.inf)):
        assert known_laws()["saturating"].raw(80.0, 0.6, g)[2] == end


def test_saturating_score_stays_positive_below_one_token():
    named = {"limit": 2.0, "q": 0.9, "g": 1.0}
    assert known_laws()["saturating"].score(named, [0.5, 10.0]) == pytest.approx([2e-12, 1.82])


@pytest.mark.parametrize("wide", [False, True])
def test_fits_do_not_depend_on_the_users_64_bit_setting(wide):
    score = 80 * (1 - 0.6 * N**-0.5)
    before = jax.config.jax_enable_x64
    try:
        jax.config.update("jax_enable_x64", wide)
        found = ts.fit_scaling(N, score)
        assert jax.config.jax_enable_x64 is wide
    finally:
        jax.config.update("jax_enable_x64", before)
    g = found.fits["saturating"].parameters["g"]
    assert g != float(np.float32(g))
    assert g == ts.fit_scaling(N, score).fits["saturating"].parameters["g"]


def test_a_law_of_ones_own(monkeypatch):
    room = ROOMS["scaling"]
    room.names()
    monkeypatch.setattr(room, "_items", dict(room._items))

    @register
    class Decay(ScalingLaw):
        """S(n) = c exp(-n / length)."""

        parameters = ("c", "length")

        def log_score(self, raw, log_n, xp=np):
            return raw[0] - xp.exp(log_n - raw[1])

        def values(self, raw, xp=np):
            return xp.exp(raw[0]), xp.exp(raw[1])

        def raw(self, *values):
            return np.log(values)

        def starts(self, log_n, log_score):
            return np.array([[log_score[0], log_n[-1]]])

    score = 4 * np.exp(-N / 300)
    found = ts.fit_scaling(N, score)
    assert found.winner == "decay" and set(found.fits) == {"decay", *(row[0] for row in ROWS)}
    assert found.best.parameters == pytest.approx({"c": 4, "length": 300}, rel=1e-5)
    np.testing.assert_allclose(found.best.predict(N), score, rtol=1e-5)
    noisy = score * np.exp(0.05 * np.array([1, -2, 1, 0, 1, -2, 1]))
    low, high = ts.fit_scaling(N, noisy, "decay").best.intervals["length"]
    assert 200 < low < 300 < high < 400
    with pytest.raises(ts.TokenspaceError, match=r"one of 'decay', 'logarithm', 'power', .*'auto'"):
        ts.fit_scaling(N, score, "cubic")
