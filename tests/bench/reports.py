"""Every report over warehouses of simulated facts: 1 M and 10 M calls in about three years, each over 30 days and over all time.

Warm is the best of three on one connection; cold is the first on a new connection after the file's pages have been dropped.
`CALLFACTS_BENCH_CALLS=1000000,10000000` chooses other sizes, `CALLFACTS_BENCH_FOLDER` keeps the warehouses for the next run.
"""

from __future__ import annotations

import os
import tempfile
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from ingest.config import Reports
from tests.warehouses import simulated_warehouse
from transforms.reports.catalog import REPORTS, Filters, ask

TITLE = "Reports"

END = datetime(2026, 11, 20, 23, tzinfo=UTC)  # a local midnight in Rome
ALL = Filters(settings=Reports(time_zone="Europe/Rome"), end=None, limit=100)
MONTH = replace(ALL, start=END - timedelta(days=30), end=END)
DAY = replace(ALL, start=END - timedelta(days=1), end=END)

PERCENTILES = {"call_waits", "queue_percentiles", "agent_talk"}
OF_A_DAY = {"agent_presence", "agent_calls"}
OF_A_CALL = {name for name in REPORTS if name == "call" or "call_id" in REPORTS[name].parameters}
SERIES = {"call_volume", "outcome_volume", "cause_trend", "heatmap", "queue_series", "queue_half_hours", "quality_flow", "concurrency"}
LISTS_OF_ALL = {"calls", "calls_total"}
"""Also asked with a text to search for."""


def run(*, quick: bool) -> str:
    sizes = [50_000] if quick else [int(size) for size in os.environ.get("CALLFACTS_BENCH_CALLS", "1000000,10000000").split(",")]
    kept = os.environ.get("CALLFACTS_BENCH_FOLDER")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(kept or scratch)
        return "\n\n".join(_section(folder, size) for size in sizes)


def _section(folder: Path, calls: int) -> str:
    path = folder / f"reports-{calls}.duckdb"
    began = time.perf_counter()
    made = not path.exists()
    if made:
        simulated_warehouse(path, calls=calls, days=1000)
    took = time.perf_counter() - began
    with closing(_connection(path)) as con:
        questions = list(_questions(con))
    rows = [(name, what, goal, _cold(path, name, filters), _warm(path, name, filters)) for name, what, filters, goal in questions]
    missed = sum(goal is not None and warm > goal for _, _, goal, _, warm in rows)
    lines = [
        f"{calls:,} calls in 1000 days, a file of {path.stat().st_size / 1e6:,.0f} MB"
        + (f", made in {took:,.0f} s" if made else "")
        + f". {len(rows)} questions, {len(rows) - missed} within their goal.",
        "",
        "| report | of | warm ms | cold ms | goal ms | |",
        "|---|---|---:|---:|---:|---|",
    ]
    lines += [
        f"| {name} | {what} | {warm:.0f} | {cold:.0f} | {goal or ''} | {'' if goal is None else 'yes' if warm <= goal else 'no'} |"
        for name, what, goal, cold, warm in rows
    ]
    return "\n".join(lines)


def _questions(con: duckdb.DuckDBPyConnection) -> list[tuple[str, str, Filters, int | None]]:
    """Report, over what, filters, goal in ms."""
    large = _cursor(con).sql("select count(*) from calls").fetchall()[0][0] > 2_000_000
    busiest = ask(_cursor(con), "agents", DAY)["agent"][0]
    company, call_id = _cursor(con).sql("select company, call_id from calls offset (select count(*) // 2 from calls) limit 1").fetchall()[0]
    found: list[tuple[str, str, Filters, int | None]] = []
    for name in REPORTS:
        if name in OF_A_CALL:
            found.append((name, "one call", replace(ALL, call=(company, call_id)), 100 if large else 50))
            continue
        if name in OF_A_DAY:
            found.append((name, "an agent's day", replace(DAY, agents=(busiest,)), 100 if large else 50))
            continue
        found.append((name, "30 days", MONTH, 100 if large else 50))
        goal = 250 if name in PERCENTILES else 150 if large or name in SERIES else 50
        found.append((name, "all time", ALL, goal))
        if name in LISTS_OF_ALL:
            found.append((name, "text, all time", replace(ALL, text="960017"), 300))
    return found


def _warm(path: Path, report: str, filters: Filters) -> float:
    with closing(_connection(path)) as con:
        ask(_cursor(con), report, filters)
        return min(_ms(con, report, filters) for _ in range(3))


def _cold(path: Path, report: str, filters: Filters) -> float:
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    with closing(_connection(path)) as con:
        return _ms(con, report, filters)


def _ms(con: duckdb.DuckDBPyConnection, report: str, filters: Filters) -> float:
    cursor = _cursor(con)
    began = time.perf_counter()
    ask(cursor, report, filters)
    return (time.perf_counter() - began) * 1000


def _cursor(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    cursor = con.cursor()
    cursor.execute("use warehouse")
    return cursor


def _connection(path: Path) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    con.execute("set global TimeZone = 'UTC'")
    con.execute(f"attach '{path}' as warehouse (read_only)")
    return con
