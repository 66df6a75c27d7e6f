"""The report, opened in a real headless browser, on a desk and on a phone."""

import gzip
import json
import math
import re
import shutil

import folders
import numpy as np
import pytest
from browser import column, opened, ready_after, rows, search, sideways, wait
from commands import call

import tokenspace as ts
from tokenspace import files
from tokenspace.errors import InputError
from tokenspace.figures import suited
from tokenspace.printable import number, to_error
from tokenspace.report import curves, html
from tokenspace.report.columns import columns, numbers
from tokenspace.report.html import write_report
from tokenspace.report.verdicts import WORST_FIRST, checks_of, verdict_row

CONFIG = folders.CONFIG | {
    "branches": folders.CONFIG["branches"] | {"psi_within": {"sweep": [0.2, 0.3, 0.5]}},
    "run": {"replicates": {"sweep": [30, 6000]}, "statistics": ["correlations"]},
}


def grid(*counts):
    """psi_equal, psi_within and psi_cross, that many of each."""
    ranges = ((0.0, 0.3), (0.2, 0.6), (0.0, 0.19))
    names = ("psi_equal", "psi_within", "psi_cross")
    swept = {
        name: {"sweep": {"from": low, "to": high, "points": count}}
        for name, (low, high), count in zip(names, ranges, counts, strict=True)
    }
    return {
        "tokens": {"count": 32},
        "features": {"model": "isotropic", "dim": 64},
        "branches": {"model": "equicorrelated"} | swept,
        "run": {"replicates": 64, "seed": "independent"},
    }


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report") / "a <b> & sweep"
    ts.run_sweep(CONFIG, folder)
    return write_report(folder)


@pytest.fixture(scope="module", params=["desk", "phone"])
def window(request, page, tmp_path_factory):
    with opened(page, request.param, tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture
def browser(window, page):
    """The page as it opens."""
    window.get(page.as_uri())
    window.refresh()
    wait(window, "return document.body.dataset.ready")
    return window


@pytest.mark.once
def test_opens_sorts_and_shows_its_figures(browser, page):
    assert "a <b> & sweep" in browser.title
    verdicts = column(browser, "verdict")
    assert len(verdicts) == 6 and {"PASS", "UNDECIDED"} <= set(verdicts)
    assert verdicts == sorted(verdicts, key=WORST_FIRST.index)
    loaded = ts.load_results(page.parent)
    rows_of_check = (verdict_row(p.label, r, r.check()) for p, r in loaded)
    assert sorted(column(browser, "exponent at N")) == sorted(row[3] for row in rows_of_check)
    sorts = browser.find_elements("css selector", "#verdict-table th[aria-sort]")
    assert [head.text.split()[0] for head in sorts] == ["verdict"]  # and the order is seen
    z = [float(x) for x in column(browser, "max |z|")]
    last = verdicts.index("PASS")
    assert z[:last] == sorted(z[:last], reverse=True) and z[last:] == sorted(z[last:], reverse=True)
    for name in ("replicates", "verdict", "exponent at N"):
        head = browser.find_element("xpath", f"//table[@id='verdict-table']//button[.='{name}']")
        for direction in ("ascending", "descending"):
            head.click()
            shown = column(browser, name)
            key = lambda t: float(t.split()[0].replace(",", ""))  # noqa: E731
            key = WORST_FIRST.index if name == "verdict" else key
            assert shown == sorted(shown, key=key, reverse=direction == "descending")
            cell = head.find_element("xpath", "..")
            assert cell.get_attribute("aria-sort") == direction
    images = browser.find_elements("css selector", "main > figure .scroll img")
    assert len(images) == len(suited(ts.load_results(page.parent), in_report=True))
    for image in images:
        browser.execute_script("arguments[0].scrollIntoView()", image)
        width = "return arguments[0].complete && arguments[0].naturalWidth"
        assert browser.execute_async_script(
            "const [image, done] = arguments; image.decode().then(() => done(true))", image
        )
        assert browser.execute_script(width, image) > 300 and image.get_attribute("alt")
    assert not sideways(browser)


@pytest.mark.once
def test_searches_and_filters(browser):
    search(browser, "psi_within>0.25 replicates=6000")
    assert column(browser, "replicates") == ["6,000"] * 2
    search(browser, "theory>0.9 seconds<1e9")
    assert all(float(x) > 0.9 for x in column(browser, "theory"))
    search(browser, "psi_wthin>0.25")
    assert rows(browser) == [] and "no axis or column is called psi_wthin" in wait(
        browser, "return document.getElementById('query-help').textContent"
    )
    search(browser, "")
    button = browser.find_element("css selector", "#counts [data-verdict=UNDECIDED]")
    button.click()
    found = set(column(browser, "verdict"))
    assert found == {"UNDECIDED"} and button.get_attribute("aria-pressed") == "true"
    button.click()
    assert len(rows(browser)) == 6


@pytest.mark.once
def test_the_page_of_a_point_has_the_numbers_of_its_check(browser, page):
    loaded = ts.load_results(page.parent)
    for k in (0, 5):
        point, result = loaded[k]
        check = result.check()
        browser.execute_script(f"location.hash = 'point-{k}'")
        label = json.dumps(point.label)
        wait(browser, f"return document.querySelector('#point h2')?.innerText === {label}")
        cells = rows(browser, "every-n")
        for comparison, at, length in (
            (check.amplitude, 0, len(result.n)),
            (check.exponent, 5, len(result.n) - 1),
        ):
            shown = np.array([row[at : at + 5] for row in cells[:length]], float)
            wanted = [comparison.n, comparison.empirical, comparison.standard_error]
            wanted = np.stack([*wanted, comparison.theoretical], axis=1)
            assert np.allclose(shown[:, [0, 3]], wanted[:, [0, 3]], rtol=1e-3, atol=5e-5)
            assert np.all(abs(shown[:, 1] - wanted[:, 1]) < 0.06 * wanted[:, 2])
            assert np.allclose(shown[:, 2], wanted[:, 2], rtol=6e-2)
            digits = [to_error(*pair) for pair in wanted[:, 1:3]]
            last = [len(row[at + 1]) - len(text) for row, text in zip(cells, digits, strict=False)]
            assert sum(map(abs, last)) <= 1  # one may be rounded over a power of ten
            assert np.allclose(shown[:, 4], comparison.z, rtol=2e-2, atol=6e-3)
        assert len(browser.find_elements("css selector", "#point .charts svg circle")) > 30
        assert not sideways(browser)
    browser.execute_script("location.hash = 'verdicts'")
    assert wait(browser, "return document.getElementById('point').hidden")


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """The page of 500 points, without figures."""
    folder = tmp_path_factory.mktemp("many")
    ts.run_sweep(grid(5, 10, 10), folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(html, "draw_all", lambda *_, **__: [])
        return write_report(folder)


@pytest.mark.once
@pytest.mark.parametrize("size", ["desk", "phone"])
def test_five_hundred_points(many, tmp_path, size):
    with opened(many, size, tmp_path) as browser:
        hold_many(browser, ts.load_results(many.parent))


@pytest.mark.slow
def test_a_thousand_points(tmp_path_factory, tmp_path, monkeypatch):
    """With as much a point, or as much as is ever kept, the page of 10,000 is less than 8 MB."""
    monkeypatch.setattr(files.os, "fsync", lambda handle: None)
    folder = tmp_path_factory.mktemp("very_many")
    ts.run_sweep(grid(5, 20, 10), folder)
    page = write_report(folder)
    text, size = page.read_text(), page.stat().st_size
    columns, drawn = (len(re.search(rf'id="{k}">([^<]*)', text)[1]) for k in ("columns", "curves"))
    assert size + 9 * (columns + drawn) < 8_000_000
    assert size - drawn + 9 * columns + curves.MOST_BYTES * 4 / 3 < 8_000_000  # the most, as text
    loaded = ts.load_results(folder)
    assert len(loaded) == 1000
    for size in ("desk", "phone"):
        with opened(page, size, tmp_path / size) as browser:
            assert ready_after(browser, 1000) < 1000
            hold_many(browser, loaded)


def shortened(label):
    """A name as the table shows it."""
    return re.sub(r"\d+\.\d{6,}", lambda x: f"{float(x[0]):.6g}", label)


# ends of the pieces of the line on the map, as (psi_within, psi_cross), at the least psi_equal
LINE = """const done = arguments[0];
readColumns().then(data => {
  const [equal, x, y] = ["psi_equal", "psi_within", "psi_cross"]
    .map(name => data.axes.find(a => a.name === name));
  const least = Math.min(...equal.at), points = [...equal.at.keys()].filter(k => equal.at[k] === least);
  for (const axis of [x, y]) axis.distinct = distinct(axis);
  const grid = lattice(points, x, y, () => false);
  const between = (values, t) => values[Math.floor(t)]
    + (t % 1) * ((values[Math.ceil(t)] ?? 0) - values[Math.floor(t)]);
  done(boundaryOf(grid, {place: (i, j) => [i, j]}, data.points.over_balance).flat()
    .map(([i, j]) => [between(grid.across, i), between(grid.up, j)]));
})"""


def hold_many(browser, loaded):
    """Pages turn, cells of the map tell their values and lead to their rows."""
    within, cross = np.array(browser.execute_async_script(LINE)).T
    np.testing.assert_allclose(within - cross, 1 / (32 + 1), rtol=1e-4)  # psi_equal = 0, N = 32
    total = len(loaded)
    turn = "return document.getElementById('pages').innerText"
    assert f"1 to 50 of {total:,}" in browser.execute_script(turn)
    browser.find_element("xpath", "//p[@id='pages']/button[.='Next']").click()
    assert f"51 to 100 of {total:,}" in browser.execute_script(turn)
    box = browser.find_element("id", "phase-canvas")
    browser.execute_script("arguments[0].scrollIntoView()", box)
    from selenium.webdriver import ActionChains

    # the line n = n_balance, where psi_within is small and psi_cross large, is all that is black
    black = """const c = document.getElementById('phase-canvas'), seen = [];
        const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
        for (let i = 0; i < d.length; i += 4)
            if (d[i] + d[i + 1] + d[i + 2] === 0 && d[i + 3] === 255)
                seen.push([i / 4 % c.width / c.width, Math.floor(i / 4 / c.width) / c.height]);
        return seen"""
    x, y = np.array(browser.execute_script(black)).T
    assert len(x) > 20 and x.max() < 0.4 and y.max() < 0.4
    ActionChains(browser).move_to_element(box).click().perform()
    said = browser.find_element("id", "phase-value").text
    ((label, result),) = ((p.label, r) for p, r in loaded if f" {p.label}:" in said)
    found = result.local_exponent()
    assert f"exponent {number(found.mean[-1], found.standard_error[-1])} (" in said
    browser.execute_script("window.dispatchEvent(new Event('resize'))")  # a phone that scrolls
    assert browser.find_element("id", "phase-value").text == said
    browser.find_element("xpath", "//p[@id='phase-value']/button").click()
    marked = browser.find_element("css selector", "tr.marked")
    assert marked.text.startswith(shortened(label)) and marked.is_displayed()
    assert not sideways(browser)


def test_page_needs_nothing_else(page):
    text = page.read_text()
    assert 'src="http' not in text and 'href="http' not in text and 'src="/' not in text
    assert "default-src 'none'" in text  # and the browser holds it to that
    assert json.dumps(CONFIG["run"]["replicates"]["sweep"][1]) in text
    assert "a &lt;b&gt; &amp; sweep" in text and "<b> &" not in text


def test_columns_are_what_checks_say(page):
    loaded = ts.load_results(page.parent)
    checks = checks_of(loaded, 0.02)
    found = columns(loaded, checks)
    assert json.loads(json.dumps(found, allow_nan=False)) == json.loads(json.dumps(found))
    points = found["points"]
    assert [found["verdicts"][k] for k in points["verdict"]] == [c.verdict for c in checks]
    assert [found["grids"][k] for k in points["grid"]] == [tuple(r.n.tolist()) for _, r in loaded]
    for k, (_, result) in enumerate(loaded):
        balance = result.n_balance()
        assert points["balance"][k] == pytest.approx(balance.mean, rel=1e-5)
        assert points["exponent"][k] == pytest.approx(checks[k].exponent.empirical[-1], rel=1e-5)
    within = next(a for a in found["axes"] if a["name"] == "psi_within")
    assert within["values"] == [point.axes[within["path"]] for point, _ in loaded]
    assert numbers([math.nan, math.inf, -math.inf, 1 / 3]) == [
        None,
        "Infinity",
        "-Infinity",
        0.333333,
    ]


def unpacked(planes, count, kept):
    bits = np.zeros(count, np.uint32)
    for k in range(kept):
        plane = np.frombuffer(planes[k * count : (k + 1) * count], np.uint8)
        bits |= plane.astype(np.uint32) << np.uint32(24 - 8 * k)
    return bits.view(np.float32)


@pytest.mark.parametrize("kept, error", [(2, 2.0**-8), (3, 2.0**-16)])
def test_planes_hold_numbers_to_half_of_the_last_bit_kept(kept, error):
    rng = np.random.default_rng(0)
    values = rng.standard_normal(1000) * 10 ** rng.uniform(-30, 30, 1000)
    values[:4] = 0, np.nan, np.inf, -np.inf
    found = unpacked(curves.planes(values.astype(np.float32), kept), len(values), kept)
    assert np.allclose(found, values, rtol=error * (1 + 1e-3), atol=0, equal_nan=True)
    assert not np.allclose(found, values, rtol=error / 4, atol=0, equal_nan=True)


def test_of_too_many_curves_the_worst_are_kept(page):
    checks = checks_of(ts.load_results(page.parent), 0.02)
    whole = curves.curves(checks)
    assert whole.held == list(range(6))
    size = len(gzip.decompress(whole.packed))
    assert size == sum(curves.KEPT.values()) * sum(2 * len(c.amplitude.n) - 1 for c in checks)
    some = curves.curves(checks, most=len(whole.packed) // 2)
    assert 0 < len(some.held) < 6 and len(some.packed) <= len(whole.packed) // 2
    left = [checks[k].verdict for k in range(6) if k not in some.held]
    assert "FAIL" not in left and ("UNDECIDED" not in left or len(some.held) < 3)


def test_what_is_missing_is_said(tmp_path, page, monkeypatch):
    """An unfinished sweep, and a point of a model that is not here."""
    monkeypatch.setattr(html, "draw_all", lambda *_, **__: [])
    shutil.copytree(page.parent, tmp_path, dirs_exist_ok=True)
    assert 'id="unfinished"' not in write_report(tmp_path).read_text()
    next((tmp_path / "points").glob("*.npz")).unlink()
    text = write_report(tmp_path).read_text()
    assert "1 of 6 points missing" in text and "of 5 points" in text
    one = tmp_path / "stranger"
    ts.run_sweep(folders.CONFIG, one)
    folders.with_branches(one, {"model": "of_somebody_else"})
    (check,) = checks_of(ts.load_results(one), 0.02)
    assert check.verdict == "UNDECIDED" and "of_somebody_else" in check.reason
    assert "1 UNDECIDED" in write_report(one).read_text()


def test_without_the_class_of_its_model_a_point_shows_what_was_measured(tmp_path, capfd):
    """In tables, figures and JSON: D, exponents and n_balance; theory alone is hidden, with why."""
    one = tmp_path / "stranger"
    ts.run_sweep(folders.CONFIG, one)
    ((_, known),) = ts.load_results(one)
    found = known.local_exponent()
    balance = known.n_balance().mean
    folders.with_branches(one, {"model": "of_somebody_else"})
    loaded = ts.load_results(one)
    (check,) = checks_of(loaded, 0.02)
    np.testing.assert_array_equal(check.exponent.empirical, found.mean)
    assert np.isnan(check.exponent.theoretical).all() and "of_somebody_else" in check.reason
    points = columns(loaded, [check])["points"]
    assert points["balance"] == [pytest.approx(balance, rel=1e-5)] and points["theory"] == [None]
    status, out, _ = call(capfd, "check", one, "--json")
    assert status == 0 and json.loads(out)["points"][0]["n_balance"]["mean"] == balance
    status, out, err = call(
        capfd, "figures", "--results", one, "--out", tmp_path / "f", "--figure", "exponent_diagram"
    )
    assert status == 0 and "exponent_diagram.png" in out
    assert "1 of 1 point drawn without theory" in err and "of_somebody_else" in err


def test_errors(tmp_path, page, monkeypatch):
    monkeypatch.setattr(html, "draw_all", lambda *_, **__: [])
    with pytest.raises(InputError, match="no results here"):
        write_report(tmp_path)
    with pytest.raises(InputError, match="cannot be written"):
        write_report(page.parent, tmp_path / "no" / "such" / "folder.html")
