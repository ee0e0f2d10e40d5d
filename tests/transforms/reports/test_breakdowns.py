"""Rows of reports that group or list calls, against cases worked out by hand."""

from __future__ import annotations

import pytest

from ingest.config import Reports
from tests.builders import COMPANY, MONDAY, PBX, agent
from tests.transforms.reports.cases import SECOND, answered, at, day, end, inbound, left, of, one, outbound, table
from transforms.reports.catalog import Filters

HOURS = Filters(start=MONDAY, end=at(180), grain="hour")


def test_the_breakdown_has_each_call_once_in_every_dimension() -> None:
    """Two inbound calls by queue, one without that was left at once, and one outbound."""
    con = of(
        answered(1, talk=60 * SECOND, callee=agent("201", userDepartment="Desk"), queueName="Sales", trunkName="north"),
        left(2, wait=30 * SECOND, phone="+15550102", queueName="Sales", trunkName="south"),
        end(inbound(3, phone="+15550103", callee=None), after=2 * SECOND, cause="21"),
        outbound(4, talk=20 * SECOND, phone="+15550104", trunkName="north"),
    )
    expected = [
        ("cause", "Normal call clearing", 3, 2, 1, 1, 80_000), ("cause", "Call rejected", 1, 1, 0, 0, 0),
        ("company", COMPANY, 4, 3, 1, 1, 80_000),
        ("department", "Desk", 1, 1, 1, 0, 60_000),
        ("direction", "inbound", 3, 3, 1, 1, 60_000), ("direction", "outbound", 1, 0, 0, 0, 20_000),
        ("queue", "Sales", 2, 2, 1, 1, 60_000),
        ("trunk", "north", 2, 1, 1, 0, 80_000), ("trunk", "south", 1, 1, 0, 1, 0),
    ]  # fmt: skip
    columns = ("dimension", "value", "calls", "offered", "answered", "abandoned", "talk_ms")
    assert table(con, "breakdown", *columns) == expected
    # from the rows alone: nothing changes where all of them are within hours
    always = Filters(settings=Reports(business_hours={"monday": ["00:00-24:00"]}), in_hours_only=True)
    assert not always.days_rolled
    assert table(con, "breakdown", *columns, filters=always) == expected


def test_a_series_of_queues_has_its_intervals_and_their_rates() -> None:
    """In the first hour one visit answered after 10 s and one short abandon, in the second one left after 30 s, in the third none."""
    con = of(
        answered(1, wait=10 * SECOND, queueName="Q"),
        left(2, wait=3 * SECOND, minute=59, phone="+15550102", queueName="Q"),
        left(3, wait=30 * SECOND, minute=60, phone="+15550103", queueName="Q"),
    )
    names = (
        "interval_at",
        "offered",
        "answered",
        "abandoned",
        "short_abandoned",
        "service_level",
        "abandonment_rate",
        "asa_ms",
        "average_wait_ms",
    )
    assert table(con, "queue_series", *names, filters=HOURS) == [
        (at(0), 2, 1, 0, 1, 1.0, 0.0, 10_000.0, 6_500.0),
        (at(60), 1, 0, 1, 0, 0.0, 1.0, None, 30_000.0),
        (at(120), 0, 0, 0, 0, None, None, None, None),
    ]


def test_half_hours_of_the_day_are_of_all_days_and_of_the_wall_clock() -> None:
    """10:00 in Rome on two days, and 10:30 on the first."""
    con = of(
        answered(1, wait=10 * SECOND, queueName="Q"),
        left(2, wait=30 * SECOND, minute=1440 + 29, phone="+15550102", queueName="Q"),
        answered(3, wait=25 * SECOND, minute=30, phone="+15550103", queueName="Q"),
        as_of=at(2 * 1440),
    )
    names = ("minute_of_day", "offered", "answered", "in_time", "abandoned", "answer_rate", "service_level", "asa_ms", "time_to_abandon_ms")
    assert table(con, "queue_half_hours", *names, filters=Filters(settings=Reports(time_zone="Europe/Rome"))) == [
        (600, 2, 1, 1, 1, 0.5, 0.5, 10_000.0, 30_000.0),
        (630, 1, 1, 0, 0, 1.0, 0.0, 25_000.0, None),
    ]


def test_the_five_most_frequent_causes_have_their_own_line() -> None:
    codes = ["16", "16", "16", "17", "17", "19", "19", "21", "21", "34", "34", "41", "999"]
    con = of(*(end(inbound(n, minute=60 * (n % 2), phone=f"+1555010{n}"), after=9 * SECOND, cause=code) for n, code in enumerate(codes)))
    lines = table(con, "cause_trend", "interval_at", "cause", "calls", filters=HOURS)
    one_each = ["Call rejected", "No answer from user (user alerted)", "No circuit or channel available", "User busy"]
    assert lines == sorted(
        [(at(minute), cause, 1) for minute in (0, 60) for cause in one_each]
        + [(at(0), "Normal call clearing", 2), (at(60), "Normal call clearing", 1), (at(0), "other", 1), (at(60), "other", 1)]
    )


def test_outcomes_by_interval() -> None:
    con = of(
        answered(1), left(2, wait=9 * SECOND, phone="+15550102"), left(3, wait=9 * SECOND, minute=5, phone="+15550103"),
        outbound(4, minute=1440, cause="17", phone="+15550104"), inbound(5, minute=1440, phone="+15550105"),
        as_of=at(1441),
    )  # fmt: skip
    assert table(con, "outcome_volume", "interval_at", "outcome", "calls", filters=Filters(grain="day")) == [
        (day(2026, 3, 2), "abandoned", 2), (day(2026, 3, 2), "answered", 1),
        (day(2026, 3, 3), "busy", 1), (day(2026, 3, 3), "in_progress", 1),
    ]  # fmt: skip


def test_prefixes_are_five_signs_of_the_number_without_blanks() -> None:
    con = of(
        outbound(1, phone="+44 1632 960001", talk=9 * SECOND), outbound(2, phone="+441632960002", cause="34", ended_by="SYSTEM"),
        outbound(3, phone="+15550103", talk=9 * SECOND), outbound(4, phone="", cause="17"), outbound(5, phone="+441632960003", ended=False),
        left(6, wait=9 * SECOND, phone="+441632960004"),
    )  # fmt: skip
    assert table(con, "prefixes", "prefix", "attempts", "reached", "failed", "answer_seizure_ratio") == [
        ("+4416", 2, 1, 1, 0.5), ("", 1, 0, 0, 0.0), ("+1555", 1, 1, 0, 1.0),
    ]  # fmt: skip


def test_the_spread_of_talks_is_exact() -> None:
    """Talks of 10, 20 and 60 s; the call that nobody took is none of them."""
    talks = (10, 20, 60)
    con = of(*(answered(n, talk=talk * SECOND, phone=f"+1555010{n}") for n, talk in enumerate(talks)), left(9, wait=9 * SECOND))
    names = ("answered", "shortest_ms", "p25_ms", "p50_ms", "p75_ms", "p90_ms", "p95_ms", "longest_ms")
    (row,) = table(con, "agent_talk", "agent", "name", *names)
    assert row[:2] == (f"{COMPANY}_201", "Agent 201")
    assert row[2:] == pytest.approx((3, 10_000, 15_000, 20_000, 40_000, 52_000, 56_000, 60_000))


def test_repeat_calls_lists_who_had_to_call_again() -> None:
    """Called again after two days, and after ten minutes, which is no repeat; after an hour too, in a call younger than the window."""
    two_days, week = 2 * 1440, 7 * 1440
    con = of(
        answered(1, talk=60 * SECOND, phone="+15550101", queueName="Sales"), answered(2, phone="+15550102", minute=1),
        left(3, wait=9 * SECOND, phone="+15550102", minute=11), answered(4, phone="+15550101", minute=two_days, callee=agent("202")),
        answered(5, phone="+15550101", minute=two_days + 60),
        as_of=at(week + 60),
    )  # fmt: skip
    names = ("call_id", "started_at", "external_phone", "answered_by_name", "queue_name", "talk_ms", "again_at", "after_ms")
    expected = [(f"{COMPANY}_1772442000.1", at(0), "+15550101", "Agent 201", "Sales", 60_000, at(two_days), two_days * 60_000)]
    assert table(con, "repeat_calls", *names) == expected
    assert table(con, "repeat_calls", *names, filters=Filters(queues=("Sales",))) == expected
    assert table(con, "repeat_calls", *names, filters=Filters(queues=("Support",))) == []
    (within_a_day,) = table(con, "repeat_calls", "call_id", "after_ms", filters=Filters(settings=Reports(repeat_days=1)))
    assert within_a_day == (f"{COMPANY}_1772442000.4", 3_600_000)


def test_the_total_of_missed_calls_is_of_what_is_asked() -> None:
    con = of(
        left(1, wait=20 * SECOND), left(2, wait=2 * SECOND, phone=""), left(3, wait=20 * SECOND, phone="", minute=90),
        answered(4, phone="+15550104"),
    )  # fmt: skip
    asked = [
        (Filters(), 3), (Filters(figure="misses"), 2), (Filters(figure="misses", include_short=True), 3), (Filters(figure="withheld"), 1),
        (Filters(end=at(60)), 2), (Filters(reasons=("short_abandon",)), 1), (Filters(number="15550100"), 1),
    ]  # fmt: skip
    assert [one(con, "missed_total", filters)["misses"] for filters, _ in asked] == [misses for _, misses in asked]


def test_what_can_be_chosen_in_the_filters() -> None:
    con = of(
        answered(1, callee=agent("201", userDepartment="Desk"), queueName="Sales", trunkName="north"),
        left(2, wait=9 * SECOND, phone="+15550102", queueName="Sales", callee=None), outbound(3, minute=5, trunkName="north"),
    )  # fmt: skip
    assert table(con, "options", "kind", "value", "label", "rows") == [
        ("agent", f"{COMPANY}_201", "Agent 201 201", 1), ("company", COMPANY, COMPANY, 3), ("direction", "inbound", "inbound", 2),
        ("direction", "outbound", "outbound", 1), ("pbx", PBX, PBX, 3), ("queue", "Sales", "Sales", 2), ("trunk", "north", "north", 2),
    ]  # fmt: skip
