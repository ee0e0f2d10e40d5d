"""What tests arrange with: events as the phone system sends them, their deliveries, and the typed frames of both.

events = call(ring=12_000, talk=95_000).events()
tables = facts(events)                      # what the transforms make of them, by table name
rows(tables["calls"])                       # as dicts
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import orjson
import polars as pl
import pyarrow as pa

from tests.transforms.reference_model import PARTICIPANT, Delivery, Row, distinct_events, typed
from transforms.facts import call_facts, people, presence_facts
from transforms.reference import call_phases, end_causes
from transforms.tables import DELIVERIES, FLOW, TYPED_CALL, TYPED_PRESENCE, TYPED_VENDOR, Table, key_of

COMPANY = "it_w100001"
PBX = "000000000001"
MONDAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LATER = datetime(2026, 3, 9, 9, 0, tzinfo=UTC)
"""An as-of by which every call of MONDAY's week that has no end is lost."""

WRITER = "0" * 31 + "1"
Event = dict[str, Any]


def epoch_ms(instant: datetime) -> int:
    return (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


# --- participants ----------------------------------------------------------------------------------------------------


def agent(extension: str = "201", **fields: Any) -> Event:
    """A person of the company, with a user id."""
    return {
        "type": "LOCAL",
        "phone": extension,
        "name": f"Agent {extension}",
        "company": None,
        "email": f"agent{extension}@example.com",
        "userId": f"1000{extension}",
        "userExtension": extension,
        "userDepartment": None,
        "groupId": "100",
        "groupName": "Default",
        "userAgent": None,
        "userDevice": None,
    } | fields


def customer(phone: str = "+15550100", **fields: Any) -> Event:
    """Somebody outside."""
    return {"type": "REMOTE", "phone": phone, "name": None, "userId": None, "userExtension": None} | fields


def voicebot(extension: str = "900") -> Event:
    return agent(extension, userDevice="VOICEBOT", name="Bot")


# --- events ----------------------------------------------------------------------------------------------------------


def event(kind: str, at: datetime, *, call_id: str, company: str = COMPANY, pbx: Any = PBX, **data: Any) -> Event:
    """An event of any type (`kind` "start" means call:start …) whose data has these fields."""
    return {
        "id": call_id,
        "pbx": pbx,
        "time": epoch_ms(at),
        "company": company,
        "type": kind if ":" in kind else f"call:{kind}",
        "integrationId": "abc123",
        "data": data,
    }


def presence(kind: str, at: datetime, *, extension: str = "201", company: str = COMPANY, **data: Any) -> Event:
    """presence:user, presence:telephony or presence:conference."""
    return {
        "id": f"{company}_{extension}",
        "pbx": PBX,
        "time": epoch_ms(at),
        "company": company,
        "type": f"presence:{kind}",
        "integrationId": "abc123",
        "data": {"extension": extension, **data},
    }


@dataclass(frozen=True)
class Call:
    """A call, built step by step: each step is an event `after` ms after the one before."""

    call_id: str = f"{COMPANY}_1772442000.1"
    company: str = COMPANY
    started_at: datetime = MONDAY
    caller: Event | None = field(default_factory=customer)
    callee: Event | None = field(default_factory=agent)
    data: Event = field(default_factory=dict)
    steps: tuple[Event, ...] = ()
    length_ms: int = 0

    def then(self, kind: str, status: str | None, *, after: int = 0, **changes: Any) -> Call:
        """One more event; `caller`, `callee` and other fields of data hold on until changed."""
        changed = replace(
            self,
            caller=changes.pop("caller", self.caller),
            callee=changes.pop("callee", self.callee),
            data=self.data | changes,
            length_ms=self.length_ms + after,
        )
        at = changed.started_at + timedelta(milliseconds=changed.length_ms)
        data = {"status": status, "caller": changed.caller, "callee": changed.callee, **changed.data}
        step = event(kind, at, call_id=self.call_id, company=self.company, **data)
        return replace(changed, steps=(*self.steps, step))

    def events(self) -> list[Event]:
        return list(self.steps)


def call(
    *,
    ring: int = 5_000,
    talk: int | None = None,
    hold: int | None = None,
    cause: str | None = "16",
    ended_by: str | None = "CALLEE",
    ended: bool = True,
    call_id: str = f"{COMPANY}_1772442000.1",
    company: str = COMPANY,
    started_at: datetime = MONDAY,
    caller: Event | None = None,
    callee: Event | None = None,
    **data: Any,
) -> Call:
    """A call that rings `ring` ms, then is talked for `talk` ms and held for `hold` ms (None: not at all), then ends."""
    built = Call(call_id, company, started_at, caller or customer(), callee or agent(), data).then("start", "RINGING")
    after, status = ring, "RINGING"
    if talk is not None:
        built, after, status = built.then("update", "TALKING", after=after), talk, "TALKING"
    if hold is not None:
        built, after, status = built.then("update", "HOLD", after=after), hold, "HOLD"
    if ended:
        built = built.then("end", status, after=after, endCause=cause, endCauseStr=None, endBy=ended_by)
    return built


# --- deliveries and frames -------------------------------------------------------------------------------------------


def delivered(events: Iterable[Event], *, writer: str = WRITER, first: int = 1, source: str = "acme") -> list[Delivery]:
    """Each event once, in this order, a second apart."""
    received_at = MONDAY + timedelta(hours=1)
    return [
        Delivery(writer, seq, received_at + timedelta(seconds=seq), source, orjson.dumps(sent)) for seq, sent in enumerate(events, first)
    ]


class Typed(NamedTuple):
    """What the parser makes of deliveries."""

    call: pl.DataFrame
    vendor: pl.DataFrame
    presence: pl.DataFrame
    deliveries: pl.DataFrame


def typed_frames(deliveries: Sequence[Delivery]) -> Typed:
    """The typed frames, a row a delivery: an event delivered twice is there twice."""
    calls, vendors, presences, landed = [], [], [], []
    for delivery in deliveries:
        row = typed(distinct_events([delivery])[0], {})
        names = None if row is None else (row["company"], row.get("call_id", row.get("extension")))
        key = None if names is None else key_of(*names)
        landed.append(
            {name: getattr(delivery, name) for name in ("writer", "seq", "event_uid", "received_at", "source")}
            | {"integration_id": delivery.integration_id, "k": key}
        )
        if row is None:
            continue
        row["k"] = key
        if row["family"] == "vendor":
            flows = [_flow(flow) for flow in row["flows"]]
            vendors.append(row | {"flows": flows})
        elif row["family"] == "presence":
            presences.append(_presence(row))
        else:
            calls.append(_parties(row) | {"direction": row["said"]})
    return Typed(
        _frame(TYPED_CALL, calls),
        _frame(TYPED_VENDOR, vendors),
        _frame(TYPED_PRESENCE, presences),
        _frame(DELIVERIES, landed),
    )


def _parties(row: Row) -> Row:
    row = dict(row)
    for side in ("caller", "callee"):
        party = row[side] or {}
        row[f"{side}_present"] = row[side] is not None
        for name in PARTICIPANT:
            row[f"{side}_{name}"] = party.get(name)
    return row


def _flow(flow: Row) -> Row:
    figures = {"duration": "duration_ms", "connectTime": "connect_ms", "waitTime": "wait_ms", "queueTime": "queue_ms"}
    figures |= {"talkTime": "talk_ms", "holdTime": "hold_ms"}
    figures |= {"recording": "recordings", "voicemail": "voicemails", "fax": "faxes"}
    row = _parties(flow) | {name: flow[key] for key, name in figures.items()}
    return {field.name: row[field.name] for field in FLOW}


def _presence(row: Row) -> Row:
    from tests.transforms.reference_model import conference_event, intervals, text

    interval = intervals(row["company"], row["extension"], row["kind"], [row])[0]
    return row | interval | conference_event(row) | {"status": text(row["data"].get("status"))}


def _frame(table: Table, rows: Sequence[Row]) -> pl.DataFrame:
    frame = pl.from_arrow(pa.Table.from_pylist(rows, schema=table.arrow))
    assert isinstance(frame, pl.DataFrame)
    return frame.cast(dict(table.polars))


def facts_of(frames: Typed, *, as_of: datetime = LATER, phases: pl.DataFrame | None = None) -> dict[str, pl.DataFrame]:
    """Every table that the transforms make of typed frames."""
    tables = call_facts(
        frames.call,
        frames.vendor,
        frames.deliveries,
        as_of=as_of,
        phases=call_phases() if phases is None else phases,
        end_causes=end_causes(),
    )
    return tables | presence_facts(frames.presence) | {"people": people(tables["people_seen"])}


def facts(events: Iterable[Event], *, as_of: datetime = LATER) -> dict[str, pl.DataFrame]:
    """Every table that the transforms make of these events, each delivered once."""
    return facts_of(typed_frames(delivered(events)), as_of=as_of)


def rows(frame: pl.DataFrame) -> list[Row]:
    """Rows as dicts, instants as datetimes."""
    return frame.to_dicts()
