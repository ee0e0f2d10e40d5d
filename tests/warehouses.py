"""Warehouses of simulated facts, made by DuckDB straight into the tables: a million calls in seconds.

The facts hang together as real ones do (phases add up, legs tile the call, visits and events belong to it), so that pages and
benchmarks can be run without events. Same arguments, same facts. Names, numbers and addresses are made up.
"""

from __future__ import annotations

import atexit
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import polars as pl

from tests.builders import LATER, Event, facts
from transforms import rollups
from transforms.tables import TABLES

UNTIL = datetime(2026, 11, 20, 17, 30, tzinfo=UTC)
"""A Friday afternoon: the newest calls are of this day, and some are in progress."""


def empty_warehouse(path: Path, *, as_of: datetime = UNTIL) -> Path:
    """Every table, no fact but the build."""
    with duckdb.connect(str(path)) as con:
        _create(con)
        _build_row(con, as_of)
        rollups.rebuild(con)
        con.execute("checkpoint")
    return path


def simulated_warehouse(
    path: Path, *, calls: int, days: int = 30, until: datetime = UNTIL, seed: int = 1, agents: int = 24, numbers: int | None = None
) -> Path:
    """A warehouse of so many calls over the days before `until`, with every table filled and the prepared ones built."""
    with duckdb.connect(str(path)) as con:
        con.execute("set TimeZone = 'UTC'")
        _create(con)
        given = {"n": calls, "days": days, "until": until, "seed": seed, "agents": agents, "numbers": numbers or max(50, calls // 8)}
        for statement in _statements():
            used = {name: value for name, value in given.items() if f"${name}" in statement}
            con.execute(statement, used)
        _build_row(con, until)
        rollups.rebuild(con)
        con.execute("checkpoint")
    return path


def warehouse_of(events: Iterable[Event], *, as_of: datetime = LATER) -> duckdb.DuckDBPyConnection:
    """A warehouse in memory of what the transforms make of these events."""
    return warehouse_with(facts(events, as_of=as_of), as_of=as_of)


def warehouse_with(tables: Mapping[str, pl.DataFrame], *, as_of: datetime = LATER) -> duckdb.DuckDBPyConnection:
    """A warehouse in memory with these tables, the others empty."""
    con = duckdb.connect()
    con.execute("set TimeZone = 'UTC'")
    con.execute(f"attach '{_blank()}' as blank (read_only)")
    con.execute("copy from database blank to memory")
    con.execute("detach blank")
    for name in TABLES.keys() & tables.keys():
        con.register("incoming", tables[name].select(TABLES[name].names).sort(TABLES[name].order_by))
        con.execute(f"insert into {name} select * from incoming")
        con.unregister("incoming")
    if "end_causes" not in tables:
        con.execute(_statements()[0])
    if "builds" not in tables:
        _build_row(con, as_of)
    rollups.fill(con)
    return con


@cache
def _blank() -> Path:
    """A file with every table empty and every macro: to copy it takes a tenth of the time of defining all anew."""
    folder = TemporaryDirectory(prefix="callfacts-blank-")
    atexit.register(folder.cleanup)
    path = Path(folder.name) / "blank.duckdb"
    with duckdb.connect(str(path)) as con:
        _create(con)
        rollups.prepare(con)
    return path


def _create(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("set TimeZone = 'UTC'")
    for table in TABLES.values():
        con.execute(table.ddl())
        for comment in table.comments():
            con.execute(comment)


def _build_row(con: duckdb.DuckDBPyConnection, as_of: datetime) -> None:
    con.execute(
        "insert into builds select 'build-1', $at - interval 20 seconds, $at - interval 1 second, $at, 'full', 'polars', 12, "
        "(select coalesce(sum(delivery_count), 0) from calls), (select count(*) from calls), map {'call:live:transcription': 3}",
        {"at": as_of},
    )


def _statements() -> list[str]:
    reference = Path(__file__).resolve().parents[1] / "data" / "reference" / "end_causes.csv"
    causes = f"insert into end_causes select code, name, category from read_csv('{reference}', all_varchar = true)"
    return [causes, *Path(__file__).with_suffix(".sql").read_text(encoding="utf-8").split("\n;\n")]
