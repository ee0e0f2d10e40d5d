"""Each page of the app in a browser, over a warehouse of 1 M simulated calls, with the default period: how long until it is painted.

Painted: the script has run, no skeleton is left, and every figure and picture of the page stands. First: the first page that a
server just started shows, and it opens no other. Warm: the page opened again by another reader, the best of three.
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

FIRST_GOAL_MS, WARM_GOAL_MS, MEMORY_GOAL_MB = 3000, 1000, 1024

_PAINTED = """() => {
    const app = document.querySelector('[data-testid="stApp"]'), main = document.querySelector('[data-testid="stMain"]');
    if (!app || !main || !main.querySelector('h1') || app.dataset.testScriptState !== 'notRunning') return false;
    if (!main.querySelector('.st-key-as-of') || document.querySelector('[data-testid="stSkeleton"]')) return false;
    if ([...main.querySelectorAll('[data-testid="stMetricValue"]')].some(value => !value.innerText.trim())) return false;
    return [...main.querySelectorAll('[data-testid="stVegaLiteChart"]')].every(chart => chart.querySelector('canvas, svg'));
}"""


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
                warm = {page: _warm(browser, f"{address}/{page}", times=1 if quick else 3) for page in PAGES}
                peak_mb = _peak_mb(root)
    lines = [
        f"{calls:,} calls in 1000 days; the default period, seven days. Goals: {FIRST_GOAL_MS} ms for the first page of a server just"
        f" started, {WARM_GOAL_MS} ms for a page after it, {MEMORY_GOAL_MB} MiB for the server at its most.",
        "",
        "| page | first ms | | warm ms, best | median | |",
        "|---|---:|---|---:|---:|---|",
    ]
    for page, took in warm.items():
        began = first.get(page)
        lines.append(
            f"| {page} | {'' if began is None else f'{began:.0f}'} | {'' if began is None else _met(began <= FIRST_GOAL_MS)} "
            f"| {min(took):.0f} | {median(took):.0f} | {_met(min(took) <= WARM_GOAL_MS)} |"
        )
    lines += ["", f"The server's memory at its most: {peak_mb:.0f} MiB, goal {_met(peak_mb < MEMORY_GOAL_MB)}."]
    return "\n".join(lines)


def _met(met: bool) -> str:
    return "yes" if met else "no"


def _first(browser: Any, root: Path, page: str) -> float:
    """ms of the first page that a new server shows."""
    with server(root, root) as address:
        return _open(browser, f"{address}/{page}")


def _warm(browser: Any, url: str, *, times: int) -> list[float]:
    """ms of a page that was shown before, each time to another reader."""
    _open(browser, url)
    return [_open(browser, url) for _ in range(times)]


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
