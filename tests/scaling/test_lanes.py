"""Lanes that step together: small systems against LAPACK, and no lane depends on its company."""

import numpy as np
import pytest
from scipy import optimize

from tokenspace.scaling import ahead, lanes, seen, systems
from tokenspace.scaling.ahead import ahead_and_no_law
from tokenspace.scaling.fit import chosen_method
from tokenspace.scaling.laws import known_laws
from tokenspace.scaling.laws.power import Power
from tokenspace.scaling.model_weights import judged, no_law_by
from tokenspace.scaling.optimise import PULL, minimise
from tokenspace.scaling.points import Points, batches, grouped
from tokenspace.scaling.predictive import on_grid
from tokenspace.scaling.validation import leave_one_out

N = np.array([1, 4, 9, 16, 36, 64, 144, 256, 400, 576.0])
LAWS = known_laws()


def logs(runs=9, counts=(10, 9, 6)):
    """Curves that saturate, and every third one an S that no law follows."""
    rng, found = np.random.default_rng(3), []
    for k in range(runs):
        score = 60 * (1 - 0.5 * N**-0.4) if k % 3 else 20 + 40 / (1 + (30 / N) ** 1.5)
        y = np.log(score) + 0.005 * rng.standard_normal(len(N))
        m = counts[k % len(counts)]
        found.append((np.log(N[:m]), y[:m], rng.uniform(0.5, 1.5, m)))
    return found


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_small_systems_are_solved_as_by_lapack(size):
    root = np.random.default_rng(size).standard_normal((7, size, size + 1))
    matrix, right = root @ np.swapaxes(root, 1, 2), np.arange(7.0 * size).reshape(size, 7)
    entries = {(a, b): matrix[:, a, b] for a in range(size) for b in range(a + 1)}
    want = np.linalg.solve(matrix, right.T[:, :, None])[:, :, 0].T
    np.testing.assert_allclose(systems.solved(entries, right), want, rtol=1e-9)
    inverse, determinant = systems.inverse(entries, size)
    np.testing.assert_allclose(np.moveaxis(inverse, 2, 0), np.linalg.inv(matrix), rtol=1e-9)
    np.testing.assert_allclose(determinant, np.linalg.det(matrix), rtol=1e-9)


def test_what_is_held_stays():
    ((_, points),) = grouped(logs(100, (9,)))  # padded to ten points
    start = np.tile([1.0, 0.3], (100, 1))
    raw, rss = minimise(LAWS["power"], start, np.tile([False, True], (100, 1)), points)
    np.testing.assert_array_equal(raw[:, 1], 0.3)
    level, weight = points.y + 0.3 * points.x, points.weight
    mean = np.average(level, axis=1, weights=weight)
    np.testing.assert_allclose(raw[:, 0], mean, rtol=1e-7)
    squares = (weight * (level - mean[:, None]) ** 2).sum(axis=1)
    np.testing.assert_allclose(rss, squares, rtol=1e-7)


def test_a_shape_that_scores_hardly_tell_is_pulled_to_the_middle():
    """log S = tell s: m tell^2 s + pull s = tell sum y, here half way from 0 to what y says."""
    pull = PULL * 10  # ten scores of squares 1 about their mean
    tell = np.sqrt(pull / 10)

    class Faint(Power):
        shapes = 1

        def log_score(self, raw, log_n, xp=np):
            return raw[0] + tell * raw[1] + 0 * log_n

        def derivatives(self, raw, log_n):
            return np.ones_like(log_n), np.full_like(log_n, tell)

    flat = np.tile([-1.0, 1.0], 5) + tell * 2.4
    ((_, points),) = grouped([(np.log(N), flat, np.ones(10))])
    held = np.array([[True, False]])
    for start in (0.0, 2.0):
        raw, _ = minimise(Faint(), np.array([[0, start]]), held, points)
        assert raw[0, 1] == pytest.approx(1.2, rel=1e-6)


@pytest.mark.parametrize("name", ["broken", "logarithm"])
def test_lanes_do_not_depend_on_their_company(monkeypatch, name):
    """Each alone, all at once, and a few at a time, where others take the room of those done."""
    law, (_, points) = LAWS[name], next(iter(grouped(logs(counts=(10,)))))
    starts = law.starts_of(points.x, points.y)
    curve = np.repeat(np.arange(len(starts)), starts.shape[1])
    starts = starts.reshape(-1, law.size)
    free = np.zeros(starts.shape, bool)
    raw, squares = minimise(law, starts, free, points, curve=curve)
    monkeypatch.setattr(lanes, "NUMBERS", 70)  # seven lanes
    few = minimise(law, starts, free, points, curve=curve)
    np.testing.assert_array_equal(few[0], raw)
    np.testing.assert_array_equal(few[1], squares)
    for k in range(0, len(starts), 10):
        alone = minimise(law, starts[[k]], free[[k]], points[curve[[k]]])
        np.testing.assert_array_equal(alone[0], raw[[k]])
    off = points.y[curve] - law.log_scores(raw, points.x[curve])
    np.testing.assert_allclose((points.weight[curve] * off**2).sum(axis=1), squares, rtol=1e-9)
    if law.shapes:  # pulled, so not where the squares alone are least
        return
    for k, best in enumerate(squares.reshape(len(points.x), -1).argmin(axis=1)):
        lane = k * len(squares) // len(points.x) + best

        def miss(own, k=k):
            off = points.y[k] - law.log_scores(own[None], points.x[[k]])[0]
            return np.sqrt(points.weight[k]) * off

        farther = optimize.least_squares(miss, raw[lane], xtol=1e-12, ftol=1e-12, gtol=1e-12)
        assert 2 * farther.cost > squares[lane] * (1 - 1e-6)


@pytest.mark.parametrize("name", LAWS)
def test_starts_of_many_curves_are_those_of_each(name):
    law = LAWS[name]
    x, y = (
        np.stack([np.log(N), np.log(N[::-1] + 3)[::-1]]),
        np.stack([logs()[k][1] for k in (0, 3)]),
    )
    found = law.starts_of(x, y)
    for k in range(2):
        np.testing.assert_allclose(found[k], law.starts(x[k], y[k]), rtol=1e-12)
    slope, level = np.polyfit(np.log(N), y[0], 1)
    if name in ("crossover", "broken"):
        np.testing.assert_allclose(found[0, :, 0], level, rtol=1e-9)
        np.testing.assert_allclose(abs(found[0, :, 1]), slope, rtol=1e-9)


def test_a_law_with_starts_of_its_own_is_asked_curve_by_curve():
    class Own(Power):
        def starts(self, log_n, log_score):
            return np.array([[float(log_score[0]), 0.0]])

    assert Power.starts_together and not Own.starts_together
    np.testing.assert_array_equal(Own().starts_of(np.eye(2), 2 * np.eye(2))[:, 0, 0], [2, 0])


def test_curves_are_padded_by_points_without_weight():
    counts = (3, 4, 9, 10, 17)
    curves = [(np.arange(m, dtype=float), np.arange(m) + 1.0 * m, np.ones(m)) for m in counts]
    found = {tuple(which): points for which, points in grouped(curves)}
    assert list(found) == [(0,), (1,), (2, 3), (4,)]
    assert [p.x.shape[1] for p in found.values()] == [3, 4, 10, 20]
    points = found[2, 3]
    np.testing.assert_array_equal(points.counts, [9, 10])
    np.testing.assert_array_equal(points.weight[0], [1] * 9 + [0])
    np.testing.assert_array_equal(points.x[0], [*range(9), 8])
    np.testing.assert_array_equal(points.y[0], [*range(9, 18), 17])


def test_batches_hold_as_much_as_memory_does(monkeypatch):
    curves = logs()
    monkeypatch.setattr("tokenspace.scaling.points.SQUARES", 250)
    found = list(batches(curves))
    assert [k for some in found for k in range(some.start, some.stop)] == list(range(9))
    taken = [sum(len(x) ** 2 for x, _, _ in curves[some]) for some in found]
    assert taken == [217, 217, 217]
    monkeypatch.setattr("tokenspace.scaling.points.SQUARES", 1)
    assert list(batches(curves)) == [slice(k, k + 1) for k in range(9)]
    assert list(batches([])) == []


@pytest.mark.parametrize("stated", [np.nan, 1e-4])
def test_forecasts_and_the_weight_of_no_law_share_the_scores_left_out(monkeypatch, stated):
    curves, counted = logs(counts=(10,)), []
    variance = [stated] * len(curves)
    ((_, plan),) = judged(curves, 0, variance)

    def spy(law, *rest):
        counted.append(law)
        return leave_one_out(law, *rest)

    monkeypatch.setattr(seen, "leave_one_out", spy)
    at = np.array([1024.0])
    table, lawless = ahead_and_no_law(curves, at, chosen_method("auto", 0.95), None, variance)
    assert len(counted) == 6
    assert lawless.tolist() == plan.lawless.tolist() == [k % 3 == 0 for k in range(9)]
    again = ahead.ahead(curves, at, chosen_method("auto", 0.95), None, variance)
    np.testing.assert_array_equal(table["high"], again["high"])


def test_of_curves_too_short_for_a_spline_it_is_not_said():
    short = Points(*(np.tile(a, (2, 1)) for a in (np.log(N[:4]), np.zeros(4), np.ones(4))))
    known = seen.Seen(short, chosen_method("auto", 0.95), np.full(2, np.nan))
    vars(known)["left_out"] = np.full((2, 4, 6), -1e3)  # laws that foretell nothing
    assert not no_law_by(known).any()


@pytest.mark.parametrize("law", ["power,offset", "power"])
def test_fewer_laws_are_no_reason_to_call_a_curve_lawless(law):
    """Whether any of all laws follows it is asked, whichever forecast."""
    curves = logs(3, (10, 10, 4))
    found = ahead_and_no_law(curves, np.array([1024.0]), chosen_method(law, 0.95))[1]
    assert found.tolist() == [True, False, False]


@pytest.mark.parametrize("name", LAWS)
def test_no_lane_ends_before_its_minimum(name):
    """A whole step of Newton's from where the best ones end promises less than `CLOSE`.

    Of curves that laws follow: others may have their minimum at infinity.
    """
    law, (_, points) = LAWS[name], next(iter(grouped(logs(counts=(10,)))))
    points = points[np.arange(len(points.x)) % 3 > 0]
    starts = law.starts_of(points.x, points.y)
    curve = np.repeat(np.arange(len(starts)), starts.shape[1])
    free = np.zeros((len(curve), law.size), bool)
    raw, squares = minimise(law, starts.reshape(free.shape), free, points, curve=curve)
    best = squares.reshape(len(starts), -1).argmin(axis=1)
    raw = raw.reshape(starts.shape)[np.arange(len(starts)), best]
    shaped = np.arange(law.size) >= law.size - law.shapes
    for own, x, y, weight in zip(raw, points.x, points.y, points.weight, strict=True):
        off = y - law.log_scores(own[None], x[None])[0]
        pull = PULL * shaped * np.sum(weight * (y - np.average(y, weights=weight)) ** 2)
        slopes = np.stack(np.broadcast_arrays(*law.derivatives(own[:, None], x)))
        gradient = slopes @ (weight * off) - pull * own
        curvature = (slopes * weight) @ slopes.T + np.diag(pull)
        promise = gradient @ np.linalg.pinv(curvature, 1e-12, hermitian=True) @ gradient
        assert promise <= lanes.CLOSE * np.sum(weight * off**2)


@pytest.mark.parametrize("name", ["broken", "saturating"])
def test_a_profile_is_followed_along_a_bent_valley(monkeypatch, name):
    """With the level held off its best slope and shape all but make up for each other.

    Steps of Gauss and Newton are short there: 60 to 200 of them, where 20 to 40 are taken.
    """
    rng, law = np.random.default_rng(0), LAWS[name]
    y = np.log(30) + 0.03 * np.log(N) + 0.01 * rng.standard_normal((40, 10))
    points = Points(np.tile(np.log(N), (40, 1)), y, np.ones((40, 10)))
    optima, squares = on_grid(law, points).refined()
    start = optima[np.arange(40), squares.argmin(axis=1)]
    start[:, 0] += 0.01
    held = np.tile(np.arange(law.size) == 0, (40, 1))
    found, slow = {}, minimise(law, start, held, points)[1]
    real, calls = lanes._moved, []

    def counted(*given):
        calls.append(1)
        return real(*given)

    def last(numbers, raw, least):
        found.update(zip(numbers.tolist(), least, strict=True))
        return np.zeros(len(numbers), bool), raw[:0]

    monkeypatch.setattr(lanes, "_moved", counted)
    minimise(law, start, held, points, again=last)
    assert len(calls) < 55
    fast = np.array([found[k] for k in range(40)])
    assert (fast <= slow * (1 + 1e-9)).all()
