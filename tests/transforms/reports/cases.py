"""What the cases of reports are arranged with: small calls, a warehouse of them, its answers. A minute is one of MONDAY, 09:00 UTC."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb

from tests.builders import COMPANY, MONDAY, Call, Event, agent, call, customer
from tests.warehouses import warehouse_of
from transforms.reports.catalog import Filters, ask

SECOND = 1000
ALL = Filters()
A, B = agent("201"), agent("202")


def at(minute: float) -> datetime:
    return MONDAY + timedelta(minutes=minute)


def day(year: int, month: int, number: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(year, month, number, hour, minute, tzinfo=UTC)


def inbound(n: int, *, minute: float = 0, phone: str = "+15550100", callee: Event | None = A, **data: Any) -> Call:
    """The beginning of an inbound call: it rings at `callee`."""
    begun = Call(f"{COMPANY}_1772442000.{n}", started_at=at(minute), caller=customer(phone), callee=callee, data=data)
    return begun.then("start", "RINGING")


def outbound(n: int, *, minute: float = 0, phone: str = "+15550100", ring: int = 8 * SECOND, talk: int | None = None, **end: Any) -> Call:
    return call(ring=ring, talk=talk, call_id=f"{COMPANY}_1772442000.{n}", started_at=at(minute), caller=A, callee=customer(phone), **end)


def end(begun: Call, status: str = "RINGING", *, after: int, by: str | None = "CALLER", cause: str | None = "16") -> Call:
    return begun.then("end", status, after=after, endCause=cause, endBy=by)


def answered(n: int, *, wait: int = 5 * SECOND, talk: int = 60 * SECOND, **more: Any) -> Call:
    return end(inbound(n, **more).then("update", "TALKING", after=wait), "TALKING", after=talk, by="CALLEE")


def left(n: int, *, wait: int, **more: Any) -> Call:
    """The caller hangs up after `wait`, unanswered."""
    return end(inbound(n, **more), after=wait)


def of(*calls: Call, also: Iterable[Event] = (), as_of: datetime | None = None) -> duckdb.DuckDBPyConnection:
    return warehouse_of([*(event for one in calls for event in one.events()), *also], as_of=as_of or at(60 * 24))


def one(con: duckdb.DuckDBPyConnection, report: str, filters: Filters = ALL) -> dict[str, Any]:
    frame = ask(con.cursor(), report, filters)
    assert frame.height == 1
    return frame.row(0, named=True)


def table(con: duckdb.DuckDBPyConnection, report: str, *columns: str, filters: Filters = ALL) -> list[tuple[Any, ...]]:
    return ask(con.cursor(), report, filters).select(columns).rows()


def some(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: row[name] for name in names}
