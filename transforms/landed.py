"""Landed deliveries → typed events; which ranges are new. (CONTRACT §1 "Reading a body", §5; DESIGN 10)

Promise: `typed(con, landed)` and `typed_exactly(landed)` give the same rows. The second, a plain walk over orjson's
objects, is the definition. The first lets DuckDB parse whole columns, several times as fast, and hands each *odd* row,
one whose text might have been a number, an object or a list, to the second; an odd row costs itself alone.

A row is one delivery: the columns of `tables.TYPED_*` and, behind them, those of its delivery (`warehouse.*_ROWS`). Identity
and order are decided downstream, in `events.py`; nothing here drops a duplicate.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Any, Final

import duckdb
import orjson
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from transforms.tables import FLOW, KEY_SQL, Table, key_of, quoted
from transforms.warehouse import CALL_ROWS, DELIVERY, PRESENCE_ROWS, TYPED_ROWS, VENDOR_ROWS

CALL_TYPES: Final = {"call:start": "start", "call:update": "update", "call:end": "end"}
LIVE_TYPES: Final = ("call:live:progress", "call:live:completed", "call:live:interrupted")
VENDOR_TYPE: Final = "call:completed"
PRESENCE_TYPES: Final = {
    "presence:user": "user",
    "presence:telephony": "telephony",
    "presence:conference": "conference",
}
KNOWN_TYPES: Final = frozenset({*CALL_TYPES, *LIVE_TYPES, VENDOR_TYPE, *PRESENCE_TYPES})

_MIN_TIME_MS: Final = 946_684_800_000
_MAX_TIME_MS: Final = 4_102_444_800_000
_WHOLE_LIMIT: Final = 10**15
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


_PARTY: Final = {
    "type": "type",
    "phone": "phone",
    "name": "name",
    "email": "email",
    "user_id": "userId",
    "extension": "userExtension",
    "department": "userDepartment",
    "group_name": "groupName",
    "device": "userDevice",
}
_SNAPSHOT_TEXTS: Final = {
    "destination": "destination",
    "service": "service",
    "trunk_name": "trunkName",
    "queue_name": "queueName",
    "queue_id": "queueId",
    "end_cause": "endCause",
    "end_cause_text": "endCauseStr",
    "ended_by": "endBy",
}
_LISTS: Final = ("tags", "flags")
_FLOW_TEXTS: Final = {
    "direction": "direction",
    "trunk_direction": "trunkDirection",
    "service_number": "serviceNumber",
    "remote_phone": "remotePhone",
    "remote_country": "remotePhoneCountryCodeStr",
    "split_reason": "splitReason",
    "split_transfer_type": "splitTransferType",
    "merge_with": "mergeWith",
    "call_status": "callStatus",
    "transcription_status": "transcriptionStatus",
}
_FLOW_TIMES: Final = {"started_at": "startTime", "ended_at": "endTime"}
_FLOW_WHOLES: Final = {
    "duration_ms": "duration",
    "connect_ms": "connectTime",
    "wait_ms": "waitTime",
    "queue_ms": "queueTime",
    "talk_ms": "talkTime",
    "hold_ms": "holdTime",
}
_FLOW_REALS: Final = {"caller_mos": "callerMos", "callee_mos": "calleeMos"}
_ATTACHED: Final = {"recordings": "recording", "voicemails": "voicemail", "faxes": "fax"}


@dataclass(frozen=True, slots=True)
class Typed:
    """Typed deliveries of one batch, in no order.

    Attributes:
        call, vendor, presence: as CALL_ROWS, VENDOR_ROWS and PRESENCE_ROWS.
        odd: how many rows took the exact way.
    """

    call: pl.DataFrame
    vendor: pl.DataFrame
    presence: pl.DataFrame
    odd: int = 0

    def frames(self) -> Iterator[tuple[Table, pl.DataFrame]]:
        yield from zip(TYPED_ROWS, (self.call, self.vendor, self.presence), strict=True)


# ---------------------------------------------------------------------------------------------------------------------
# What of a part is new, and what it holds that no table is made of


def rows_within(landed: pa.Table, spans: Iterable[tuple[int, int]]) -> pa.Table:
    """The rows of one part whose number lies in one of the spans."""
    keep: Any = None
    for first, last in spans:
        inside = pc.and_(pc.greater_equal(landed["seq"], first), pc.less_equal(landed["seq"], last))
        keep = inside if keep is None else pc.or_(keep, inside)
    return landed.slice(0, 0) if keep is None else landed.filter(keep)


def unknown_types(landed: pa.Table) -> dict[str, set[str]]:
    """Event types that no table is made of → the event_uids that came of each."""
    strange = landed.filter(pc.invert(pc.is_in(landed["event_type"], pa.array(sorted(KNOWN_TYPES)))))
    found: dict[str, set[str]] = {}
    for kind, uid in zip(strange["event_type"].to_pylist(), strange["event_uid"].to_pylist(), strict=True):
        found.setdefault(kind, set()).add(uid)
    return found


# ---------------------------------------------------------------------------------------------------------------------
# The exact way: the rules of CONTRACT §1, one event at a time


def text(value: object) -> str | None:
    """A scalar as text: a string as it is, another scalar as its JSON, an object, array or null as none."""
    if value is None or isinstance(value, (dict, list)):
        return None
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def whole(value: object) -> int | None:
    """A JSON integer with |n| < 10^15, or 1 to 15 ASCII digits."""
    if isinstance(value, str):
        return int(value) if re.fullmatch("[0-9]{1,15}", value) else None
    return value if type(value) is int and abs(value) < _WHOLE_LIMIT else None


def usable_time(value: object) -> datetime | None:
    """A usable time in ms as an instant."""
    ms = whole(value)
    return _instant(ms) if ms is not None and _MIN_TIME_MS <= ms < _MAX_TIME_MS else None


def _instant(ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=ms)


_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


def real(value: object) -> float | None:
    """A finite number, or its JSON text."""
    if isinstance(value, str):
        if _NUMBER.fullmatch(value) is None:
            return None
        number = float(value)
    elif type(value) in (int, float):
        number = float(value)  # type: ignore[arg-type]
    else:
        return None
    return number if isfinite(number) else None


def truth(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


_UNTIL = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[T ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]+))?)?(?:(Z)|([+-])([0-9]{2})(?::?([0-9]{2}))?)?)?"
)


def until(value: object) -> datetime | None:
    """ISO 8601 as CONTRACT §1 spells it; no offset: UTC; whole milliseconds, the rest cut; of a usable time."""
    if not isinstance(value, str) or (match := _UNTIL.fullmatch(value)) is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    fraction, sign, off_hours, off_minutes = match[7], match[9], int(match[10] or 0), int(match[11] or 0)
    if off_hours > 23 or off_minutes > 59:
        return None
    try:
        local = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        offset = timedelta(hours=off_hours, minutes=off_minutes) * (-1 if sign == "-" else 1)
        instant = local - offset
    except (ValueError, OverflowError):
        return None
    ms = (instant - _EPOCH) // timedelta(milliseconds=1) + int((fraction or "0")[:3].ljust(3, "0"))
    return _instant(ms) if _MIN_TIME_MS <= ms < _MAX_TIME_MS else None


def texts(value: object) -> list[str] | None:
    """The texts of a list; objects, arrays and nulls dropped; None where it is no list."""
    if not isinstance(value, list):
        return None
    return [item for item in map(text, value) if item is not None]


def _object(value: object) -> dict[str, Any] | None:
    return value if isinstance(value, dict) else None


def _party(side: str, value: object) -> dict[str, Any]:
    party = _object(value)
    known = party or {}
    return {
        f"{side}_present": party is not None,
        **{f"{side}_{name}": text(known.get(key)) for name, key in _PARTY.items()},
    }


def _snapshot(data: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **{name: text(data.get(key)) for name, key in _SNAPSHOT_TEXTS.items()},
        **{name: texts(data.get(name)) for name in _LISTS},
    }


def _flows(value: object) -> list[tuple[int, dict[str, Any]]]:
    """(flow_index, flow) in order, of equal indexes only the later."""
    indexed: dict[int, dict[str, Any]] = {}
    for place, flow in enumerate(value if isinstance(value, list) else ()):
        if isinstance(flow, dict):
            index = whole(flow.get("flowIndex"))
            indexed[place if index is None else index] = flow
    return sorted(indexed.items(), key=lambda pair: pair[0])


def _call_id(data: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    own = data.get("id")
    return own if isinstance(own, str) and own else row["subject_id"]


def _call_row(data: dict[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "call_id": row["subject_id"],
        "family": "call",
        "kind": CALL_TYPES[row["event_type"]],
        "status": text(data.get("status")),
        **_party("caller", data.get("caller")),
        **_party("callee", data.get("callee")),
        **_snapshot(data),
        "direction": None,
    }


def _live_row(data: dict[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    flows = _flows(data.get("flows"))
    layers = [flows[-1][1], data] if flows else [data]
    progress = "start" if text(data.get("eventTrigger")) == "call.start" else "update"
    party: dict[str, Any] = {}
    for side in ("caller", "callee"):
        shown = next((layer[side] for layer in layers if isinstance(layer.get(side), dict)), None)
        party.update(_party(side, shown))
    first: dict[str, Any] = {}
    for layer in reversed(layers):
        mine = {**_snapshot(layer), "status": text(layer.get("status")), "direction": text(layer.get("direction"))}
        first.update({name: value for name, value in mine.items() if value is not None})
    names = (*_SNAPSHOT_TEXTS, *_LISTS, "status", "direction")
    return {
        "call_id": _call_id(data, row),
        "family": "live",
        "kind": progress if row["event_type"] == "call:live:progress" else "end",
        **party,
        **{name: first.get(name) for name in names},
    }


def _attachments(value: object) -> dict[str, int]:
    objects = [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
    return {name: sum(item.get(key) is not None for item in objects) for name, key in _ATTACHED.items()}


def _flow_row(index: int, flow: dict[str, Any]) -> dict[str, Any]:
    return {
        "flow_index": index,
        **{name: usable_time(flow.get(key)) for name, key in _FLOW_TIMES.items()},
        **{name: whole(flow.get(key)) for name, key in _FLOW_WHOLES.items()},
        **{name: text(flow.get(key)) for name, key in _FLOW_TEXTS.items()},
        **{name: real(flow.get(key)) for name, key in _FLOW_REALS.items()},
        **_party("caller", flow.get("caller")),
        **_party("callee", flow.get("callee")),
        **_snapshot(flow),
        **_attachments(flow.get("attachments")),
    }


def _vendor_row(data: dict[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "call_id": _call_id(data, row),
        **_snapshot(data),
        "flows": [_flow_row(index, flow) for index, flow in _flows(data.get("flows"))],
    }


def _presence_row(data: dict[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    extension = text(data.get("extension"))
    location = _object(data.get("location")) or {}
    participant = _object(data.get("participant")) or {}
    return {
        "extension": row["subject_id"].rpartition("_")[2] if extension is None else extension,
        "kind": PRESENCE_TYPES[row["event_type"]],
        "status": text(data.get("status")),
        "email": text(data.get("email")),
        "message": text(data.get("message")),
        "until": until(data.get("until")),
        "address": text(location.get("address")),
        "lat": real(location.get("lat")),
        "lng": real(location.get("lng")),
        "is_joined": truth(data.get("isJoined")),
        "is_left": truth(data.get("isLeaved")),
        "participant_type": text(participant.get("type")),
        "participant_name": text(participant.get("name")),
        "participant_email": text(participant.get("email")),
    }


_COPIED: Final = ("company", "event_uid", "event_type", "event_time", "pbx", *DELIVERY)


def typed_exactly(landed: pa.Table) -> Typed:
    """Typed deliveries by the exact way. `landed`: as `ingest.layout.LANDING_SCHEMA`; other event types are left out."""
    rows: dict[str, list[dict[str, Any]]] = {table.name: [] for table in TYPED_ROWS}
    for row in landed.to_pylist():
        kind = row["event_type"]
        if kind not in KNOWN_TYPES:
            continue
        data = _object(orjson.loads(row["payload"]).get("data")) or {}
        if kind in CALL_TYPES:
            table, made = CALL_ROWS, _call_row(data, row)
        elif kind in LIVE_TYPES:
            table, made = CALL_ROWS, _live_row(data, row)
        elif kind == VENDOR_TYPE:
            table, made = VENDOR_ROWS, _vendor_row(data, row)
        else:
            table, made = PRESENCE_ROWS, _presence_row(data, row)
        made["k"] = key_of(row["company"], made["extension" if table is PRESENCE_ROWS else "call_id"])
        rows[table.name].append(made | {name: row[name] for name in _COPIED})
    call, vendor, presence = (_frame(table, rows[table.name]) for table in TYPED_ROWS)
    return Typed(call, vendor, presence, odd=call.height + vendor.height + presence.height)


def _frame(table: Table, rows: list[dict[str, Any]]) -> pl.DataFrame:
    # Through Arrow with the declared schema: polars would guess a type from the first rows.
    made = pa.Table.from_pylist(rows, schema=table.arrow)
    return as_polars(table, made)


def as_polars(table: Table, made: pa.Table) -> pl.DataFrame:
    frame = pl.from_arrow(made)
    assert isinstance(frame, pl.DataFrame)
    return frame.cast(table.polars)


# ---------------------------------------------------------------------------------------------------------------------
# The fast way: whole columns in DuckDB

_SEPARATOR: Final = "chr(31)"
_ODD: Final = r"\x1f(?:[\[{]|-[0-9]|[0-9]{19}|[0-9]+(?:\.[0-9]+(?:[eE][+-]?[0-9]+)?|[eE][+-]?[0-9]+)\x1f)"
"""Found in the texts of a row, each between two separators: one that may have been an object, a list, or a number whose
JSON text, or whose worth as a whole number, is not plain: negative, beyond 64 bits, a fraction, an exponent."""


def _json(fields: Iterable[str], **nested: Any) -> dict[str, Any]:
    return {**dict.fromkeys(fields, "VARCHAR"), **nested}


_JSON_PARTY: Final = _json(_PARTY.values())
_JSON_SNAPSHOT: Final = _json(
    (*_SNAPSHOT_TEXTS.values(), "status", "direction"),
    caller=_JSON_PARTY,
    callee=_JSON_PARTY,
    tags=["VARCHAR"],
    flags=["VARCHAR"],
)
_JSON_CALL: Final = {key: kind for key, kind in _JSON_SNAPSHOT.items() if key != "direction"}
_JSON_LIVE: Final = {**_JSON_SNAPSHOT, "id": "VARCHAR", "eventTrigger": "VARCHAR"} | {"flows": [{**_JSON_SNAPSHOT, "flowIndex": "VARCHAR"}]}
_JSON_FLOW: Final = {key: kind for key, kind in _JSON_SNAPSHOT.items() if key != "status"} | _json(
    ("flowIndex", *_FLOW_TIMES.values(), *_FLOW_WHOLES.values(), *_FLOW_TEXTS.values(), *_FLOW_REALS.values()),
    attachments=[dict.fromkeys(_ATTACHED.values(), "JSON")],
)
_JSON_VENDOR: Final = {"id": "VARCHAR", "flows": [_JSON_FLOW]} | {
    key: kind for key, kind in _JSON_SNAPSHOT.items() if key in (*_SNAPSHOT_TEXTS.values(), *_LISTS)
}
_JSON_PRESENCE: Final = _json(
    ("extension", "status", "email", "message", "until"),
    location=_json(("address", "lat", "lng")),
    participant=_json(("type", "name", "email")),
    isJoined="JSON",
    isLeaved="JSON",
)


def _sql_text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _parsed(data: Mapping[str, Any], types: Iterable[str], select: str, *, last_flow: str = "null") -> str:
    """SQL: `select` over the rows of these types, with `d` the body's data and `l` its last flow; the body guarded, since one
    that DuckDB refuses would fail the whole batch."""
    schema = _sql_text(orjson.dumps({"data": data}).decode())
    listed = ", ".join(map(_sql_text, types))
    body = f"from_json(case when json_valid(payload) then payload end, {schema})"
    return (
        f"select {select} from (select *, {last_flow} as l from (select *, j.data as d from "
        f"(select *, {body} as j from landed where event_type in ({listed}))))"
    )


def _field(of: str, key: str) -> str:
    return f"{of}.{quoted(key)}"


def _party_texts(of: str) -> list[str]:
    return [_field(of, key) for key in _PARTY.values()]


def _hollow(of: str, texts_of: Iterable[str]) -> str:
    """Whether an object shows no text at all: then it may have been a string or a list, which DuckDB cannot tell from {}."""
    return f"({of} is not null and coalesce({', '.join(texts_of)}) is null)"


def _hollow_parties(of: str) -> list[str]:
    parties = [_field(of, side) for side in ("caller", "callee")]
    return [_hollow(party, _party_texts(party)) for party in parties]


def _shown(of: str) -> list[str]:
    """The texts of a snapshot, for the search for odd ones."""
    return [
        *(_field(of, key) for key in _SNAPSHOT_TEXTS.values()),
        *_party_texts(_field(of, "caller")),
        *_party_texts(_field(of, "callee")),
        *(f"array_to_string({_field(of, name)}, {_SEPARATOR})" for name in _LISTS),
    ]


def _odd_texts(shown: Iterable[str]) -> str:
    # One search through the joined texts: a search a column costs as much as the parsing.
    joined = f"concat_ws({_SEPARATOR}, '', {', '.join(shown)}, '')"
    return f"regexp_matches({joined}, {_sql_text(_ODD)})"


def _holes(of: str) -> list[str]:
    """Lists that hold a null: nothing to keep, but where it stood for a list or an object is for the exact way to say."""
    return [f"len({_field(of, name)}) <> list_count({_field(of, name)})" for name in _LISTS]


def _either(*conditions: str) -> str:
    return " or ".join(f"coalesce({condition}, false)" for condition in conditions)


def _snapshot_odd(of: str, *more: str) -> str:
    return _either(_odd_texts([*_shown(of), *more]), *_hollow_parties(of), *_holes(of))


def _party_columns(side: str, party: str) -> list[tuple[str, str]]:
    return [
        (f"{side}_present", f"{party} is not null"),
        *((f"{side}_{name}", _field(party, key)) for name, key in _PARTY.items()),
    ]


def _snapshot_columns(of: str) -> list[tuple[str, str]]:
    return [
        *((name, _field(of, key)) for name, key in _SNAPSHOT_TEXTS.items()),
        *((name, _field(of, name)) for name in _LISTS),
    ]


def _key(name: str) -> str:
    return KEY_SQL.format("company", name)


def _select(table: Table, columns: Iterable[tuple[str, str]], odd: str) -> str:
    made = {name: name for name in _COPIED} | dict(columns)
    return ", ".join(
        [
            *(f"{made[column.name]} as {quoted(column.name)}" for column in table.columns),
            f"(j is null or {odd}) as odd",
            "place",
        ]
    )


def _call_sql() -> str:
    columns = [
        ("k", _key("subject_id")),
        ("call_id", "subject_id"),
        ("family", "'call'"),
        ("kind", "event_type[6:]"),
        ("status", "d.status"),
        *_party_columns("caller", "d.caller"),
        *_party_columns("callee", "d.callee"),
        *_snapshot_columns("d"),
        ("direction", "null::varchar"),
    ]
    return _parsed(_JSON_CALL, CALL_TYPES, _select(CALL_ROWS, columns, _snapshot_odd("d", "d.status")))


_WHOLE: Final = "case when regexp_full_match({0}, '[0-9]{{1,15}}') then {0}::bigint end"
_INDEX: Final = f"coalesce({_WHOLE.format(_field('f', 'flowIndex'))}, i - 1)"
_OWN_ID: Final = "coalesce(nullif(d.id, ''), subject_id)"


def _live_sql() -> str:
    # Structs compare field by field: the greatest (index, place) is the last flow.
    last = f"d.flows[list_max(list_transform(d.flows, lambda f, i: {{'n': {_INDEX}, 'i': i}})).i]"
    both = [(name, f"coalesce({flow}, {data})") for (name, flow), (_, data) in
            zip(_snapshot_columns("l"), _snapshot_columns("d"), strict=True)]  # fmt: skip
    ending = "case when d.\"eventTrigger\" = 'call.start' then 'start' else 'update' end"
    columns = [
        ("k", _key(_OWN_ID)),
        ("call_id", _OWN_ID),
        ("family", "'live'"),
        ("kind", f"case when event_type <> 'call:live:progress' then 'end' else {ending} end"),
        ("status", "coalesce(l.status, d.status)"),
        *_party_columns("caller", "coalesce(l.caller, d.caller)"),
        *_party_columns("callee", "coalesce(l.callee, d.callee)"),
        *both,
        ("direction", "coalesce(l.direction, d.direction)"),
    ]
    texts_of_flow = ['f."flowIndex"', "f.status", "f.direction", "f.destination", "f.caller.phone", "f.callee.phone"]
    indexes = f"array_to_string(list_transform(d.flows, lambda f: {_field('f', 'flowIndex')}), {_SEPARATOR})"
    more = ["d.id", "d.status", "d.direction", "l.status", "l.direction", indexes]
    odd = _either(
        _odd_texts([*_shown("d"), *_shown("l"), *more]),
        "regexp_full_match(d.id, 'true|false|[0-9]+')",
        f"len(list_filter(d.flows, lambda f: f is null or {_hollow('f', texts_of_flow)})) > 0",
        *_hollow_parties("d"),
        *_hollow_parties("l"),
        *_holes("d"),
        *_holes("l"),
    )
    return _parsed(_JSON_LIVE, LIVE_TYPES, _select(CALL_ROWS, columns, odd), last_flow=last)


def _vendor_sql() -> str:
    def instant(of: str) -> str:
        ms = _WHOLE.format(of)
        return f"case when {ms} >= {_MIN_TIME_MS} and {ms} < {_MAX_TIME_MS} then epoch_ms({ms})::timestamptz end"

    def counted(key: str) -> str:
        return f"coalesce(len(list_filter(f.attachments, lambda a: a.{key} is not null)), 0)"

    made = {
        "flow_index": _INDEX,
        **{name: instant(_field("f", key)) for name, key in _FLOW_TIMES.items()},
        **{name: _WHOLE.format(_field("f", key)) for name, key in _FLOW_WHOLES.items()},
        **{name: _field("f", key) for name, key in _FLOW_TEXTS.items()},
        **{name: f"try_cast({_field('f', key)} as double)" for name, key in _FLOW_REALS.items()},
        **dict(_party_columns("caller", "f.caller")),
        **dict(_party_columns("callee", "f.callee")),
        **dict(_snapshot_columns("f")),
        **{name: counted(key) for name, key in _ATTACHED.items()},
    }
    flow = ", ".join(f"'{field.name}': {made[field.name]}" for field in FLOW)
    flows = f"coalesce(list_transform(d.flows, lambda f, i: {{{flow}}}), [])"
    columns = [("k", _key(_OWN_ID)), ("call_id", _OWN_ID), *_snapshot_columns("d"), ("flows", flows)]
    order = f"list_transform(d.flows, lambda f, i: {_INDEX})"
    whole_texts = [_field("f", key) for key in ("flowIndex", *_FLOW_TIMES.values(), *_FLOW_WHOLES.values())]
    flow_texts = [*_shown("f"), *whole_texts, *(_field("f", key) for key in _FLOW_TEXTS.values())]
    odd_flow = " or ".join(
        [
            f"f is null or {_hollow('f', whole_texts)}",
            _odd_texts(flow_texts),
            *(f"coalesce({hollow}, false)" for hollow in _hollow_parties("f")),
            *(f"coalesce({hole}, false)" for hole in _holes("f")),
            *(f"coalesce(not regexp_full_match({_field('f', key)}, {_PLAIN_NUMBER}), false)"
              for key in _FLOW_REALS.values()),
        ]
    )  # fmt: skip
    joined_lists = [f"array_to_string({_field('d', name)}, {_SEPARATOR})" for name in _LISTS]
    odd = _either(
        _odd_texts([*(value for _, value in _snapshot_columns("d")[:-2]), *joined_lists, "d.id"]),
        "regexp_full_match(d.id, 'true|false|[0-9]+')",
        f"len(list_filter(d.flows, lambda f: {odd_flow})) > 0",
        f"{order} <> list_sort(list_distinct({order}))",
        *_holes("d"),
    )
    return _parsed(_JSON_VENDOR, (VENDOR_TYPE,), _select(VENDOR_ROWS, columns, odd))


_PLAIN_NUMBER: Final = "'(?:0|[1-9][0-9]{0,14})(?:\\.[0-9]{1,15})?'"
_PLAIN_UNTIL: Final = "'[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,6})?Z'"


def _presence_sql() -> str:
    extension = "coalesce(d.extension, string_split(subject_id, '_')[-1])"
    instant = "date_trunc('millisecond', try_cast(d.until as timestamptz))"
    limits = f"epoch_ms({instant}) >= {_MIN_TIME_MS} and epoch_ms({instant}) < {_MAX_TIME_MS}"

    def boolean(key: str) -> str:
        return f"case {_field('d', key)} when 'true' then true when 'false' then false end"

    columns = [
        ("extension", extension),
        ("k", _key(extension)),
        ("kind", "event_type[10:]"),
        ("status", "d.status"),
        ("email", "d.email"),
        ("message", "d.message"),
        ("until", f"case when {limits} then {instant} end"),
        ("address", "d.location.address"),
        ("lat", "try_cast(d.location.lat as double)"),
        ("lng", "try_cast(d.location.lng as double)"),
        ("is_joined", boolean("isJoined")),
        ("is_left", boolean("isLeaved")),
        ("participant_type", "d.participant.type"),
        ("participant_name", "d.participant.name"),
        ("participant_email", "d.participant.email"),
    ]
    shown = ["d.extension", "d.status", "d.email", "d.message", "d.location.address"]
    shown += [f"d.participant.{key}" for key in ("type", "name", "email")]
    odd = _either(
        _odd_texts(shown),
        f"not regexp_full_match(d.until, {_PLAIN_UNTIL})",
        f"not regexp_full_match(d.location.lat, {_PLAIN_NUMBER})",
        f"not regexp_full_match(d.location.lng, {_PLAIN_NUMBER})",
    )
    return _parsed(_JSON_PRESENCE, PRESENCE_TYPES, _select(PRESENCE_ROWS, columns, odd))


_STATEMENTS: Final = (
    (CALL_ROWS, CALL_TYPES, _call_sql()),
    (CALL_ROWS, LIVE_TYPES, _live_sql()),
    (VENDOR_ROWS, (VENDOR_TYPE,), _vendor_sql()),
    (PRESENCE_ROWS, PRESENCE_TYPES, _presence_sql()),
)


def typed(con: duckdb.DuckDBPyConnection, landed: pa.Table) -> Typed:
    """Typed deliveries, the fast way; odd rows the exact way. `landed`: as `ingest.layout.LANDING_SCHEMA`.

    `con`: a connection whose TimeZone is UTC; nothing stays in it.
    """
    there = set(pc.unique(landed["event_type"]).to_pylist())
    frames: dict[str, list[pl.DataFrame]] = {table.name: [] for table in TYPED_ROWS}
    odd: list[int] = []
    con.register("landed", landed.append_column("place", pa.array(range(landed.num_rows), pa.int64())))
    try:
        for table, types, statement in _STATEMENTS:
            if there.isdisjoint(types):
                continue
            made = con.sql(statement).pl()
            odd += made.filter("odd")["place"].to_list()
            frames[table.name].append(made.filter(~pl.col("odd")).drop("odd", "place").cast(table.polars))
    finally:
        con.unregister("landed")
    for table, frame in typed_exactly(landed.take(pa.array(odd, pa.int64()))).frames():
        frames[table.name].append(frame)
    call, vendor, presence = (pl.concat(frames[table.name]) for table in TYPED_ROWS)
    return Typed(call, vendor, presence, odd=len(odd))
