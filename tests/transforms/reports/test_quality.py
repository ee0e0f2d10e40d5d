"""Reports on what can be trusted, and the vendor's account of a call, against cases worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import duckdb
import polars as pl

from tests.builders import COMPANY, MONDAY, Event, agent, customer, epoch_ms, event
from tests.transforms.reports.cases import ALL, SECOND, answered, at, day, end, inbound, left, of, one, table
from transforms.reports.catalog import Filters, ask

ONE = f"{COMPANY}_1772442000.1"


def completed(call_id: str, **flow: Any) -> Event:
    """The vendor's account of a call that rang 5 s and was talked 60 s."""
    told = {
        "startTime": epoch_ms(MONDAY), "endTime": epoch_ms(MONDAY) + 65_000, "duration": 65_000, "connectTime": 4_000, "waitTime": 1_000,
        "queueTime": 0, "talkTime": 60_000, "holdTime": 0, "direction": "INBOUND", "callStatus": "COMPLETED", "endCause": "16",
        "caller": customer(), "callee": agent(), "trunkName": "north",
    }  # fmt: skip
    return event("call:completed", at(3), call_id=call_id, flows=[told | flow])


def inserted(con: duckdb.DuckDBPyConnection, name: str, *rows: dict[str, Any]) -> duckdb.DuckDBPyConnection:
    con.register("incoming", pl.DataFrame(rows))
    con.execute(f"insert into {name} by name from incoming")
    con.unregister("incoming")
    return con


def test_the_vendors_figures_of_a_call_beside_ours() -> None:
    """Its talk is 1.5 s longer than ours and its end a second later; a second call agrees, a third has no account."""
    theirs = completed(ONE, talkTime=61_500, endTime=epoch_ms(MONDAY) + 66_000)
    also = [theirs, completed(f"{COMPANY}_1772442000.2")]
    con = of(answered(1), answered(2, phone="+15550102"), answered(3, phone="+15550103"), also=also)
    assert one(con, "call_reconciliation", Filters(call=(COMPANY, ONE))) == {
        "started_at": MONDAY, "duration_ms": 65_000, "talk_ms": 60_000, "hold_ms": 0, "wait_ms": 5_000,
        "vendor_duration_ms": 66_000, "vendor_talk_ms": 61_500, "vendor_hold_ms": 0, "vendor_wait_ms": 5_000,
        "duration_difference_ms": -1_000, "talk_difference_ms": -1_500, "hold_difference_ms": 0, "wait_difference_ms": 0, "agrees": False,
    }  # fmt: skip
    assert one(con, "call_reconciliation", Filters(call=(COMPANY, f"{COMPANY}_1772442000.2")))["agrees"] is True
    assert ask(con.cursor(), "call_reconciliation", Filters(call=(COMPANY, f"{COMPANY}_1772442000.3"))).is_empty()
    assert one(con, "reconciliation")["agreement"] == 0.5


def test_the_vendors_account_is_shown_as_sent() -> None:
    con = of(answered(1), also=[completed(ONE, flowIndex=3, splitReason="TRANSFER", callerMos=4.2)])
    (row,) = ask(con.cursor(), "call_vendor", Filters(call=(COMPANY, ONE))).rows(named=True)
    said = {name: value for name, value in row.items() if value not in (None, 0)}
    assert said.pop("caller_mos") == 4.2
    assert said == {
        "flow_index": 3, "started_at": MONDAY, "ended_at": MONDAY + timedelta(seconds=65), "duration_ms": 65_000, "connect_ms": 4_000,
        "wait_ms": 1_000, "talk_ms": 60_000, "direction": "INBOUND", "caller_phone": "+15550100", "callee_phone": "201",
        "callee_name": "Agent 201", "trunk_name": "north", "split_reason": "TRANSFER", "call_status": "COMPLETED", "end_cause": "16",
    }  # fmt: skip
    assert ask(con.cursor(), "call_vendor", Filters(call=(COMPANY, "elsewhere"))).is_empty()


def test_builds_are_listed_from_the_newest() -> None:
    began = day(2026, 3, 9, 10)
    later = {
        "build_id": "build-2", "started_at": began, "finished_at": began + timedelta(seconds=20), "as_of": began - timedelta(minutes=1),
        "mode": "incremental", "engine": "spark", "files": 3, "events": 17, "calls_changed": 5,
    }  # fmt: skip
    con = inserted(of(answered(1)), "builds", later)
    assert ask(con.cursor(), "quality_builds", ALL).row(0, named=True) == later
    assert table(con, "quality_builds", "build_id") == [("build-2",), ("build-1",)]
    assert table(con, "quality_builds", "build_id", filters=Filters(limit=1, offset=1)) == [("build-1",)]


def test_types_are_those_of_the_last_build() -> None:
    con = of()
    assert table(con, "quality_types", "event_type", "events") == [("call:live:transcription", 3)]
    inserted(con, "builds", {"build_id": "build-0", "started_at": day(2026, 4, 1)})
    con.execute("update builds set unknown_types = map {'call:b': 1, 'call:c': 5, 'call:a': 1} where build_id = 'build-0'")
    assert table(con, "quality_types", "event_type", "events") == [("call:c", 5), ("call:a", 1), ("call:b", 1)]


def test_quarantine_by_source_and_reason_with_the_last_of_each() -> None:
    kept = [
        ("aa", 7, day(2026, 3, 2, 10), "acme", "not_json", "early"), ("aa", 9, day(2026, 3, 2, 12), "acme", "not_json", "late"),
        ("bb", 1, day(2026, 3, 2, 11), "acme", "no_time", "none"), ("bb", 2, day(2026, 3, 2, 11, 30), "other", "no_time", "none"),
    ]  # fmt: skip
    names = ("writer", "seq", "received_at", "source", "reason", "detail")
    con = inserted(of(), "quarantine", *({"transport": "webhook"} | dict(zip(names, row, strict=True)) for row in kept))
    assert table(con, "quality_quarantine", "source", "transport", "reason", "deliveries", "last_at", "last_id", "detail") == [
        ("acme", "webhook", "not_json", 2, day(2026, 3, 2, 12), "aa-9", "late"),
        ("acme", "webhook", "no_time", 1, day(2026, 3, 2, 11), "bb-1", "none"),
        ("other", "webhook", "no_time", 1, day(2026, 3, 2, 11, 30), "bb-2", "none"),
    ]
    assert one(con, "quality")["quarantined"] == 4
    of_acme = Filters(part="quarantine:acme webhook not_json")
    assert table(con, "quarantined", "id", "detail", filters=of_acme) == [("aa-9", "late"), ("aa-7", "early")]
    assert table(con, "quarantined", "id", filters=replace(of_acme, limit=1, offset=1)) == [("aa-7",)]
    assert [row[0] for row in table(con, "quarantined", "id")] == ["aa-9", "bb-2", "bb-1", "aa-7"]


def test_rejections_by_the_days_that_the_period_touches() -> None:
    refused = (("bad_signature", 1, 4), ("bad_signature", 2, 2), ("too_large", 2, 1), ("bad_signature", 3, 8))
    con = inserted(
        of(),
        "rejections",
        *({"source": "acme", "reason": reason, "day": date(2026, 3, number), "count": count} for reason, number, count in refused),
    )
    second = [("acme", "bad_signature", date(2026, 3, 2), 2), ("acme", "too_large", date(2026, 3, 2), 1)]
    names = ("source", "reason", "day", "requests")
    assert [row[2:] for row in table(con, "quality_rejections", *names)] == [
        (date(2026, 3, 3), 8), (date(2026, 3, 2), 2), (date(2026, 3, 2), 1), (date(2026, 3, 1), 4),
    ]  # fmt: skip
    # a period ends before its end: midnight of the third is none of it
    assert table(con, "quality_rejections", *names, filters=Filters(start=day(2026, 3, 2), end=day(2026, 3, 3))) == second
    assert table(con, "quality_rejections", *names, filters=Filters(start=day(2026, 3, 2, 5), end=day(2026, 3, 2, 6))) == second
    assert one(con, "quality")["rejected"] == 15


def test_sources_by_when_they_were_last_heard_and_how_late() -> None:
    """Three events of 09:00:00, 09:00:05 and 09:01:05, received at 10:00:01, :02 and :03."""
    call = answered(1)
    assert table(of(call), "quality_sources", "source", "events", "last_at", "delay_p50_ms", "delay_p90_ms") == [
        ("acme", 3, at(60) + timedelta(seconds=3), 3_597_000.0, 3_600_200.0),
    ]  # fmt: skip
    assert table(of(call, as_of=at(8 * 1440)), "quality_sources", "source") == []


def test_statuses_that_the_list_of_phases_lacks() -> None:
    parked = inbound(1).then("update", "PARKED", after=SECOND).then("update", "PARKED", after=SECOND)
    other = inbound(2, minute=30, phone="+15550102").then("update", "PARKED", after=SECOND).then("update", None, after=SECOND)
    con = of(end(parked, after=SECOND), end(other, after=SECOND), left(3, wait=9 * SECOND, phone="+15550103"))
    names = ("status", "events", "calls", "last_at")
    seconds = timedelta(seconds=1)
    assert table(con, "quality_statuses", *names) == [("PARKED", 3, 2, at(30) + seconds), ("", 1, 1, at(30) + 2 * seconds)]
    assert table(con, "quality_statuses", *names, filters=Filters(end=at(10))) == [("PARKED", 2, 1, at(0) + 2 * seconds)]
    # a call belongs to the period in which it started, whenever the status came
    assert table(con, "quality_statuses", *names, filters=Filters(start=at(0) + seconds)) == [
        ("", 1, 1, at(30) + 2 * seconds), ("PARKED", 1, 1, at(30) + seconds),
    ]  # fmt: skip
    assert table(con, "quality_statuses", *names, filters=replace(ALL, companies=("another",))) == []
    for status, calls in (("PARKED", 2), ("", 1), ("RINGING", 0)):
        assert one(con, "calls_total", Filters(part=f"status:{status}"))["calls"] == calls
        assert len(table(con, "calls", "call_id", filters=Filters(part=f"status:{status}"))) == calls
