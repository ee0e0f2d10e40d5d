"""The app as a person uses it, in Chromium, with nothing leaving the machine."""

import csv
import io
import shutil
from datetime import timedelta

import openpyxl
import pytest

from tests.app.browsing import FLAGS, Watched, chromium, server
from tests.app.conftest import add_rows, facts_of
from tests.warehouses import UNTIL

pytestmark = pytest.mark.browser
TITLES = ("Overview", "Missed callers", "Queues", "Agents", "Agent day", "Calls", "Call", "Outcomes", "Data quality", "Definitions")


@pytest.fixture(scope="module")
def browser():
    where = chromium()
    if where is None:
        pytest.skip("there is no Chromium on this machine: apt-get install chromium, or name one in CHROMIUM")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=where, args=list(FLAGS))
        yield started
        started.close()


@pytest.fixture(scope="module")
def address(browser, warehouses, tmp_path_factory):
    """The app over a copy of the demo's warehouse."""
    folder = tmp_path_factory.mktemp("app")
    shutil.copy(warehouses["demo"], folder / "warehouse.duckdb")
    with server(folder, folder) as running:
        yield running


@pytest.fixture
def opened(browser, address):
    """`opened(path, **context)`: a watched page; at the end it must have had no error and asked nothing outside."""
    contexts, pages = [], []

    def at(path="/", **options):
        contexts.append(browser.new_context(viewport={"width": 1440, "height": 1000}, accept_downloads=True, **options))
        pages.append(Watched(contexts[-1], address))
        return pages[-1].open(path)

    yield at
    outside, errors = [url for page in pages for url in page.outside], [error for page in pages for error in page.errors]
    for context in contexts:
        context.close()
    assert outside == []
    assert errors == []


def test_every_page_opens_from_the_list_without_an_error(opened):
    seen = opened("/")
    for title in TITLES:
        seen.page.get_by_test_id("stSidebarNavLink").get_by_text(title, exact=True).click()
        seen.page.wait_for_function(
            "title => document.querySelector('[data-testid=stMain] h1')?.innerText === title", arg=title, timeout=30_000
        )
        seen.settle()
        assert (title, seen.page.get_by_test_id("stException").count()) == (title, 0)
        assert "Data as of" in seen.page.locator(".st-key-as-of").inner_text()


def test_a_filter_changes_the_figures_and_the_link_reproduces_them(opened):
    seen = opened("/overview")
    before = seen.figure("Calls")
    seen.page.get_by_test_id("stMultiSelect").filter(has_text="Direction").locator("input").click()
    seen.page.get_by_role("option", name="outbound", exact=True).click()
    seen.page.keyboard.press("Escape")
    seen.page.get_by_role("button", name="Apply").click()
    seen.page.wait_for_url("**direction=outbound**", timeout=30_000)
    after = seen.figure("Calls", after=before)
    assert after != before
    again = opened(seen.page.url.removeprefix(seen.address))
    assert again.figure("Calls") == after
    again.page.get_by_test_id("stSidebarNavLink").get_by_text("Outcomes", exact=True).click()
    again.page.wait_for_url("**/outcomes?**direction=outbound**", timeout=30_000)


def test_a_figure_opens_its_calls_and_a_row_its_journey(opened):
    seen = opened("/overview")
    link = seen.page.get_by_test_id("stPageLink").filter(has_text="callers left").first
    stated = link.inner_text().split()[0]
    link.click()
    seen.page.wait_for_url("**/calls?**figure=abandoned**", timeout=30_000)
    seen.page.wait_for_selector(".st-key-totals", timeout=30_000)
    seen.settle()
    assert seen.page.locator(".st-key-totals").inner_text().startswith(f"{stated} calls")
    seen.page.get_by_test_id("stDataFrame").first.click(position={"x": 60, "y": 55})
    seen.page.wait_for_url("**/call?**", timeout=30_000)
    seen.settle()
    assert "called in" in seen.page.get_by_test_id("stMain").inner_text()
    assert seen.page.get_by_test_id("stVegaLiteChart").count() >= 1


def test_files_hold_what_the_screen_says(opened):
    seen = opened("/calls?period=28d&figure=missed")
    rows = int(seen.page.locator(".st-key-totals").inner_text().split()[0].replace(",", ""))
    assert rows > 100
    files = {}
    seen.page.get_by_role("button", name="⬇ Files").first.click()
    for label in ("CSV", "XLSX"):
        with seen.page.expect_download(timeout=30_000) as download:
            seen.page.get_by_role("button", name=f"⬇ {label}").first.click()
        files[label] = download.value.path().read_bytes()
    read = list(csv.DictReader(io.StringIO(files["CSV"].decode("utf-8-sig"))))
    assert len(read) == rows
    assert {row["Direction"] for row in read} == {"inbound"}
    assert read[0]["time zone"] == "Europe/Rome"
    assert read[0]["Start (Europe/Rome)"].endswith("+01:00")
    assert "Last 28 days" in read[0]["filter"]
    sheet = openpyxl.load_workbook(io.BytesIO(files["XLSX"]), read_only=True)["Rows"]
    assert sum(1 for _ in sheet.iter_rows()) == rows + 1


def test_a_new_build_shows_up_without_a_reload_by_hand(opened, browser, warehouses, tmp_path):
    folder = tmp_path / "root"
    folder.mkdir()
    with server(folder, tmp_path) as address:
        context = browser.new_context()
        seen = Watched(context, address)
        seen.open("/overview")
        assert "There is no warehouse yet" in seen.page.get_by_test_id("stMain").inner_text()
        shutil.copy(warehouses["one call"], folder / "aside")
        (folder / "aside").replace(folder / "warehouse.duckdb")
        seen.page.wait_for_selector('[data-testid="stMetric"]', timeout=30_000)
        seen.settle()
        assert seen.figure("Calls") == "1"
        shutil.copy(warehouses["one call"], folder / "aside")
        add_rows(folder / "aside", **facts_of("Bruno", UNTIL - timedelta(hours=1), company="other"))
        (folder / "aside").replace(folder / "warehouse.duckdb")
        tile = seen.page.get_by_test_id("stMetric").first.get_by_test_id("stMetricValue")
        tile.get_by_text("2", exact=True).wait_for(timeout=30_000)
        assert seen.errors == []
        assert seen.outside == []
        context.close()


@pytest.mark.parametrize("width", [1440, 390])
def test_dark_mode_is_dark_and_nothing_runs_out_of_a_narrow_screen(opened, width):
    from playwright.sync_api import TimeoutError as TooLate

    seen = opened("/overview", color_scheme="dark")
    seen.page.set_viewport_size({"width": width, "height": 900})
    ground = seen.page.evaluate("getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor")
    assert sum(int(part) for part in ground.removeprefix("rgb(").rstrip(")").split(",")[:3]) < 120
    try:  # a chart takes its new width only after the page has been laid out again
        seen.page.wait_for_function(f"document.querySelector('[data-testid=stMain]').scrollWidth <= {width}", timeout=20_000)
    except TooLate as error:
        wide = seen.page.evaluate(
            "limit => [...document.querySelectorAll('[data-testid=stMain] *')]"
            ".filter(e => e.getBoundingClientRect().right > limit).map(e => e.dataset.testid || e.className).slice(0, 8)",
            width,
        )
        raise AssertionError(f"wider than {width}: {wide}") from error


@pytest.mark.parametrize("page", ["overview", "missed", "queues", "quality"])
def test_no_word_of_a_tile_is_cut_on_a_narrow_screen(opened, page):
    seen = opened(f"/{page}?period=28d")
    seen.page.set_viewport_size({"width": 390, "height": 900})
    cut = """() => [...document.querySelectorAll('[class*="st-key-tile-"] *')]
        .filter(e => getComputedStyle(e).overflowX !== 'visible' && e.scrollWidth > e.clientWidth + 1).map(e => e.innerText)"""
    seen.page.wait_for_timeout(1500)
    assert seen.page.evaluate("document.querySelectorAll('[class*=\"st-key-tile-\"]').length") > 3
    assert seen.page.evaluate(cut) == []
