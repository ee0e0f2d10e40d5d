"""Every report over warehouses of simulated facts: 1 M and 10 M calls in about three years, each over 30 days and over all time.

The larger one is the smaller ten times over, each time some seconds later and with other callers: made in steps, in little memory.

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
import pyarrow as pa

from app.access import CATALOG, attach
from app.warehouse import MEMORY_LIMIT
from ingest.config import Reports
from tests.warehouses import simulated_warehouse
from transforms import rollups
from transforms.reports.catalog import REPORTS, Filters, ask
from transforms.tables import TABLES, Column

TITLE = "Reports"

END = datetime(2026, 11, 20, 23, tzinfo=UTC)  # a local midnight in Rome
DAYS = 1000
LARGEST_AT_ONCE = 1_000_000
ALL = Filters(settings=Reports(time_zone="Europe/Rome"), end=None, limit=100)
MONTH = replace(ALL, start=END - timedelta(days=30), end=END)
DAY = replace(ALL, start=END - timedelta(days=1), end=END)

PERCENTILES = {"call_waits", "queue_percentiles", "agent_talk"}
OF_A_DAY = {"agent_presence", "agent_calls", "agent_phases", "agent_day_total"}
OF_A_CALL = {name for name in REPORTS if name == "call" or "call_id" in REPORTS[name].parameters}
SERIES = {"call_volume", "outcome_volume", "cause_trend", "heatmap", "queue_series", "queue_half_hours", "quality_flow", "concurrency"}
LISTS_OF_ALL = {"calls", "calls_total"}
"""Also asked with a text to search for."""
TEXTS = {"text": "960017", "a whole number": "+44 1632 960017", "a rare text": "010075834", "no such text": "no such text"}


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
        if calls > LARGEST_AT_ONCE:
            _enlarged(folder, path, calls)
        else:
            simulated_warehouse(path, calls=calls, days=DAYS)
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


def _enlarged(folder: Path, path: Path, calls: int) -> None:
    """A warehouse of so many calls: a simulated one several times over, by steps of ten days, so that each table keeps its order."""
    few = folder / f"reports-{LARGEST_AT_ONCE}.duckdb"
    if not few.exists():
        simulated_warehouse(few, calls=LARGEST_AT_ONCE, days=DAYS)
    unfinished = path.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    with closing(duckdb.connect(str(unfinished))) as con:
        con.execute("set TimeZone = 'UTC'; set memory_limit = '3GB'")
        con.execute(f"attach '{few}' as few (read_only)")
        for table in TABLES.values():
            con.execute(table.ddl())
            if "call_id" not in table.names:
                con.execute(f"insert into {table.name} from few.main.{table.name}")
                continue
            columns = ", ".join(map(_again, table.columns))
            select = f"select {columns} from few.main.{table.name}, range({calls // LARGEST_AT_ONCE}) r(k)"
            at = next(column.name for column in table.columns if pa.types.is_timestamp(column.type))
            for step in range(0, DAYS + 60, 10):
                begin, until = END - timedelta(days=DAYS + 30 - step), END - timedelta(days=DAYS + 20 - step)
                within = f"{at} >= timestamptz '{begin}' and {at} < timestamptz '{until}'"
                con.execute(f"insert into {table.name} {select} where {within} order by {', '.join(table.order_by)}")
        rollups.rebuild(con)
        con.execute("checkpoint")
    unfinished.rename(path)


def _again(column: Column) -> str:
    """A column of the k-th time: 17 s later each time, with other ids, and other numbers of all but the forty who call most."""
    name = column.name
    if pa.types.is_timestamp(column.type):
        return f"{name} + to_seconds(17 * k) as {name}"
    if name in ("call_id", "event_uid", "writer"):
        return f"{name} || k as {name}"
    if name.endswith("_phone") or name == "destination":
        return f"case when {name} like '+1 555 01%' then {name} || k else {name} end as {name}"
    if name == "external_key":
        return "case when external_phone like '+1 555 01%' then right(external_key || k, 9) else external_key end as external_key"
    return name


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
            found += [(name, f"{label}, all time", replace(ALL, text=text), 300) for label, text in TEXTS.items()]
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
    cursor.execute(f"use {CATALOG}")
    return cursor


def _connection(path: Path) -> duckdb.DuckDBPyConnection:
    """As the app opens it."""
    con = duckdb.connect()
    attach(con, path, memory_limit=MEMORY_LIMIT, spill=path.parent / "spill")
    return con
