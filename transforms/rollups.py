"""Tables prepared for reports: what pages would otherwise compute again and again. (DESIGN 11, METRICS 0.7)

Promise: after `refresh` these tables hold, row for row, what `rebuild` would make of the same facts. No setting of `[reports]` is in
them: steps of wait and raw times are kept, thresholds are applied when a report asks.

Both run the same statements over `todo_…` temporary views: in a rebuild these are the facts, in a refresh what has changed and
what shares a caller, a quarter hour or an hour with it. `refresh` expects the temporary tables `calls_old`, `calls_new`,
`visits_old` and `visits_new`: the rows of calls and queue_visits that this build removed and inserted.

`rebuild` also defines the macros of reports/metrics.sql and reports/selections.sql and the view of reports/views.sql.
"""

from __future__ import annotations

from typing import Final

import duckdb
import pyarrow as pa

from transforms.reports.catalog import METRICS, sql_text
from transforms.tables import COUNT, INSTANT, TEXT, TEXTS, TRUTH, Column, Table, by_name, literal, markdown

INSTANTS: Final = pa.list_(pa.field("item", INSTANT))
MISSES: Final = pa.list_(pa.field("item", pa.struct([("started_at", INSTANT), ("call_id", TEXT), ("left_after_ms", COUNT)])))

_COMPANY = Column("company", TEXT, "The company as the phone system names it")
_CALL_ID = Column("call_id", TEXT, "The call's id")
_QUARTER = Column("quarter_at", INSTANT, "Start of the quarter hour", "UTC")
_MONTH = Column("month_at", INSTANT, "Start of the month of UTC", "UTC")
_ROUNDED = "cut to whole seconds, 1 ms more where something was cut off, 600001 beyond 600 s"

CALLS_BY_QUARTER: Final = Table(
    "calls_by_quarter",
    (
        _QUARTER,
        _COMPANY,
        Column("direction", TEXT, "calls.direction"),
        Column("calls", COUNT, "Calls that started in the quarter hour", "count"),
        Column("ended", COUNT, "Of these, with an end", "count"),
        Column("answered", COUNT, "Calls that is_answered() counts", "count"),
        Column("picked_up", COUNT, "Calls that is_picked_up() counts", "count"),
        Column("unanswered", COUNT, "Calls that is_unanswered() counts", "count"),
        Column("left_waiting", COUNT, "Inbound calls whose caller left before any answer, after however short a wait", "count"),
        Column("otherwise_abandoned", COUNT, "Calls that is_otherwise_abandoned() counts", "count"),
        Column("in_progress", COUNT, "Calls in progress", "count"),
        Column("lost", COUNT, "Lost calls", "count"),
        Column("short_calls", COUNT, "Calls that is_short_call() counts", "count"),
        Column("voicemails", COUNT, "Calls that is_voicemail() counts", "count"),
        Column("wait_ms", COUNT, "Sum of wait_ms of calls with an end", "ms"),
        Column("talk_ms", COUNT, "Sum of talk_ms of answered calls", "ms"),
        Column("hold_ms", COUNT, "Sum of hold_ms of answered calls", "ms"),
        Column("holds", COUNT, "Sum of hold_count of answered calls", "count"),
        Column("transfers", COUNT, "Sum of transfer_count of answered calls", "count"),
        Column("without_start", COUNT, "Calls without a start", "count"),
        Column("with_late_events", COUNT, "Calls with late events", "count"),
        Column("late_events", COUNT, "Sum of late_events", "count"),
        Column("events", COUNT, "Sum of event_count", "count"),
        Column("deliveries", COUNT, "Sum of delivery_count", "count"),
    ),
    ("quarter_at", "company", "direction"),
    ("quarter_at", "company", "direction"),
    "One row a quarter hour, company and direction: counts and sums of the calls that started in it (macro call_units)",
)

ABANDONS_BY_QUARTER: Final = Table(
    "abandons_by_quarter",
    (
        _QUARTER,
        _COMPANY,
        Column("direction", TEXT, "inbound"),
        Column("waited_ms", COUNT, f"The wait, {_ROUNDED}", "ms"),
        Column("calls", COUNT, "Calls that started in the quarter hour", "count"),
        Column("wait_ms", COUNT, "Sum of wait_ms", "ms"),
    ),
    ("quarter_at", "company", "direction", "waited_ms"),
    ("quarter_at", "company", "direction", "waited_ms"),
    "One row a quarter hour and wait of inbound calls whose caller left before any answer (macro abandon_units)",
)

OUTCOMES_BY_QUARTER: Final = Table(
    "outcomes_by_quarter",
    (
        _QUARTER,
        _COMPANY,
        Column("direction", TEXT, "calls.direction"),
        Column("outcome", TEXT, "calls.outcome"),
        Column("end_cause_category", TEXT, "calls.end_cause_category"),
        Column("end_cause_name", TEXT, "calls.end_cause_name"),
        Column("end_cause", TEXT, "calls.end_cause"),
        Column("ended_by", TEXT, "calls.ended_by"),
        Column("abandoned", TRUTH, "calls.abandoned"),
        Column("calls", COUNT, "Calls that started in the quarter hour", "count"),
        Column("end_cause_text", TEXT, "Least of calls.end_cause_text"),
    ),
    ("quarter_at", "company", "direction", "outcome", "end_cause_category", "end_cause_name", "end_cause", "ended_by", "abandoned"),
    ("quarter_at", "company", "direction", "outcome", "end_cause_category", "end_cause_name", "end_cause", "ended_by", "abandoned"),
    "One row a quarter hour and way in which calls ended (macro outcome_units)",
)

VISITS_BY_QUARTER: Final = Table(
    "visits_by_quarter",
    (
        _QUARTER,
        _COMPANY,
        Column("queue_name", TEXT, "queue_visits.queue_name"),
        Column("result", TEXT, "queue_visits.result"),
        Column("waited_ms", COUNT, f"The wait, null while the visit is open: {_ROUNDED}", "ms"),
        Column("visits", COUNT, "Visits that began in the quarter hour", "count"),
        Column("wait_ms", COUNT, "Sum of wait_ms", "ms"),
    ),
    ("quarter_at", "company", "queue_name", "result", "waited_ms"),
    ("quarter_at", "company", "queue_name", "result", "waited_ms"),
    "One row a quarter hour, queue, result and wait: the wait histogram of queue visits by whole second (macro visit_units)",
)

TIMES_BY_MONTH: Final = Table(
    "times_by_month",
    (
        _MONTH,
        _COMPANY,
        Column("direction", TEXT, "calls.direction"),
        Column(
            "measure",
            TEXT,
            "wait, of inbound calls that have ended; left: the wait of those whose caller left before any answer; talk, of answered calls",
        ),
        Column("step_ms", COUNT, "The time, cut to whole seconds (macro step_of)", "ms"),
        Column("calls", COUNT, "Calls that started in the month", "count"),
    ),
    ("month_at", "company", "direction", "measure", "step_ms"),
    ("month_at", "company", "direction", "measure", "step_ms"),
    "One row a month and step of time: the histogram in which percentiles are looked up before the calls of one step are read "
    "(macro time_units)",
)

_OF_VISITS = (
    Column("visits", COUNT, "Visits", "count"),
    Column("answered", COUNT, "Of these, answered by a person", "count"),
    Column("caller_left", COUNT, "Of these, left by the caller, after however short a wait", "count"),
    Column("overflowed", COUNT, "Of these, that went on to another queue", "count"),
    Column("unanswered", COUNT, "Of these, that ended otherwise", "count"),
    Column("open", COUNT, "Of these, not over yet", "count"),
    Column("answered_wait_ms", COUNT, "Sum of wait_ms of those answered", "ms"),
    Column("left_wait_ms", COUNT, "Sum of wait_ms of those the caller left", "ms"),
    Column("wait_ms", COUNT, "Sum of wait_ms of those that are over", "ms"),
)

QUEUES_BY_QUARTER: Final = Table(
    "queues_by_quarter",
    (_QUARTER, _COMPANY, Column("queue_name", TEXT, "queue_visits.queue_name"), *_OF_VISITS),
    ("quarter_at", "company", "queue_name"),
    ("quarter_at", "company", "queue_name"),
    "One row a quarter hour and queue: sums of visits_by_quarter over results and waits",
)

VISITS_BY_MONTH: Final = Table(
    "visits_by_month",
    (
        _MONTH,
        _COMPANY,
        Column("queue_name", TEXT, "queue_visits.queue_name"),
        Column("result", TEXT, "queue_visits.result"),
        Column("waited_ms", COUNT, f"The wait, null while the visit is open: {_ROUNDED}", "ms"),
        Column("visits", COUNT, "Visits that began in the month", "count"),
        Column("wait_ms", COUNT, "Sum of wait_ms", "ms"),
    ),
    ("month_at", "company", "queue_name", "result", "waited_ms"),
    ("month_at", "company", "queue_name", "result", "waited_ms"),
    "One row a month, queue, result and wait: sums of visits_by_quarter",
)

AGENT_OFFERS: Final = Table(
    "agent_offers",
    (
        _COMPANY,
        _CALL_ID,
        Column("leg", COUNT, "call_legs.leg", "count"),
        Column("offered_at", INSTANT, "Start of the leg", "UTC"),
        Column("extension", TEXT, "The user's extension"),
        Column("user_id", TEXT, "The user's id, never null"),
        Column("name", TEXT, "The user's name"),
        Column("department", TEXT, "The user's department"),
        Column("queue_name", TEXT, "The leg's queue"),
        Column("result", TEXT, "answered, caller_left, taken (by another person, who answered first), lost or open (macro offer_result)"),
        Column("ring_ms", COUNT, "Time ringing in the leg", "ms"),
        Column("talk_ms", COUNT, "Time talking in the leg", "ms"),
        Column("hold_ms", COUNT, "Time held in the leg", "ms"),
        Column("transferred", TRUTH, "Whether a later leg of the call was answered by a user too"),
    ),
    ("company", "call_id", "leg"),
    ("offered_at", "company", "call_id", "leg"),
    "One row an offer of an inbound call to a user: an inbound leg with a user. A talk that comes back to somebody is a second offer",
)

MISSED_CALLS: Final = Table(
    "missed_calls",
    (
        _COMPANY,
        _CALL_ID,
        Column("started_at", INSTANT, "calls.started_at", "UTC"),
        Column("external_key", TEXT, "calls.external_key; null where the number is withheld or too short"),
        Column("external_phone", TEXT, "calls.external_phone"),
        Column("caller_name", TEXT, "calls.caller_name"),
        Column("wait_ms", COUNT, "calls.wait_ms", "ms"),
        Column("abandoned", TRUTH, "calls.abandoned"),
        Column("outcome", TEXT, "calls.outcome"),
        Column("end_cause_name", TEXT, "calls.end_cause_name"),
        Column("trunk_name", TEXT, "calls.trunk_name"),
        Column("last_queue", TEXT, "calls.queue_name"),
        Column("queues", TEXTS, "The queues that it visited, sorted; empty where none"),
        Column("users_rung", COUNT, "Legs with a user", "count"),
        Column("users_unanswered", COUNT, "Legs with a user that were not answered", "count"),
        Column("visits", COUNT, "Queue visits", "count"),
        Column("episode", COUNT, "missed_episodes.episode; null without external_key", "count"),
    ),
    ("company", "call_id"),
    ("started_at", "company", "call_id"),
    "One row an inbound call that ended and that no person answered",
)

MISSED_EPISODES: Final = Table(
    "missed_episodes",
    (
        _COMPANY,
        Column("external_key", TEXT, "The caller: calls.external_key"),
        Column("episode", COUNT, "Contacts with this number that reached a person before the episode", "count"),
        Column("misses", COUNT, "Missed calls", "count"),
        Column("first_miss_at", INSTANT, "Start of the first missed call", "UTC"),
        Column("last_miss_at", INSTANT, "Start of the last missed call", "UTC"),
        Column("last_call_id", TEXT, "The last missed call"),
        Column("least_wait_ms", COUNT, "The shortest wait after which the caller left; null where none of the missed calls was left", "ms"),
        Column(
            "missed",
            MISSES,
            "Its missed calls in order, each with the wait after which the caller left; empty where there is one only or none was left",
        ),
        Column("tries", COUNT, "How many tried_at names", "count"),
        Column("tried_at", INSTANTS, "Our outbound calls that reached nobody, from the first miss on, in order", "UTC"),
        Column("recovered_at", INSTANT, "Start of the contact that reached a person and ends the episode; null while none has", "UTC"),
        Column("recovered_how", TEXT, "they rang again or we called"),
        Column("recovered_call_id", TEXT, "That contact"),
        Column("recovered_by", TEXT, "Name of our person in that contact"),
    ),
    ("company", "external_key", "episode"),
    ("misses", "last_miss_at", "company", "external_key", "episode"),
    "One row an episode of a caller: from a missed call to the first contact that reached a person, in either direction",
)

CONCURRENCY_BY_MINUTE: Final = Table(
    "concurrency_by_minute",
    (
        Column("minute_at", INSTANT, "Start of the minute", "UTC"),
        _COMPANY,
        Column(
            "peak", COUNT, "The most calls open at one instant of the minute; an end and a start at one instant do not overlap", "count"
        ),
        Column("peak_at", INSTANT, "The first instant with so many", "UTC"),
        Column("busy_ms", COUNT, "Sum over calls of the time open within the minute", "ms"),
    ),
    ("minute_at", "company"),
    ("minute_at", "company"),
    "One row a minute with calls open. A call without an end counts up to its last event, one longer than 31 days for 31",
)

CONCURRENCY_BY_QUARTER: Final = Table(
    "concurrency_by_quarter",
    (
        _QUARTER,
        _COMPANY,
        Column("peak", COUNT, "The greatest peak of its minutes", "count"),
        Column("peak_at", INSTANT, "The first instant with so many", "UTC"),
        Column("busy_ms", COUNT, "Sum over calls of the time open within the quarter hour", "ms"),
    ),
    ("quarter_at", "company"),
    ("quarter_at", "company"),
    "One row a quarter hour with calls open: of concurrency_by_minute",
)

_DAY = Column("day_at", INSTANT, "Start of the day of UTC", "UTC")

OFFERS_BY_DAY: Final = Table(
    "offers_by_day",
    (
        _DAY,
        _COMPANY,
        Column("extension", TEXT, "The user's extension, without one the user's id"),
        Column("queue_name", TEXT, "agent_offers.queue_name"),
        Column("department", TEXT, "agent_offers.department"),
        Column("answered", COUNT, "Offers answered", "count"),
        Column("caller_left", COUNT, "Offers during which the caller hung up", "count"),
        Column("taken", COUNT, "Offers of calls that another person then answered first", "count"),
        Column("lost", COUNT, "Offers lost", "count"),
        Column("open", COUNT, "Offers not over yet", "count"),
        Column("transferred", COUNT, "Offers transferred", "count"),
        Column("ring_ms", COUNT, "Sum of ring_ms", "ms"),
        Column("talk_ms", COUNT, "Sum of talk_ms of those answered", "ms"),
        Column("hold_ms", COUNT, "Sum of hold_ms of those answered", "ms"),
        Column("last_offered_at", INSTANT, "The last offer", "UTC"),
        Column("last_name", TEXT, "The user's name in the last offer"),
    ),
    ("day_at", "company", "extension", "queue_name", "department"),
    ("day_at", "company", "extension", "queue_name", "department"),
    "One row a day of UTC, user, queue and department: sums of agent_offers (macro offer_units)",
)

DIMENSIONS_BY_DAY: Final = Table(
    "dimensions_by_day",
    (
        _DAY,
        _COMPANY,
        Column(
            "dimension",
            TEXT,
            "direction, trunk, queue (each that the call visited), department (that answered first), cause; "
            "of outbound calls with an end: prefix, caller",
        ),
        Column("value", TEXT, "Its name; of a prefix the first five signs of the number, of a caller the extension or user id"),
        Column("direction", TEXT, "calls.direction"),
        Column("calls", COUNT, "Calls that started on the day", "count"),
        Column("ended", COUNT, "Of these, with an end", "count"),
        Column("answered", COUNT, "Calls that is_answered() counts", "count"),
        Column("left_waiting", COUNT, "Inbound calls whose caller left before any answer, after however short a wait", "count"),
        Column("busy", COUNT, "Calls with an end and the outcome busy", "count"),
        Column("no_answer", COUNT, "Calls with an end and the outcome no_answer or abandoned", "count"),
        Column("rejected", COUNT, "Calls with an end and the outcome rejected", "count"),
        Column("failed", COUNT, "Calls with an end and the outcome failed", "count"),
        Column("short_calls", COUNT, "Calls that is_short_call() counts", "count"),
        Column("talk_ms", COUNT, "Sum of talk_ms of answered calls", "ms"),
        Column("last_at", INSTANT, "Of a caller: the last call", "UTC"),
        Column("last_name", TEXT, "Of a caller: calls.caller_name in it"),
        Column("last_department", TEXT, "Of a caller: calls.caller_department in it"),
    ),
    ("day_at", "company", "dimension", "value", "direction"),
    ("day_at", "company", "dimension", "value", "direction"),
    "One row a day of UTC, value of one dimension and direction: each call is counted once in every dimension, and once in each queue "
    "that it visited (macro dimension_units)",
)

CAUSES_BY_DAY: Final = Table(
    "causes_by_day",
    (
        _DAY,
        _COMPANY,
        Column("dimension", TEXT, "trunk, of calls that have ended; prefix, of outbound calls with an end"),
        Column("value", TEXT, "Its name; of a prefix the first five signs of the number"),
        Column("end_cause_category", TEXT, "calls.end_cause_category"),
        Column("end_cause_name", TEXT, "calls.end_cause_name"),
        Column("end_cause", TEXT, "calls.end_cause"),
        Column("calls", COUNT, "Calls that started on the day", "count"),
    ),
    ("day_at", "company", "dimension", "value", "end_cause_category", "end_cause_name", "end_cause"),
    ("day_at", "company", "dimension", "value", "end_cause_category", "end_cause_name", "end_cause"),
    "One row a day of UTC, trunk or prefix, and end cause (macro cause_units)",
)

ANSWERED_CALLERS: Final = Table(
    "answered_callers",
    (
        _COMPANY,
        _CALL_ID,
        Column("started_at", INSTANT, "calls.started_at", "UTC"),
        Column("external_key", TEXT, "calls.external_key"),
        Column("again_at", INSTANT, "When the same number called next, 15 minutes later at the earliest; null where it has not", "UTC"),
    ),
    ("company", "call_id"),
    ("started_at", "company", "call_id"),
    "One row an answered inbound call with a number",
)

ABANDONED_ON_HOLD: Final = Table(
    "abandoned_on_hold",
    (
        _COMPANY,
        _CALL_ID,
        Column("started_at", INSTANT, "calls.started_at", "UTC"),
        Column("direction", TEXT, "calls.direction"),
        Column("external_phone", TEXT, "calls.external_phone"),
        Column("answered_by_name", TEXT, "calls.answered_by_name"),
        Column("queue_name", TEXT, "calls.queue_name"),
        Column("held_ms", COUNT, "Duration of the last state", "ms"),
    ),
    ("company", "call_id"),
    ("started_at", "company", "call_id"),
    "One row a call whose last state is held and that the side outside ended (macro is_abandoned_on_hold)",
)

UNKNOWN_STATUSES: Final = Table(
    "unknown_statuses",
    (
        _COMPANY,
        _CALL_ID,
        Column("started_at", INSTANT, "calls.started_at", "UTC"),
        Column("status", TEXT, "The status as sent; null where none was"),
        Column("events", COUNT, "Events of the call with this status", "count"),
        Column("last_at", INSTANT, "The last of them: call_events.event_time", "UTC"),
    ),
    ("company", "call_id", "status"),
    ("started_at", "company", "call_id", "status"),
    "One row a call and status that the list of phases does not know: call_events whose phase is other",
)

_OURS = tuple(Column(f"{name}_ms", COUNT, f"calls.{name}_ms", "ms") for name in ("duration", "talk", "hold", "wait"))
_THEIRS = tuple(Column(f"vendor_{name}_ms", COUNT, f"The vendor's {name}", "ms") for name in ("duration", "talk", "hold", "wait"))
RECONCILED_CALLS: Final = Table(
    "reconciled_calls",
    (_COMPANY, _CALL_ID, Column("started_at", INSTANT, "calls.started_at", "UTC"), *_OURS, *_THEIRS),
    ("company", "call_id"),
    ("started_at", "company", "call_id"),
    "One row a call of basis call or live that also has vendor_calls; the view reconciliation compares both",
)

SEARCHED_CALLS: Final = Table(
    "searched_calls",
    (
        _COMPANY,
        _CALL_ID,
        Column("started_at", INSTANT, "calls.started_at", "UTC"),
        Column("direction", TEXT, "calls.direction"),
        Column("external_phone", TEXT, "calls.external_phone"),
        Column("external_number", COUNT, "calls.external_key as a number; null where it has less than nine digits"),
        Column("other_phones", TEXT, "Both sides' phone numbers and the destination, without external_phone, one after the other"),
        Column("external_name", TEXT, "The name of the party outside, in lower case; null where it is external_phone again"),
        Column(
            "other_names", TEXT, "The other names: of our side and of the first person who answered, in lower case, one after the other"
        ),
        Column("talk_ms", COUNT, "calls.talk_ms; null while the call has no end", "ms"),
        Column("hold_ms", COUNT, "calls.hold_ms; null while the call has no end", "ms"),
    ),
    ("company", "call_id"),
    ("started_at", "company", "call_id"),
    "One row a call: what a search for a text reads. Told apart from the party outside, our own numbers and names are few: each is looked "
    "at once, and not call by call (macro is_hit)",
)

REPORT_TABLES: Final[dict[str, Table]] = by_name(
    (
        CALLS_BY_QUARTER,
        ABANDONS_BY_QUARTER,
        OUTCOMES_BY_QUARTER,
        VISITS_BY_QUARTER,
        QUEUES_BY_QUARTER,
        VISITS_BY_MONTH,
        TIMES_BY_MONTH,
        AGENT_OFFERS,
        MISSED_CALLS,
        MISSED_EPISODES,
        CONCURRENCY_BY_MINUTE,
        CONCURRENCY_BY_QUARTER,
        OFFERS_BY_DAY,
        DIMENSIONS_BY_DAY,
        CAUSES_BY_DAY,
        ANSWERED_CALLERS,
        ABANDONED_ON_HOLD,
        UNKNOWN_STATUSES,
        RECONCILED_CALLS,
        SEARCHED_CALLS,
    )
)
"""Every prepared table, published beside the facts."""

DEFINITIONS: Final = ("metrics", "selections", "views")
"""The files of reports/ that define what is published beside the tables."""


def rebuild(con: duckdb.DuckDBPyConnection) -> None:
    """Makes every prepared table of the facts, from nothing."""
    prepare(con)
    fill(con)


def prepare(con: duckdb.DuckDBPyConnection) -> None:
    """Makes every prepared table, empty, with its comments, and defines macros and views."""
    for table in REPORT_TABLES.values():
        con.execute(f"drop table if exists {table.name}")
        con.execute(table.ddl())
        for comment in table.comments():
            con.execute(comment)
    define(con)


def fill(con: duckdb.DuckDBPyConnection) -> None:
    """Fills every prepared table, empty as `prepare` left it, from the facts."""
    con.execute(_EVERYTHING)
    _fill(con)


def refresh(con: duckdb.DuckDBPyConnection) -> None:
    """Brings every prepared table up to date with what this build has changed. Macros and views stay: other ones mean a full build."""
    if not _are_there(con):
        rebuild(con)
        return
    con.execute(_CHANGED)
    con.execute(_DELETE)
    _fill(con)


def define(con: duckdb.DuckDBPyConnection) -> None:
    """Defines macros and views, each metric with its formula as a comment."""
    for name in DEFINITIONS:
        con.execute(sql_text(name))
    for metric in METRICS.values():
        con.execute(f"comment on macro {metric.name} is {literal(f'{metric.label}: {metric.formula} [{metric.unit}]')}")


def _are_there(con: duckdb.DuckDBPyConnection) -> bool:
    """Whether every prepared table is there as this version declares it."""
    found = con.execute(
        "select table_name, list(column_name order by column_index) from duckdb_columns() "
        "where database_name = current_database() group by all"
    ).fetchall()
    columns = dict(found)
    return all(columns.get(name) == table.names for name, table in REPORT_TABLES.items())


def _fill(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(_CONTACTS)
    for name, select in _FILL.items():
        table = REPORT_TABLES[name]
        con.execute(f"insert into {name} by name select * from ({select}) order by {', '.join(table.order_by)}")
    con.execute(_FORGET)


_EVERYTHING: Final = """
create or replace temp macro changed_from() as null::timestamptz;
create or replace temp view todo_call_units as from call_units();
create or replace temp view todo_abandon_units as from abandon_units();
create or replace temp view todo_outcome_units as from outcome_units();
create or replace temp view todo_visit_units as from visit_units();
create or replace temp view todo_legs as
    select l.*, c.ended_at as call_ended_at, c.ended_by, c.answered_by_at, c.answered_by_user_id
    from call_legs l join calls c using (company, call_id)
    where l.callee_user_id is not null and c.direction = 'inbound';
create or replace temp view todo_visits_by_quarter as from visits_by_quarter;
create or replace temp view todo_months as from visits_by_quarter;
create or replace temp view todo_time_units as from time_units();
create or replace temp view todo_offer_units as from offer_units();
create or replace temp view todo_dimension_units as from dimension_units();
create or replace temp view todo_cause_units as from cause_units();
create or replace temp view todo_callers as from calls where direction = 'inbound' and external_key is not null;
create or replace temp view todo_answered as from todo_callers where is_answered(direction, has_end, answered_at, answered_by_at);
create or replace temp view todo_held as from calls where hold_count > 0 and is_abandoned_on_hold(direction, 'held', ended_by);
create or replace temp view todo_unknown_statuses as
    select e.*, started_at from (from call_events where phase = 'other') e
    join (select company, call_id, started_at from calls) using (company, call_id);
create or replace temp view todo_reconciled as from calls where basis in ('call', 'live');
create or replace temp view todo_searched as from calls;
create or replace temp view todo_minutes as from concurrency_by_minute;
create or replace temp view todo_misses as from calls where is_missed(direction, has_end, answered_by_at);
create or replace temp view todo_contacts as
    from calls semi join (from calls where is_missed(direction, has_end, answered_by_at)) m using (company, external_key);
create or replace temp view todo_hours as
    select company, hour_at, greatest(from_at, hour_at) as from_at, least(until_at, hour_at + interval 1 hour) as until_at from (
        select company, started_at as from_at, concurrent_until(started_at, ended_at, ring_ms, talk_ms, hold_ms, other_ms) as until_at,
            unnest(hours_of(from_at, until_at)) as hour_at
        from calls);
"""

# What a refresh computes again: the changed calls; all calls of their quarter hours, days and months; of their outside numbers; of
# the hours in which they were open. Found by whole scans of a few narrow columns, which cost less than an index.
_CHANGED: Final = """
create or replace temp table changed_calls as
    select distinct company, call_id from (select company, call_id from calls_old union all select company, call_id from calls_new);
create or replace temp table changed_quarters as
    select distinct quarter_of(started_at) as quarter_at from (from calls_old union all from calls_new);
create or replace temp table changed_visit_quarters as
    select distinct quarter_of(entered_at) as quarter_at from (from visits_old union all from visits_new);
create or replace temp table changed_numbers as
    select company, external_key, min(started_at) as since
    from (from calls_old union all from calls_new) where external_key is not null group by all;
create or replace temp table changed_hours as
    select distinct company,
        unnest(hours_of(started_at, concurrent_until(started_at, ended_at, ring_ms, talk_ms, hold_ms, other_ms))) as hour_at
    from (from calls_old union all from calls_new);

create or replace temp table changed_days as select distinct day_of(quarter_at) as day_at from changed_quarters;
create or replace temp macro changed_from() as getvariable('changed_from')::timestamptz;
create or replace temp macro changed_until() as getvariable('changed_until')::timestamptz;
set variable changed_from = (select min(day_at) from changed_days);
set variable changed_until = (select max(day_at) + interval 1 day from changed_days);
create or replace temp table changed_months as select distinct month_of(quarter_at) as month_at from changed_visit_quarters;
create or replace temp table changed_call_months as select distinct month_of(day_at) as month_at from changed_days;
create or replace temp table changed_call_days as
    select unnest(range(month_at, month_of(month_at + interval 32 days), interval 1 day)) as day_at from changed_call_months;
create or replace temp table changed_offer_days as
    select distinct day_of(offered_at) as day_at from (
        select offered_at from (from agent_offers where offered_at >= changed_from()) semi join changed_calls using (company, call_id)
        union all
        select started_at from (from call_legs where started_at >= changed_from()) semi join changed_calls using (company, call_id));
create or replace temp table changed_callers as
    select company, call_id, a.started_at, external_key from answered_callers a join changed_numbers n using (company, external_key)
    where again_at is null or again_at >= n.since;

create or replace temp view todo_visits_by_quarter as from visits_by_quarter semi join changed_visit_quarters using (quarter_at);
create or replace temp view todo_months as
    from visits_by_quarter where month_of(quarter_at) in (from changed_months) and quarter_at >= (select min(month_at) from changed_months);
create or replace temp view todo_time_units as
    select * from time_units(
        start := month_of(changed_from()), stop := changed_until() + interval 31 days)
    where day_at in (from changed_call_days);
create or replace temp view todo_offer_units as from offer_units(days := coalesce((select list(day_at) from changed_offer_days), []));
create or replace temp view todo_dimension_units as from dimension_units(
    start := changed_from(), stop := changed_until(),
    days := coalesce((select list(day_at) from changed_days), []));
create or replace temp view todo_cause_units as from cause_units(
    start := changed_from(), stop := changed_until(),
    days := coalesce((select list(day_at) from changed_days), []));
create or replace temp view todo_answered as
    select company, call_id, started_at, external_key from changed_callers anti join changed_calls using (company, call_id)
    union all
    select company, call_id, started_at, external_key from calls_new
    where external_key is not null and direction = 'inbound' and is_answered(direction, has_end, answered_at, answered_by_at);
create or replace temp view todo_callers as
    from (from calls where started_at >= changed_from() and direction = 'inbound') semi join changed_numbers using (company, external_key);
create or replace temp view todo_held as from calls_new where hold_count > 0 and is_abandoned_on_hold(direction, 'held', ended_by);
create or replace temp view todo_unknown_statuses as
    select e.*, started_at from (from call_events where phase = 'other') e
    join (select company, call_id, started_at from calls_new) using (company, call_id);
create or replace temp view todo_reconciled as from calls_new where basis in ('call', 'live');
create or replace temp view todo_searched as from calls_new;
create or replace temp view todo_minutes as
    from concurrency_by_minute
    where (company, hour_of(minute_at)) in (from changed_hours) and minute_at >= changed_from();
create or replace temp view todo_call_units as from call_units(
    start := changed_from(), stop := changed_until())
    semi join changed_quarters using (quarter_at);
create or replace temp view todo_abandon_units as from abandon_units(
    start := changed_from(), stop := changed_until())
    semi join changed_quarters using (quarter_at);
create or replace temp view todo_outcome_units as from outcome_units(
    start := changed_from(), stop := changed_until())
    semi join changed_quarters using (quarter_at);
create or replace temp view todo_visit_units as from visit_units() semi join changed_visit_quarters using (quarter_at);
create or replace temp view todo_legs as
    select l.*, c.ended_at as call_ended_at, c.ended_by, c.answered_by_at, c.answered_by_user_id
    from (from (from call_legs where started_at >= changed_from()) semi join changed_calls using (company, call_id)) l
    join (select company, call_id, direction, ended_at, ended_by, answered_by_at, answered_by_user_id from calls_new) c
        using (company, call_id)
    where l.callee_user_id is not null and c.direction = 'inbound';
create or replace temp view todo_misses as
    from (from calls_new where external_key is null
          union all from calls semi join changed_numbers using (company, external_key))
    where is_missed(direction, has_end, answered_by_at);
create or replace temp view todo_contacts as from calls semi join changed_numbers using (company, external_key);
create or replace temp view todo_hours as
    select company, hour_at, greatest(from_at, hour_at) as from_at, least(until_at, hour_at + interval 1 hour) as until_at from (
        select company, started_at as from_at, concurrent_until(started_at, ended_at, ring_ms, talk_ms, hold_ms, other_ms) as until_at,
            unnest(hours_of(from_at, until_at)) as hour_at
        from calls
        where started_at >= (select min(hour_at) - interval 32 days from changed_hours)  -- a call counts for 31 days
            and started_at < (select max(hour_at) + interval 1 hour from changed_hours))
    semi join changed_hours using (company, hour_at);
"""

_DELETE: Final = """
delete from calls_by_quarter where quarter_at in (from changed_quarters);
delete from abandons_by_quarter where quarter_at in (from changed_quarters);
delete from outcomes_by_quarter where quarter_at in (from changed_quarters);
delete from visits_by_quarter where quarter_at in (from changed_visit_quarters);
delete from queues_by_quarter where quarter_at in (from changed_visit_quarters);
delete from visits_by_month where month_at in (from changed_months);
delete from times_by_month where month_at in (from changed_call_months);
delete from agent_offers where offered_at >= changed_from() and (company, call_id) in (from changed_calls);
delete from missed_calls
    where (company, call_id) in (from changed_calls) or (company, external_key) in (select company, external_key from changed_numbers);
delete from missed_episodes where (company, external_key) in (select company, external_key from changed_numbers);
delete from concurrency_by_minute where minute_at >= changed_from() and (company, hour_of(minute_at)) in (from changed_hours);
delete from concurrency_by_quarter where quarter_at >= changed_from() and (company, hour_of(quarter_at)) in (from changed_hours);
delete from offers_by_day where day_at in (from changed_offer_days);
delete from dimensions_by_day where day_at in (from changed_days);
delete from causes_by_day where day_at in (from changed_days);
delete from answered_callers where (company, call_id) in (select company, call_id from changed_callers union all from changed_calls);
delete from abandoned_on_hold where started_at >= changed_from() and (company, call_id) in (from changed_calls);
delete from unknown_statuses where (company, call_id) in (from changed_calls);
delete from searched_calls where started_at >= changed_from() and (company, call_id) in (from changed_calls);
delete from reconciled_calls where started_at >= changed_from() and (company, call_id) in (from changed_calls);
"""

_FORGET: Final = """
drop view if exists todo_call_units; drop view if exists todo_abandon_units; drop view if exists todo_outcome_units;
drop view if exists todo_visit_units; drop view if exists todo_legs;
drop view if exists todo_visits_by_quarter; drop view if exists todo_months; drop view if exists todo_offer_units;
drop view if exists todo_time_units; drop view if exists todo_dimension_units; drop view if exists todo_cause_units;
drop view if exists todo_answered; drop view if exists todo_callers;
drop view if exists todo_held;
drop view if exists todo_unknown_statuses; drop view if exists todo_reconciled; drop view if exists todo_minutes;
drop view if exists todo_searched; drop view if exists todo_misses; drop view if exists todo_contacts; drop view if exists todo_hours;
drop table if exists changed_calls; drop table if exists changed_quarters; drop table if exists changed_visit_quarters;
drop table if exists changed_numbers; drop table if exists changed_hours; drop table if exists changed_days;
drop table if exists changed_months; drop table if exists changed_callers; drop table if exists changed_offer_days;
drop table if exists changed_call_months; drop table if exists changed_call_days;
drop macro if exists changed_from; drop macro if exists changed_until;
reset variable changed_from; reset variable changed_until;
drop table if exists numbered_contacts;
"""

# One row a contact with a number that has been missed, with its episode: the contacts before it that reached a person.
_CONTACTS: Final = """
    create or replace temp table numbered_contacts as select *, count(*) filter (kind = 'reach') over (
            partition by company, external_key order by started_at, call_id rows between unbounded preceding and 1 preceding) as episode
    from (
        select company, external_key, call_id, started_at, case when answered_by_at is null then 'miss' else 'reach' end as kind,
            'they rang again' as how, answered_by_name as by_name, case when abandoned then wait_ms end as left_after_ms
        from todo_contacts where direction = 'inbound' and external_key is not null and ended_at is not null
        union all
        select company, external_key, call_id, started_at, case when answered_at is null then 'try' else 'reach' end,
            'we called', caller_name, null
        from todo_contacts where direction = 'outbound' and external_key is not null)
"""

_FILL: Final[dict[str, str]] = {
    "calls_by_quarter": """
        select quarter_at, company, direction,
            sum(calls) as calls, sum(ended) as ended, sum(answered) as answered, sum(picked_up) as picked_up,
            sum(unanswered) as unanswered, sum(left_waiting) as left_waiting, sum(otherwise_abandoned) as
            otherwise_abandoned, sum(in_progress) as in_progress, sum(lost) as lost, sum(short_calls) as short_calls,
            sum(voicemails) as voicemails, bounded_sum(wait_ms) as wait_ms, bounded_sum(talk_ms) as talk_ms,
            bounded_sum(hold_ms) as hold_ms,
            sum(holds) as holds, sum(transfers) as transfers, sum(without_start) as without_start, sum(with_late_events)
            as with_late_events, sum(late_events) as late_events, sum(events) as events, sum(deliveries) as deliveries
        from todo_call_units group by all""",
    "abandons_by_quarter": """
        select quarter_at, company, direction, rounded_wait(waited_ms) as waited_ms, sum(calls) as calls, bounded_sum(wait_ms) as wait_ms
        from todo_abandon_units group by all""",
    "outcomes_by_quarter": """
        select quarter_at, company, direction, outcome, end_cause_category, end_cause_name, end_cause, ended_by, abandoned,
            sum(calls) as calls, min(end_cause_text) as end_cause_text
        from todo_outcome_units group by all""",
    "visits_by_quarter": """
        select quarter_at, company, queue_name, result, rounded_wait(waited_ms) as waited_ms, sum(visits) as visits,
            bounded_sum(wait_ms) as wait_ms
        from todo_visit_units group by all""",
    "queues_by_quarter": """
        select quarter_at, company, queue_name, sum(visits) as visits, coalesce(sum(visits) filter (result = 'answered'), 0) as answered,
            coalesce(sum(visits) filter (result = 'caller_left' and waited_ms is not null), 0) as caller_left,
            coalesce(sum(visits) filter (result = 'overflowed'), 0) as overflowed,
            coalesce(sum(visits) filter (result = 'unanswered'), 0) as unanswered,
            coalesce(sum(visits) filter (result = 'open'), 0) as open,
            coalesce(bounded_sum(case when result = 'answered' then wait_ms end), 0) as answered_wait_ms,
            coalesce(bounded_sum(case when result = 'caller_left' and waited_ms is not null then wait_ms end), 0) as left_wait_ms,
            coalesce(bounded_sum(case when result <> 'open' then wait_ms end), 0) as wait_ms
        from todo_visits_by_quarter group by all""",
    "visits_by_month": """
        select month_of(quarter_at) as month_at, company, queue_name, result, waited_ms, sum(visits) as visits,
            bounded_sum(wait_ms) as wait_ms
        from todo_months group by all""",
    "times_by_month": """
        -- by day first: of a day the month is told once, and not of each call
        select month_of(day_at) as month_at, company, direction, measure, step_ms, sum(calls) as calls
        from (select day_at, company, direction, measure, step_ms, sum(calls) as calls from todo_time_units group by all) group by all""",
    "agent_offers": """
        select company, call_id, leg, started_at as offered_at, callee_extension as extension, callee_user_id as user_id,
            callee_name as name,
            callee_department as department, queue_name,
            offer_result(answered, callee_user_id, started_at, ended_at, call_ended_at, ended_by, answered_by_at, answered_by_user_id)
                as result, ring_ms, talk_ms, hold_ms,
            answered and leg < max(leg) filter (answered) over (partition by company, call_id) as transferred
        from todo_legs""",
    "missed_calls": """
        select m.company, m.call_id, m.started_at, m.external_key, m.external_phone, m.caller_name, m.wait_ms, m.abandoned,
            m.outcome, m.end_cause_name, m.trunk_name,
            m.queue_name as last_queue, coalesce(o.users_rung, 0) as users_rung, coalesce(o.users_unanswered, 0) as users_unanswered,
            coalesce(v.visits, 0) as visits, coalesce(v.queues, []) as queues, e.episode
        from todo_misses m
        left join (select company, call_id, count(*) as users_rung, count(*) filter (result <> 'answered') as users_unanswered
                   from agent_offers semi join todo_misses using (company, call_id) group by all) o using (company, call_id)
        left join (select company, call_id, count(*) as visits, list_sort(list(distinct queue_name)) as queues
                   from queue_visits semi join todo_misses using (company, call_id) group by all) v using (company, call_id)
        left join (select company, call_id, episode from numbered_contacts where kind = 'miss') e using (company, call_id)""",
    "missed_episodes": """
        select * exclude (reach, tried, last_miss), last_miss.call_id as last_call_id,
            reach.started_at as recovered_at, reach.how as recovered_how, reach.call_id as recovered_call_id,
            reach.by_name as recovered_by, list_sort(list_filter(coalesce(tried, []), lambda t: t >= first_miss_at)) as tried_at,
            len(tried_at) as tries
        from (
            select company, external_key, episode,
                count(*) filter (kind = 'miss') as misses,
                min(started_at) filter (kind = 'miss') as first_miss_at,
                max(started_at) filter (kind = 'miss') as last_miss_at,
                max({'started_at': started_at, 'call_id': call_id}) filter (kind = 'miss') as last_miss,
                min(left_after_ms) filter (kind = 'miss') as least_wait_ms,
                case when misses > 1 and least_wait_ms is not null then list_sort(list({'started_at': started_at, 'call_id': call_id,
                    'left_after_ms': left_after_ms}) filter (kind = 'miss')) else [] end as missed,
                list(started_at) filter (kind = 'try') as tried,
                min({'started_at': started_at, 'call_id': call_id, 'how': how, 'by_name': by_name}) filter (kind = 'reach') as reach
            from numbered_contacts
            group by company, external_key, episode having misses > 0)""",
    "concurrency_by_minute": """
        select * exclude (highest), make_timestamptz((epoch_ms(minute_at) + peak * 60000 - highest) * 1000) as peak_at from (
        -- of two instants with as many calls the earlier is the higher: one maximum for both, cheaper than min_by()
        select minute_at, company, peak_of(open_calls)::bigint as peak,
            max(open_calls * 60000 - epoch_ms(greatest(from_at, minute_at)) % 60000)::bigint as highest,
            sum(open_calls * (epoch_ms(least(until_at, minute_at + interval 1 minute)) - epoch_ms(greatest(from_at, minute_at))))::bigint
                as busy_ms
        from (
            select company, from_at, until_at, open_calls,
                unnest(range(make_timestamptz((epoch_ms(from_at) // 60000) * 60000000), until_at, interval 1 minute)) as minute_at
            from (
                select company, moment as from_at,
                    lead(moment) over (partition by company, hour_at order by moment) as until_at,
                    sum(change) over (partition by company, hour_at order by moment) as open_calls
                from (
                    select company, hour_at, moment, sum(change) as change
                    from (select company, hour_at, from_at as moment, 1 as change from todo_hours
                          union all select company, hour_at, until_at, -1 from todo_hours)
                    group by all having sum(change) <> 0))
            where open_calls > 0)
        group by all)""",
    "concurrency_by_quarter": """
        select quarter_of(minute_at) as quarter_at, company, peak_of(peak) as peak, min_by(peak_at, (-peak, peak_at)) as peak_at,
            sum(busy_ms) as busy_ms
        from todo_minutes group by all""",
    "offers_by_day": "from todo_offer_units",
    "dimensions_by_day": "from todo_dimension_units",
    "causes_by_day": "from todo_cause_units",
    "answered_callers": """
        select a.company, a.call_id, a.started_at, a.external_key, b.again_at
        from todo_answered a
        asof left join (select company, external_key, started_at as again_at from todo_callers) b
            on a.company = b.company and a.external_key = b.external_key and a.started_at + interval 15 minutes <= b.again_at""",
    "abandoned_on_hold": """
        select company, call_id, c.started_at, direction, external_phone, answered_by_name, queue_name, held_ms
        from todo_held c
        join (select company, call_id, arg_max(phase, seq) as last_phase, arg_max(duration_ms, seq) as held_ms
              from (from call_states where changed_from() is null or started_at >= changed_from())
              semi join todo_held using (company, call_id) group by all) using (company, call_id)
        where is_abandoned_on_hold(direction, last_phase, ended_by)""",
    "unknown_statuses": """
        select company, call_id, started_at, status, count(*) as events, max(event_time) as last_at
        from todo_unknown_statuses group by all""",
    "reconciled_calls": """
        select company, call_id, started_at, duration_ms, talk_ms, hold_ms, wait_ms,
            vendor_duration_ms, vendor_talk_ms, vendor_hold_ms, vendor_wait_ms
        from todo_reconciled
        join (
            select company, call_id,
                epoch_ms(max(ended_at)) - epoch_ms(min(started_at)) as vendor_duration_ms,
                sum(coalesce(talk_ms, 0))::bigint as vendor_talk_ms,
                sum(coalesce(hold_ms, 0))::bigint as vendor_hold_ms,
                coalesce(
                    epoch_ms(arg_min(
                        started_at + to_milliseconds(coalesce(connect_ms, 0) + coalesce(wait_ms, 0) + coalesce(queue_ms, 0)), flow_index
                    ) filter (talk_ms > 0)) - epoch_ms(min(started_at)),
                    epoch_ms(max(ended_at)) - epoch_ms(min(started_at))) as vendor_wait_ms
            from vendor_calls semi join todo_reconciled using (company, call_id) group by all) vendor using (company, call_id)""",
    "searched_calls": """
        select company, call_id, started_at, direction, external_phone,
            case when len(external_key) = 9 then external_key::bigint end as external_number,
            concat_ws(separator(),
                case when caller_phone is distinct from external_phone then caller_phone end,
                case when callee_phone is distinct from external_phone then callee_phone end,
                case when destination is distinct from external_phone then destination end) as other_phones,
            -- without letters a name is found where the number is
            lower(case when outside_name is distinct from external_phone or lower(outside_name) <> upper(outside_name)
                  then outside_name end) as external_name,
            lower(concat_ws(separator(), case when direction is distinct from 'inbound' then caller_name end,
                case when direction is distinct from 'outbound' then callee_name end,
                case when direction is not distinct from 'outbound' or answered_by_name is distinct from callee_name
                then answered_by_name end)) as other_names,
            case when has_end then talk_ms end as talk_ms, case when has_end then hold_ms end as hold_ms
        from (select *, case direction when 'inbound' then caller_name when 'outbound' then callee_name end as outside_name
              from todo_searched)""",
}
"""In an order in which each may read those before it."""


if __name__ == "__main__":
    import sys

    sys.stdout.write(markdown(REPORT_TABLES.values()))  # docs/tables.md
