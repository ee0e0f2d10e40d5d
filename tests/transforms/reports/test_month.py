"""A simulated month: reports against a second computation in plain Python, against the lists behind their figures, and against each
other; the roll-ups against the rows."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from math import ceil, floor
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import orjson
import polars as pl
import polars.selectors as cs
import pytest

from ingest.config import QueueSettings, Reports
from ingest.simulate.scenario import Scenario, events
from tests.builders import facts, rows
from tests.warehouses import warehouse_with
from transforms.outcome import EXTERNAL_KEY, EXTERNAL_PHONE
from transforms.reports.catalog import Filters, Grain, ask

END = datetime(2026, 3, 31, 10, 7, tzinfo=UTC)
ROME = ZoneInfo("Europe/Rome")
SETTINGS = Reports(
    time_zone="Europe/Rome",
    business_hours={day: ["08:30-12:30", "13:30-18:00"] for day in ("monday", "tuesday", "wednesday", "thursday", "friday")},
    holidays=[date(2026, 3, 19)],
)
ALL = Filters(settings=SETTINGS)
MARCH = replace(ALL, start=datetime(2026, 3, 9, 23, tzinfo=UTC), end=datetime(2026, 3, 29, 22, tzinfo=UTC))
Row = dict[str, Any]


@pytest.fixture(scope="module")
def month() -> dict[str, list[Row]]:
    scenario = Scenario(calls=1400, days=30, end_ms=int(END.timestamp() * 1000), seed=7, companies=2, completed_share=0.2, lost_share=0.01)
    sent = [orjson.loads(event.body) for event in events(scenario)]
    return {"frames": facts(sent, as_of=END)}  # type: ignore[dict-item]


@pytest.fixture(scope="module")
def con(month: dict[str, Any]) -> Iterator[duckdb.DuckDBPyConnection]:
    with warehouse_with(month["frames"], as_of=END) as opened:
        yield opened


@pytest.fixture(scope="module")
def queue(con: duckdb.DuckDBPyConnection) -> str:
    return str(ask(con.cursor(), "queues", ALL)["queue_name"][0])


def one(con: duckdb.DuckDBPyConnection, report: str, filters: Filters) -> Row:
    return ask(con.cursor(), report, filters).row(0, named=True)


def by_rows(filters: Filters) -> Filters:
    """The same question, answered from rows: thresholds that round to the same milliseconds but are no whole seconds."""
    old = filters.settings
    settings = Reports(
        **{name: getattr(old, name) for name in old.__struct_fields__ if name not in ("short_abandon_s", "service_level_s")},
        short_abandon_s=old.short_abandon_s + 1e-7, service_level_s=old.service_level_s + 1e-7,
    )  # fmt: skip
    return replace(filters, settings=settings)


# --- a second computation --------------------------------------------------------------------------------------------


def within(row: Row, filters: Filters, name: str) -> bool:
    at = row[name]
    if (filters.start and at < filters.start) or (filters.end and at >= filters.end):
        return False
    if filters.companies and row["company"] not in filters.companies:
        return False
    return not filters.in_hours_only or in_hours(at)


def in_hours(at: datetime) -> bool:
    local = at.astimezone(ROME)
    minute = local.hour * 60 + local.minute
    return local.isoweekday() < 6 and local.date() != date(2026, 3, 19) and (510 <= minute < 750 or 810 <= minute < 1080)


def chosen_calls(month: dict[str, Any], filters: Filters) -> list[Row]:
    visited = {(v["company"], v["call_id"]) for v in rows(month["frames"]["queue_visits"]) if v["queue_name"] in filters.queues}
    return [
        call
        for call in rows(month["frames"]["calls"])
        if within(call, filters, "started_at")
        and (not filters.directions or call["direction"] in filters.directions)
        and (not filters.queues or (call["company"], call["call_id"]) in visited)
    ]


def share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def overview_by_hand(calls: list[Row]) -> Row:
    offered = [call for call in calls if call["direction"] == "inbound" and call["has_end"]]
    answered = [call for call in offered if call["answered_by_at"] is not None]
    left = [call for call in offered if call["abandoned"]]
    abandoned = [call for call in left if call["wait_ms"] >= 5000]
    short = len(left) - len(abandoned)
    attempts = [call for call in calls if call["direction"] == "outbound" and call["has_end"]]
    others = [call for call in calls if call["direction"] != "inbound" and call["has_end"] and call["answered_at"] is not None]
    talked = answered + others
    return {
        "calls": len(calls),
        "offered": len(offered),
        "answered": len(answered),
        "abandoned": len(abandoned),
        "short_abandoned": short,
        "missed": len(offered) - len(answered),
        "answer_rate": share(len(answered), len(offered) - short),
        "abandonment_rate": share(len(abandoned), len(offered) - short),
        "attempts": len(attempts),
        "reached": sum(call["answered_at"] is not None for call in attempts),
        "average_wait_ms": share(sum(call["wait_ms"] for call in offered), len(offered)),
        "time_to_abandon_ms": share(sum(call["wait_ms"] for call in abandoned), len(abandoned)),
        "talked": len(talked),
        "talk_ms": sum(call["talk_ms"] for call in talked),
        "transfers": sum(call["transfer_count"] for call in talked),
        "in_progress": sum(call["outcome"] == "in_progress" for call in calls),
        "lost": sum(call["outcome"] == "lost" for call in calls),
    }


CHOICES: dict[str, Callable[[str], Filters]] = {
    "everything": lambda queue: ALL,
    "a period": lambda queue: MARCH,
    "in hours": lambda queue: replace(MARCH, in_hours_only=True),
    "one direction": lambda queue: replace(MARCH, directions=("outbound", "internal")),
    "one queue": lambda queue: replace(ALL, queues=(queue,)),
    "one company": lambda queue: replace(ALL, companies=("it_w100001",)),
    "odd minutes": lambda queue: replace(MARCH, start=datetime(2026, 3, 10, 8, 7, tzinfo=UTC), end=datetime(2026, 3, 27, 9, 1, tzinfo=UTC)),
}


@pytest.fixture(params=CHOICES)
def filters(request: pytest.FixtureRequest, queue: str) -> Filters:
    return CHOICES[request.param](queue)


def test_overview_equals_a_second_computation(con: duckdb.DuckDBPyConnection, month: dict[str, Any], filters: Filters) -> None:
    found = one(con, "overview", filters)
    expected = overview_by_hand(chosen_calls(month, filters))
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    assert expected["calls"] > 20


def percentile(values: list[int], part: float) -> float | None:
    if not values:
        return None
    ordered, place = sorted(values), (len(values) - 1) * part
    low, high = ordered[floor(place)], ordered[ceil(place)]
    return low + (high - low) * (place - floor(place))


def waits_by_hand(calls: list[Row]) -> Row:
    ended = [call for call in calls if call["has_end"]]
    inbound = [call for call in ended if call["direction"] == "inbound"]
    waits = [call["wait_ms"] for call in inbound]
    gave_up = [call["wait_ms"] for call in inbound if call["abandoned"] and call["wait_ms"] >= 5_000]
    talks = [call["talk_ms"] for call in ended if call["answered_by_at" if call["direction"] == "inbound" else "answered_at"]]
    longest = max(waits, default=None)
    at = min(((call["company"], call["call_id"]) for call in inbound if call["wait_ms"] == longest), default=(None, None))
    return {
        **{f"wait_p{part}_ms": percentile(waits, part / 100) for part in (50, 90, 95)},
        **{f"abandoned_p{part}_ms": percentile(gave_up, part / 100) for part in (50, 90)},
        **{f"talk_p{part}_ms": percentile(talks, part / 100) for part in (50, 90, 95)},
        "longest_wait_ms": longest, "longest_company": at[0], "longest_call_id": at[1],
    }  # fmt: skip


def test_waits_equal_a_second_computation(con: duckdb.DuckDBPyConnection, month: dict[str, Any], filters: Filters) -> None:
    assert one(con, "call_waits", filters) == pytest.approx(waits_by_hand(chosen_calls(month, filters)))


@pytest.fixture(scope="module")
def quarter() -> Iterator[tuple[duckdb.DuckDBPyConnection, dict[str, Any]]]:
    scenario = Scenario(calls=900, days=85, end_ms=int(END.timestamp() * 1000), seed=11, companies=2, lost_share=0.01)
    frames = facts([orjson.loads(event.body) for event in events(scenario)], as_of=END)
    with warehouse_with(frames, as_of=END) as opened:
        yield opened, {"frames": frames}


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (None, None),
        (datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)),
        (datetime(2026, 1, 17, 23, tzinfo=UTC), datetime(2026, 3, 20, 23, tzinfo=UTC)),
        (datetime(2026, 1, 31, 23, tzinfo=UTC), None),
        (None, datetime(2026, 3, 5, 9, 15, tzinfo=UTC)),
    ],
)
@pytest.mark.parametrize("narrowing", [{}, {"directions": ("inbound",)}, {"companies": ("it_w100001",)}, {"directions": ("outbound",)}])
def test_waits_of_whole_months_and_parts_of_them_equal_a_second_computation(
    quarter: tuple[duckdb.DuckDBPyConnection, dict[str, Any]], start: datetime | None, end: datetime | None, narrowing: dict[str, Any]
) -> None:
    con, months = quarter
    filters = replace(ALL, start=start, end=end, **narrowing)
    assert filters.parameters()["times_rolled"]
    calls = chosen_calls(months, filters)
    assert len(calls) > 20
    assert one(con, "call_waits", filters) == pytest.approx(waits_by_hand(calls))


def test_queues_equal_a_second_computation(con: duckdb.DuckDBPyConnection, month: dict[str, Any], filters: Filters) -> None:
    filters = replace(filters, directions=())
    visits = [
        visit
        for visit in rows(month["frames"]["queue_visits"])
        if within(visit, filters, "entered_at") and (not filters.queues or visit["queue_name"] in filters.queues)
    ]
    found = {row["queue_name"]: row for row in ask(con.cursor(), "queues", filters).rows(named=True)}
    assert found.keys() == {visit["queue_name"] for visit in visits}
    for name, row in found.items():
        mine = [visit for visit in visits if visit["queue_name"] == name and visit["result"] != "open"]
        taken = [visit["wait_ms"] for visit in mine if visit["result"] == "answered"]
        gone = [visit["wait_ms"] for visit in mine if visit["result"] == "caller_left"]
        in_time, short, gone_in_time = (
            sum(wait <= 20_000 for wait in taken), sum(wait < 5_000 for wait in gone), sum(wait <= 20_000 for wait in gone),
        )  # fmt: skip
        expected = {
            "offered": len(mine), "answered": len(taken), "in_time": in_time, "short_abandoned": short, "abandoned": len(gone) - short,
            "sl_default": share(in_time, len(mine) - short), "sl_abandons_negative": share(in_time, len(mine)),
            "sl_abandons_ignored": share(in_time, len(mine) - gone_in_time),
            "sl_abandons_positive": share(in_time + gone_in_time, len(mine)),
            "sl_of_answered_only": share(in_time, len(taken)),
            "sl_overflow_ignored": share(in_time, len(mine) - short - sum(visit["result"] == "overflowed" for visit in mine)),
            "asa_ms": share(sum(taken), len(taken)),
        }  # fmt: skip
        assert {key: row[key] for key in expected} == pytest.approx(expected)


def test_days_equal_a_second_computation(con: duckdb.DuckDBPyConnection, month: dict[str, Any], filters: Filters) -> None:
    expected = Counter(call["started_at"].astimezone(ROME).date() for call in chosen_calls(month, filters))
    found = ask(con.cursor(), "call_volume", replace(filters, grain="day"))
    assert {row[0].astimezone(ROME).date(): row[1] for row in found.select("interval_at", "calls").rows() if row[1]} == dict(expected)
    days = [instant.astimezone(ROME) for instant in found["interval_at"]]
    assert all((day.hour, day.minute) == (0, 0) for day in days)
    assert [day.date() for day in days] == [days[0].date() + timedelta(days=i) for i in range(len(days))]


def test_offers_equal_a_second_computation(con: duckdb.DuckDBPyConnection, month: dict[str, Any]) -> None:
    calls = {(call["company"], call["call_id"]): call for call in rows(month["frames"]["calls"])}
    expected: Counter[str] = Counter()
    for leg in rows(month["frames"]["call_legs"]):
        call = calls[leg["company"], leg["call_id"]]
        if call["direction"] != "inbound" or leg["callee_user_id"] is None:
            continue
        if leg["answered"]:
            expected["answered"] += 1
        elif call["ended_at"] is None and leg["ended_at"] is None:
            expected["open"] += 1
        elif leg["ended_at"] == call["ended_at"] and call["ended_by"] == "caller":
            expected["caller_left"] += 1
        else:
            first_at, first = call["answered_by_at"], call["answered_by_user_id"]
            elsewhere = first_at is not None and first_at >= leg["started_at"] and first != leg["callee_user_id"]
            expected["taken" if elsewhere else "lost"] += 1
    found = one(con, "agents_total", ALL)
    assert {name: found[name] for name in ("answered", "caller_left", "taken", "lost", "open")} == {
        name: expected[name] for name in ("answered", "caller_left", "taken", "lost", "open")
    }  # fmt: skip
    assert min(expected[name] for name in ("answered", "caller_left", "lost")) > 0


def test_episodes_equal_a_second_computation(con: duckdb.DuckDBPyConnection, month: dict[str, Any]) -> None:
    """Contact after contact of each number; short abandons count here."""
    contacts: dict[tuple[str, str], list[Row]] = {}
    for call in sorted(rows(month["frames"]["calls"]), key=lambda call: (call["started_at"], call["call_id"])):
        if call["external_key"] and (call["direction"] == "outbound" or (call["direction"] == "inbound" and call["has_end"])):
            contacts.setdefault((call["company"], call["external_key"]), []).append(call)
    expected = []
    for calls in contacts.values():
        misses: list[datetime] = []
        tries = 0
        for call in calls:
            reached = call["answered_by_at"] if call["direction"] == "inbound" else call["answered_at"]
            if reached is not None:
                if misses:
                    expected.append((len(misses), tries, misses[0], call["started_at"]))
                misses, tries = [], 0
            elif call["direction"] == "inbound":
                misses.append(call["started_at"])
            elif misses:
                tries += 1
        if misses:
            expected.append((len(misses), tries, misses[0], None))
    found = ask(con.cursor(), "missed_callers", replace(ALL, include_short=True))
    assert sorted(found.select("misses", "tries", "first_miss_at", "recovered_at").rows(), key=repr) == sorted(expected, key=repr)
    assert found["state"].n_unique() >= 3


def test_concurrency_equals_a_second_computation(con: duckdb.DuckDBPyConnection, month: dict[str, Any]) -> None:
    expected: dict[tuple[str, datetime], tuple[int, datetime]] = {}
    spans: dict[str, list[tuple[datetime, datetime]]] = {}
    for call in rows(month["frames"]["calls"]):
        phases = timedelta(milliseconds=sum(call[f"{phase}_ms"] for phase in ("ring", "talk", "hold", "other")))
        spans.setdefault(call["company"], []).append((call["started_at"], call["ended_at"] or call["started_at"] + phases))
    for company, calls in spans.items():
        for start, _ in calls:  # the peak of a minute is reached where a call starts, or at its beginning
            for moment in {start, *(start.replace(second=0, microsecond=0) + timedelta(minutes=i) for i in range(-1, 3))}:
                minute = moment.replace(second=0, microsecond=0)
                open_now = sum(begin <= moment < end for begin, end in calls)
                if open_now:  # the most, and of as many the first
                    expected[company, minute] = min(expected.get((company, minute), (0, moment)), (-open_now, moment))
    minutes = con.sql("select company, minute_at, -peak, peak_at from concurrency_by_minute").pl().rows()
    found = {(company, minute): (fewest, moment) for company, minute, fewest, moment in minutes}
    assert expected.items() <= found.items()
    busy = con.sql("select sum(busy_ms)::bigint from concurrency_by_minute").fetchall()[0][0]
    assert busy == sum((end - start) // timedelta(milliseconds=1) for calls in spans.values() for start, end in calls)


# --- every figure opens a list of as many ----------------------------------------------------------------------------

CALL_FIGURES = {
    name: name
    for name in (
        "offered", "answered", "abandoned", "short_abandoned", "unanswered", "missed", "picked_up", "attempts", "reached", "inbound",
        "outbound", "internal", "unknown_direction", "talked", "short_calls", "voicemails", "in_progress", "lost",
    )
} | {"voicemails": "voicemail"}  # fmt: skip


@pytest.mark.parametrize("figure", CALL_FIGURES)
def test_a_figure_of_calls_is_the_count_of_its_list(con: duckdb.DuckDBPyConnection, filters: Filters, figure: str) -> None:
    listed = replace(filters, figure=CALL_FIGURES[figure])
    count = one(con, "overview", filters)[figure]
    assert one(con, "calls_total", listed)["calls"] == count
    assert ask(con.cursor(), "calls", listed).height == count


def test_an_unknown_figure_lists_nothing(con: duckdb.DuckDBPyConnection) -> None:
    assert one(con, "calls_total", replace(ALL, figure="no such figure"))["calls"] == 0


@pytest.mark.parametrize(
    "figure", ["offered", "answered", "in_time", "left_in_time", "abandoned", "short_abandoned", "overflowed", "unanswered", "open"]
)
def test_a_figure_of_a_queue_is_the_count_of_its_list(con: duckdb.DuckDBPyConnection, filters: Filters, figure: str) -> None:
    own = QueueSettings(service_level_s=7, short_abandon_s=11)
    names = ask(con.cursor(), "queues", filters)["queue_name"].to_list()
    if not names:
        return
    fields = {name: getattr(SETTINGS, name) for name in SETTINGS.__struct_fields__ if name != "queues"}
    filters = replace(filters, settings=Reports(**fields, queues={names[0]: own}))
    for row in ask(con.cursor(), "queues", filters).rows(named=True):
        listed = replace(filters, queues=(row["queue_name"],), figure=figure)
        assert one(con, "visits_total", listed)["visits"] == ask(con.cursor(), "visits", listed).height == row[figure]
    assert one(con, "visits_total", replace(filters, figure=figure))["visits"] == one(con, "queues_total", filters)[figure]


@pytest.mark.parametrize("figure", ["offers", "answered", "caller_left", "taken", "lost"])
def test_a_figure_of_agents_is_the_count_of_its_list(con: duckdb.DuckDBPyConnection, filters: Filters, figure: str) -> None:
    assert one(con, "offers_total", replace(filters, figure=figure))["offers"] == one(con, "agents_total", filters)[figure]
    for row in ask(con.cursor(), "agents", filters).rows(named=True)[:3]:
        listed = replace(filters, agents=(row["agent"],), figure=figure)
        assert one(con, "offers_total", listed)["offers"] == ask(con.cursor(), "offers", listed).height == row[figure]


def test_figures_of_missed_callers_are_the_counts_of_their_lists(con: duckdb.DuckDBPyConnection, filters: Filters) -> None:
    summary = one(con, "missed_summary", filters)
    assert ask(con.cursor(), "missed_callers", filters).height == summary["episodes"]
    for state in ("open", "expired", "recovered", "late"):
        assert ask(con.cursor(), "missed_callers", replace(filters, states=(state,))).height == summary[state]
    for figure in ("misses", "withheld"):
        assert ask(con.cursor(), "missed_calls", replace(filters, figure=figure)).height == summary[figure]
    for reason, misses in ask(con.cursor(), "missed_reasons", filters).select("reason", "misses").rows():
        assert ask(con.cursor(), "missed_calls", replace(filters, reasons=(reason,))).height == misses
    assert sum(ask(con.cursor(), "missed_recovery", filters)["episodes"]) == summary["episodes"]
    reached = ask(con.cursor(), "missed_callers", replace(filters, states=("recovered", "late")))
    for above, until, they_rang, we_called in (
        ask(con.cursor(), "missed_recovery", filters).drop_nulls("above_ms").select("above_ms", "until_ms", "they_rang", "we_called").rows()
    ):
        within = reached.filter(pl.col("age_ms") > above, pl.lit(until is None) | (pl.col("age_ms") <= (until or 0)))
        found = Counter(within["recovered_how"].to_list())
        assert (found["they rang again"], found["we called"]) == (they_rang, we_called)


def test_outcomes_causes_and_sides_open_lists_of_as_many(con: duckdb.DuckDBPyConnection, filters: Filters) -> None:
    for outcome, calls in ask(con.cursor(), "outcomes", filters).select("outcome", "calls").rows():
        assert one(con, "calls_total", replace(filters, outcomes=(outcome,)))["calls"] == calls
    for category, code, calls in ask(con.cursor(), "causes", filters).select("category", "code", "calls").rows():
        chosen = replace(filters, figure="ended", categories=(category,), causes=(code,))
        assert one(con, "calls_total", chosen)["calls"] == calls
    for side, calls in ask(con.cursor(), "ended_by", filters).select("ended_by", "calls").rows():
        assert one(con, "calls_total", replace(filters, figure="ended", ended_by=(side,)))["calls"] == calls


def test_each_row_of_the_breakdown_opens_a_list_of_as_many(con: duckdb.DuckDBPyConnection, filters: Filters) -> None:
    found = ask(con.cursor(), "breakdown", filters)
    for dimension, value, calls, answered in found.select("dimension", "value", "calls", "answered").rows():
        listed = replace(filters, part=f"{dimension}:{value}")
        assert one(con, "calls_total", listed)["calls"] == calls
        if dimension == "queue":
            assert ask(con.cursor(), "calls", replace(listed, figure="answered")).height == answered
    assert set(found["dimension"]) == {"company", "direction", "trunk", "queue", "department", "cause"} - (
        {"queue"} if filters.directions else set()
    )


@pytest.mark.parametrize("grain", ["hour", "month"])
def test_a_peak_opens_the_calls_that_were_open_at_its_instant(con: duckdb.DuckDBPyConnection, filters: Filters, grain: Grain) -> None:
    peaks = (
        ask(con.cursor(), "concurrency", replace(filters, grain=grain)).sort("peak", "peak_at").select("company", "peak", "peak_at").rows()
    )
    assert peaks[-1][1] > 1
    for company, peak, at in peaks[-8:]:
        listed = replace(ALL, companies=(company,), part=f"instant:{at.isoformat()}", end=at + timedelta(milliseconds=1))
        assert one(con, "calls_total", listed)["calls"] == peak
        assert ask(con.cursor(), "calls", listed).height == peak


@pytest.mark.parametrize(("report", "at"), [("visits", "entered_at"), ("offers", "offered_at")])
def test_what_happened_in_the_period_is_chosen_by_its_call_though_that_began_before(
    con: duckdb.DuckDBPyConnection, month: dict[str, Any], report: str, at: str
) -> None:
    calls = {(call["company"], call["call_id"]): call for call in rows(month["frames"]["calls"])}
    every = ask(con.cursor(), report, ALL).rows(named=True)
    later = [row for row in every if row[at] > calls[row["company"], row["call_id"]]["started_at"]]
    of_open = [row for row in later if calls[row["company"], row["call_id"]]["ended_at"] is None]
    assert of_open
    for row in (*later[::40], *of_open[:5]):
        call = calls[row["company"], row["call_id"]]
        for chosen in ({"directions": (call["direction"],)}, {"trunks": (call["trunk_name"],)}, {"directions": ("outbound",)}):
            (name, values), start, end = next(iter(chosen.items())), row[at], row[at] + timedelta(hours=3)
            found = ask(con.cursor(), report, replace(ALL, start=start, end=end, **chosen))
            column = "direction" if name == "directions" else "trunk_name"
            expected = [
                other for other in every if start <= other[at] < end and calls[other["company"], other["call_id"]][column] in values
            ]  # fmt: skip
            assert {repr(found_row) for found_row in found.rows(named=True)} == {repr(other) for other in expected}
            assert (repr(row) in map(repr, expected)) == (call[column] in values)


# --- a search reads a table of its own -------------------------------------------------------------------------------

SIGNS = "0159 +-sSåÅßİ'%_\\\x1f\x00😀"


@pytest.fixture(scope="module")
def odd(month: dict[str, Any]) -> Iterator[duckdb.DuckDBPyConnection]:
    """The month's calls, two at each instant, with texts of few signs in place of their numbers and names."""
    rng = random.Random(5)

    def texts(most: int) -> list[str | None]:
        return [
            rng.choice([None, "", "".join(rng.choices(SIGNS, k=rng.randrange(most))), "".join(rng.choices("0159 -", k=14))])
            for _ in range(calls.height)
        ]

    calls = month["frames"]["calls"].sort("started_at").with_columns(  # type: ignore[attr-defined]
        pl.col("started_at").gather(pl.int_range(pl.len()) // 2 * 2), pbx=pl.lit("P"))  # fmt: skip
    numbers = calls.with_columns(
        pl.Series(name, texts(12), pl.String()) for name in ("caller_phone", "callee_phone", "destination")
    ).with_columns(pl.Series(name, texts(5), pl.String()) for name in ("caller_name", "callee_name", "answered_by_name"))
    numbers = numbers.with_columns(
        pl.when(pl.int_range(pl.len()) % 3 == 0).then(f"{side}_phone").otherwise(f"{side}_name").alias(f"{side}_name")
        for side in ("caller", "callee")
    )
    told = numbers.with_columns(external_phone=EXTERNAL_PHONE).with_columns(external_key=EXTERNAL_KEY)
    with warehouse_with({"calls": told}, as_of=END) as opened:
        yield opened


def test_a_search_finds_what_the_calls_themselves_say(odd: duckdb.DuckDBPyConnection) -> None:
    rng = random.Random(6)
    fields = ("caller_phone", "callee_phone", "destination", "caller_name", "callee_name", "answered_by_name", "call_id", "external_key")
    found = [text for row in odd.sql(f"select {', '.join(fields)} from calls").fetchall() for text in row if text]
    counts = Counter[bool]()
    for _ in range(80):
        text = rng.choice(found)
        start = rng.randrange(len(text))
        text = rng.choice(
            [text, f"(00) {text}", text[start : start + rng.randrange(1, 4)], "".join(rng.choices(SIGNS, k=2)), text.swapcase()]
        )
        some = rng.choice([{}, {"directions": ("inbound",)}, {"start": MARCH.start, "end": MARCH.end}, {"in_hours_only": True}])
        asked = replace(ALL, text=text, **some)
        beside = replace(asked, pbxs=("P",))
        rows = replace(beside, start=asked.start or END - timedelta(days=30, hours=12), end=asked.end or END)
        assert not rows.hits_rolled and rows.within_days(31)
        assert asked.hits_rolled == ("\x1f" not in text)
        assert one(odd, "calls_total", asked) == one(odd, "calls_total", beside) == one(odd, "calls_total", rows), repr(text)
        whole = ask(odd.cursor(), "calls", rows)
        assert one(odd, "calls_total", asked)["calls"] == whole.height
        assert ask(odd.cursor(), "calls", asked).equals(whole) and ask(odd.cursor(), "calls", beside).equals(whole)
        longest = replace(rows, order="talk_ms", limit=4)
        assert ask(odd.cursor(), "calls", replace(asked, order="talk_ms", limit=4)).equals(ask(odd.cursor(), "calls", longest))
        counts[whole.height > 0] += 1
        (limit, offset), descending = rng.choice([(1, 0), (3, 2), (500, 0)]), rng.random() < 0.5
        page = replace(asked, limit=limit, offset=offset, descending=descending)
        listed = ask(odd.cursor(), "calls", replace(rows, descending=descending))[offset : offset + limit]
        assert ask(odd.cursor(), "calls", page).equals(listed), repr((text, page))
    assert min(counts.values()) > 10


def test_beside_a_number_that_no_call_has_a_text_finds_nothing(con: duckdb.DuckDBPyConnection) -> None:
    without = con.sql("select company, call_id from calls where external_key is null").fetchall()[0]
    for call in (without, ("it_w100001", "no such call")):
        filters = replace(ALL, number_of=call, text="a")
        assert one(con, "calls_total", replace(filters, number_of=None))["calls"] > 0
        assert one(con, "calls_total", filters)["calls"] == 0
        assert ask(con.cursor(), "calls", filters).is_empty()
        assert ask(con.cursor(), "calls", replace(filters, limit=5)).is_empty()


# --- pages agree -----------------------------------------------------------------------------------------------------


def test_totals_agree_between_pages(con: duckdb.DuckDBPyConnection, filters: Filters) -> None:
    def total(report: str, column: str, **more: Any) -> int:
        return int(ask(con.cursor(), report, replace(filters, **more))[column].sum())

    whole, quality = one(con, "overview", filters), one(con, "quality", filters)
    for grain in ("half_hour", "day", "month"):
        for column in ("calls", "offered", "answered", "abandoned", "short_abandoned", "unanswered", "talk_ms"):
            assert total("call_volume", column, grain=grain) == whole[column]
        assert total("outcome_volume", "calls", grain=grain) == whole["calls"]
        assert total("quality_flow", "calls", grain=grain) == whole["calls"]
    for column in ("calls", "offered", "answered"):
        assert total("heatmap", column) == whole[column]
    assert total("outcomes", "calls") == whole["calls"] == quality["calls"]
    assert total("causes", "calls") == total("ended_by", "calls") == total("cause_trend", "calls")
    assert total("causes", "calls") == whole["calls"] - whole["in_progress"] - whole["lost"]
    assert total("trunks", "attempts") == total("prefixes", "attempts") == whole["attempts"]
    assert total("outcome_abandoned", "missed") == whole["missed"]
    assert total("outcome_abandoned", "abandoned") == whole["abandoned"]
    assert whole["offered"] == whole["answered"] + whole["abandoned"] + whole["short_abandoned"] + whole["unanswered"]
    assert total("quality_sides", "calls") == quality["unknown_ended_by"]
    # missed calls are inbound ones, whatever direction is chosen
    assert total("missed_reasons", "misses") == one(con, "overview", replace(filters, directions=()))["missed"]

    queues = one(con, "queues_total", filters)
    for column in ("visits", "offered", "answered", "in_time", "abandoned", "short_abandoned", "overflowed", "unanswered"):
        assert total("queues", column) == total("queue_half_hours", column) == queues[column]
        assert total("queue_series", column, grain="day") == queues[column]
    assert sum(total("queue_waits", column) for column in ("answered", "caller_left", "overflowed", "unanswered")) == queues["offered"]
    assert total("queue_patience", "left") == queues["abandoned"] + queues["short_abandoned"]
    assert total("queue_overflow", "visits") == queues["overflowed"]
    agents = one(con, "agents_total", filters)
    for column in ("offers", "answered", "caller_left", "taken", "lost", "talk_ms"):
        assert total("agents", column) == agents[column]
    assert total("agent_talk", "answered") == agents["answered"]


ROLLED = [
    "overview", "call_volume", "heatmap", "outcomes", "outcome_volume", "causes", "cause_trend", "ended_by", "quality", "quality_flow",
    "quality_sides", "queues", "queues_total", "queue_series", "queue_half_hours", "queue_waits", "queue_patience",
]  # fmt: skip


@pytest.mark.parametrize("report", ROLLED)
def test_roll_ups_and_rows_give_one_answer(con: duckdb.DuckDBPyConnection, filters: Filters, report: str) -> None:
    rows_alone = by_rows(filters)
    assert not rows_alone.calls_rolled
    assert not rows_alone.visits_rolled
    first, second = (
        ask(con.cursor(), report, asked).drop("within_ms", "short_ms", strict=False).with_columns(cs.float().round(9))
        for asked in (filters, rows_alone)
    )
    assert first.rows() == second.rows()


def test_the_vendor_agrees_where_there_is_an_account(con: duckdb.DuckDBPyConnection, month: dict[str, Any]) -> None:
    found = one(con, "reconciliation", ALL)
    with_vendor = {(row["company"], row["call_id"]) for row in rows(month["frames"]["vendor_calls"])}
    own = [
        call for call in rows(month["frames"]["calls"]) if (call["company"], call["call_id"]) in with_vendor and call["basis"] != "vendor"
    ]
    assert 0 < found["calls"] <= len(own)
    for figure in ("differs", "agrees"):
        count = found["agree"] if figure == "agrees" else found["calls"] - found["agree"]
        assert ask(con.cursor(), "reconciliation_calls", replace(ALL, figure=figure)).height == count


EVERY_DIRECTION = ("inbound", "outbound", "internal", "unknown")


@pytest.mark.parametrize("whole", [ALL, MARCH], ids=["all time", "march"])
@pytest.mark.parametrize("report", ["breakdown", "trunks", "trunk_causes", "prefixes", "prefix_causes", "agents", "agents_total"])
def test_days_rolled_up_and_rows_give_one_answer(con: duckdb.DuckDBPyConnection, whole: Filters, report: str) -> None:
    rows_alone = replace(whole, directions=EVERY_DIRECTION)
    assert whole.days_rolled
    assert not rows_alone.days_rolled
    first, second = (ask(con.cursor(), report, asked).with_columns(cs.float().round(9)) for asked in (whole, rows_alone))
    assert first.height
    assert first.rows() == second.rows()


@pytest.mark.parametrize("narrowing", [{}, {"directions": ("inbound",)}, {"start": datetime(2026, 1, 1, 0, 7, tzinfo=UTC), "end": END}])
@pytest.mark.parametrize("report", ["calls", "missed_calls", "offers", "repeat_calls", "visits"])
def test_a_page_of_a_list_in_order_of_time_is_cut_from_the_whole_list(
    con: duckdb.DuckDBPyConnection, report: str, narrowing: dict[str, Any]
) -> None:
    asked = replace(ALL, **narrowing)
    whole = ask(con.cursor(), report, asked)
    assert whole.height > 27
    for limit, offset in ((1, 0), (3, 0), (3, 2), (7, 20), (5, whole.height - 2)):
        assert ask(con.cursor(), report, replace(asked, limit=limit, offset=offset)).equals(whole[offset : offset + limit])


@pytest.mark.parametrize(
    "narrowing", [{}, {"figure": "missed"}, {"figure": "lost"}, {"text": "960"}, {"text": "Finn"}, {"text": "no such text"}]
)
def test_a_page_of_calls_is_cut_from_the_whole_list_in_either_order(con: duckdb.DuckDBPyConnection, narrowing: dict[str, Any]) -> None:
    for descending in (True, False):
        asked = replace(ALL, descending=descending, end=END - timedelta(minutes=3), **narrowing)
        whole = ask(con.cursor(), "calls", asked)
        for limit, offset in ((1, 0), (2, 1), (4, 9), (300, 0)):
            assert ask(con.cursor(), "calls", replace(asked, limit=limit, offset=offset)).equals(whole[offset : offset + limit])


@pytest.mark.parametrize(
    "narrowing", [{}, {"states": ("open", "late")}, {"states": ("recovered",)}, {"include_short": True}, {"start": END - timedelta(days=3)}]
)
def test_a_page_of_missed_callers_is_cut_from_the_whole_list(con: duckdb.DuckDBPyConnection, narrowing: dict[str, Any]) -> None:
    asked = replace(ALL, **narrowing)
    whole = ask(con.cursor(), "missed_callers", asked)
    still_open = whole.filter(state="open").height
    assert whole.height > 9
    for limit, offset in ((3, 0), (still_open or 1, 0), (still_open + 1, 0), (4, still_open), (5, 2)):
        assert ask(con.cursor(), "missed_callers", replace(asked, limit=limit, offset=offset)).equals(whole[offset : offset + limit])


def test_causes_by_trunk_and_by_destination_equal_a_second_computation(con: duckdb.DuckDBPyConnection, month: dict[str, Any]) -> None:
    calls = month["frames"]["calls"].to_dicts()
    assert any(call["outcome"] == "lost" and call["trunk_name"] for call in calls)
    assert any(call["outcome"] == "lost" and call["direction"] == "outbound" for call in calls)
    ended = [call for call in calls if call["outcome"] not in ("in_progress", "lost")]
    by_trunk = Counter((call["trunk_name"], call["end_cause"] or "") for call in ended if call["trunk_name"])
    asked = ask(con.cursor(), "trunk_causes", ALL)
    assert dict(zip(asked.select("trunk_name", "code").rows(), asked["calls"], strict=True)) == by_trunk
    by_prefix = Counter(
        ((call["external_phone"] or "").replace(" ", "")[:5], call["end_cause"] or "")
        for call in calls
        if call["direction"] == "outbound" and call["has_end"]
    )
    asked = ask(con.cursor(), "prefix_causes", ALL)
    assert dict(zip(asked.select("prefix", "code").rows(), asked["calls"], strict=True)) == by_prefix
