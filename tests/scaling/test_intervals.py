"""Intervals of fitted parameters: exact where they can be, and held to what defines them."""

import numpy as np
import pytest
from scipy import optimize, stats

import tokenspace as ts
from tokenspace.scaling import intervals
from tokenspace.scaling.curves import read_curves
from tokenspace.scaling.ends import FAR, Search
from tokenspace.scaling.fit import Method, fit_logs
from tokenspace.scaling.laws import known_laws
from tokenspace.scaling.laws.power import Power
from tokenspace.scaling.result import LawFit

CURVES = read_curves()
LAWS = known_laws()
GRIDS = {
    4: np.array([1, 16, 128, 768.0]),
    7: np.array([1, 8, 16, 64, 128, 384, 768.0]),
    10: CURVES[0].n,
}


def simulated(law, truth, noise, points, runs, seed=0):
    """(log n, log S) of runs with normal noise in log S."""
    n = GRIDS[points]
    y = np.log(LAWS[law].score(dict(zip(LAWS[law].parameters, truth, strict=True)), n))
    rng = np.random.default_rng(seed)
    return [
        (np.log(n), y + noise * rng.standard_normal(points), np.ones(points)) for _ in range(runs)
    ]


def fitted(law, logs, level=0.95):
    return [f.best for f in fit_logs(logs, Method({law: LAWS[law]}, level))]


def least_squares(law, k, value, x, y, start):
    """Least sum of squares with raw parameter k at a value, by another method than ours."""
    others = np.arange(len(start)) != k

    def residuals(free):
        raw = np.array(start, float)
        raw[k] = value
        raw[others] = free
        return law.log_score(raw, x) - y

    found = optimize.least_squares(residuals, start[others], x_scale="jac", xtol=1e-15, ftol=1e-15)
    return 2 * found.cost


@pytest.mark.parametrize("level", [0.5, 0.95])
@pytest.mark.parametrize("k", [0, 9, 25])
def test_power_law_has_students_intervals(k, level):
    n, score = CURVES[k].n, CURVES[k].score
    x, y = np.log(n), np.log(score)
    line = stats.linregress(x, y)
    t = stats.t.ppf((1 + level) / 2, len(n) - 2)
    fit = ts.fit_scaling(n, score, "power", level=level).best
    half = t * line.stderr
    assert fit.level == level
    assert fit.intervals["alpha"] == pytest.approx(
        (-line.slope - half, -line.slope + half), rel=1e-6
    )
    half = t * line.intercept_stderr
    ends = np.exp([line.intercept - half, line.intercept + half])
    assert fit.intervals["c"] == pytest.approx(tuple(ends), rel=1e-6)


def test_students_interval_by_hand():
    """y = 0, 1, 0, 1 at x = 0, 1, 2, 3: slope 1/5, RSS 4/5, t = 4.3027 with 2 degrees."""
    fit = ts.fit_scaling(np.exp([0, 1, 2, 3]), np.exp([0, 1, 0, 1]), "power").best
    half = 4.302653 * np.sqrt(0.4 / 5)
    assert fit.intervals["alpha"] == pytest.approx((-0.2 - half, -0.2 + half), rel=1e-6)
    half = 4.302653 * np.sqrt(0.4 * (1 / 4 + 1.5**2 / 5))
    assert np.log(fit.intervals["c"]) == pytest.approx((0.2 - half, 0.2 + half), rel=1e-6)


def test_profile_of_a_linear_law_is_exact():
    class Searched(Power):
        linear = False

    logs = simulated("power", (12, -0.25), 0.05, 7, 20)
    exact = fit_logs(logs, Method({"power": LAWS["power"]}, 0.9))
    found = fit_logs(logs, Method({"power": Searched()}, 0.9))
    for a, b in zip(exact, found, strict=True):
        for name, ends in a.best.intervals.items():
            assert b.best.intervals[name] == pytest.approx(ends, rel=1e-5)


@pytest.mark.parametrize("k", [0, 2, 7, 20])
@pytest.mark.parametrize("name", ["crossover", "saturating"])
def test_ends_lie_where_the_sum_of_squares_reaches_its_limit(name, k):
    """Held at a bounded end the least sum of squares is RSS (1 + t^2 / (m - p)), found by SciPy."""
    n, score = CURVES[k].n, CURVES[k].score
    law, x, y = LAWS[name], np.log(n), np.log(score)
    fit = ts.fit_scaling(n, score, name).best
    limit = fit.residual_std**2 * (7 + stats.t.ppf(0.975, 7) ** 2)
    best = law.raw(*fit.parameters.values())
    checked = 0
    for i, (parameter, ends) in enumerate(fit.intervals.items()):
        for side, end in enumerate(ends):
            if end == law.ranges()[parameter][side]:
                continue
            value = law.raw(*(fit.parameters | {parameter: end}).values())[i]
            starts = [best, *law.starts(x, y)]
            least = min(least_squares(law, i, value, x, y, start) for start in starts)
            assert least == pytest.approx(limit, rel=1e-3), (parameter, side)
            checked += 1
    assert checked >= 4


def test_an_end_is_sought_among_curves_that_fall_too():
    """Scores from 0.4 to 86 allow a slow fall to a limit of nothing, far from the rise they fit."""
    fit = ts.fit_scaling(WILD.n, WILD.score, "saturating").best
    assert fit.intervals["limit"][0] < 1e-15  # 3.4 where only rises are sought


def crossover_by_grid(x, y, freedom):
    """Ends of beta and log n_balance by scanning n_balance; the rest is linear least squares."""
    balance = np.linspace(-60, 60, 4001)
    b = (x + np.logaddexp(x, balance[:, None]) - np.logaddexp(0, balance[:, None])) / 2
    b -= b.mean(axis=1, keepdims=True)
    size = (b**2).sum(axis=1)
    beta = b @ y / size
    profile = ((y - y.mean()) ** 2).sum() - beta**2 * size
    limit = profile.min() * (1 + stats.t.ppf(0.975, freedom) ** 2 / freedom)
    allowed = profile <= limit
    half = np.sqrt(np.maximum(limit - profile, 0) / size)
    regions = np.sum(np.diff(allowed.astype(int)) == 1) + allowed[0]
    ends = (beta - half)[allowed].min(), (beta + half)[allowed].max()
    return ends, balance[allowed][[0, -1]], regions


@pytest.mark.parametrize(
    ("truth", "noise", "points"), [((20, 0.1, 30), 0.02, 10), ((20, 0.2, 100), 0.05, 7)]
)
def test_crossover_spans_all_regions_that_the_data_allow(truth, noise, points):
    """Against a scan of n_balance, also where two regions lie apart."""
    logs = simulated("crossover", truth, noise, points, 60, seed=9)
    apart = 0
    for fit, (x, y, _) in zip(fitted("crossover", logs), logs, strict=True):
        (low, high), balance, regions = crossover_by_grid(x, y, points - 3)
        apart += regions > 1
        assert fit.intervals["beta"] == pytest.approx((low, high), abs=0.003 * (high - low))
        for end, scanned, open_end in zip(
            fit.intervals["n_balance"], balance, (0, np.inf), strict=True
        ):
            if abs(scanned) == 60:
                assert end == open_end
            else:
                assert np.log(end) == pytest.approx(scanned, abs=0.05)
    assert apart >= 1


@pytest.mark.once
def test_exact_intervals_cover():
    """95 % in 4,000 runs, within four standard errors; 1.5 times wider at 4 points: 97.7 %."""
    for points in (4, 10):
        fits = fitted("power", simulated("power", (12, -0.25), 0.05, points, 4000, seed=points))
        for name, truth in (("c", 12), ("alpha", -0.25)):
            ends = np.array([f.intervals[name] for f in fits])
            covered = np.mean((ends[:, 0] < truth) & (truth < ends[:, 1]))
            assert abs(covered - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 4000), (points, name, covered)


@pytest.mark.once
@pytest.mark.parametrize("freedom", [1e6, 3.0])
def test_intervals_of_a_robust_fit_cover(freedom):
    """94 to 96 %, with normal noise and with heavy tails; without `widening` 92 % of the former."""
    runs, n = 4000, GRIDS[10]
    noise = 0.05 * stats.t.rvs(freedom, size=(runs, 10), random_state=1)
    logs = [(np.log(n), 2 - 0.25 * np.log(n) + e, np.ones(10)) for e in noise]
    found = fit_logs(logs, Method({"power": LAWS["power"]}, loss="huber"))
    ends = np.array([f.best.intervals["alpha"] for f in found])
    covered = np.mean((ends[:, 0] <= 0.25) & (ends[:, 1] >= 0.25))
    low, high = (stats.binom.ppf(q, runs, p) for q, p in ((0.01, 0.94), (0.99, 0.96)))
    assert low <= covered * runs <= high, covered


@pytest.mark.slow
@pytest.mark.parametrize("points", [7, 10])
@pytest.mark.parametrize(
    ("name", "truth"), [("crossover", (10, 0.4, 10)), ("saturating", (16, 0.8, 0.3))]
)
def test_profile_intervals_cover(name, truth, points):
    """93 to 97 %, within three standard errors; half as wide again: 99 %, two thirds: 84 %."""
    runs = 1000
    fits = fitted(name, simulated(name, truth, 0.02, points, runs, seed=points))
    for parameter, value in zip(LAWS[name].parameters, truth, strict=True):
        ends = np.array([f.intervals[parameter] for f in fits])
        covered = np.mean((ends[:, 0] <= value) & (value <= ends[:, 1]))
        error = np.sqrt(covered * (1 - covered) / runs)
        assert 0.93 - 3 * error < covered < 0.97 + 3 * error, (parameter, covered)


@pytest.mark.parametrize("law", ["crossover", "saturating"])
def test_too_few_points_are_said(law):
    fit = ts.fit_scaling([1, 8, 64], [1, 2, 3], law).best
    assert fit.degrees_of_freedom == 0 and fit.intervals == {}
    assert np.isnan(fit.residual_std) and fit.aicc == np.inf
    words = f"3 points do not bound the 3 parameters and the noise of the {law} law"
    assert fit.too_few == words
    assert fit.bounds("c" if law == "crossover" else "g") == "no interval"


def test_one_degree_of_freedom_is_enough():
    fit = ts.fit_scaling([1, 8, 64], [1, 2, 3], "power").best
    assert fit.degrees_of_freedom == 1 and fit.too_few == ""
    (squares,) = np.polyfit(np.log([1, 8, 64]), np.log([1, 2, 3]), 1, full=True)[1]
    assert fit.residual_std == pytest.approx(np.sqrt(squares), rel=1e-6)
    assert fit.bounds("alpha") == "{:.4g} to {:.4g}".format(*fit.intervals["alpha"])


def test_ends_in_words():
    inf = np.inf
    for ends, words in {
        (12.0, 80.0): "12 to 80",
        (12.0, inf): "at least 12",
        (0.0, 80.253): "at most 80.25",
        (0.0, inf): "not bounded",
    }.items():
        fit = LawFit(
            "crossover", {}, {"n_balance": ends}, 0.95, 7, 0.1, *4 * [0.0], *3 * [GRIDS[10]]
        )
        assert fit.bounds("n_balance") == words
        assert fit.bounds("beta") == "no interval"


@pytest.mark.parametrize("k", [0, 9, 25])
def test_broken_law_spans_what_a_scan_of_its_break_allows(k):
    """Given the break it is a line in three parameters, whose ends have a closed form."""
    law, x, y = LAWS["broken"], np.log(CURVES[k].n), np.log(CURVES[k].score)
    fit = ts.fit_scaling(CURVES[k].n, CURVES[k].score, "broken").best
    place = np.linspace(-14, 14, 4001)
    given = [np.zeros_like(place)] * 3 + [place]
    slopes = law.derivatives(np.stack(given)[:, :, None], x)[:3]
    design = np.stack([np.broadcast_to(d, (len(place), 10)) for d in slopes], axis=-1)
    q, r = np.linalg.qr(design)
    along = np.einsum("sij,i->sj", q, y)
    centre = np.linalg.solve(r, along[..., None])[..., 0]
    rss = ((y - np.einsum("sij,sj->si", q, along)) ** 2).sum(axis=1)
    room = rss.min() * (1 + stats.t.ppf(0.975, 6) ** 2 / 6) - rss
    half = np.sqrt(np.maximum(room, 0)[:, None] * (np.linalg.inv(r) ** 2).sum(axis=-1))
    ok = room >= 0
    low, high = (centre - half)[ok].min(axis=0), (centre + half)[ok].max(axis=0)
    ends = np.array([fit.intervals[name] for name in law.parameters])
    width = half[rss.argmin()]
    for i, (a, b) in enumerate(np.r_[np.log(ends[:1]), ends[1:3]]):
        for got, want in ((a, low[i]), (b, high[i])):
            if abs(want) > FAR:  # so far is said to be without end
                assert got == np.copysign(np.inf, want)
            else:
                assert got == pytest.approx(want, abs=0.01 * width[i])
    breaks = law.values(np.stack(given))[3][ok][[0, -1]]
    for got, want, end in zip(ends[3], breaks, law.ranges()["n_break"], strict=True):
        if want / end == pytest.approx(1, rel=1e-4):  # the scan ends there
            assert got == pytest.approx(end, rel=1e-4)
        else:
            assert got == pytest.approx(want, rel=0.02)


FLAT = {c.name: c for kind in (None, "published", "later") for c in read_curves(kind)}
WILD = FLAT["LLaVA-NeXT-7B pruned by VisionZip / POPE"]
FLAT = [
    ("offset", FLAT["vision_queries_ft / RealWorldQA / Overall"]),
    ("offset", FLAT["LLaVA-NeXT-7B-M3 / MMMU"]),
    ("offset", FLAT["LLaVA-NeXT-7B specific-scale / MMMU"]),
    ("saturating", FLAT["LLaVA-NeXT-7B-M3 video / ActivityNet"]),
]


@pytest.mark.parametrize(("name", "curve"), FLAT)
def test_ends_reach_every_ridge(name, curve):
    """Flat curves allow all shapes: the level against a scan of both parameters that bend.

    The level is what log S is moved by, so given the others its ends have a closed form.
    """
    law, x, y = LAWS[name], np.log(curve.n), np.log(curve.score)
    fit = ts.fit_scaling(curve.n, curve.score, name).best
    rise, shape = np.linspace(-20, 20, 801), np.linspace(-14, 14, 225)
    mean, rss = (np.empty((len(shape), len(rise))) for _ in range(2))
    for row, one in enumerate(shape):
        raw = np.stack([np.zeros_like(rise), rise, np.full_like(rise, one)])
        off = y - law.log_score(raw[:, :, None], x)
        mean[row], rss[row] = off.mean(axis=1), len(x) * off.var(axis=1)
    freedom = len(x) - 3
    limit = rss.min() * (1 + stats.t.ppf(0.975, freedom) ** 2 / freedom)
    half = np.sqrt(np.maximum(limit - rss, 0) / len(x))
    want = [(mean - half)[rss <= limit].min(), (mean + half)[rss <= limit].max()]
    got = np.log(fit.intervals[law.parameters[0]])
    assert got == pytest.approx(want, abs=0.01 * (want[1] - want[0]))


def searches(monkeypatch):
    """The searches for ends that are begun from now on."""
    found = []
    begin = Search.__init__

    def begun(self, *given):
        begin(self, *given)
        if len(given[0]):
            found.append(self)

    monkeypatch.setattr(Search, "__init__", begun)
    return found


def test_ends_are_found_in_few_rounds(monkeypatch):
    """Bisection to 1e-6 of a width takes 20; false position a third of that, doubling included."""
    sought = searches(monkeypatch)
    monkeypatch.setattr(intervals, "RIDGES", 0)
    logs = simulated("crossover", (12, 0.3, 20), 0.03, 10, 10)
    fitted("crossover", logs)
    (search,) = sought
    assert search.rounds.mean() < 7 and search.rounds.max() < 14


def test_ends_of_fine_scores_are_found_in_few_rounds(monkeypatch):
    """Scores of five digits: ridges begin so near their ends that these were bisected to nothing.

    Each search doubles its step, and then halves what is left: about ten rounds, where 60 were
    taken, for the ends and for two ridges.
    """
    sought = searches(monkeypatch)
    n = np.array([1, 4, 9, 16, 36, 64, 144, 256, 400, 576.0])
    fit = ts.fit_scaling(n, [float(f"{s:.5g}") for s in 30 * n**0.2], "broken")
    assert 10 < sum(search.rounds.max() for search in sought) < 80
    low, high = fit.best.intervals["alpha_1"]
    assert low < -0.2 < high and high - low < 1e-3


@pytest.mark.once
def test_scores_without_noise_need_no_search(monkeypatch):
    """What they tell has an interval as narrow as no score is measured; the rest has no bound."""
    for room in ("intervals", "ends"):
        monkeypatch.setattr(f"tokenspace.scaling.{room}.minimise", None)
    n = np.array([1, 4, 9, 16, 36, 64, 144, 256, 400, 576.0])
    laws = "power,crossover,broken"
    flat = ts.fit_scaling(n, np.full(10, 20.0), laws).fits
    for name, told, untold in (
        ("power", ("c", "alpha"), ()),
        ("crossover", ("c", "beta"), ("n_balance",)),
        ("broken", ("c",), ("n_break",)),
    ):
        for key in told:
            low, high = flat[name].intervals[key]
            middle = flat[name].parameters[key]
            assert low <= middle <= high and 1e-7 < high - low < 1e-3
        assert all(flat[name].bounds(key) == "not bounded" for key in untold)
    law, g = 1 - 0.5 * n**-0.6, n**-0.6 / (1 - 0.5 * n**-0.6)
    exact = ts.fit_scaling(n, 60 * law, "saturating").best
    assert exact.residual_std < 1e-9
    # d log S / d limit, q and g
    slopes = np.stack([np.full(10, 1 / 60), -g, 0.5 * np.log(n) * g])
    half = stats.t.ppf(0.975, 7) * 1e-6 * np.sqrt(np.diag(np.linalg.inv(slopes @ slopes.T)))
    for key, value, width in zip(("limit", "q", "g"), (60, 0.5, 0.6), half, strict=True):
        ends = exact.intervals[key]
        assert ends == pytest.approx((value - width, value + width), abs=0.01 * width), key


@pytest.mark.parametrize(("bend", "unbend"), [("sinh", "arcsinh"), ("arcsinh", "sinh")])
def test_ends_follow_a_bent_parameter(monkeypatch, bend, unbend):
    """alpha = sinh(raw): profile intervals do not depend on how a parameter is written.

    The profile is far from a parabola. Without the rule of Illinois false position would creep.
    """

    class Bent(Power):
        linear = False

        def log_score(self, raw, log_n, xp=np):
            return raw[0] - getattr(xp, bend)(raw[1]) * log_n

        def values(self, raw, xp=np):
            return xp.exp(raw[0]), getattr(xp, bend)(raw[1])

    sought = searches(monkeypatch)
    monkeypatch.setattr(intervals, "RIDGES", 0)
    logs = simulated("power", (1, 0), 100 if bend == "sinh" else 1.5, 4, 6)
    exact = fit_logs(logs, Method({"power": LAWS["power"]}, 0.95))
    found = fit_logs(logs, Method({"power": Bent()}, 0.95))
    for a, b in zip(exact, found, strict=True):
        assert b.best.intervals["alpha"] == pytest.approx(a.best.intervals["alpha"], rel=1e-4)
    assert max(search.rounds.max() for search in sought) < 16
