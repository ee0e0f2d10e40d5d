"""Each page of the app in a browser, over a warehouse of 1 M simulated calls, with the default period: how long until it is painted.

Painted: the script has run, no skeleton is left, and every figure and picture of the page stands. First: the first page that a
server just started shows, to a browser that has nothing of the app. Opened: by another such browser, the best of three. Chosen: a
click in the list of pages of an app that is open, the best of four, from the page Definitions (that one from Overview).
`CALLFACTS_BENCH_FOLDER` keeps the warehouse for the next run.
"""

from __future__ import annotations

import os
import re
import tempfile
import time
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any

from tests.app.browsing import FLAGS, chromium, server
from tests.app.conftest import PAGES
from tests.warehouses import simulated_warehouse

TITLE = "Pages of the app"

FIRST_GOAL_MS, CHOSEN_GOAL_MS, MEMORY_GOAL_MB = 3000, 1000, 1024

_PAINTED = """() => {
    const app = document.querySelector('[data-testid="stApp"]'), main = document.querySelector('[data-testid="stMain"]');
    if (!app || !main || !main.querySelector('h1') || app.dataset.testScriptState !== 'notRunning') return false;
    if (!main.querySelector('.st-key-as-of') || document.querySelector('[data-testid="stSkeleton"]')) return false;
    if ([...main.querySelectorAll('[data-testid="stMetricValue"]')].some(value => !value.innerText.trim())) return false;
    return [...main.querySelectorAll('[data-testid="stVegaLiteChart"]')].every(chart => chart.querySelector('canvas, svg'));
}"""

_TITLED = "title => document.querySelector('[data-testid=\"stMain\"] h1')?.innerText.includes(title)"


def run(*, quick: bool) -> str:
    where = chromium()
    if where is None:
        return "Not measured: there is no Chromium on this machine."
    from playwright.sync_api import sync_playwright

    calls = 20_000 if quick else 1_000_000
    kept = os.environ.get("CALLFACTS_BENCH_FOLDER")
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        made = Path(kept or scratch) / f"reports-{calls}.duckdb"
        if not made.exists():
            simulated_warehouse(made, calls=calls, days=1000)
        root = Path(scratch) / "root"
        root.mkdir()
        (root / "warehouse.duckdb").symlink_to(made)
        with closing(playwright.chromium.launch(executable_path=where, args=list(FLAGS))) as browser:
            _open(browser, "about:blank", painted="() => true")
            first = {page: _first(browser, root, page) for page in (("overview",) if quick else ("overview", "queues", "missed"))}
            with server(root, root) as address:
                opened = {page: _opened(browser, f"{address}/{page}", times=1 if quick else 3) for page in PAGES}
                chosen = _chosen(browser, address, times=1 if quick else 4)
                peak_mb = _peak_mb(root)
    lines = [
        f"{calls:,} calls in 1000 days; the default period, seven days. First: of a server just started, goal {FIRST_GOAL_MS} ms."
        " Opened: by a browser that has nothing of the app yet. Chosen: by a click in the list of pages of an open app,"
        f" goal {CHOSEN_GOAL_MS} ms. Browser and server share the two cores. Goal of the server's memory: {MEMORY_GOAL_MB} MiB.",
        "",
        "| page | first ms | | opened ms, best | median | chosen ms, best | median | |",
        "|---|---:|---|---:|---:|---:|---:|---|",
    ]
    for page, took in opened.items():
        began, clicked = first.get(page), chosen[page]
        of_first = "| |" if began is None else f"{began:.0f} | {_met(began <= FIRST_GOAL_MS)} |"
        of_chosen = f"{min(clicked):.0f} | {median(clicked):.0f} | {_met(min(clicked) <= CHOSEN_GOAL_MS)} |"
        lines.append(f"| {page} | {of_first} {min(took):.0f} | {median(took):.0f} | {of_chosen}")
    lines += ["", f"The server's memory at its most: {peak_mb:.0f} MiB, goal {_met(peak_mb < MEMORY_GOAL_MB)}."]
    return "\n".join(lines)


def _met(met: bool) -> str:
    return "yes" if met else "no"


def _first(browser: Any, root: Path, page: str) -> float:
    """ms of the first page that a new server shows."""
    with server(root, root) as address:
        return _open(browser, f"{address}/{page}")


def _opened(browser: Any, url: str, *, times: int) -> list[float]:
    """ms of a page that was shown before, each time to another reader."""
    _open(browser, url)
    return [_open(browser, url) for _ in range(times)]


def _chosen(browser: Any, address: str, *, times: int) -> dict[str, list[float]]:
    """ms of each page, chosen from the list of pages by one reader."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    try:
        page = context.new_page()

        def choose(name: str) -> float:
            began = time.perf_counter()
            page.locator(f'[data-testid="stSidebarNav"] a[href$="/{name}"]').click()
            page.wait_for_function("name => location.pathname.endsWith('/' + name)", arg=name)
            page.wait_for_function(_TITLED, arg=titles[name], timeout=60_000)
            page.wait_for_function(_PAINTED, timeout=60_000)
            return (time.perf_counter() - began) * 1000

        page.goto(f"{address}/{PAGES[0]}", wait_until="commit")
        page.wait_for_function(_PAINTED, timeout=60_000)
        titles = {name: page.locator(f'[data-testid="stSidebarNav"] a[href$="/{name}"]').inner_text().split("\n")[-1] for name in PAGES}
        took: dict[str, list[float]] = {}
        for name in PAGES:
            away = PAGES[0] if name == "definitions" else "definitions"
            choose(name)
            took[name] = []
            for _ in range(times):
                choose(away)
                page.wait_for_timeout(300)
                took[name].append(choose(name))
        return took
    finally:
        context.close()


def _open(browser: Any, url: str, *, painted: str = _PAINTED) -> float:
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    try:
        page = context.new_page()
        began = time.perf_counter()
        page.goto(url, wait_until="commit")
        page.wait_for_function(painted, timeout=60_000)
        return (time.perf_counter() - began) * 1000
    finally:
        context.close()


def _peak_mb(root: Path) -> float:
    """Of the server over this folder, which is told by its working directory."""
    found = 0.0
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and (process / "cwd").readlink() == root.resolve():
                peak = re.search(r"VmHWM:\s+(\d+) kB", (process / "status").read_text())
                found = max(found, int(peak[1]) / 1024 if peak else 0)
        except OSError:  # another's process, or one that has just ended
            continue
    return found
