"""What the reader asks for: URL ⇄ choice ⇄ instants."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.filters import (
    COMPARISONS,
    PERIODS,
    Choice,
    days_of,
    filters_of,
    formula_in_force,
    narrowing_of,
    period_words,
    says_anything,
    settings_asked,
    settings_rows,
)
from ingest.config import QueueSettings, Reports

TODAY = date(2026, 11, 24)  # a Tuesday
texts = st.tuples() | st.lists(st.text(max_size=20), max_size=3, unique=True).map(tuple)


@st.composite
def choices(draw):
    period = draw(st.sampled_from(list(PERIODS)))
    days = sorted(draw(st.tuples(*[st.dates(date(2000, 1, 1), date(2099, 12, 31))] * 2))) if period == "custom" else (None, None)
    return Choice(
        period=period,
        first=days[0],
        last=days[1],
        compare=draw(st.none() | st.sampled_from(list(COMPARISONS))),
        companies=draw(texts),
        pbxs=draw(texts),
        directions=draw(texts),
        queues=draw(texts),
        agents=draw(texts),
        departments=draw(texts),
        trunks=draw(texts),
        time_zone=draw(st.none() | st.sampled_from(["UTC", "Europe/Rome"])),
        in_hours_only=draw(st.booleans()),
    )


@settings(max_examples=150, deadline=None)
@given(choices())
def test_a_choice_comes_back_from_its_url_as_it_was(choice):
    assert Choice.of_query(choice.query()) == choice
    assert says_anything(choice.query())


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["period", "from", "to", "compare", "tz", "in_hours", "queue", "figure", "at", "text"]),
        st.lists(st.text(max_size=30), max_size=3),
    )
)
def test_whatever_stands_in_a_url_is_a_choice(query):
    choice = Choice.of_query(query)
    filters_of(choice, settings=Reports(), as_of=datetime(2026, 11, 24, 6, tzinfo=UTC)).parameters()
    narrowing_of(query)


@pytest.mark.parametrize(
    ("period", "first", "last"),
    [
        ("today", "2026-11-24", "2026-11-24"),
        ("yesterday", "2026-11-23", "2026-11-23"),
        ("7d", "2026-11-18", "2026-11-24"),
        ("28d", "2026-10-28", "2026-11-24"),
        ("week", "2026-11-23", "2026-11-24"),
        ("last_week", "2026-11-16", "2026-11-22"),
        ("month", "2026-11-01", "2026-11-24"),
        ("last_month", "2026-10-01", "2026-10-31"),
        ("90d", "2026-08-27", "2026-11-24"),
    ],
)
def test_each_period_is_whole_local_days(period, first, last):
    assert days_of(Choice(period=period), today=TODAY, first_weekday=1) == (date.fromisoformat(first), date.fromisoformat(last))


def test_a_week_begins_on_the_weekday_that_is_set():
    assert days_of(Choice(period="week"), today=TODAY, first_weekday=7) == (date(2026, 11, 22), TODAY)
    assert days_of(Choice(period="week"), today=TODAY, first_weekday=2) == (TODAY, TODAY)


@pytest.mark.parametrize(
    ("day", "start", "end"),
    [
        ("2026-03-29", "2026-03-28T23:00", "2026-03-29T22:00"),  # 23 hours
        ("2026-10-25", "2026-10-24T22:00", "2026-10-25T23:00"),  # 25 hours
        ("2026-11-20", "2026-11-19T23:00", "2026-11-20T23:00"),
    ],
)
def test_a_day_on_which_the_clock_is_changed_has_its_own_length(day, start, end):
    choice = Choice.of_query({"from": [day], "tz": ["Europe/Rome"]})
    filters = filters_of(choice, settings=Reports(), as_of=datetime(2026, 12, 1, tzinfo=UTC))
    assert [instant.isoformat()[:16] for instant in (filters.start, filters.end)] == [start, end]
    assert filters.settings.time_zone == "Europe/Rome"


def test_a_day_that_is_not_over_ends_at_the_as_of_time_rounded_up_to_a_quarter():
    filters = filters_of(Choice(period="today"), settings=Reports(), as_of=datetime(2026, 11, 24, 6, 7, 9, tzinfo=UTC))
    assert (filters.start, filters.end) == (datetime(2026, 11, 24, tzinfo=UTC), datetime(2026, 11, 24, 6, 15, tzinfo=UTC))


def test_all_time_has_no_ends():
    filters = filters_of(Choice(period="all"), settings=Reports(), as_of=datetime(2026, 11, 24, tzinfo=UTC))
    assert (filters.start, filters.end) == (None, None)


def test_the_period_is_told_with_its_days():
    assert period_words(Choice(), today=TODAY, first_weekday=1) == "Last 7 days: Wed 18 Nov – Tue 24 Nov 2026"
    assert period_words(Choice(period="today"), today=TODAY, first_weekday=1) == "Today: Tue 24 Nov 2026"
    assert (
        period_words(Choice.of_query({"from": ["2025-12-31"], "to": ["2026-01-02"]}), today=TODAY, first_weekday=1)
        == "Wed 31 Dec 2025 – Fri 2 Jan 2026"
    )


def test_every_setting_of_reports_is_told():
    told = {key for key, _, _ in settings_rows(Reports())}
    assert told == set(Reports.__struct_fields__) - {"queues"}


def test_a_url_puts_t_and_formula_in_the_place_of_every_queue_s_own():
    own = Reports(queues={"Support": QueueSettings(service_level_s=30, short_abandon_s=3)})
    asked = settings_asked(own, {"within": ["45"], "formula": ["abandons_ignored"]})
    assert [(asked.of_queue(name).service_level_s, asked.of_queue(name).service_level_formula) for name in ("Support", "Sales")] == [
        (45, "abandons_ignored"),
        (45, "abandons_ignored"),
    ]
    assert asked.of_queue("Support").short_abandon_s == 3
    for nonsense in ("", "-1", "601", "1e2", "٣", "9" * 5000):
        assert settings_asked(own, {"within": [nonsense], "formula": ["no such formula"]}) == own


@pytest.mark.parametrize(
    ("query", "compared"),
    [
        ({"period": ["today"]}, "usual"),
        ({"period": ["7d"]}, "usual"),
        ({"period": ["last_week"]}, "usual"),
        ({"from": ["2026-11-01"], "to": ["2026-11-07"]}, "usual"),
        ({"from": ["2026-11-01"], "to": ["2026-11-08"]}, "previous"),
        ({"period": ["28d"]}, "previous"),
        ({"period": ["all"]}, "previous"),
        ({"period": ["7d"], "compare": ["previous"]}, "previous"),
        ({"period": ["28d"], "compare": ["usual"]}, "usual"),
        ({"period": ["7d"], "compare": ["none"]}, "none"),
        ({"period": ["7d"], "compare": ["nonsense"]}, "usual"),
    ],
)
def test_a_week_is_compared_with_the_usual_one_unless_the_reader_says_otherwise(query, compared):
    filters = filters_of(Choice.of_query(query), settings=Reports(), as_of=datetime(2026, 11, 24, 6, tzinfo=UTC))
    assert filters.compare == compared


def test_the_formula_in_force_is_told_with_t_and_s_where_all_queues_agree():
    settings = Reports(
        queues={"Support": QueueSettings(service_level_s=30), "Sales": QueueSettings(service_level_formula="abandons_negative")}
    )
    default, negative = "answered in time / (offered − short abandons)", "answered in time / offered"
    assert [formula_in_force(settings, queues) for queues in ([], ["Support"], ["Sales"], ["Support", "Other"], ["Support", "Sales"])] == [
        (f"{default}; T 20 s, S 5 s", ("service_level",)),
        (f"{default}; T 30 s, S 5 s", ("service_level",)),
        (f"{negative}; T 20 s, S 5 s", ("service_level_abandons_negative",)),
        (f"{default}; T and S by queue", ("service_level",)),
        ("2 formulas, each queue by its own", ("service_level", "service_level_abandons_negative")),
    ]
