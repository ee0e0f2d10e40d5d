"""Every table, once: columns in order, type, unit, meaning, key, order. (CONTRACT §6)

DDL, `COMMENT ON`, Arrow and polars schemas and docs/tables.md derive from here; nothing else spells a column's type.
Instants are UTC with microseconds (`TIMESTAMPTZ`), durations whole milliseconds in names that end in `_ms`, counts and
indexes `BIGINT`. `TABLES` are the published ones; `TYPED` are the builder's own, between the parser and the facts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import polars as pl
import pyarrow as pa

TEXT: Final = pa.string()
COUNT: Final = pa.int64()
INSTANT: Final = pa.timestamp("us", tz="UTC")
TRUTH: Final = pa.bool_()
REAL: Final = pa.float64()
DAY: Final = pa.date32()
TEXTS: Final = pa.list_(pa.field("item", TEXT))
COUNTS: Final = pa.map_(TEXT, COUNT)

_DUCKDB: Final[dict[pa.DataType, str]] = {
    TEXT: "VARCHAR",
    COUNT: "BIGINT",
    INSTANT: "TIMESTAMPTZ",
    TRUTH: "BOOLEAN",
    REAL: "DOUBLE",
    DAY: "DATE",
    COUNTS: "MAP(VARCHAR, BIGINT)",
}
_POLARS: Final[dict[pa.DataType, pl.DataType]] = {
    TEXT: pl.String(),
    COUNT: pl.Int64(),
    INSTANT: pl.Datetime("us", "UTC"),
    TRUTH: pl.Boolean(),
    REAL: pl.Float64(),
    DAY: pl.Date(),
    COUNTS: pl.Map(pl.String(), pl.Int64()),
}


def duckdb_type(kind: pa.DataType) -> str:
    """The DuckDB spelling of an Arrow type of these tables."""
    if pa.types.is_list(kind):
        return duckdb_type(kind.value_type) + "[]"
    if pa.types.is_struct(kind):
        return "STRUCT(" + ", ".join(f'"{field.name}" {duckdb_type(field.type)}' for field in kind) + ")"
    return _DUCKDB[kind]


def polars_type(kind: pa.DataType) -> pl.DataType:
    """The polars type of an Arrow type of these tables."""
    if pa.types.is_list(kind):
        return pl.List(polars_type(kind.value_type))
    if pa.types.is_struct(kind):
        return pl.Struct({field.name: polars_type(field.type) for field in kind})
    return _POLARS[kind]


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        name: as published.
        type: Arrow type.
        meaning: one sentence, ends up as the column's comment.
        unit: `ms`, `UTC`, `count` …; empty where there is none.
    """

    name: str
    type: pa.DataType
    meaning: str
    unit: str = ""

    @property
    def comment(self) -> str:
        return f"{self.meaning} [{self.unit}]" if self.unit else self.meaning


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        name: as published.
        columns: in order.
        key: the columns that identify a row; empty where equal rows may repeat.
        order_by: the order in which a full build writes it.
        meaning: one sentence: what a row is.
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    order_by: tuple[str, ...]
    meaning: str

    @cached_property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]

    @cached_property
    def arrow(self) -> pa.Schema:
        return pa.schema([pa.field(column.name, column.type) for column in self.columns])

    @cached_property
    def polars(self) -> pl.Schema:
        return pl.Schema({column.name: polars_type(column.type) for column in self.columns})

    def ddl(self, name: str | None = None) -> str:
        """`create table`, without a primary key: an index doubles the file and slows delete and insert."""
        columns = ",\n".join(f"    {quoted(column.name)} {duckdb_type(column.type)}" for column in self.columns)
        return f"create table {name or quoted(self.name)} (\n{columns}\n)"

    def comments(self, name: str | None = None) -> list[str]:
        """`comment on` statements of the table and of each of its columns."""
        table = name or quoted(self.name)
        return [
            f"comment on table {table} is {literal(self.meaning)}",
            *(f"comment on column {table}.{quoted(column.name)} is {literal(column.comment)}" for column in self.columns),
        ]

    def empty(self) -> pl.DataFrame:
        return pl.DataFrame(schema=self.polars)


def quoted(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """An SQL string."""
    return "'" + text.replace("'", "''") + "'"


# ---------------------------------------------------------------------------------------------------------------------
# The stored key. 63 bits of MD5, for speed in joins and sorts: no promise of uniqueness. Whoever uses `k` alone to find
# rows gets whole calls, now and then one too many; whoever groups compares the two strings as well.

KEY_SQL: Final = "(md5_number_lower(concat(strlen({0}), ':', {0}, {1})) >> 1)::BIGINT"
"""`k` in DuckDB: `KEY_SQL.format('company', 'call_id')`, for presence `KEY_SQL.format('company', 'extension')`."""


def key_of(company: str, name: str) -> int:
    """`k` in Python, equal to KEY_SQL's."""
    first = company.encode()
    digest = hashlib.md5(b"%d:%s%s" % (len(first), first, name.encode()), usedforsecurity=False).digest()
    return int.from_bytes(digest[8:], "little") >> 1


# ---------------------------------------------------------------------------------------------------------------------
# Columns that several tables share

_COMPANY = Column("company", TEXT, "The company as the phone system names it")
_CALL_ID = Column("call_id", TEXT, "The call's id, the same in all its events")
_K = Column("k", COUNT, "63 bits of MD5 of (company, call_id), in presence of (company, extension); see KEY_SQL")

PARTY: Final = ("type", "phone", "name", "email", "user_id", "extension", "department", "group_name", "device")
"""The fields of a participant, in the order of its columns."""


def _party(side: str, which: str) -> tuple[Column, ...]:
    words = {
        "type": "LOCAL or REMOTE as sent",
        "phone": "phone number",
        "name": "name",
        "email": "e-mail address",
        "user_id": "user id in the phone system",
        "extension": "extension (userExtension)",
        "department": "department (userDepartment)",
        "group_name": "group name",
        "device": "device (userDevice), VOICEBOT for a machine",
    }
    return tuple(Column(f"{side}_{field}", TEXT, f"{which}: {words[field]}") for field in PARTY)


# ---------------------------------------------------------------------------------------------------------------------
# Published tables

_FIGURES = "by phase, adds up to duration_ms; of an open call up to its last event"

CALLS: Final = Table(
    "calls",
    (
        _COMPANY,
        Column("pbx", TEXT, "Serial of the PBX, of the first event"),
        _CALL_ID,
        Column("basis", TEXT, "The family of events that the row comes from: call, live or vendor"),
        Column("started_at", INSTANT, "Time of the first event", "UTC"),
        Column("answered_at", INSTANT, "Start of the first talking or held interval; null if never answered", "UTC"),
        Column("ended_at", INSTANT, "Time of the first end; null while none has come", "UTC"),
        Column("duration_ms", COUNT, "ended_at − started_at; null while open", "ms"),
        Column("ring_ms", COUNT, f"Time ringing, {_FIGURES}", "ms"),
        Column("talk_ms", COUNT, f"Time talking, {_FIGURES}", "ms"),
        Column("hold_ms", COUNT, f"Time held, {_FIGURES}", "ms"),
        Column("other_ms", COUNT, f"Time in any other status, {_FIGURES}", "ms"),
        Column("wait_ms", COUNT, "answered_at − started_at; if never answered duration_ms, null while still open", "ms"),
        Column("hold_count", COUNT, "Runs of consecutive held intervals", "count"),
        Column("leg_count", COUNT, "Rows in call_legs; of basis vendor the number of flows", "count"),
        Column("transfer_count", COUNT, "Answered legs whose callee is a person, less 1, never below 0", "count"),
        Column("direction", TEXT, "inbound, outbound, internal or unknown; of basis live or vendor also as they say"),
        *_party("caller", "The caller, of the last event that has one"),
        *_party("callee", "The callee, of the last event that has one"),
        Column("answered_by_at", INSTANT, "When the first person answered", "UTC"),
        Column("answered_by_user_id", TEXT, "User id of the first person who answered (no VOICEBOT)"),
        Column("answered_by_extension", TEXT, "Extension of the first person who answered"),
        Column("answered_by_name", TEXT, "Name of the first person who answered"),
        Column("answered_by_department", TEXT, "Department of the first person who answered"),
        Column("destination", TEXT, "Number dialled, last non-null"),
        Column("service", TEXT, "Service, last non-null"),
        Column("trunk_name", TEXT, "Trunk, last non-null"),
        Column("queue_name", TEXT, "Queue, last non-null"),
        Column("queue_id", TEXT, "Queue id, last non-null"),
        Column("external_phone", TEXT, "The party outside: inbound the caller's phone; outbound the callee's, else dialled"),
        Column("external_key", TEXT, "Last 9 ASCII digits of external_phone; null where it has fewer than 6"),
        Column("tags", TEXTS, "Sorted distinct tags of all events; empty, never null"),
        Column("flags", TEXTS, "Sorted distinct flags of all events; empty, never null"),
        Column("end_cause", TEXT, "Raw code of the first end; null while open"),
        Column("end_cause_text", TEXT, "The phone system's own text of the end cause; null while open"),
        Column("end_cause_name", TEXT, "Q.850 name of the code, `unknown` if it is not in end_causes; null while open"),
        Column("end_cause_category", TEXT, "Category of the code, `unknown` if not in end_causes; null while open"),
        Column("ended_by", TEXT, "Who ended the call, in lower case; null while open"),
        Column("outcome", TEXT, "answered, abandoned, no_answer, busy, rejected, failed, in_progress or lost (CONTRACT §6)"),
        Column("event_count", COUNT, "Distinct events of the basis", "count"),
        Column("delivery_count", COUNT, "Deliveries of these events", "count"),
        Column("late_events", COUNT, "Events ordered after the first end", "count"),
        Column("has_start", TRUTH, "Whether a start is among the events up to the first end"),
        Column("has_end", TRUTH, "Whether there is an end"),
        Column("first_received_at", INSTANT, "First delivery of the basis", "UTC"),
        Column("last_received_at", INSTANT, "Last delivery of the basis", "UTC"),
        Column("abandoned", TRUTH, "Ended by the caller before any answer, whatever the cause; null while the call is open"),
    ),
    ("company", "call_id"),
    ("started_at", "company", "call_id"),
    "One row a call",
)

CALL_STATES: Final = Table(
    "call_states",
    (
        _COMPANY,
        _CALL_ID,
        Column("seq", COUNT, "Number of the state in its call, from 0", "count"),
        Column("status", TEXT, "Status as sent"),
        Column("phase", TEXT, "ringing, talking, held or other (call_phases.csv)"),
        Column("started_at", INSTANT, "Time of the event that opens the state", "UTC"),
        Column("ended_at", INSTANT, "Time of the next event; null for the last state of an open call", "UTC"),
        Column("duration_ms", COUNT, "ended_at − started_at; null for the last state of an open call", "ms"),
        Column("caller_phone", TEXT, "The event's caller: phone number"),
        Column("callee_type", TEXT, "The event's callee: LOCAL or REMOTE as sent"),
        Column("callee_phone", TEXT, "The event's callee: phone number"),
        Column("callee_name", TEXT, "The event's callee: name"),
        Column("callee_user_id", TEXT, "The event's callee: user id"),
        Column("callee_extension", TEXT, "The event's callee: extension"),
        Column("queue_name", TEXT, "The event's queue"),
    ),
    ("company", "call_id", "seq"),
    ("started_at", "company", "call_id", "seq"),
    "One row an event before the call's first end: the interval from it to the next event",
)

CALL_LEGS: Final = Table(
    "call_legs",
    (
        _COMPANY,
        _CALL_ID,
        Column("leg", COUNT, "Number of the leg in its call, from 0", "count"),
        Column("callee_type", TEXT, "The callee, in its last state: LOCAL or REMOTE as sent"),
        Column("callee_phone", TEXT, "The callee, in its last state: phone number"),
        Column("callee_name", TEXT, "The callee, in its last state: name"),
        Column("callee_user_id", TEXT, "The callee, in its last state: user id"),
        Column("callee_extension", TEXT, "The callee, in its last state: extension"),
        Column("callee_department", TEXT, "The callee, in its last state: department"),
        Column("queue_name", TEXT, "Queue, last non-null of the leg"),
        Column("started_at", INSTANT, "Start of the leg's first state", "UTC"),
        Column("answered_at", INSTANT, "First talking or held state of the leg", "UTC"),
        Column("ended_at", INSTANT, "End of the leg's last state; null for the last leg of an open call", "UTC"),
        Column("ring_ms", COUNT, "Time ringing in the leg", "ms"),
        Column("talk_ms", COUNT, "Time talking in the leg", "ms"),
        Column("hold_ms", COUNT, "Time held in the leg", "ms"),
        Column("other_ms", COUNT, "Time in any other status in the leg", "ms"),
        Column("answered", TRUTH, "Whether the leg has a talking or held state"),
    ),
    ("company", "call_id", "leg"),
    ("started_at", "company", "call_id", "leg"),
    "One row a run of consecutive states with one callee",
)

QUEUE_VISITS: Final = Table(
    "queue_visits",
    (
        _COMPANY,
        _CALL_ID,
        Column("visit", COUNT, "Number of the visit in its call, from 0", "count"),
        Column("queue_name", TEXT, "The queue"),
        Column("queue_id", TEXT, "Queue id, last non-null of the visit"),
        Column("entered_at", INSTANT, "Start of the visit's first state", "UTC"),
        Column("left_at", INSTANT, "Entry of the next visit, else the call's end; null while open", "UTC"),
        Column("answered_at", INSTANT, "First talking or held state whose callee is a person", "UTC"),
        Column("answered_by_user_id", TEXT, "User id of that person"),
        Column("wait_ms", COUNT, "Until the answer, else until the visit was left; null while neither is known", "ms"),
        Column("next_queue", TEXT, "Queue of the call's next visit"),
        Column("result", TEXT, "answered, overflowed, open, caller_left or unanswered"),
    ),
    ("company", "call_id", "visit"),
    ("entered_at", "company", "call_id", "visit"),
    "One row a run of consecutive states in one queue",
)

CALL_EVENTS: Final = Table(
    "call_events",
    (
        _COMPANY,
        _CALL_ID,
        Column("event_uid", TEXT, "SHA-256 of the event without its integrationId, hex"),
        Column("family", TEXT, "call or live"),
        Column("event_type", TEXT, "The event's type as sent"),
        Column("kind", TEXT, "start, update or end"),
        Column("event_time", INSTANT, "When it happened, by the phone system's clock", "UTC"),
        Column("received_at", INSTANT, "When its first delivery came", "UTC"),
        Column("source", TEXT, "The configured source of that delivery"),
        Column("integration_id", TEXT, "The integration of that delivery"),
        Column("writer", TEXT, "Coordinate of that delivery in the landing zone: writer"),
        Column("seq", COUNT, "Coordinate of that delivery in the landing zone: number"),
        Column("pbx", TEXT, "Serial of the PBX"),
        Column("status", TEXT, "Status as sent"),
        Column("phase", TEXT, "ringing, talking, held or other (call_phases.csv)"),
        Column("caller_phone", TEXT, "The caller's phone number"),
        Column("callee_phone", TEXT, "The callee's phone number"),
        Column("end_cause", TEXT, "Raw code of the end cause"),
        Column("ended_by", TEXT, "Who ended the call, in lower case"),
    ),
    ("company", "call_id", "event_uid"),
    ("event_time", "company", "call_id", "event_uid"),
    "One row a distinct event of the families call and live, without its payload",
)

PRESENCE_INTERVALS: Final = Table(
    "presence_intervals",
    (
        _COMPANY,
        Column("extension", TEXT, "The person's extension"),
        Column("kind", TEXT, "user (the person's status) or telephony (the phone's)"),
        Column("started_at", INSTANT, "Time of the interval's first event", "UTC"),
        Column("status", TEXT, "Status in lower case"),
        Column("email", TEXT, "E-mail address, of the interval's first event"),
        Column("message", TEXT, "The status message"),
        Column("until", INSTANT, "Until when the status was to last", "UTC"),
        Column("address", TEXT, "Location: address"),
        Column("lat", REAL, "Location: latitude", "degrees"),
        Column("lng", REAL, "Location: longitude", "degrees"),
        Column("ended_at", INSTANT, "Start of the next interval; null for the last", "UTC"),
        Column("duration_ms", COUNT, "ended_at − started_at; null for the last", "ms"),
    ),
    ("company", "extension", "kind", "started_at"),
    ("started_at", "company", "extension", "kind"),
    "One row an unbroken time in one presence of a person or of a phone",
)

CONFERENCE_EVENTS: Final = Table(
    "conference_events",
    (
        _COMPANY,
        Column("extension", TEXT, "The extension"),
        Column("event_time", INSTANT, "When it happened", "UTC"),
        Column("is_joined", TRUTH, "Joined"),
        Column("is_left", TRUTH, "Left"),
        Column("participant_type", TEXT, "The participant's type as sent"),
        Column("participant_name", TEXT, "The participant's name"),
        Column("participant_email", TEXT, "The participant's e-mail address"),
    ),
    (),
    (
        "event_time",
        "company",
        "extension",
        "is_joined",
        "is_left",
        "participant_type",
        "participant_name",
        "participant_email",
    ),
    "One row a distinct presence:conference event",
)

VENDOR_CALLS: Final = Table(
    "vendor_calls",
    (
        _COMPANY,
        _CALL_ID,
        Column("flow_index", COUNT, "flowIndex as sent; where missing the place in the array, from 0", "count"),
        Column("started_at", INSTANT, "startTime", "UTC"),
        Column("ended_at", INSTANT, "endTime", "UTC"),
        Column("duration_ms", COUNT, "duration: the sum of the five that follow, in the vendor's words", "ms"),
        Column("connect_ms", COUNT, "connectTime: ringing", "ms"),
        Column("wait_ms", COUNT, "waitTime: the dial plan before an answer", "ms"),
        Column("queue_ms", COUNT, "queueTime: in the queue", "ms"),
        Column("talk_ms", COUNT, "talkTime: talking", "ms"),
        Column("hold_ms", COUNT, "holdTime: hold after the answer", "ms"),
        Column("direction", TEXT, "direction as sent"),
        Column("caller_phone", TEXT, "The flow's caller: phone number"),
        Column("callee_phone", TEXT, "The flow's callee: phone number"),
        Column("callee_name", TEXT, "The flow's callee: name"),
        Column("trunk_name", TEXT, "trunkName"),
        Column("trunk_direction", TEXT, "trunkDirection"),
        Column("service_number", TEXT, "serviceNumber"),
        Column("remote_phone", TEXT, "remotePhone"),
        Column("remote_country", TEXT, "remotePhoneCountryCodeStr"),
        Column("split_reason", TEXT, "splitReason"),
        Column("split_transfer_type", TEXT, "splitTransferType"),
        Column("merge_with", TEXT, "mergeWith"),
        Column("caller_mos", REAL, "Voice quality at the caller, 0 < MOS ≤ 5, else null", "MOS"),
        Column("callee_mos", REAL, "Voice quality at the callee, 0 < MOS ≤ 5, else null", "MOS"),
        Column("call_status", TEXT, "callStatus: COMPLETED, MISSED …"),
        Column("end_cause", TEXT, "endCause"),
        Column("transcription_status", TEXT, "transcriptionStatus"),
        Column("recordings", COUNT, "Attachments with a recording", "count"),
        Column("voicemails", COUNT, "Attachments with a voicemail", "count"),
        Column("faxes", COUNT, "Attachments with a fax", "count"),
    ),
    ("company", "call_id", "flow_index"),
    ("company", "call_id", "flow_index"),
    "One row a flow of the call's newest call:completed, values as sent: the vendor's own account of the call",
)

PEOPLE: Final = Table(
    "people",
    (
        _COMPANY,
        Column("extension", TEXT, "The extension (userExtension of a LOCAL participant)"),
        Column("user_id", TEXT, "User id in the phone system"),
        Column("name", TEXT, "Name"),
        Column("email", TEXT, "E-mail address"),
        Column("department", TEXT, "Department"),
        Column("group_name", TEXT, "Group"),
        Column("last_seen_at", INSTANT, "Time of the newest event with this person, which all other columns are from", "UTC"),
    ),
    ("company", "extension"),
    ("company", "extension"),
    "One row a person: the participant of the newest event that has one with this extension",
)

END_CAUSES: Final = Table(
    "end_causes",
    (
        Column("code", TEXT, "Q.850 cause code"),
        Column("name", TEXT, "Its name in Q.850"),
        Column("category", TEXT, "The category that outcome goes by"),
    ),
    ("code",),
    ("code",),
    "Reference: end causes (data/reference/end_causes.csv)",
)

BUILDS: Final = Table(
    "builds",
    (
        Column("build_id", TEXT, "The build's id"),
        Column("started_at", INSTANT, "When the build began", "UTC"),
        Column("finished_at", INSTANT, "When its facts were complete", "UTC"),
        Column("as_of", INSTANT, "The instant by which calls without an end are in_progress or lost", "UTC"),
        Column("mode", TEXT, "full or incremental"),
        Column("engine", TEXT, "polars or spark"),
        Column("files", COUNT, "Parts read", "count"),
        Column("events", COUNT, "Deliveries read", "count"),
        Column("calls_changed", COUNT, "Calls computed", "count"),
        Column("unknown_types", COUNTS, "Event types that no table is made of, and how often each came"),
    ),
    ("build_id",),
    ("started_at", "build_id"),
    "One row a build, this one last",
)

REJECTIONS: Final = Table(
    "rejections",
    (
        Column("source", TEXT, "The configured source"),
        Column("reason", TEXT, "no_signature, bad_signature or too_large"),
        Column("day", DAY, "The day, UTC", "UTC"),
        Column("count", COUNT, "Requests refused; a crash may lose the last seconds of it", "count"),
    ),
    ("source", "reason", "day"),
    ("day", "source", "reason"),
    "Webhook requests refused before anything was stored",
)

QUARANTINE: Final = Table(
    "quarantine",
    (
        Column("writer", TEXT, "Coordinate of the delivery: writer"),
        Column("seq", COUNT, "Coordinate of the delivery: number"),
        Column("received_at", INSTANT, "When it came", "UTC"),
        Column("source", TEXT, "The configured source"),
        Column("transport", TEXT, "webhook, sqs or load"),
        Column("reason", TEXT, "Why it is unusable (CONTRACT §1)"),
        Column("detail", TEXT, "The particulars"),
    ),
    ("writer", "seq"),
    ("received_at", "writer", "seq"),
    "One row a delivery that is kept but unusable; `ingest quarantine show <writer>-<seq>` has its body",
)


def by_name(tables: Iterable[Table]) -> dict[str, Table]:
    return {table.name: table for table in tables}


TABLES: Final[dict[str, Table]] = by_name(
    (
        CALLS,
        CALL_STATES,
        CALL_LEGS,
        QUEUE_VISITS,
        CALL_EVENTS,
        PRESENCE_INTERVALS,
        CONFERENCE_EVENTS,
        VENDOR_CALLS,
        PEOPLE,
        END_CAUSES,
        BUILDS,
        REJECTIONS,
        QUARANTINE,
    )
)
"""Every published table, in the order of CONTRACT §6."""

# ---------------------------------------------------------------------------------------------------------------------
# Typed events: what landed.py makes of payloads, and facts.py reads. Values as sent, only typed (CONTRACT §1 "Reading a
# body"); nothing lower-cased, no identity decided: a frame may hold an event_uid more than once, then with equal values.


def _typed_party(side: str) -> tuple[Column, ...]:
    present = Column(f"{side}_present", TRUTH, f"Whether {side} is an object (an empty one too); never null")
    return (present, *_party(side, f"The {side}"))


_SNAPSHOT: Final = (
    Column("destination", TEXT, "destination"),
    Column("service", TEXT, "service"),
    Column("trunk_name", TEXT, "trunkName"),
    Column("queue_name", TEXT, "queueName"),
    Column("queue_id", TEXT, "queueId"),
    Column("tags", TEXTS, "tags: texts as sent, in order; null where it is no list"),
    Column("flags", TEXTS, "flags: texts as sent, in order; null where it is no list"),
    Column("end_cause", TEXT, "endCause"),
    Column("end_cause_text", TEXT, "endCauseStr"),
    Column("ended_by", TEXT, "endBy as sent"),
)

TYPED_CALL: Final = Table(
    "typed_call",
    (
        _K,
        _COMPANY,
        _CALL_ID,
        Column("event_uid", TEXT, "As landed"),
        Column("family", TEXT, "call or live"),
        Column("event_type", TEXT, "As landed"),
        Column("kind", TEXT, "start, update or end; of live: completed, interrupted → end; progress → eventTrigger"),
        Column("event_time", INSTANT, "As landed", "UTC"),
        Column("pbx", TEXT, "As landed"),
        Column("status", TEXT, "status as sent"),
        *_typed_party("caller"),
        *_typed_party("callee"),
        *_SNAPSHOT,
        Column("direction", TEXT, "direction as sent, of family live alone: else null"),
    ),
    ("event_uid",),
    ("k", "event_time", "event_uid"),
    "Events of the families call and live. Of live every column is the snapshot's: of the last flow, then of data "
    "where that is null or missing (a participant whole; tags or flags of a flow that are no list are missing there)",
)

FLOW: Final = pa.struct(
    [
        ("flow_index", COUNT),  # never null: where missing the place in the array, from 0
        ("started_at", INSTANT),
        ("ended_at", INSTANT),
        ("duration_ms", COUNT),
        ("connect_ms", COUNT),
        ("wait_ms", COUNT),
        ("queue_ms", COUNT),
        ("talk_ms", COUNT),
        ("hold_ms", COUNT),
        ("direction", TEXT),
        *((column.name, column.type) for side in ("caller", "callee") for column in _typed_party(side)),
        *((column.name, column.type) for column in _SNAPSHOT),
        ("trunk_direction", TEXT),
        ("service_number", TEXT),
        ("remote_phone", TEXT),
        ("remote_country", TEXT),
        ("split_reason", TEXT),
        ("split_transfer_type", TEXT),
        ("merge_with", TEXT),
        ("caller_mos", REAL),  # as sent: a finite number or its text
        ("callee_mos", REAL),
        ("call_status", TEXT),
        ("transcription_status", TEXT),
        ("recordings", COUNT),  # never null
        ("voicemails", COUNT),
        ("faxes", COUNT),
    ]
)
"""One flow of call:completed."""

TYPED_VENDOR: Final = Table(
    "typed_vendor",
    (
        _K,
        _COMPANY,
        _CALL_ID,
        Column("event_uid", TEXT, "As landed"),
        Column("event_time", INSTANT, "As landed", "UTC"),
        Column("pbx", TEXT, "As landed"),
        *_SNAPSHOT,
        Column(
            "flows",
            pa.list_(pa.field("item", FLOW)),
            "The flows in order of flow_index, of equal ones only the last; never null",
        ),
    ),
    ("event_uid",),
    ("k", "event_time", "event_uid"),
    "Events of the family vendor: data's own columns and its flows",
)

TYPED_PRESENCE: Final = Table(
    "typed_presence",
    (
        _K,
        _COMPANY,
        Column("extension", TEXT, "data.extension, else what follows the id's last _, else the id"),
        Column("kind", TEXT, "user, telephony or conference"),
        Column("event_uid", TEXT, "As landed"),
        Column("event_time", INSTANT, "As landed", "UTC"),
        Column("status", TEXT, "status as sent"),
        Column("email", TEXT, "email"),
        Column("message", TEXT, "message"),
        Column("until", INSTANT, "until", "UTC"),
        Column("address", TEXT, "location.address"),
        Column("lat", REAL, "location.lat", "degrees"),
        Column("lng", REAL, "location.lng", "degrees"),
        Column("is_joined", TRUTH, "isJoined"),
        Column("is_left", TRUTH, "isLeaved"),
        Column("participant_type", TEXT, "participant.type"),
        Column("participant_name", TEXT, "participant.name"),
        Column("participant_email", TEXT, "participant.email"),
    ),
    ("event_uid",),
    ("k", "event_time", "event_uid"),
    "Events presence:user, presence:telephony and presence:conference",
)

DELIVERIES: Final = Table(
    "deliveries",
    (
        Column("k", COUNT, "k of the delivered event; null where its type belongs to no table"),
        Column("writer", TEXT, "Coordinate of the delivery in the landing zone: writer"),
        Column("seq", COUNT, "Coordinate of the delivery in the landing zone: number"),
        Column("event_uid", TEXT, "As landed"),
        Column("received_at", INSTANT, "As landed", "UTC"),
        Column("source", TEXT, "As landed"),
        Column("integration_id", TEXT, "As landed"),
    ),
    ("writer", "seq"),
    ("k", "writer", "seq"),
    "Deliveries; a frame may hold a (writer, seq) more than once",
)

PEOPLE_SEEN: Final = Table(
    "people_seen",
    (
        *PEOPLE.columns,
        Column("rank", COUNT, "start 0, update 1, end 2, call:completed 3"),
        Column("event_uid", TEXT, "The event"),
        Column("side", COUNT, "caller 0, callee 1"),
        Column("place", COUNT, "The flow's place among its event's flows; 0 where there are none"),
    ),
    ("company", "extension"),
    ("company", "extension"),
    "people with what decides which is newest, so that an incremental build need not read old events again",
)

OPEN_CALLS: Final = Table(
    "open_calls",
    (
        _K,
        _COMPANY,
        _CALL_ID,
        Column("turns_lost_at", INSTANT, "The as-of from which the call is lost: 4 h after its last event", "UTC"),
        Column("outcome", TEXT, "in_progress or lost, as the last build had it"),
    ),
    ("company", "call_id"),
    ("company", "call_id"),
    "Calls without an end: a build whose as-of is on the other side of turns_lost_at must compute them anew",
)

UNLISTED_STATUSES: Final = Table(
    "unlisted_statuses",
    (
        Column("status", TEXT, "Status as sent that the list of phases lacks"),
        Column("events", COUNT, "Distinct events of the families call and live that have it", "count"),
    ),
    ("status",),
    ("status",),
    "Statuses that a build has to name",
)

TYPED: Final[dict[str, Table]] = by_name((TYPED_CALL, TYPED_VENDOR, TYPED_PRESENCE, DELIVERIES, PEOPLE_SEEN, OPEN_CALLS, UNLISTED_STATUSES))
"""The builder's own tables."""


# ---------------------------------------------------------------------------------------------------------------------
# docs/tables.md


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def markdown(prepared: Iterable[Table] = ()) -> str:
    """docs/tables.md: every published table, its key, order and columns; those of CONTRACT §6, then those prepared for reports."""
    lines = [
        "# The tables of warehouse.duckdb",
        "",
        "Generated by `make docs`; a test fails when it is not current. The same texts are in the file itself:",
        "`select table_name, column_name, comment from duckdb_columns()`.",
        "",
        "Instants are UTC (`TIMESTAMPTZ`); durations are whole milliseconds in names that end in `_ms`.",
    ]
    for table in TABLES.values():
        lines += _section(table)
    lines += [
        "",
        "# Prepared for reports",
        "",
        "Made of the tables above by each build, kept up to date by incremental ones; no setting of `[reports]` is in them.",
        "[metrics.md](metrics.md) has the macros and reports that read them. The view `reconciliation` has, for each call of basis call",
        "or live that also has vendor_calls, our figures, the vendor's, the differences, and whether all agree within 1 s.",
    ]
    for table in prepared:
        lines += _section(table)
    return "\n".join(lines) + "\n"


def _section(table: Table) -> list[str]:
    key = ", ".join(f"`{name}`" for name in table.key) or "none"
    order = ", ".join(f"`{name}`" for name in table.order_by)
    return [
        *("", f"## {table.name}", "", f"{table.meaning}.", "", f"Key: {key}. Written in order of {order}.", ""),
        *("| column | type | unit | meaning |", "|---|---|---|---|"),
        *(f"| `{column.name}` | {duckdb_type(column.type)} | {column.unit} | {_cell(column.meaning)} |" for column in table.columns),
    ]
