"""Prepared tables: a refresh gives, row for row, what a rebuild gives; odd facts neither fail it nor fill it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import polars as pl
import pytest

from tests.builders import COMPANY, MONDAY, agent, call, customer, event, facts
from tests.warehouses import warehouse_with
from transforms import rollups
from transforms.reports.catalog import REPORTS, Filters, ask
from transforms.rollups import REPORT_TABLES

Tables = dict[str, pl.DataFrame]
OF_CALLS = ("calls", "call_states", "call_legs", "queue_visits", "call_events", "vendor_calls")


def random_facts(seed: int, calls: int, *, days: int = 2) -> Tables:
    """Calls of few numbers within so many days, some over many hours, some open."""
    rng = random.Random(seed)
    sent = []
    for n in range(calls):
        began = MONDAY + timedelta(seconds=rng.randrange(days * 86_400))
        outside, inward = customer(f"+1555010{rng.randrange(4)}"), rng.random() < 0.6
        talk = rng.choice([None, None, 5_000, 90_000, 8_000_000])
        sides = {"caller": outside} if inward else {"caller": call().callee, "callee": outside}
        built = call(
            call_id=f"{COMPANY}_{int(began.timestamp())}.{n}", started_at=began, ring=rng.randrange(60_000), talk=talk,
            hold=rng.choice([None, 4_000]) if talk else None,
            ended=rng.random() < 0.9, ended_by=rng.choice(["CALLER", "CALLEE", None]), queueName=rng.choice([None, "Q", "R"]), **sides,
        )  # fmt: skip
        sent += built.events()
        if rng.random() < 0.2:
            sent.append(event("call:update", began + timedelta(seconds=1), call_id=built.call_id, status=rng.choice(["PARKED", "GONE"])))
        if rng.random() < 0.3:
            ended_at = began + timedelta(minutes=5)
            figures = {
                "connectTime": 2_000,
                "waitTime": 0,
                "queueTime": rng.randrange(9_000),
                "talkTime": rng.choice([0, 4_000]),
                "holdTime": 0,
            }
            flow = {"startTime": int(began.timestamp() * 1000), "endTime": int(ended_at.timestamp() * 1000), "duration": 300_000, **figures}
            sent.append(event("call:completed", ended_at, call_id=built.call_id, flows=[flow]))
    return facts(sent, as_of=MONDAY + timedelta(days=1))


def prepared(con: duckdb.DuckDBPyConnection) -> dict[str, list[tuple[Any, ...]]]:
    return {name: sorted(con.sql(f"from {name}").pl().rows(), key=repr) for name in REPORT_TABLES}


def change(con: duckdb.DuckDBPyConnection, after: Tables, call_ids: Sequence[str]) -> None:
    """What an incremental build does to these calls, and then a refresh."""
    touched = pl.DataFrame({"call_id": call_ids}, schema={"call_id": pl.String()})
    con.register("touched", touched)
    for name, short in (("calls", "calls"), ("queue_visits", "visits")):
        con.execute(f"create or replace temp table {short}_old as from {name} semi join touched using (call_id)")
    for name in OF_CALLS:
        con.execute(f"delete from {name} where call_id in (select call_id from touched)")
        con.register("rows", after[name].join(touched, on="call_id", how="semi"))
        con.execute(f"insert into {name} by name select * from rows")
        con.unregister("rows")
    for name, short in (("calls", "calls"), ("queue_visits", "visits")):
        con.execute(f"create or replace temp table {short}_new as from {name} semi join touched using (call_id)")
    con.unregister("touched")
    con.execute("begin")
    rollups.refresh(con)
    con.execute("commit")


@pytest.mark.parametrize("seed", range(4))
def test_incremental_equals_full(seed: int) -> None:
    """Half of the calls come first; then the others, and a third of the first with other facts, in four steps."""
    rng = random.Random(seed)
    before, after = random_facts(seed, 60), random_facts(seed + 100, 60)
    ids = before["calls"]["call_id"].to_list()
    kept = {name: before[name].filter(pl.col("call_id").is_in(ids[::2])) for name in OF_CALLS}
    changed = [*ids[1::2], *ids[::6], *after["calls"]["call_id"].to_list()]
    rng.shuffle(changed)
    every = {name: pl.concat([before[name].filter(pl.col("call_id").is_in(ids[1::2])), after[name]]) for name in OF_CALLS}
    with warehouse_with(kept) as con:
        for step in range(4):
            change(con, every, changed[step::4])
            found = prepared(con)
            rollups.rebuild(con)
            assert prepared(con) == found
        assert all(found.values())


@pytest.mark.parametrize("seed", range(3))
def test_a_change_of_one_call_leaves_the_other_days_of_its_month(seed: int) -> None:
    before, after = (random_facts(number, 40, days=45) for number in (seed, seed + 100))
    ids = [*before["calls"]["call_id"].to_list()[::14], *after["calls"]["call_id"].to_list()[::14]]
    with warehouse_with(before) as con:
        for call_id in ids:
            change(con, after, [call_id])
            found = prepared(con)
            rollups.rebuild(con)
            assert prepared(con) == found
        assert all(found.values())


def test_a_refresh_with_nothing_changed_changes_nothing() -> None:
    with warehouse_with(random_facts(9, 20)) as con:
        before = prepared(con)
        change(con, random_facts(9, 20), [])
        assert prepared(con) == before


def test_every_prepared_column_has_a_comment() -> None:
    with warehouse_with({}) as con:
        names = list(REPORT_TABLES)
        found = con.sql(
            "select count(*) from duckdb_columns() where list_contains($names, table_name) and comment is null", params={"names": names}
        )
        assert found.fetchall() == [(0,)]
        view = con.sql("select count(*) from duckdb_columns() where table_name = 'reconciliation' and comment is null")
        assert view.fetchall() == [(0,)]


def test_an_end_in_2099_does_not_fill_the_table_of_minutes() -> None:
    mistaken = call(talk=1).then("update", "TALKING", after=int((datetime(2099, 1, 1, tzinfo=UTC) - MONDAY).total_seconds()) * 1000)
    with warehouse_with(facts(mistaken.events())) as con:
        assert con.sql("select count(*) from concurrency_by_minute").fetchall()[0][0] <= 31 * 24 * 60 + 1
        assert ask(con.cursor(), "overview", Filters())["calls"].to_list() == [1]


def test_figures_beyond_all_measure_fail_no_build() -> None:
    """Ten thousand vendor flows of 10^15 ms are more than 63 bits; they are cut, and everything else stays right."""
    row = facts(call(talk=1).events())["calls"]
    vast = row.with_columns(pl.lit(999_999_999_999_999, pl.Int64).alias("talk_ms"))
    many = pl.concat([vast] * 10_000).with_columns(pl.int_range(pl.len()).cast(pl.String).alias("call_id"))
    with warehouse_with({"calls": many}) as con:
        assert con.sql("select sum(calls) from calls_by_quarter").fetchall()[0][0] == 10_000
        assert ask(con.cursor(), "overview", Filters())["answered"].to_list() == [10_000]


SIDES: dict[str, dict[str, Any]] = {
    "inbound": {},
    "outbound": {"caller": agent(), "callee": customer()},
    "internal": {"caller": agent(), "callee": agent("202")},
    "unknown": {"caller": {"phone": None}, "callee": {"phone": None}},
}


@pytest.mark.parametrize("talk", [None, 9_000])
@pytest.mark.parametrize("ended_by", [None, "CALLER", "CALLEE", "SYSTEM", "1e+30"])
@pytest.mark.parametrize("sides", SIDES)
def test_a_warehouse_of_one_call_whatever_it_is_is_prepared_and_every_report_answers(
    sides: str, ended_by: str | None, talk: int | None
) -> None:
    """Where a column has one value in all rows DuckDB folds what is made of it, and has failed to bind what was left."""
    sent = call(talk=talk, hold=talk, ended_by=ended_by, **SIDES[sides]).events()
    with warehouse_with(facts(sent, as_of=MONDAY + timedelta(hours=9))) as con:
        assert con.sql("select direction from calls").fetchall() == [(sides,)]
        month = Filters(start=MONDAY - timedelta(days=30), end=MONDAY + timedelta(days=1), figure="missed", text="5")
        for filters in (Filters(call=(COMPANY, f"{COMPANY}_1772442000.1"), limit=100), month):
            for report in REPORTS:
                ask(con.cursor(), report, filters)
        assert ask(con.cursor(), "calls", Filters()).height == 1
