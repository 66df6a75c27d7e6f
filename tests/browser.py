"""A real headless browser for pages of reports; tests that need one are skipped without it."""

import shutil
import time
from contextlib import contextmanager

import pytest

BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
SIZES = {"desk": (1280, 900), "phone": (390, 844)}


@contextmanager
def opened(page, size, profile):
    """The page on a desk or a phone, when its script has shown the first rows."""
    if not (BROWSER and DRIVER):
        pytest.skip("chromium and chromedriver are not installed")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    width, height = SIZES[size]
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        f"--user-data-dir={profile}",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    if size == "phone":
        metrics = {"width": width, "height": height, "pixelRatio": 2.0}
        options.add_experimental_option("mobileEmulation", {"deviceMetrics": metrics})
    else:
        options.add_argument(f"--window-size={width},{height}")
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    try:
        driver.get(page.as_uri())
        wait(driver, "return document.body.dataset.ready")
        yield driver
        log = driver.get_log("browser")
        assert log == [], log
    finally:
        driver.quit()


def ready_after(driver, enough):
    """Milliseconds until a page has shown its first rows; the least of three loads, if it need be.

    Other work on the machine only adds to a load.
    """
    took = []
    for _ in range(3):
        took.append(int(wait(driver, "return document.body.dataset.ready")))
        if took[-1] < enough:
            break
        driver.refresh()
    return min(took)


def wait(driver, script, seconds=20):
    """What a script returns, as soon as that is something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := driver.execute_script(script):
            return found
        time.sleep(0.05)
    raise AssertionError(f"nothing after {seconds} s: {script}")


def rows(driver, table="verdict-table"):
    """Texts of a table's cells, row by row."""
    return driver.execute_script(
        "return [...document.querySelectorAll(`#${arguments[0]} tbody tr`)]"
        ".map(r => [...r.cells].map(c => c.innerText))",
        table,
    )


def column(driver, name):
    """One column of the table of verdicts, by its name."""
    names = driver.execute_script(
        "return [...document.querySelectorAll('#verdict-table th')].map(h => h.innerText.trim())"
    )
    return [row[names.index(name)] for row in rows(driver)]


def search(driver, words):
    """Type into the box that searches."""
    driver.execute_script(
        "const box = document.getElementById('query'); box.value = arguments[0];"
        "box.dispatchEvent(new Event('input'))",
        words,
    )


def sideways(driver):
    """Whether the page itself scrolls to the side; wide tables scroll inside their box."""
    return driver.execute_script("return document.documentElement.scrollWidth > innerWidth")
