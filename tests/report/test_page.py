"""The page of a report in the dark, on paper, by keyboard, and of names that want to be code."""

import os

import folders
import numpy as np
import pytest
from browser import column, opened, search, wait
from commands import call
from selenium.webdriver import Keys

import tokenspace as ts
from tokenspace.printable import number
from tokenspace.report import html
from tokenspace.report.html import write_report

pytestmark = pytest.mark.once  # what a browser makes of it

EVIL = "</script><img src=x onerror=alert(1)>\"'&amp;\u202e<!--ü漢"
BRANCHES = folders.CONFIG["branches"]
HOLES = folders.CONFIG | {
    "branches": BRANCHES
    | {
        "psi_within": {"sweep": {"from": 0.05, "to": 0.6, "points": 8}},
        "psi_cross": {"sweep": {"from": -0.3, "to": 0.5, "points": 9}},
    },
    "case": [{"name": EVIL}],
    "sweep": {"invalid": "skip"},
}
TOGETHER = folders.CONFIG | {
    "branches": BRANCHES | {k: {"sweep": [0.1, 0.2, 0.3]} for k in BRANCHES if k != "model"},
    "sweep": {"mode": "zip"},
}
A4 = 703  # pixels between the margins
# every text that is seen, with the contrast of its colour to what is behind it
CONTRAST = """
const light = ([r, g, b]) => [r, g, b].map(c => c / 255)
  .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
  .reduce((sum, c, k) => sum + [0.2126, 0.7152, 0.0722][k] * c, 0);
const parts = colour => colour.match(/[\\d.]+/g).map(Number);
const behind = node => {
  for (let e = node; e; e = e.parentElement) {
    const colour = parts(getComputedStyle(e).backgroundColor);
    if (colour.length === 3 || colour[3] > 0) return colour;
  }
  return [255, 255, 255];
};
return [...document.querySelectorAll('body *')].filter(e => e.checkVisibility()
    && !e.closest('option, noscript, script') && !e.ariaDisabled
    && [...e.childNodes].some(c => c.nodeType === 3 && c.textContent.trim())).map(e => {
  const svg = e instanceof SVGElement, style = getComputedStyle(e);
  const [a, b] = [svg ? style.fill : style.color].map(parts).concat([behind(e)]).map(light);
  return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), e.textContent.trim().slice(0, 40)];
})"""
# the colour of most of what is drawn below the cells of the map: its numbers
INK_IS = """return (wanted => {
const c = document.getElementById('phase-canvas'), seen = {};
const h = Math.round(c.height * 0.08), copy = new OffscreenCanvas(c.width, c.height);
const to = copy.getContext('2d', {willReadFrequently: true});
to.drawImage(c, 0, 0);
const d = to.getImageData(0, c.height - h, c.width, h).data;
for (let i = 0; i < d.length; i += 4) if (d[i + 3] === 255)
  seen[[d[i], d[i + 1], d[i + 2]]] = (seen[[d[i], d[i + 1], d[i + 2]]] ?? 0) + 1;
return Object.entries(seen).sort((a, b) => b[1] - a[1])[0][0] === wanted; })"""
# what can be pressed
PRESSED = """return [...document.querySelectorAll('a, button, input, select, [tabindex="0"]')]
  .filter(e => e.checkVisibility())"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(html, "draw_all", lambda *_, **__: [])
        folder = tmp_path_factory.mktemp("page") / EVIL.replace("/", "|")
        ts.run_sweep(HOLES, folder)
        return write_report(folder)


@pytest.fixture(scope="module")
def browser(page, tmp_path_factory):
    with opened(page, "desk", tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture(autouse=True)
def afresh(request):
    if "browser" in request.fixturenames:
        driver = request.getfixturevalue("browser")
        emulate(driver)
        driver.execute_script("location.hash = 'verdicts'")
        search(driver, "")
        wait(driver, "return document.getElementById('point').hidden")


def emulate(driver, media="", scheme="light"):
    driver.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"media": media, "features": [{"name": "prefers-color-scheme", "value": scheme}]},
    )


def open_point(driver, number):
    driver.execute_script(f"location.hash = 'point-{number}'")
    wait(driver, "return document.querySelectorAll('#point svg').length === 3")


@pytest.mark.parametrize(("scheme", "ink"), [("light", "27,31,36"), ("dark", "230,237,243")])
def test_every_word_is_read_in_light_and_dark(browser, scheme, ink):
    emulate(browser, scheme=scheme)
    browser.execute_script(
        "document.querySelector('#verdict-table tr:nth-child(2)').className = 'marked'"
    )
    wait(browser, f"{INK_IS}('{ink}')")  # drawn anew when the scheme changes
    for _ in ("all points", "one point"):
        found = browser.execute_script(CONTRAST)
        assert len(found) > 50
        assert [words for contrast, words in found if contrast < 4.5] == []
        open_point(browser, 3)


def test_paper_shows_all_of_the_shown_rows_and_nothing_to_press(browser):
    """Whatever the screen: dark words on white, tables as wide as the page."""
    search(browser, "theory>0.5")
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": A4, "height": 1000, "deviceScaleFactor": 1, "mobile": False},
    )
    emulate(browser, "print", "dark")
    browser.execute_script("window.dispatchEvent(new Event('beforeprint'))")
    wait(browser, f"{INK_IS}('0,0,0')")
    assert (
        browser.execute_script("return getComputedStyle(document.body).color") == "rgb(27, 31, 36)"
    )
    seen = "return [...document.querySelectorAll('button, input, select, nav a')].filter(e => e.checkVisibility() && !e.dataset.verdict).length"
    wide = "return [...document.querySelectorAll('table, canvas, pre, svg')].filter(e => e.checkVisibility() && e.getBoundingClientRect().right > innerWidth).length"
    assert browser.execute_script(seen) == 0 == browser.execute_script(wide)
    said = browser.find_element("id", "pages").text
    assert said.startswith("1 to ") and "that hold theory>0.5" in said
    assert browser.find_element("css selector", "#verdict-table th").text == "model"
    assert (
        "exponent at N over psi_cross and psi_within"
        in browser.find_element("id", "phase-title").text
    )
    cut = "const e = document.querySelector('pre'); return e.scrollHeight - e.clientHeight"
    assert browser.execute_script(cut) <= 1
    open_point(browser, 3)
    assert browser.execute_script(seen) == 0 == browser.execute_script(wide)
    browser.execute_script("window.dispatchEvent(new Event('afterprint'))")
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    emulate(browser, scheme="dark")
    wait(browser, f"{INK_IS}('230,237,243')")


def test_keys_lead_from_point_to_point_and_back(browser):
    """Arrow keys reach every point, over the places that have none; focus is never lost."""
    canvas = browser.find_element("id", "phase-canvas")
    canvas.send_keys(Keys.ESCAPE, Keys.ARROW_RIGHT)
    value = browser.find_element("id", "phase-value")
    for key in (Keys.ARROW_UP, Keys.ARROW_LEFT, Keys.ARROW_RIGHT, Keys.ARROW_DOWN):
        before = value.text
        canvas.send_keys(*[key] * 12)  # further than the map is wide: at its end it stays
        assert "exponent" in value.text and value.text != before
    label = value.text.split(":")[0]
    canvas.send_keys(Keys.ENTER)
    wait(browser, "return document.activeElement.id === 'point'")
    assert label.endswith(browser.find_element("id", "point-name").text)
    assert EVIL in browser.title
    browser.find_element("link text", "All points").click()
    assert wait(browser, "return document.activeElement.id === 'phase-canvas'")
    turn = browser.find_element("xpath", "//p[@id='pages']/button[.='Next']")
    turn.send_keys(Keys.ENTER)
    assert browser.switch_to.active_element == turn
    assert turn.get_attribute("aria-disabled") == "true"
    turn.send_keys(Keys.ENTER)
    assert browser.find_element("id", "which").text == "1 to 46 of 46"
    style = browser.execute_script("return getComputedStyle(document.activeElement).outlineStyle")
    assert style == "solid"  # seen where it is
    for press in browser.execute_script(PRESSED):
        assert press.accessible_name.strip(), press.get_attribute("outerHTML")


def test_arrow_keys_take_the_line_first_and_else_the_nearest(browser):
    """4 x 3 places; from the corner at 0."""
    go = """const cells = new Map(arguments[0].map(c => [c, c])), nx = 4;
    const places = arguments[0].map(c => [c % nx, Math.floor(c / nx)]);
    return towards({cells, nx, places}, arguments[1], ARROWS[arguments[2]])"""

    def towards(*arguments):
        return browser.execute_script(go, *arguments)

    assert towards([0, 5, 3], 0, "ArrowRight") == 3  # over two holes, on the line
    assert towards([0, 5, 7], 0, "ArrowRight") == 5  # none on the line: the nearest
    assert towards([0, 3], 3, "ArrowRight") is None and towards([0, 4], 0, "ArrowDown") is None
    assert towards([0, 8], 0, "ArrowUp") == 8 and towards([5, 8], None, "ArrowUp") == 5
    assert towards([], None, "ArrowUp") is None


def test_numbers_end_at_the_second_digit_of_their_errors_as_in_a_terminal(browser):
    rng = np.random.default_rng(0)
    values = rng.choice([-1, 1], 400) * 10 ** rng.uniform(-7, 9, 400)
    pairs = np.stack([values, abs(values) * 10 ** rng.uniform(-8, 1, 400)], 1).tolist()
    pairs += [(0.0, 0.0123), (-1e-5, 0.012), (1234.5678, 0.0), (0.5, 0.0), (1.0, 0.0996)]
    pairs += [(12.3, 9.97), (6.8, 15.0), (1.0, 1e-14), (3.1e-16, 2.5e-6), (999.96, 12.0)]
    go = "return arguments[0].map(([value, error]) => withError(value, error))"
    assert browser.execute_script(go, pairs) == [number(*pair) for pair in pairs]
    unknown = "return [withError(NaN, 1), withError(45.1234, NaN), withError(Infinity, 1)]"
    assert browser.execute_script(unknown) == ["-", "45.1", "-"]


def test_names_are_words_and_no_more(browser, page):
    """No tag, no script, no turn of the line comes from the name of a folder or a point."""
    assert not browser.find_elements("css selector", "img")
    assert all(EVIL in text for text in column(browser, "model"))
    text = page.read_text()
    assert "\u202e" not in text and text.count("</script>") == 3
    heading = browser.find_element("tag name", "h1").text
    assert heading.endswith("\\u202e<!--ü漢: simulation against theory")
    isolated = "return getComputedStyle(document.querySelector('td.name')).unicodeBidi"
    assert browser.execute_script(isolated) == "isolate"


def test_a_zipped_sweep_is_a_line_of_dots(tmp_path, monkeypatch):
    """Its third axis follows from the two of the map: no place to choose, every point is shown."""
    monkeypatch.setattr(html, "draw_all", lambda *_, **__: [])
    ts.run_sweep(TOGETHER, tmp_path / "r")
    with opened(write_report(tmp_path / "r"), "phone", tmp_path / "profile") as browser:
        form = browser.find_element("id", "phase-form")
        assert len(form.find_elements("css selector", "select")) == 3
        canvas = browser.find_element("id", "phase-canvas")
        for value in ("0.1", "0.2", "0.3"):
            canvas.send_keys(Keys.ARROW_RIGHT)
            assert f"psi_cross = {value}" in browser.find_element("id", "phase-value").text


def test_folders_need_no_words_for_names(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(html, "draw_all", lambda *_, **__: [])
    folder = tmp_path / os.fsdecode(b"odd\xff")
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this file system wants names that are words")
    ts.run_sweep(folders.CONFIG, folder)
    status, out, _ = call(capfd, "report", folder)
    assert status == 0 and "odd\\udcff" in out
    assert "<title>tokenspace report: odd\\udcff</title>" in (folder / "report.html").read_text()


def test_infinite_values_of_an_axis_are_kept():
    from tokenspace.experiments.results import StoredPoint
    from tokenspace.report.columns import _axes

    points = [StoredPoint("", {"law.df": x}, "", {}) for x in (3.0, np.inf, -np.inf, None)]
    (axis,) = _axes(points)
    assert axis["values"] == [3.0, "Infinity", "-Infinity", None]
