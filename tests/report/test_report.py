"""The report, opened in a real headless browser, on a desk and on a phone."""

import json
import shutil

import folders
import pytest

import tokenspace as ts
from tokenspace.errors import InputError
from tokenspace.figures import names
from tokenspace.registry import ROOMS
from tokenspace.report.html import write_report

CONFIG = folders.CONFIG | {
    "branches": folders.CONFIG["branches"] | {"psi_within": {"sweep": [0.2, 0.3, 0.5]}},
    "run": {"replicates": {"sweep": [30, 6000]}, "statistics": ["correlations"]},
}
BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report") / "a <b> & sweep"
    ts.run_sweep(CONFIG, folder)
    return write_report(folder)


@pytest.fixture(params=[(1280, 900), (390, 844)], ids=["desk", "phone"])
def browser(request, page, tmp_path):
    if not (BROWSER and DRIVER):
        pytest.skip("chromium and chromedriver are not installed")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    width, height = request.param
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        f"--user-data-dir={tmp_path}",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    if width < 500:
        metrics = {"width": width, "height": height, "pixelRatio": 2.0}
        options.add_experimental_option("mobileEmulation", {"deviceMetrics": metrics})
    else:
        options.add_argument(f"--window-size={width},{height}")
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    driver.get(page.as_uri())
    yield driver
    driver.quit()


def column(browser, number):
    rows = browser.find_elements("css selector", "#verdict-table tbody tr")
    return [r.find_elements("tag name", "td")[number].text for r in rows]


def test_opens_sorts_and_shows_its_figures(browser):
    assert "a <b> & sweep" in browser.title
    verdicts = column(browser, 8)
    assert len(verdicts) == 6 and {"PASS", "UNDECIDED"} <= set(verdicts)
    for number, name in ((2, "replicates"), (8, "verdict"), (3, "exponent at N")):
        head = browser.find_element("xpath", f"//table[@id='verdict-table']//button[.='{name}']")
        for direction in ("ascending", "descending"):
            head.click()
            shown = column(browser, number)
            key = (lambda t: t) if number == 8 else (lambda t: float(t.split()[0].replace(",", "")))
            assert shown == sorted(shown, key=key, reverse=direction == "descending")
            cell = head.find_element("xpath", "..")
            assert cell.get_attribute("aria-sort") == direction
    images = browser.find_elements("css selector", "figure img")
    assert len(images) == sum(ROOMS["figure"].find(name).of_results for name in names())
    for image in images:
        assert image.get_property("naturalWidth") > 300 and image.get_attribute("alt")
    # Wide tables scroll inside their box; the page itself does not scroll sideways.
    assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    assert browser.get_log("browser") == []


def test_details_open(browser):
    first = browser.find_element("css selector", "details")
    first.find_element("tag name", "summary").click()
    assert "exponent" in first.find_element("tag name", "pre").text


def test_page_needs_nothing_else(page):
    text = page.read_text()
    assert "http://" not in text and "https://" not in text and 'src="/' not in text
    assert json.dumps(CONFIG["run"]["replicates"]["sweep"][1]) in text
    assert "a &lt;b&gt; &amp; sweep" in text and "<b> &" not in text


def test_errors(tmp_path, page):
    with pytest.raises(InputError, match="no results here"):
        write_report(tmp_path)
    with pytest.raises(InputError, match="cannot be written"):
        write_report(page.parent, tmp_path / "no" / "such" / "folder.html")
