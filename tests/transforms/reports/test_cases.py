"""Each figure against cases that a supervisor can work out by hand. A minute below is one of MONDAY, 09:00 UTC."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import duckdb
import polars as pl
import pytest

from ingest.config import QueueSettings, Reports
from tests.builders import COMPANY, MONDAY, Call, agent, presence, voicebot
from tests.transforms.reports.cases import ALL, SECOND, A, B, answered, at, day, end, inbound, left, of, one, outbound, some, table
from tests.warehouses import warehouse_with
from transforms.reports.catalog import Filters, ask, ask_usual, known_windows
from transforms.tables import TABLES

# --- calls -----------------------------------------------------------------------------------------------------------


def test_answered_abandoned_short_and_unanswered_add_up_to_offered() -> None:
    con = of(
        answered(1, wait=10 * SECOND, talk=90 * SECOND),
        left(2, wait=30 * SECOND),
        left(3, wait=5 * SECOND),  # exactly S: abandoned
        left(4, wait=4999),  # a millisecond less: short
        end(inbound(5), after=40 * SECOND, by="CALLEE", cause="19"),
        end(inbound(6), after=40 * SECOND, by=None, cause="19"),  # never silently abandoned
    )
    row = one(con, "overview")
    assert some(row, "offered", "answered", "abandoned", "short_abandoned", "unanswered", "missed") == {
        "offered": 6, "answered": 1, "abandoned": 2, "short_abandoned": 1, "unanswered": 2, "missed": 5,
    }  # fmt: skip
    assert row["answer_rate"] == pytest.approx(1 / 5)
    assert row["abandonment_rate"] == pytest.approx(2 / 5)
    assert row["average_wait_ms"] == pytest.approx((10_000 + 30_000 + 5_000 + 4_999 + 40_000 + 40_000) / 6)
    assert row["time_to_abandon_ms"] == pytest.approx(17_500)
    assert (row["talk_ms"], row["talked"]) == (90_000, 1)


def test_rejected_call_that_the_caller_ended_is_abandoned() -> None:
    """The vendor's own sample: cause 21, ended by the caller."""
    con = of(end(inbound(1), after=8 * SECOND, cause="21"))
    assert some(one(con, "overview"), "abandoned", "missed") == {"abandoned": 1, "missed": 1}
    assert table(con, "outcomes", "outcome", "calls") == [("rejected", 1)]
    assert table(con, "outcome_abandoned", "outcome", "missed", "abandoned", "not_abandoned") == [("rejected", 1, 1, 0)]
    assert one(con, "quality")["otherwise_abandoned"] == 1


def test_announcement_that_picks_up_is_no_answer() -> None:
    """answered_at is there, though nobody answered: the call is missed, and counted as picked up by no person."""
    picked = end(inbound(1, callee=voicebot()).then("update", "TALKING", after=2 * SECOND), "TALKING", after=20 * SECOND)
    con = of(picked)
    row = one(con, "overview")
    assert some(row, "offered", "answered", "missed", "picked_up", "abandoned", "unanswered", "talk_ms") == {
        "offered": 1, "answered": 0, "missed": 1, "picked_up": 1, "abandoned": 0, "unanswered": 1, "talk_ms": 0,
    }  # fmt: skip


def test_ivr_then_person_waits_until_the_person_in_the_queue_alone() -> None:
    """A menu picks up after 1 s, the queue is entered after 10 s, a person answers after 25 s."""
    ivr = inbound(1, callee=None).then("update", "TALKING", after=1 * SECOND)
    queued = ivr.then("update", "RINGING", after=9 * SECOND, callee=A, queueName="Sales")
    con = of(end(queued.then("update", "TALKING", after=15 * SECOND), "TALKING", after=60 * SECOND, by="CALLEE"))
    assert some(one(con, "overview"), "answered", "average_wait_ms") == {"answered": 1, "average_wait_ms": 1000.0}
    assert table(con, "queues", "queue_name", "answered", "asa_ms") == [("Sales", 1, 15_000.0)]


def test_nothing_at_all_has_counts_of_zero_and_no_rate() -> None:
    con = of()
    row = one(con, "overview")
    assert {name for name, value in row.items() if value is None} == {
        "answer_rate", "abandonment_rate", "reach_rate", "average_wait_ms", "time_to_abandon_ms", "average_talk_ms", "handling_ms",
    }  # fmt: skip
    assert all(value in (0, None) for value in row.values())
    assert one(con, "queues_total")["service_level"] is None
    assert one(con, "agents_total")["answer_rate"] is None
    assert one(con, "missed_summary")["recovery_rate"] is None
    assert one(con, "reconciliation")["agreement"] is None


def test_only_short_abandons_give_no_rate() -> None:
    row = one(of(left(1, wait=1 * SECOND)), "overview")
    assert some(row, "offered", "short_abandoned", "answer_rate", "abandonment_rate") == {
        "offered": 1, "short_abandoned": 1, "answer_rate": None, "abandonment_rate": None,
    }  # fmt: skip


def test_calls_without_an_end_are_shown_apart_and_enter_no_rate() -> None:
    ringing = inbound(1, minute=60 * 22)
    talking = inbound(2, minute=0, phone="+15550101").then("update", "TALKING", after=5 * SECOND)
    con = of(ringing, talking, answered(3, minute=1, phone="+15550102"))
    row = one(con, "overview")
    assert some(row, "calls", "in_progress", "lost", "offered", "answered", "answer_rate", "talk_ms") == {
        "calls": 3, "in_progress": 1, "lost": 1, "offered": 1, "answered": 1, "answer_rate": 1.0, "talk_ms": 60_000,
    }  # fmt: skip
    assert sum(calls for (calls,) in table(con, "causes", "calls")) == 1
    assert table(con, "missed_calls", "call_id") == []


def test_outbound_is_answered_by_whoever_picks_up() -> None:
    con = of(
        outbound(1, talk=30 * SECOND), outbound(2, cause="17", ended_by="CALLEE"), outbound(3, cause="34", ended_by="SYSTEM"),
        outbound(4, ended_by="CALLER"),
    )  # fmt: skip
    assert some(one(con, "overview"), "attempts", "reached", "reach_rate", "abandoned", "missed") == {
        "attempts": 4, "reached": 1, "reach_rate": 0.25, "abandoned": 0, "missed": 0,
    }  # fmt: skip
    (trunk,) = ask(con.cursor(), "trunks", ALL).rows(named=True)
    assert some(trunk, "attempts", "reached", "busy", "no_answer", "failed", "answer_seizure_ratio", "network_effectiveness_ratio") == {
        "attempts": 4, "reached": 1, "busy": 1, "no_answer": 1, "failed": 1,
        "answer_seizure_ratio": 0.25, "network_effectiveness_ratio": 0.75,
    }  # fmt: skip


# --- time ------------------------------------------------------------------------------------------------------------

ROME = Filters(settings=Reports(time_zone="Europe/Rome"))


def moved(n: int, start: datetime) -> Call:
    return answered(n, minute=(start - MONDAY) / timedelta(minutes=1), phone=f"+1555010{n}")


def test_call_over_midnight_belongs_to_the_day_it_started_on() -> None:
    con = of(end(inbound(1, minute=60 * 14 + 59).then("update", "TALKING", after=1000), "TALKING", after=600 * SECOND, by="CALLEE"))
    assert table(con, "call_volume", "interval_at", "calls", filters=replace(ALL, grain="day", start=MONDAY, end=at(60 * 48))) == [
        (day(2026, 3, 2), 1), (day(2026, 3, 3), 0), (day(2026, 3, 4), 0),
    ]  # fmt: skip


def test_average_talk_of_each_day_is_of_its_talked_calls_in_both_directions() -> None:
    con = of(
        answered(1, talk=60 * SECOND),
        outbound(2, minute=5, phone="+15550102", talk=120 * SECOND),
        left(3, minute=9, wait=30 * SECOND, phone="+15550103"),  # nobody talked: in no average
        left(4, minute=60 * 24, wait=30 * SECOND, phone="+15550104"),
        as_of=at(60 * 48),
    )
    days = replace(ALL, grain="day", start=MONDAY, end=at(60 * 38))
    assert table(con, "call_volume", "calls", "talked", "talk_ms", "average_talk_ms", filters=days) == [
        (3, 2, 180_000, 90_000.0),
        (1, 0, 0, None),
    ]


def test_day_of_23_hours_has_23_hours() -> None:
    con = of(moved(1, day(2026, 3, 29, 0, 59)), moved(2, day(2026, 3, 29, 1, 0)), as_of=day(2026, 4, 2))
    filters = replace(ROME, start=day(2026, 3, 28, 23), end=day(2026, 3, 29, 22), grain="hour")
    hours = table(con, "call_volume", "interval_at", "calls", filters=filters)
    assert len(hours) == 23
    assert [row for row in hours if row[1]] == [(day(2026, 3, 29, 0), 1), (day(2026, 3, 29, 1), 1)]
    assert table(con, "call_volume", "interval_at", "calls", filters=replace(filters, grain="day")) == [(day(2026, 3, 28, 23), 2)]
    # 02:00 local did not exist on this Sunday
    assert [row for row in table(con, "heatmap", "weekday", "hour", "hours", "calls", filters=filters) if row[1] in (1, 2, 3)] == [
        (7, 1, 1, 1), (7, 3, 1, 1),
    ]  # fmt: skip


def test_day_of_25_hours_keeps_both_hours_that_have_one_name() -> None:
    con = of(moved(1, day(2026, 10, 25, 0, 30)), moved(2, day(2026, 10, 25, 1, 30)), as_of=day(2026, 11, 2))
    filters = replace(ROME, start=day(2026, 10, 24, 22), end=day(2026, 10, 25, 23), grain="hour")
    hours = table(con, "call_volume", "interval_at", "calls", filters=filters)
    assert len(hours) == 25
    assert [row for row in hours if row[1]] == [(day(2026, 10, 25, 0), 1), (day(2026, 10, 25, 1), 1)]
    assert (7, 2, 2, 2, 1.0) in table(con, "heatmap", "weekday", "hour", "hours", "calls", "calls_an_hour", filters=filters)


@pytest.mark.parametrize(
    ("zone", "start", "expected"),
    [
        ("Asia/Kolkata", day(2026, 3, 2, 18, 29), day(2026, 3, 1, 18, 30)),  # 23:59 of 2 March
        ("Asia/Kolkata", day(2026, 3, 2, 18, 30), day(2026, 3, 2, 18, 30)),  # 00:00 of 3 March
        ("Asia/Kathmandu", day(2026, 3, 2, 18, 14), day(2026, 3, 1, 18, 15)),
        ("Asia/Kathmandu", day(2026, 3, 2, 18, 15), day(2026, 3, 2, 18, 15)),
        ("America/St_Johns", day(2026, 3, 2, 3, 29), day(2026, 3, 1, 3, 30)),
    ],
)
def test_half_hour_and_45_minute_zones_have_their_own_days(zone: str, start: datetime, expected: datetime) -> None:
    con = of(moved(1, start), as_of=day(2026, 4, 1))
    for filters in (ALL, Filters(trunks=("none",), start=None), Filters(companies=(COMPANY,))):
        chosen = replace(filters, settings=Reports(time_zone=zone), grain="day")
        found = [row for row in table(con, "call_volume", "interval_at", "calls", filters=chosen) if row[1]]
        assert found == ([] if filters.trunks else [(expected, 1)])


def test_week_begins_on_the_weekday_of_the_settings() -> None:
    con = of(answered(1))
    for first, expected in ((1, day(2026, 3, 2)), (7, day(2026, 3, 1)), (6, day(2026, 2, 28))):
        filters = Filters(settings=Reports(first_weekday=first), grain="week")
        assert table(con, "call_volume", "interval_at", "calls", filters=filters) == [(expected, 1)]


OFFICE = Reports(
    time_zone="Europe/Rome",
    business_hours={"monday": ["08:00-10:05", "11:00-12:00"], "tuesday": ["08:00-12:00"]},
    holidays=[date(2026, 3, 3)],
)


def test_in_hours_only_leaves_out_nights_breaks_and_holidays() -> None:
    con = of(
        answered(1, minute=0),  # Monday 10:00 in Rome
        answered(2, minute=4.99, phone="+15550102"),  # 10:04:59
        answered(3, minute=5, phone="+15550103"),  # 10:05:00: closed
        answered(4, minute=60, phone="+15550104"),  # 11:00
        answered(5, minute=60 * 24, phone="+15550105"),  # Tuesday, a holiday
        as_of=at(60 * 24 * 3),
    )
    assert one(con, "overview", Filters(settings=OFFICE))["offered"] == 5
    assert one(con, "overview", Filters(settings=OFFICE, in_hours_only=True))["offered"] == 3
    aligned = replace(ALL, settings=Reports(time_zone="Europe/Rome", business_hours={"monday": ["10:00-10:15"]}), in_hours_only=True)
    assert aligned.calls_rolled
    assert one(con, "overview", aligned)["offered"] == 3


def test_open_windows_agree_with_is_open_minute_by_minute_over_a_change_of_the_clock() -> None:
    con = of()
    settings = Reports(
        time_zone="Europe/Rome", business_hours={"sunday": ["01:20-02:40", "03:10-05:00"], "saturday": ["22:00-24:00"]},
        holidays=[date(2026, 10, 24)],
    )  # fmt: skip
    for start in (day(2026, 3, 28, 12), day(2026, 10, 24, 12)):
        filters = Filters(settings=settings)
        windows = filters.open_windows(start, start + timedelta(days=2))
        minutes = [start + timedelta(minutes=i) for i in range(2880)]
        expected = [any(window["from_at"] <= minute < window["until_at"] for window in windows) for minute in minutes]
        con.register("minute", pl.DataFrame({"minute": minutes}, schema={"minute": pl.Datetime("us", "UTC")}))
        given = {"z": settings.time_zone, "m": filters.open_minutes, "h": list(settings.holidays)}
        found = con.sql('select is_open("minute", $z, $m, $h) as open from "minute" order by "minute"', params=given).pl()
        con.unregister("minute")
        assert found["open"].to_list() == expected
        assert any(expected)


# --- comparison ------------------------------------------------------------------------------------------------------


def test_previous_period_is_as_many_local_days_before() -> None:
    """The last Sunday of March has 23 hours in Rome, so the day before it begins 24 h before it, the day after it 23 h later."""
    filters = replace(ROME, start=day(2026, 3, 29, 22), end=day(2026, 3, 30, 22), compare="previous")
    (window,) = filters.windows()
    assert (window.start, window.end) == (day(2026, 3, 28, 23), day(2026, 3, 29, 22))


def test_usual_is_the_median_of_the_same_weekdays() -> None:
    counts = [3, 1, 7, 2, 9]  # this Monday, and one to four weeks before
    calls = [
        answered(100 * week + i, minute=-7 * 24 * 60 * week + i, phone=f"+155501{10 + i}")
        for week, n in enumerate(counts)
        for i in range(n)
    ]
    con = of(*calls)
    filters = Filters(start=day(2026, 3, 2), end=day(2026, 3, 3), compare="usual", grain="hour")
    assert one(con, "overview", filters)["offered"] == 3
    usual = ask_usual(con.cursor(), "overview", filters)
    assert usual is not None
    assert usual["offered"].to_list() == [4.5]
    series = ask_usual(con.cursor(), "call_volume", filters)
    assert series is not None
    assert series.height == 24
    assert series.filter(pl.col("calls") > 0).select("interval_at", "calls").rows() == [(MONDAY, 4.5)]
    assert ask_usual(con.cursor(), "overview", replace(filters, compare="none")) is None


@pytest.mark.parametrize("strays", [0, 1])
def test_weeks_before_the_first_call_are_no_zeros_in_the_usual(strays: int) -> None:
    """Calls are kept since the Monday two weeks before: the usual is of two weeks, not of two and twice nothing."""
    calls = [
        answered(100 * week + i, minute=-7 * 24 * 60 * week + i, phone=f"+155501{10 + i}")
        for week, n in enumerate([3, 2, 4])
        for i in range(n)
    ]
    con = of(*calls, *(answered(900 + n, minute=-60 * 24 * 900) for n in range(strays)))
    filters = Filters(start=day(2026, 3, 2), end=day(2026, 3, 3), compare="usual", grain="hour")
    assert [window.start for window in known_windows(con.cursor(), filters)] == [day(2026, 2, 23), day(2026, 2, 16)]
    usual = ask_usual(con.cursor(), "overview", filters)
    assert usual is not None
    assert usual["offered"].to_list() == [3.0]
    series = ask_usual(con.cursor(), "call_volume", filters)
    assert series is not None
    assert series["calls"].max() == 3.0
    first = replace(filters, start=day(2026, 2, 16), end=day(2026, 2, 17))
    assert known_windows(con.cursor(), first) == ()
    assert ask_usual(con.cursor(), "overview", first) is None
    assert ask_usual(of().cursor(), "overview", filters) is None


def test_weeks_in_which_nobody_called_are_zeros_where_calls_were_kept_before_them() -> None:
    con = of(answered(1), answered(2, minute=-60 * 24 * 50))
    filters = Filters(start=day(2026, 3, 2), end=day(2026, 3, 3), compare="usual")
    assert len(known_windows(con.cursor(), filters)) == 4
    usual = ask_usual(con.cursor(), "overview", filters)
    assert usual is not None
    assert usual["offered"].to_list() == [0.0]


# --- queues ----------------------------------------------------------------------------------------------------------


def test_overflow_from_a_to_b_to_a_is_three_visits() -> None:
    """10 s in A, 20 s in B, then 7 s in A until a person answers."""
    begun = inbound(1, queueName="A").then("update", "RINGING", after=10 * SECOND, queueName="B", callee=B)
    back = begun.then("update", "RINGING", after=20 * SECOND, queueName="A", callee=A)
    con = of(end(back.then("update", "TALKING", after=7 * SECOND), "TALKING", after=60 * SECOND, by="CALLEE"))
    assert table(con, "queues", "queue_name", "offered", "answered", "overflowed", "asa_ms") == [
        ("A", 2, 1, 1, 7_000.0), ("B", 1, 0, 1, None),
    ]  # fmt: skip
    assert table(con, "queue_overflow", "queue_name", "next_queue", "visits") == [("A", "B", 1), ("B", "A", 1)]
    levels = ("queue_name", "sl_default", "sl_overflow_ignored", "service_level")
    assert table(con, "queues", *levels) == [("A", 0.5, 1.0, 0.5), ("B", 0.0, None, 0.0)]
    ignored = Filters(settings=Reports(service_level_formula="overflow_ignored"))
    assert table(con, "queues", *levels, filters=ignored) == [("A", 0.5, 1.0, 1.0), ("B", 0.0, None, None)]
    assert [one(con, "queues_total", filters)["service_level"] for filters in (Filters(), ignored)] == [pytest.approx(1 / 3), 1.0]
    assert ask(con.cursor(), "queue_half_hours", ignored)["service_level"].to_list() == [1.0]
    assert one(con, "overview")["offered"] == 1
    # the call counts for each queue that it visited, once
    assert sorted(row for row in table(con, "breakdown", "dimension", "value", "calls") if row[0] == "queue") == [
        ("queue", "A", 1),
        ("queue", "B", 1),
    ]
    chosen: tuple[tuple[str, ...], ...] = (("A",), ("B",), ("A", "B"), ("C",))
    assert [one(con, "overview", Filters(queues=queues))["offered"] for queues in chosen] == [1, 1, 1, 0]


def five_visits() -> duckdb.DuckDBPyConnection:
    """Five visits of one queue: one answered in time, one in time left by the caller, and three others."""
    return of(
        answered(1, wait=10 * SECOND, queueName="Q"),
        left(2, wait=3 * SECOND, queueName="Q", phone="+15550102"),
        left(3, wait=30 * SECOND, queueName="Q", phone="+15550103"),
        left(4, wait=60 * SECOND, queueName="Q", phone="+15550104"),
        end(inbound(5, queueName="Q", phone="+15550105"), after=40 * SECOND, by="CALLEE"),
    )


def test_six_formulas_of_service_level_on_the_same_five_visits() -> None:
    """1/(5−1), 1/5, 1/(5−1), (1+1)/5, 1/1, 1/(5−1−0): the spread is why the formula is printed."""
    (queue,) = ask(five_visits().cursor(), "queues", ALL).rows(named=True)
    names = ("default", "abandons_negative", "abandons_ignored", "abandons_positive", "of_answered_only", "overflow_ignored")
    assert [queue[f"sl_{name}"] for name in names] == [0.25, 0.2, 0.25, 0.4, 1.0, 0.25]
    assert queue["service_level"] == 0.25
    assert some(queue, "offered", "answered", "abandoned", "short_abandoned", "unanswered", "answer_rate", "abandonment_rate") == {
        "offered": 5, "answered": 1, "abandoned": 2, "short_abandoned": 1, "unanswered": 1, "answer_rate": 0.25, "abandonment_rate": 0.5,
    }  # fmt: skip


def test_a_queue_of_its_own_settings_and_the_total_from_counts() -> None:
    con = of(
        answered(1, wait=25 * SECOND, queueName="Q"),
        answered(2, wait=25 * SECOND, queueName="R", phone="+15550102"),
        left(3, wait=8 * SECOND, queueName="R", phone="+15550103"),
    )
    own = QueueSettings(service_level_s=30, short_abandon_s=10, service_level_formula="of_answered_only", service_level_goal=0.9)
    settings = Reports(queues={"R": own})
    filters = Filters(settings=settings)
    assert table(con, "queues", "queue_name", "service_level", "formula", "goal", "short_abandoned", filters=filters) == [
        ("R", 1.0, "of_answered_only", 0.9, 1), ("Q", 0.0, "default", 0.8, 0),
    ]  # fmt: skip
    assert one(con, "queues_total", filters)["service_level"] == 0.5


@pytest.mark.parametrize(("within", "in_time"), [(9.999, 0), (10, 1), (10.0005, 1), (601, 1)])
@pytest.mark.parametrize(("short", "shorts"), [(3, 0), (3.001, 1), (2.999, 0), (700, 3)])
def test_thresholds_hold_to_the_millisecond_from_rows_and_roll_ups(within: float, in_time: int, short: float, shorts: int) -> None:
    filters = Filters(settings=Reports(service_level_s=within, short_abandon_s=short))
    (queue,) = ask(five_visits().cursor(), "queues", filters).rows(named=True)
    assert (queue["in_time"], queue["short_abandoned"]) == (in_time, shorts)


def test_histogram_and_patience_of_the_five_visits() -> None:
    con = five_visits()
    steps = ask(con.cursor(), "queue_waits", ALL)
    assert steps.height == 13
    assert steps.filter(pl.sum_horizontal("answered", "caller_left", "unanswered") > 0).rows() == [
        (0, 0, 1, 0, 0), (10, 1, 0, 0, 0), (30, 0, 1, 0, 0), (40, 0, 0, 0, 1), (60, 0, 1, 0, 0),
    ]  # fmt: skip
    patience = {row[0]: row[1:] for row in table(con, "queue_patience", "from_s", "still_waiting", "left", "left_share")}
    assert patience[0] == (5, 1, 0.2)
    assert patience[5] == (4, 0, 0.0)
    assert patience[30] == (3, 1, pytest.approx(1 / 3))
    assert patience[60] == (1, 1, 1.0)


def test_percentiles_are_exact_and_the_longest_wait_names_its_call() -> None:
    (queue,) = ask(five_visits().cursor(), "queue_percentiles", ALL).rows(named=True)
    assert (queue["wait_p50_ms"], queue["wait_p90_ms"]) == (30_000.0, pytest.approx(52_000.0))
    assert (queue["longest_wait_ms"], queue["longest_call_id"]) == (60_000, f"{COMPANY}_1772442000.4")


# --- agents ----------------------------------------------------------------------------------------------------------


def offers(con: duckdb.DuckDBPyConnection) -> list[tuple[Any, ...]]:
    return sorted(table(con, "offers", "extension", "result"))


def test_an_agent_whose_phone_rings_when_the_caller_leaves_is_not_blamed() -> None:
    con = of(left(1, wait=12 * SECOND))
    assert offers(con) == [("201", "caller_left")]


def test_ring_all_is_one_call_and_several_offers() -> None:
    ringing = inbound(1, callee=A).then("update", "RINGING", after=1 * SECOND, callee=B)
    con = of(end(ringing.then("update", "TALKING", after=4 * SECOND), "TALKING", after=60 * SECOND, by="CALLEE"))
    assert offers(con) == [("201", "taken"), ("202", "answered")]
    assert one(con, "overview")["offered"] == 1
    assert some(one(con, "agents_total"), "offers", "answered", "taken", "answer_rate") == {
        "offers": 2, "answered": 1, "taken": 1, "answer_rate": 0.5,
    }  # fmt: skip


def test_a_phone_that_rings_out_before_the_caller_leaves_elsewhere_is_lost() -> None:
    con = of(end(inbound(1, callee=A).then("update", "RINGING", after=15 * SECOND, callee=B), after=5 * SECOND))
    assert offers(con) == [("201", "lost"), ("202", "caller_left")]


def test_a_transfer_that_rings_out_is_lost_though_the_call_was_answered_before() -> None:
    """A answers and transfers, B's phone rings out, the call comes back to A: two answered offers of A, and one that B lost."""
    handed = inbound(1, callee=A).then("update", "TALKING", after=5 * SECOND).then("update", "RINGING", after=30 * SECOND, callee=B)
    back = handed.then("update", "RINGING", after=20 * SECOND, callee=A).then("update", "TALKING", after=2 * SECOND)
    con = of(end(back, "TALKING", after=60 * SECOND, by="CALLEE"))
    assert offers(con) == [("201", "answered"), ("201", "answered"), ("202", "lost")]
    assert table(con, "agents", "extension", "offers", "answered", "taken", "lost") == [("201", 2, 2, 0, 0), ("202", 1, 0, 0, 1)]


def test_who_rings_out_and_answers_later_has_lost_the_first_offer() -> None:
    """A rings out, B rings out, A answers: nobody else took it from A, A took it from B."""
    rung = inbound(1, callee=A).then("update", "RINGING", after=15 * SECOND, callee=B)
    again = rung.then("update", "RINGING", after=15 * SECOND, callee=A)
    con = of(end(again.then("update", "TALKING", after=3 * SECOND), "TALKING", after=60 * SECOND, by="CALLEE"))
    assert offers(con) == [("201", "answered"), ("201", "lost"), ("202", "taken")]


def test_transfer_books_talk_to_the_one_who_talked() -> None:
    talking = inbound(1, callee=A).then("update", "TALKING", after=5 * SECOND)
    handed = talking.then("update", "RINGING", after=30 * SECOND, callee=B).then("update", "TALKING", after=3 * SECOND)
    con = of(end(handed, "TALKING", after=100 * SECOND, by="CALLEE"))
    assert table(con, "agents", "extension", "answered", "talk_ms", "transferred") == [("201", 1, 30_000, 1), ("202", 1, 100_000, 0)]
    assert some(one(con, "agents_total"), "answered", "transferred") == {"answered": 2, "transferred": 1}
    assert some(one(con, "overview"), "transfers", "talk_ms") == {"transfers": 1, "talk_ms": 130_000}


def test_agents_have_their_own_outbound_calls() -> None:
    con = of(outbound(1, talk=20 * SECOND), outbound(2, minute=5))
    assert table(con, "agents", "agent", "name", "offers", "answer_rate", "outbound", "outbound_reached", "outbound_talk_ms") == [
        (f"{COMPANY}_201", "Agent 201", 0, None, 2, 1, 20_000),
    ]  # fmt: skip


def test_occupancy_is_clipped_to_the_period_business_hours_and_available() -> None:
    """Available 09:00–11:00 UTC; phone registered from 08:00, talking 09:30–10:30, then registered for ever; open 09:00–10:00."""
    also = [
        presence("user", at(0), status="available"), presence("user", at(120), status="away"),
        presence("telephony", at(-60), status="registered"), presence("telephony", at(30), status="talking"),
        presence("telephony", at(90), status="registered"),
    ]  # fmt: skip
    con = of(also=also)
    office = Filters(settings=Reports(business_hours={"monday": ["09:00-10:00"]}))
    hour, minutes = 3_600_000, 60_000
    assert table(con, "agent_occupancy", "ready_ms", "busy_ms", "occupancy", filters=office) == [(hour, hour // 2, 0.5)]
    assert table(con, "agent_occupancy", "ready_ms", "busy_ms", filters=ALL) == [(2 * hour, hour)]
    assert table(con, "agent_occupancy", "ready_ms", "busy_ms", filters=Filters(start=at(20), end=at(50))) == [(30 * minutes, 20 * minutes)]
    # no feed is no data, not idle
    assert table(of(also=also[2:]), "agent_occupancy", "ready_ms", "occupancy") == [(0, None)]
    assert table(of(also=also[:2]), "agent_occupancy", "ready_ms") == []


def test_agent_day_has_presence_clipped_to_the_day_and_both_kinds_of_calls() -> None:
    also = [presence("user", at(-30), status="Available"), presence("user", at(45), status="away", message="Lunch")]
    con = of(answered(1), outbound(2, minute=10, talk=5 * SECOND), also=also)
    filters = Filters(start=MONDAY, end=at(60), agents=(f"{COMPANY}_201",))
    assert table(con, "agent_presence", "kind", "status", "started_at", "ended_at", "goes_on", filters=filters) == [
        ("user", "available", MONDAY, at(45), False), ("user", "away", at(45), at(60), True),
    ]  # fmt: skip
    assert table(con, "agent_calls", "leg", "role", "direction", "other_phone", "talk_ms", filters=filters) == [
        (0, "called", "inbound", "+15550100", 60_000), (-1, "caller", "outbound", "+15550100", 5_000),
    ]  # fmt: skip


def test_a_call_over_midnight_is_in_both_days_with_its_part_of_each() -> None:
    """It rings at 23:50 for 5 min and is talked until 00:50, but held from 00:20 to 00:25. Midnight here is 09:00 of MONDAY."""
    minutes = 60 * SECOND
    talking = inbound(1, minute=-10).then("update", "TALKING", after=5 * minutes)
    held = talking.then("update", "HOLD", after=25 * minutes).then("update", "TALKING", after=5 * minutes)
    before = [presence("user", at(-600), status="dnd"), presence("user", at(-30), status="Online")]
    con = of(
        end(held, "TALKING", after=25 * minutes, by="CALLEE"),
        outbound(2, minute=60, ring=minutes, talk=4 * minutes),
        also=[
            *before,
            presence("user", at(30), status="lunch"),
            presence("user", at(90), status=None),
            presence("user", at(100), status="busy"),
        ],
        as_of=at(120),
    )
    first, second = (Filters(start=at(begin), end=at(begin + 1440), agents=(f"{COMPANY}_201",)) for begin in (-1440, 0))
    spans = ("leg", "started_at", "from_at", "until_at", "ring_ms", "talk_ms", "hold_ms")
    assert table(con, "agent_calls", *spans, filters=first) == [(0, at(-10), at(-10), at(0), 5 * minutes, 5 * minutes, 0)]
    assert table(con, "agent_calls", *spans, filters=second) == [
        (0, at(-10), at(0), at(50), 0, 45 * minutes, 5 * minutes), (-1, at(60), at(60), at(65), minutes, 4 * minutes, 0),
    ]  # fmt: skip
    assert one(con, "agent_day_total", first) == {
        "agent": f"{COMPANY}_201", "in_calls_ms": 10 * minutes, "talk_ms": 5 * minutes, "hold_ms": 0, "ring_ms": 5 * minutes,
        "available_ms": 30 * minutes, "busy_ms": 570 * minutes, "away_ms": 0, "unknown_ms": 840 * minutes, "calls": 1,
    }  # fmt: skip
    # of the second day only the two hours until the build are over
    assert one(con, "agent_day_total", second) == {
        "agent": f"{COMPANY}_201", "in_calls_ms": 55 * minutes, "talk_ms": 49 * minutes, "hold_ms": 5 * minutes, "ring_ms": minutes,
        "available_ms": 30 * minutes, "busy_ms": 20 * minutes, "away_ms": 60 * minutes, "unknown_ms": 10 * minutes, "calls": 2,
    }  # fmt: skip


def test_the_phases_of_a_persons_calls_are_clipped_to_the_day_and_those_of_others_left_out() -> None:
    """The phone of 201 rings at 08:58, they talk from 08:59 to 09:01 and hold until 09:02; then 202 talks on. 201 calls out at 09:10."""
    minutes = 60 * SECOND
    talking = inbound(1, minute=-2).then("update", "TALKING", after=minutes)
    held = talking.then("update", "HOLD", after=2 * minutes).then("update", "TALKING", after=minutes, callee=B)
    con = of(end(held, "TALKING", after=5 * minutes, by="CALLEE"), outbound(2, minute=10, ring=minutes, talk=minutes))
    filters = Filters(start=MONDAY, end=at(60), agents=(f"{COMPANY}_201",))
    assert table(con, "agent_phases", "leg", "phase", "from_at", "until_at", "duration_ms", filters=filters) == [
        (0, "talking", at(0), at(1), minutes), (0, "held", at(1), at(2), minutes),
        (-1, "ringing", at(10), at(11), minutes), (-1, "talking", at(11), at(12), minutes),
    ]  # fmt: skip
    total = one(con, "agent_day_total", filters)
    spent = table(con, "agent_phases", "phase", "duration_ms", filters=filters)
    for phase, column in (("ringing", "ring_ms"), ("talking", "talk_ms"), ("held", "hold_ms")):
        assert sum(ms for known, ms in spent if known == phase) == total[column]


def test_a_day_of_a_person_of_whom_nothing_is_known_is_unknown() -> None:
    filters = Filters(start=MONDAY, end=at(60), agents=(f"{COMPANY}_299",))
    row = one(of(answered(1)), "agent_day_total", filters)
    assert some(row, "in_calls_ms", "available_ms", "away_ms", "unknown_ms", "calls") == {
        "in_calls_ms": 0, "available_ms": 0, "away_ms": 0, "unknown_ms": 3_600_000, "calls": 0,
    }  # fmt: skip


def test_an_open_call_goes_on_in_the_day_and_a_lost_one_ends_with_its_last_event() -> None:
    """Both are answered after 5 s; the first, two days ago, was never heard of again, the second is talked for an hour by the build."""
    lost = inbound(1, minute=-2880, phone="+15550101").then("update", "TALKING", after=5 * SECOND)
    talking = inbound(2, minute=-30, phone="+15550102").then("update", "TALKING", after=5 * SECOND)
    con = of(lost, talking, as_of=at(30))
    today = Filters(start=MONDAY, end=at(1440), agents=(f"{COMPANY}_201",))
    assert table(con, "agent_calls", "call_id", "from_at", "until_at", "talk_ms", "ended_at", filters=today) == [
        (f"{COMPANY}_1772442000.2", MONDAY, at(30), 1_800_000, None),
    ]  # fmt: skip
    whole = some(one(con, "agent_day_total", replace(today, start=None, end=None)), "talk_ms", "ring_ms", "unknown_ms", "calls")
    assert whole == {"talk_ms": 3_595_000, "ring_ms": 10_000, "unknown_ms": None, "calls": 2}


# --- missed callers --------------------------------------------------------------------------------------------------


def episodes(con: duckdb.DuckDBPyConnection, filters: Filters = ALL) -> list[tuple[Any, ...]]:
    return table(con, "missed_callers", "state", "misses", "tries", "recovered_how", "age_ms", filters=filters)


def test_an_episode_ends_with_the_first_contact_that_reached_a_person() -> None:
    """Missed at 0 and 10 min, we try in vain at 20, they ring again at 30 and are answered; a new miss at 40 is a new episode."""
    con = of(
        outbound(1, minute=-5),  # before the first miss: no try of ours
        left(2, wait=20 * SECOND, minute=0), left(3, wait=20 * SECOND, minute=10), outbound(4, minute=20), answered(5, minute=30),
        left(6, wait=20 * SECOND, minute=40),
        as_of=at(100),
    )  # fmt: skip
    minutes = 60_000
    assert episodes(con) == [("open", 1, 0, None, 60 * minutes), ("recovered", 2, 1, "they rang again", 30 * minutes)]
    assert some(one(con, "missed_summary"), "misses", "episodes", "open", "recovered", "recovery_rate", "median_recovery_ms", "tries") == {
        "misses": 3, "episodes": 2, "open": 1, "recovered": 1, "recovery_rate": 0.5, "median_recovery_ms": 30.0 * minutes, "tries": 1,
    }  # fmt: skip
    assert table(con, "missed_recovery", "within", "episodes")[1] == ("1 h", 1)


def test_an_outbound_call_that_is_answered_recovers() -> None:
    con = of(left(1, wait=20 * SECOND), outbound(2, minute=5, talk=60 * SECOND), as_of=at(60))
    assert episodes(con) == [("recovered", 1, 0, "we called", 300_000)]


def test_numbers_are_one_caller_by_their_last_nine_digits() -> None:
    ours = outbound(2, minute=5, phone="01632960001", talk=60 * SECOND)
    con = of(left(1, wait=20 * SECOND, phone="+44 1632 960001"), ours, as_of=at(60))
    assert episodes(con) == [("recovered", 1, 0, "we called", 300_000)]


def test_a_caller_who_left_a_queue_for_another_is_on_the_list_of_both() -> None:
    """From A the call goes on to B, where the caller leaves after 3 s in all: a short abandon of both; another waits in B alone."""
    went_on = inbound(1, queueName="A").then("update", "RINGING", after=1 * SECOND, queueName="B")
    con = of(end(went_on, after=2 * SECOND), left(2, wait=30 * SECOND, phone="+15550102", queueName="B"), as_of=at(60))
    for queues, misses in ((("A",), 1), (("B",), 2), (("A", "B"), 2), (("C",), 0)):
        filters = Filters(queues=queues, include_short=True)
        assert one(con, "missed_total", filters) == {"misses": misses}
        assert ask(con.cursor(), "missed_callers", filters).height == misses == one(con, "overview", filters)["missed"]
    of_queues = table(con, "breakdown", "dimension", "value", "calls", "abandoned")
    assert [row[1:] for row in of_queues if row[0] == "queue"] == [("B", 2, 1), ("A", 1, 0)]
    # also where the rows are asked: of the calls that visited A
    of_queues = table(con, "breakdown", "dimension", "value", "calls", "abandoned", filters=Filters(queues=("A",)))
    assert [row[1:] for row in of_queues if row[0] == "queue"] == [("A", 1, 0), ("B", 1, 0)]
    listed = [((), "A", 1), ((), "B", 2), (("A",), "B", 1), (("B",), "A", 1), (("C",), "A", 0), ((), "C", 0)]
    for queues, part, calls in listed:
        assert one(con, "calls_total", Filters(queues=queues, part=f"queue:{part}"))["calls"] == calls


def test_late_and_expired_by_the_callback_window() -> None:
    week = 7 * 24 * 60
    missed = [left(1, wait=20 * SECOND, phone="+15550101"), left(2, wait=20 * SECOND, phone="+15550102")]
    con = of(*missed, answered(3, minute=week + 1, phone="+15550102"), as_of=at(week + 60))
    assert sorted(row[0] for row in episodes(con)) == ["expired", "late"]
    longer = Filters(settings=Reports(callback_days=8))
    assert sorted(row[0] for row in episodes(con, longer)) == ["open", "recovered"]


def test_short_abandons_are_no_episode_unless_asked_for() -> None:
    con = of(left(1, wait=2 * SECOND), left(2, wait=3 * SECOND, minute=5), left(3, wait=30 * SECOND, minute=10), as_of=at(70))
    assert episodes(con) == [("open", 1, 0, None, 3_600_000)]
    assert episodes(con, Filters(include_short=True)) == [("open", 3, 0, None, 4_200_000)]
    assert episodes(con, Filters(settings=Reports(short_abandon_s=2.5))) == [("open", 2, 0, None, 3_900_000)]


def test_withheld_numbers_are_listed_apart() -> None:
    con = of(left(1, wait=20 * SECOND, phone=""), left(2, wait=20 * SECOND, phone="+15550102"), as_of=at(60))
    assert some(one(con, "missed_summary"), "misses", "withheld", "episodes") == {"misses": 2, "withheld": 1, "episodes": 1}
    assert table(con, "missed_calls", "call_id", filters=Filters(figure="withheld")) == [(f"{COMPANY}_1772442000.1",)]


def test_an_episode_is_in_every_period_with_one_of_its_misses() -> None:
    con = of(left(1, wait=20 * SECOND), left(2, wait=20 * SECOND, minute=60 * 48), as_of=at(60 * 72))
    periods = [(-60, 60), (60, 60 * 47), (60 * 47, 60 * 49)]
    assert [len(episodes(con, Filters(start=at(first), end=at(last)))) for first, last in periods] == [1, 0, 1]


def test_reasons_in_their_order() -> None:
    con = of(
        left(1, wait=20 * SECOND, minute=-120),  # 07:00, closed
        left(2, wait=2 * SECOND, phone="+15550102"),
        end(inbound(3, phone="+15550103", callee=None), after=9 * SECOND, by="SYSTEM", cause="34"),
        left(4, wait=20 * SECOND, phone="+15550104", callee=None, queueName="Q"),
        left(5, wait=20 * SECOND, phone="+15550105"),
        end(
            inbound(6, phone="+15550106", callee=voicebot(), queueName="Q").then("update", "TALKING", after=SECOND), "TALKING", after=SECOND
        ),
    )
    settings = Reports(business_hours={"monday": ["08:00-18:00"]})
    assert sorted(table(con, "missed_reasons", "reason", "misses", filters=Filters(settings=settings))) == [
        ("failed", 1), ("nobody_rang", 1), ("other", 1), ("out_of_hours", 1), ("rang_not_answered", 1), ("short_abandon", 1),
    ]  # fmt: skip


# --- concurrency -----------------------------------------------------------------------------------------------------


def test_peak_is_exact_and_an_end_makes_room_for_a_start() -> None:
    """Two calls overlap by 15 s; a third starts in the instant in which the second ends."""
    con = of(
        answered(1, wait=5 * SECOND, talk=85 * SECOND),  # 0:00–1:30
        answered(2, minute=1.25, wait=5 * SECOND, talk=85 * SECOND, phone="+15550102"),  # 1:15–2:45
        answered(3, minute=2.75, wait=5 * SECOND, talk=10 * SECOND, phone="+15550103"),  # 2:45–3:00
    )
    minutes = con.sql("select minute_at, peak, peak_at, busy_ms from concurrency_by_minute order by minute_at").pl().rows()
    assert minutes == [(at(0), 1, at(0), 60_000), (at(1), 2, at(1.25), 75_000), (at(2), 1, at(2), 60_000)]
    for filters in (replace(ALL, grain="day"), Filters(start=at(-1), end=at(4), grain="day")):  # by quarters, and by minutes
        assert table(con, "concurrency", "peak", "peak_at", "busy_ms", filters=filters) == [(2, at(1.25), 195_000)]
    of_instants = [(0, 1), (1.25, 2), (1.5, 1), (2.75, 1), (3, 0)]
    assert [one(con, "calls_total", Filters(part=f"instant:{at(minute).isoformat()}"))["calls"] for minute, _ in of_instants] == [
        calls for _, calls in of_instants
    ]  # fmt: skip


# --- the flow of events ----------------------------------------------------------------------------------------------


def flow_of(hours: dict[datetime, int], *, as_of: datetime) -> duckdb.DuckDBPyConnection:
    """A warehouse whose roll-up of calls has so many calls in the hours, each of four events."""
    con = of(as_of=as_of)
    counts = pl.DataFrame(
        {"quarter_at": list(hours), "calls": list(hours.values())}, schema={"quarter_at": pl.Datetime("us", "UTC"), "calls": pl.Int64}
    )
    con.register("counts", counts.filter(pl.col("calls") > 0))
    con.execute(
        "insert into calls_by_quarter by name "
        "select quarter_at, 'acme' as company, 'inbound' as direction, calls, 4 * calls as events, 0 as late_events, 0 as lost from counts"
    )
    con.unregister("counts")
    return con


def test_an_hour_is_beside_the_same_hour_of_the_eight_weeks_before() -> None:
    """At 09:00 usually 20 calls: MAD 0, so the floor √20 holds. At 10:00 10, 20 … 80: median 45, MAD 20."""
    weeks = {1: (18, 10), 2: (20, 80), 3: (20, 70), 4: (30, 60), 5: (20, 50), 6: (20, 40), 7: (22, 30), 8: (20, 20), 9: (5000, 5000)}
    past = {at(-7 * 1440 * week + 60 * i): calls for week, both in weeks.items() for i, calls in enumerate(both)}
    con = flow_of(past | {at(0): 2, at(60): 0, at(120): 1}, as_of=at(1440))
    filters = Filters(start=at(-540), end=at(-540 + 7 * 1440))
    found = {
        row[0]: row[1:]
        for row in table(con, "quality_flow", "interval_at", "events", "usual_events", "usual_calls", "z", "alert", filters=filters)
    }
    assert len(found) == 7 * 24
    assert found[at(0)] == (8, 80.0, 20.0, pytest.approx(-18 / 20**0.5), True)
    assert found[at(60)] == (0, 180.0, 45.0, pytest.approx(-45 / (1.4826 * 20)), False)
    assert found[at(120)] == (4, 0.0, 0.0, None, False)
    # hours that are not over at the build are not judged
    assert found[at(1440)][1:] == (0.0, 0.0, None, False)
    # nor is one that is cut by the period, or closed
    cut = table(con, "quality_flow", "interval_at", "usual_calls", "z", filters=Filters(start=at(15), end=at(60)))
    assert cut == [(at(0), 20.0, None)]
    closed = Filters(settings=Reports(business_hours={"monday": ["09:30-10:00"]}), start=at(0), end=at(120))
    assert [row[0] for row in table(con, "quality_flow", "alert", filters=closed)] == [True, False]
    closed = replace(closed, settings=Reports(business_hours={"monday": ["10:00-18:00"]}))
    assert table(con, "quality_flow", "is_open", "alert", filters=closed) == [(False, False), (True, False)]


def test_only_weeks_that_are_known_are_usual() -> None:
    """Calls are kept since two weeks before; the hour has 30 and 50, and nothing is usual in the first week of all."""
    con = flow_of({at(-14 * 1440): 30, at(-7 * 1440): 50, at(0): 41}, as_of=at(1440))
    filters = Filters(start=at(0), end=at(60))
    assert table(con, "quality_flow", "usual_calls", "z", filters=filters) == [(40.0, pytest.approx(1 / (1.4826 * 10)))]
    first = replace(filters, start=at(-14 * 1440), end=at(-14 * 1440 + 60))
    assert table(con, "quality_flow", "usual_calls", "usual_events", "z", "alert", filters=first) == [(None, None, None, False)]


def test_a_gap_alerts_and_the_noise_of_a_month_hardly_does() -> None:
    """Thirteen weeks of chance around 24 calls an hour by day and 1 by night; in the last nothing comes on Wednesday, 09:00 to 12:00."""
    rng = random.Random(5)

    def calls_of(mean: float) -> int:
        waited, n = rng.expovariate(mean), 0
        while waited < 1:
            waited, n = waited + rng.expovariate(mean), n + 1
        return n

    first, gap = day(2026, 1, 5), [day(2026, 4, 1, hour) for hour in (9, 10, 11)]
    hours = [first + timedelta(hours=i) for i in range(13 * 168)]
    con = flow_of({hour: 0 if hour in gap else calls_of(24 if 8 <= hour.hour < 18 else 1) for hour in hours}, as_of=day(2026, 4, 6))
    alerts: list[datetime] = []
    for weeks in (9, 11):
        period = Filters(start=first + timedelta(weeks=weeks), end=first + timedelta(weeks=weeks + 2))
        rows = table(con, "quality_flow", "interval_at", "alert", filters=period)
        assert len(rows) == 336
        alerts += [hour for hour, alert in rows if alert]
    assert set(gap) <= set(alerts)
    assert len(alerts) <= len(gap) + 2


# --- one call --------------------------------------------------------------------------------------------------------


def test_a_call_is_found_wherever_its_id_says_it_was() -> None:
    far = answered(1, minute=60 * 24 * 300)  # the id has a time of long before
    con = of(answered(2), far, as_of=at(60 * 24 * 400))
    for n in (1, 2):
        filters = Filters(call=(COMPANY, f"{COMPANY}_1772442000.{n}"))
        assert ask(con.cursor(), "call", filters)["call_id"].to_list() == [f"{COMPANY}_1772442000.{n}"]
        assert [ask(con.cursor(), name, filters).height for name in ("call_states", "call_legs", "call_events", "call_visits")] == [
            2,
            1,
            3,
            0,
        ]
    assert ask(con.cursor(), "call", Filters(call=(COMPANY, "elsewhere_1.1"))).is_empty()


def test_late_events_are_among_the_events_of_a_call() -> None:
    con = of(answered(1).then("update", "HOLD", after=3_600_000))
    events = ask(con.cursor(), "call_events", Filters(call=(COMPANY, f"{COMPANY}_1772442000.1")))
    assert events["kind"].to_list() == ["start", "update", "end", "update"]


def test_text_finds_numbers_and_names_in_either_case() -> None:
    con = of(answered(1), answered(2, callee=agent("305", name="Ågot"), phone="+15550177"))
    by_number = (("550177", ["2"]), ("+1 (555) 01-77", []), ("+15550177", ["2"]))
    for text, expected in (*by_number, ("ÅGOT", ["2"]), ("agent 201", ["1"]), ("%", []), ("'", [])):
        found = ask(con.cursor(), "calls", Filters(text=text))["call_id"].to_list()
        assert [call_id.rsplit(".", 1)[1] for call_id in found] == expected
        assert one(con, "calls_total", Filters(text=text))["calls"] == len(expected)


def test_a_whole_number_is_found_however_it_is_written() -> None:
    con = of(answered(1, phone="+441632960017"), answered(2, phone="+441632960018", minute=1), answered(3, phone="01632 960017", minute=2))
    for text in ("+441632960017", "01632 960017", "(01632) 960-017", "0044 1632 960 017", "632960017"):
        for settings in (Reports(), Reports(masked_digits=3)):
            filters = Filters(settings=settings, text=text)
            assert [call_id[-1] for call_id in ask(con.cursor(), "calls", filters)["call_id"].to_list()] == ["3", "1"]
            assert one(con, "calls_total", filters)["calls"] == 2
    for text in ("01632 960", "960017 x", "+44 1632 960019"):
        assert one(con, "calls_total", Filters(text=text))["calls"] == {"01632 960": 1}.get(text, 0)


def test_a_page_of_the_list_is_the_page_whatever_the_order() -> None:
    """Three calls start in one instant; pages of two go through all of them, each once, from either end."""
    con = of(*(answered(n, minute=minute, phone=f"+1555010{n}", talk=n * SECOND) for n, minute in enumerate((0, 5, 5, 5, 9), 1)))
    for filters in (Filters(), Filters(descending=False), Filters(order="talk_ms"), Filters(start=MONDAY, end=at(60))):
        whole = ask(con.cursor(), "calls", filters)["call_id"].to_list()
        pages = [ask(con.cursor(), "calls", replace(filters, limit=2, offset=offset))["call_id"].to_list() for offset in (0, 2, 4, 6)]
        assert [call_id for page in pages for call_id in page] == whole
        assert [len(page) for page in pages] == [2, 2, 1, 0]


def test_held_to_the_end_and_ended_outside_is_abandoned_on_hold() -> None:
    held = inbound(1).then("update", "TALKING", after=5 * SECOND).then("update", "HOLD", after=9 * SECOND)
    ours = replace(held, call_id=f"{COMPANY}_1772442000.2", steps=tuple({**step, "id": f"{COMPANY}_1772442000.2"} for step in held.steps))
    back = (
        inbound(3).then("update", "TALKING", after=5 * SECOND).then("update", "HOLD", after=9 * SECOND).then("update", "TALKING", after=1)
    )
    con = of(end(held, "HOLD", after=7 * SECOND), end(ours, "HOLD", after=SECOND, by="CALLEE"), end(back, "TALKING", after=SECOND))
    assert table(con, "abandoned_on_hold", "call_id", "held_ms") == [(f"{COMPANY}_1772442000.1", 7_000)]


def test_repeat_callers_are_of_calls_older_than_the_window() -> None:
    """Of four answered calls one is called again after 2 days, one only after 10 minutes, one never; one is too young to tell."""
    day_of = 60 * 24
    con = of(
        answered(1, phone="+15550101"), left(2, wait=9 * SECOND, minute=2 * day_of, phone="+15550101"),
        answered(3, phone="+15550103"), left(4, wait=9 * SECOND, minute=10, phone="+15550103"),
        answered(5, phone="+15550105"), answered(6, minute=8 * day_of, phone="+15550106"),
        as_of=at(9 * day_of),
    )  # fmt: skip
    assert one(con, "repeat_callers") == {
        "answered": 3, "repeated": 1, "repeat_rate": pytest.approx(1 / 3), "no_repeat_rate": pytest.approx(2 / 3), "censored": 1,
    }  # fmt: skip


# --- why calls end, how they sound -----------------------------------------------------------------------------------


def test_shares_of_outcomes_are_of_calls_that_have_ended_and_those_without_an_end_have_none() -> None:
    """Three have ended, one is talked at the build, one was last heard of a day before it."""
    going = inbound(4, minute=1439).then("update", "TALKING", after=SECOND)
    con = of(answered(1), answered(2), left(3, wait=30 * SECOND), going, inbound(5))
    assert table(con, "outcomes", "outcome", "calls", "share") == [
        ("answered", 2, pytest.approx(2 / 3)), ("abandoned", 1, pytest.approx(1 / 3)), ("in_progress", 1, None), ("lost", 1, None),
    ]  # fmt: skip


def test_causes_are_told_by_trunk_and_by_destination_with_their_share_of_each() -> None:
    con = of(
        outbound(1, talk=SECOND, trunkName="North"),
        outbound(2, talk=SECOND, trunkName="North"),
        outbound(3, cause="17", trunkName="North"),
        outbound(4, cause="17", phone="+441632960001", trunkName="South"),
        outbound(5, cause="999", phone="+441632960001"),
        answered(6, trunkName="South"),
    )
    assert table(con, "trunk_causes", "trunk_name", "category", "code", "calls", "share") == [
        ("North", "normal", "16", 2, pytest.approx(2 / 3)), ("North", "busy", "17", 1, pytest.approx(1 / 3)),
        ("South", "busy", "17", 1, 0.5), ("South", "normal", "16", 1, 0.5),
    ]  # fmt: skip
    assert table(con, "prefix_causes", "prefix", "category", "code", "calls", "share") == [
        ("+1555", "normal", "16", 2, pytest.approx(2 / 3)), ("+1555", "busy", "17", 1, pytest.approx(1 / 3)),
        ("+4416", "busy", "17", 1, 0.5), ("+4416", "unknown", "999", 1, 0.5),
    ]  # fmt: skip


def test_voice_is_poor_where_either_side_hears_below_three_and_a_half() -> None:
    heard = [(4.2, 4.0), (3.5, None), (None, 3.4), (4.4, 2.1), (None, None)]
    schema = TABLES["vendor_calls"].polars
    rows = [
        dict.fromkeys(schema)
        | {"company": COMPANY, "call_id": str(place), "flow_index": 0, "started_at": at(place), "caller_mos": near, "callee_mos": far}
        for place, (near, far) in enumerate(heard)
    ]
    con = warehouse_with({"vendor_calls": pl.DataFrame(rows, schema=schema, orient="row")})
    assert one(con, "voice_quality") == {
        "rated": 4, "poor": 2, "poor_share": 0.5, "worst": 2.1, "worst_company": COMPANY, "worst_call_id": "3",
    }  # fmt: skip
    nothing = one(con, "voice_quality", Filters(start=at(60), end=at(120)))
    assert some(nothing, "rated", "poor", "poor_share", "worst") == {"rated": 0, "poor": 0, "poor_share": None, "worst": None}


def test_a_half_hour_of_the_local_day_has_its_visits_of_every_day() -> None:
    """Rome is an hour ahead: the first two enter at 10:00 and 10:29 of a Monday, the third at 10:00 of the next day, the last at 10:30."""
    entered = [answered(n, minute=minute, queueName="Sales") for n, minute in enumerate((0, 29, 1440, 30), start=1)]
    filters = replace(ROME, part="half_hour:10:00", figure="offered")
    con = of(*entered, as_of=at(60 * 48))
    assert one(con, "visits_total", filters)["visits"] == 3
    assert table(con, "queue_half_hours", "minute_of_day", "offered", filters=ROME) == [(600, 3), (630, 1)]
