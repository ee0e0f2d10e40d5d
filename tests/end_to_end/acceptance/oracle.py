"""What the contract says of a set of deliveries, in plain Python: dicts and loops, one rule after the other. (CONTRACT §1, §6)

Written from the contract's sentences alone, and slow on purpose: nothing here is shared with the product, so that a rule read wrongly
there is not read wrongly here in the same way. Instants are whole microseconds since 1970, durations milliseconds, a row is a dict.
"""

import csv
import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import isfinite
from pathlib import Path
from typing import Any

import orjson

Row = dict[str, Any]

FIRST_MS, END_MS = 946_684_800_000, 4_102_444_800_000
CALL = {"call:start": "start", "call:update": "update", "call:end": "end"}
LIVE = {"call:live:progress", "call:live:completed", "call:live:interrupted"}
VENDOR = "call:completed"
KIND_RANK = {"start": 0, "update": 1, "end": 2, "completed": 3}
PHASE_RANK = {"other": 0, "ringing": 1, "talking": 2, "held": 3}
PARTY = {
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
FAILED = {"unreachable", "invalid_number", "congestion", "network_failure", "not_permitted", "protocol_error"}


# --- §1 Reading a body ------------------------------------------------------------------------------------------------


def text(value: Any) -> str | None:
    """A scalar where a string is expected becomes its JSON text; an object or array there is null."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, dict | list):
        return None
    return orjson.dumps(value).decode()


def obj(value: Any) -> dict[str, Any] | None:
    return value if isinstance(value, dict) else None


def texts(value: Any) -> list[str] | None:
    """The texts of a list, its objects, arrays and nulls dropped; None where it is no list."""
    if not isinstance(value, list):
        return None
    return [t for t in map(text, value) if t is not None]


def whole(value: Any) -> int | None:
    if isinstance(value, str):
        return int(value) if re.fullmatch("[0-9]{1,15}", value) else None
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if abs(value) < 10**15 else None


def usable_time(value: Any) -> int | None:
    number = whole(value)
    return number if number is not None and FIRST_MS <= number < END_MS else None


def real(value: Any) -> float | None:
    """A finite number or its text."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        if not re.fullmatch(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?", value):
            return None
        value = float(value)
    if not isinstance(value, int | float):
        return None
    value = float(value)
    return value if isfinite(value) else None


def truth(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


_UNTIL = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[T ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]+))?)?(Z|[+-][0-9]{2}(?::?[0-9]{2})?)?)?"
)


def until(value: Any) -> int | None:
    match = _UNTIL.fullmatch(text(value) or "")
    if match is None:
        return None
    year, month, day, hour, minute, second, digits, offset = match.groups()
    try:
        at = datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), tzinfo=UTC)
    except ValueError:
        return None
    ms = (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1) + int(((digits or "") + "000")[:3])
    if offset and offset != "Z":
        hh, mm = int(offset[1:3]), int(offset[3:].lstrip(":") or 0)
        if hh > 23 or mm > 59:
            return None
        minutes = hh * 60 + mm
        ms -= (minutes if offset[0] == "+" else -minutes) * 60_000
    return ms * 1000 if FIRST_MS <= ms < END_MS else None


def depth(value: Any) -> int:
    level, levels = [value], 0
    while level := [v for v in level if isinstance(v, dict | list)]:
        levels += 1
        level = [child for v in level for child in (v.values() if isinstance(v, dict) else v)]
    return levels


def refusal(body: bytes, integration_id: str | None = None, company: str | None = None) -> str | None:
    """The first reason against a body; None where it is usable."""
    try:
        event = orjson.loads(body)
    except orjson.JSONDecodeError:
        return "not_json"
    if depth(event) > 254:
        return "not_json"
    if not isinstance(event, dict):
        return "not_object"
    kind = event.get("type")
    if not isinstance(kind, str) or not kind:
        return "no_type"
    if usable_time(event.get("time")) is None:
        return "no_time"
    if kind.startswith(("call:", "presence:")):
        if not isinstance(event.get("company"), str) or not event["company"]:
            return "no_company"
        name = subject(event)
        if not isinstance(name, str) or not name:
            return "no_id"
    if integration_id is not None and text(event.get("integrationId")) != integration_id:
        return "wrong_integration"
    if company is not None and text(event.get("company")) != company:
        return "wrong_company"
    return None


def subject(event: Row) -> Any:
    kind = event["type"]
    if kind.startswith("call:live:") or kind == VENDOR:
        name = (obj(event.get("data")) or {}).get("id")
        if isinstance(name, str) and name:
            return name
    return event.get("id")


def event_uid(event: Row) -> str:
    rest = {key: value for key, value in event.items() if key != "integrationId"}
    return hashlib.sha256(orjson.dumps(rest, option=orjson.OPT_SORT_KEYS)).hexdigest()


# --- §6 events --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Landed:
    """A delivery that has landed: its coordinate, arrival (µs), source and verified body."""

    writer: str
    seq: int
    received_at: int
    source: str
    body: bytes


@dataclass
class Event:
    """A distinct event with all its deliveries."""

    uid: str
    type: str
    time_ms: int
    company: str | None
    name: str | None
    pbx: str | None
    data: Row | None
    deliveries: list[tuple[int, str, str, int, str | None]] = field(default_factory=list)
    kind: str = ""
    snapshot: Row = field(default_factory=dict)
    phase: str = "other"

    @property
    def first(self) -> tuple[int, str, str, int, str | None]:
        return min(self.deliveries, key=lambda d: d[:4])

    @property
    def order(self) -> tuple[int, int, int, str]:
        return self.time_ms, KIND_RANK[self.kind], PHASE_RANK[self.phase], self.uid


def read_phases(path: Path) -> dict[str, str]:
    with path.open(newline="") as file:
        return {row["status"].upper(): row["phase"] for row in csv.DictReader(file)}


def read_causes(path: Path) -> dict[str, tuple[str, str]]:
    with path.open(newline="") as file:
        return {row["code"]: (row["name"], row["category"]) for row in csv.DictReader(file)}


def flows(data: Row | None) -> list[tuple[int, Row]]:
    """The flows in order: flowIndex (missing: the place), then place; of equal indexes the later counts."""
    given = (data or {}).get("flows")
    by_index: dict[int, Row] = {}
    for place, flow in enumerate(given if isinstance(given, list) else []):
        if isinstance(flow, dict):
            index = whole(flow.get("flowIndex"))
            by_index[place if index is None else index] = flow
    return sorted(by_index.items(), key=lambda item: item[0])


_TEXTS = ("status", "service", "destination", "trunkName", "queueName", "queueId", "endCause", "endCauseStr", "endBy")


def call_snapshot(data: Row | None) -> Row:
    data = data or {}
    row: Row = {name: text(data.get(name)) for name in _TEXTS}
    row |= {"caller": obj(data.get("caller")), "callee": obj(data.get("callee"))}
    return row | {"tags": texts(data.get("tags")) or [], "flags": texts(data.get("flags")) or [], "direction": None}


def live_snapshot(data: Row | None) -> Row:
    """The last flow, then data itself where that is null or missing."""
    data = data or {}
    last = flows(data)[-1][1] if flows(data) else {}

    def pick(read: Callable[[Any], Any], name: str) -> Any:
        own = read(last.get(name))
        return read(data.get(name)) if own is None else own

    row: Row = {name: pick(text, name) for name in (*_TEXTS, "direction")}
    row |= {"caller": pick(obj, "caller"), "callee": pick(obj, "callee")}
    return row | {"tags": pick(texts, "tags") or [], "flags": pick(texts, "flags") or []}


def distinct(landed: Iterable[Landed], phases: dict[str, str]) -> list[Event]:
    events: dict[str, Event] = {}
    seen: set[tuple[str, int]] = set()
    for one in landed:
        if (one.writer, one.seq) in seen:
            continue
        seen.add((one.writer, one.seq))
        raw = orjson.loads(one.body)
        uid = event_uid(raw)
        event = events.get(uid)
        if event is None:
            time_ms = usable_time(raw["time"])
            assert time_ms is not None
            name = subject(raw)
            event = Event(uid, raw["type"], time_ms, text(raw.get("company")), text(name), text(raw.get("pbx")), obj(raw.get("data")))
            data = event.data
            if event.type in CALL:
                event.kind, event.snapshot = CALL[event.type], call_snapshot(data)
            elif event.type in LIVE:
                trigger = text((data or {}).get("eventTrigger"))
                event.kind = "end" if event.type != "call:live:progress" else "start" if trigger == "call.start" else "update"
                event.snapshot = live_snapshot(data)
            elif event.type == VENDOR:
                event.kind = "completed"
            if event.snapshot:
                event.phase = phases.get((event.snapshot["status"] or "").upper(), "other")
            events[uid] = event
        event.deliveries.append((one.received_at, one.source, one.writer, one.seq, text(raw.get("integrationId"))))
    return list(events.values())


# --- §6 calls ---------------------------------------------------------------------------------------------------------


def party(prefix: str, participant: Row | None, fields: Iterable[str] = PARTY) -> Row:
    return {f"{prefix}_{name}": text((participant or {}).get(PARTY[name])) for name in fields}


def is_person(participant: Row | None) -> bool:
    return participant is not None and text(participant.get("userId")) is not None and text(participant.get("userDevice")) != "VOICEBOT"


def lower(value: str | None) -> str | None:
    return None if value is None else value.lower()


def last(values: Iterable[Any]) -> Any:
    found = [value for value in values if value is not None]
    return found[-1] if found else None


def runs(items: list[Any], key: Callable[[Any], Any]) -> list[list[Any]]:
    found: list[list[Any]] = []
    for item in items:
        if found and key(found[-1][-1]) == key(item):
            found[-1].append(item)
        else:
            found.append([item])
    return found


def direction_by_rule(caller: Row | None, callee: Row | None, trunk: str | None) -> str:
    from_, to = (None if p is None else text(p.get("type")) for p in (caller, callee))
    if from_ == "REMOTE":
        return "inbound"
    if from_ == "LOCAL" and (to == "REMOTE" or (callee is None and trunk is not None)):
        return "outbound"
    if from_ == "LOCAL" and to == "LOCAL":
        return "internal"
    return "unknown"


def external(direction: str, caller: Row | None, callee: Row | None, destination: str | None) -> Row:
    phone = None
    if direction == "inbound":
        phone = text((caller or {}).get("phone"))
    elif direction == "outbound":
        phone = text((callee or {}).get("phone"))
        phone = destination if phone is None else phone
    digits = re.sub("[^0-9]", "", phone or "")
    return {"external_phone": phone, "external_key": digits[-9:] if len(digits) >= 6 else None}


def ending(ended: bool, cause: str | None, cause_text: str | None, by: str | None, causes: dict[str, tuple[str, str]]) -> Row:
    names = ("end_cause", "end_cause_text", "end_cause_name", "end_cause_category", "ended_by")
    if not ended:
        return dict.fromkeys(names)
    name, category = causes.get(cause, ("unknown", "unknown")) if cause is not None else ("unknown", "unknown")
    return dict(zip(names, (cause, cause_text, name, category, lower(by)), strict=True))


def outcome(row: Row, last_event_ms: int, as_of_us: int) -> str:
    if not row["has_end"]:
        return "in_progress" if as_of_us - last_event_ms * 1000 < 4 * 3_600_000_000 else "lost"
    if row["answered_at"] is not None:
        return "answered"
    category = row["end_cause_category"]
    if category in ("rejected", "busy", "no_answer"):
        return str(category)
    if category in FAILED:
        return "failed"
    return "abandoned" if row["ended_by"] == "caller" else "no_answer"


@dataclass
class Facts:
    tables: dict[str, list[Row]]

    def add(self, table: str, rows: Iterable[Row]) -> None:
        self.tables.setdefault(table, []).extend(rows)


def call_facts(facts: Facts, key: Row, family: list[Event], basis: str, causes: dict[str, tuple[str, str]], as_of_us: int) -> None:
    family = sorted(family, key=lambda e: e.order)
    ends = [i for i, event in enumerate(family) if event.kind == "end"]
    counted = family[: ends[0] + 1] if ends else family
    end = family[ends[0]] if ends else None
    openers = counted[:-1] if end else counted
    end_ms = end.time_ms if end else None

    states: list[Row] = []
    for i, event in enumerate(openers):
        stop = openers[i + 1].time_ms if i + 1 < len(openers) else end_ms
        callee = event.snapshot["callee"]
        states.append(
            {
                **key,
                "seq": i,
                "status": event.snapshot["status"],
                "phase": event.phase,
                "started_at": event.time_ms * 1000,
                "ended_at": None if stop is None else stop * 1000,
                "duration_ms": None if stop is None else stop - event.time_ms,
                "caller_phone": text((event.snapshot["caller"] or {}).get("phone")),
                **party("callee", callee, ("type", "phone", "name", "user_id", "extension")),
                "queue_name": event.snapshot["queueName"],
                "_callee": callee,
                "_queue_id": event.snapshot["queueId"],
            }
        )

    def sums(of: list[Row]) -> Row:
        total = {"ring_ms": 0, "talk_ms": 0, "hold_ms": 0, "other_ms": 0}
        names = {"ringing": "ring_ms", "talking": "talk_ms", "held": "hold_ms", "other": "other_ms"}
        for state in of:
            total[names[state["phase"]]] += state["duration_ms"] or 0
        return total

    def first_answer(of: list[Row]) -> int | None:
        return next((s["started_at"] for s in of if s["phase"] in ("talking", "held")), None)

    def callee_key(state: Row) -> Any:
        callee = state["_callee"]
        if callee is None:
            return ("null",)
        if text(callee.get("userId")) is not None:
            return ("user", text(callee.get("userId")))
        if text(callee.get("phone")) is not None:
            return ("phone", text(callee.get("phone")))
        return ("neither",)

    legs: list[Row] = []
    leg_callees: list[Row | None] = []
    for run in runs(states, callee_key):
        callee, started, ended = run[-1]["_callee"], run[0]["started_at"], run[-1]["ended_at"]
        if callee is None and ended is not None and ended == started:
            continue
        answered = first_answer(run)
        legs.append(
            {
                **key,
                "leg": len(legs),
                **party("callee", callee, ("type", "phone", "name", "user_id", "extension", "department")),
                "queue_name": last(s["queue_name"] for s in run),
                "started_at": started,
                "answered_at": answered,
                "ended_at": ended,
                **sums(run),
                "answered": answered is not None,
            }
        )
        leg_callees.append(callee)

    snapshots = [event.snapshot for event in counted]
    caller, callee = last(s["caller"] for s in snapshots), last(s["callee"] for s in snapshots)
    trunk, destination = last(s["trunkName"] for s in snapshots), last(s["destination"] for s in snapshots)
    own_direction = lower(last(s["direction"] for s in snapshots)) if basis == "live" else None
    direction = own_direction if own_direction is not None else direction_by_rule(caller, callee, trunk)
    started, answered_at = counted[0].time_ms, first_answer(states)
    duration = None if end_ms is None else end_ms - started
    by = [(leg, callee) for leg, callee in zip(legs, leg_callees, strict=True) if leg["answered"] and is_person(callee)]
    arrivals = [d[0] for event in family for d in event.deliveries]
    ended_with = end.snapshot if end else None
    row: Row = {
        **key,
        "pbx": family[0].pbx,
        "basis": basis,
        "started_at": started * 1000,
        "answered_at": answered_at,
        "ended_at": None if end_ms is None else end_ms * 1000,
        "duration_ms": duration,
        **sums(states),
        "wait_ms": duration if answered_at is None else answered_at // 1000 - started,
        "hold_count": sum(run[0]["phase"] == "held" for run in runs(states, lambda s: s["phase"])),
        "leg_count": len(legs),
        "transfer_count": max(len(by) - 1, 0),
        "direction": direction,
        **party("caller", caller),
        **party("callee", callee),
        "answered_by_at": by[0][0]["answered_at"] if by else None,
        **party("answered_by", by[0][1] if by else None, ("user_id", "extension", "name", "department")),
        "destination": destination,
        "service": last(s["service"] for s in snapshots),
        "trunk_name": trunk,
        "queue_name": last(s["queueName"] for s in snapshots),
        "queue_id": last(s["queueId"] for s in snapshots),
        **external(direction, caller, callee, destination),
        "tags": sorted({t for s in snapshots for t in s["tags"]}),
        "flags": sorted({t for s in snapshots for t in s["flags"]}),
        **ending(
            end is not None,
            *((ended_with["endCause"], ended_with["endCauseStr"], ended_with["endBy"]) if ended_with else (None,) * 3),
            causes,
        ),
        "event_count": len(family),
        "delivery_count": len(arrivals),
        "late_events": len(family) - len(counted),
        "has_start": any(event.kind == "start" for event in counted),
        "has_end": end is not None,
        "first_received_at": min(arrivals),
        "last_received_at": max(arrivals),
    }
    row["abandoned"] = None if end is None else answered_at is None and row["ended_by"] == "caller"
    row["outcome"] = outcome(row, family[-1].time_ms, as_of_us)
    facts.add("calls", [row])
    facts.add("call_states", states)
    facts.add("call_legs", legs)

    in_queue: list[tuple[str, Row]] = []
    queue: str | None = None
    for state in states:
        queue = state["queue_name"] if state["queue_name"] is not None else queue
        if queue is not None:
            in_queue.append((queue, state))
    visits = runs(in_queue, lambda pair: pair[0])
    for i, run in enumerate(visits):
        of = [state for _, state in run]
        following = visits[i + 1] if i + 1 < len(visits) else None
        left = following[0][1]["started_at"] if following else row["ended_at"]
        answer = next((s for s in of if s["phase"] in ("talking", "held") and is_person(s["_callee"])), None)
        entered = of[0]["started_at"]
        waited_until = answer["started_at"] if answer else left
        if answer:
            result = "answered"
        elif following:
            result = "overflowed"
        elif end is None:
            result = "open"
        else:
            result = "caller_left" if row["ended_by"] == "caller" else "unanswered"
        facts.add(
            "queue_visits",
            [
                {
                    **key,
                    "visit": i,
                    "queue_name": run[0][0],
                    "queue_id": last(s["_queue_id"] for s in of),
                    "entered_at": entered,
                    "left_at": left,
                    "answered_at": answer["started_at"] if answer else None,
                    "answered_by_user_id": text(answer["_callee"]["userId"]) if answer else None,
                    "wait_ms": None if waited_until is None else (waited_until - entered) // 1000,
                    "next_queue": following[0][0] if following else None,
                    "result": result,
                }
            ],
        )


def vendor_row(key: Row, newest: Event, causes: dict[str, tuple[str, str]], as_of_us: int) -> Row:
    data = newest.data or {}
    own = [flow for _, flow in flows(data)]

    def figure(flow: Row, name: str) -> int:
        return whole(flow.get(name)) or 0

    def total(*names: str) -> int:
        return sum(figure(flow, name) for flow in own for name in names)

    def answer(flow: Row) -> int:
        start = usable_time(flow.get("startTime"))
        start = newest.time_ms if start is None else start
        return start + figure(flow, "connectTime") + figure(flow, "waitTime") + figure(flow, "queueTime")

    def last_text(name: str) -> str | None:
        found = last(text(flow.get(name)) for flow in own)
        return text(data.get(name)) if found is None else str(found)

    def event_first(name: str) -> str | None:
        mine = text(data.get(name))
        return mine if mine is not None else last(text(flow.get(name)) for flow in own)

    def union(name: str) -> list[str]:
        return sorted({t for holder in (*own, data) for t in texts(holder.get(name)) or []})

    starts = [t for flow in own if (t := usable_time(flow.get("startTime"))) is not None]
    ends = [t for flow in own if (t := usable_time(flow.get("endTime"))) is not None]
    started, ended = min(starts, default=newest.time_ms), max(ends, default=newest.time_ms)
    talking = [flow for flow in own if figure(flow, "talkTime") > 0]
    people = [flow for flow in talking if is_person(obj(flow.get("callee")))]
    answered_ms = answer(talking[0]) if talking else None
    caller = next((p for flow in own if (p := obj(flow.get("caller"))) is not None), None)
    callee = last(obj(flow.get("callee")) for flow in own)
    said = lower(next((d for flow in own if (d := text(flow.get("direction"))) is not None), None))
    trunk, destination = last_text("trunkName"), last_text("destination")
    direction = said if said is not None else direction_by_rule(caller, callee, trunk)
    ring, talk, hold = total("connectTime", "waitTime", "queueTime"), total("talkTime"), total("holdTime")
    duration = ended - started
    arrivals = [d[0] for d in newest.deliveries]
    row: Row = {
        **key,
        "pbx": newest.pbx,
        "basis": "vendor",
        "started_at": started * 1000,
        "answered_at": None if answered_ms is None else answered_ms * 1000,
        "ended_at": ended * 1000,
        "duration_ms": duration,
        "ring_ms": ring,
        "talk_ms": talk,
        "hold_ms": hold,
        "other_ms": max(duration - ring - talk - hold, 0),
        "wait_ms": duration if answered_ms is None else answered_ms - started,
        "hold_count": 0,
        "leg_count": len(own),
        "transfer_count": max(len(people) - 1, 0),
        "direction": direction,
        **party("caller", caller),
        **party("callee", callee),
        "answered_by_at": answer(people[0]) * 1000 if people else None,
        **party("answered_by", obj(people[0].get("callee")) if people else None, ("user_id", "extension", "name", "department")),
        "destination": destination,
        "service": last_text("service"),
        "trunk_name": trunk,
        "queue_name": last_text("queueName"),
        "queue_id": last_text("queueId"),
        **external(direction, caller, callee, destination),
        "tags": union("tags"),
        "flags": union("flags"),
        **ending(True, event_first("endCause"), event_first("endCauseStr"), event_first("endBy"), causes),
        "event_count": 1,
        "delivery_count": len(arrivals),
        "late_events": 0,
        "has_start": True,
        "has_end": True,
        "first_received_at": min(arrivals),
        "last_received_at": max(arrivals),
    }
    row["abandoned"] = answered_ms is None and row["ended_by"] == "caller"
    row["outcome"] = outcome(row, newest.time_ms, as_of_us)
    return row


def vendor_calls(key: Row, newest: Event) -> list[Row]:
    def mos(value: Any) -> float | None:
        number = real(value)
        return number if number is not None and 0 < number <= 5 else None

    def attached(flow: Row, name: str) -> int:
        given = flow.get("attachments")
        return sum(isinstance(one, dict) and one.get(name) is not None for one in (given if isinstance(given, list) else []))

    rows = []
    for index, flow in flows(newest.data):
        start, end = usable_time(flow.get("startTime")), usable_time(flow.get("endTime"))
        caller, callee = obj(flow.get("caller")) or {}, obj(flow.get("callee")) or {}
        rows.append(
            {
                **key,
                "flow_index": index,
                "started_at": None if start is None else start * 1000,
                "ended_at": None if end is None else end * 1000,
                "duration_ms": whole(flow.get("duration")),
                "connect_ms": whole(flow.get("connectTime")),
                "wait_ms": whole(flow.get("waitTime")),
                "queue_ms": whole(flow.get("queueTime")),
                "talk_ms": whole(flow.get("talkTime")),
                "hold_ms": whole(flow.get("holdTime")),
                "direction": text(flow.get("direction")),
                "caller_phone": text(caller.get("phone")),
                "callee_phone": text(callee.get("phone")),
                "callee_name": text(callee.get("name")),
                "trunk_name": text(flow.get("trunkName")),
                "trunk_direction": text(flow.get("trunkDirection")),
                "service_number": text(flow.get("serviceNumber")),
                "remote_phone": text(flow.get("remotePhone")),
                "remote_country": text(flow.get("remotePhoneCountryCodeStr")),
                "split_reason": text(flow.get("splitReason")),
                "split_transfer_type": text(flow.get("splitTransferType")),
                "merge_with": text(flow.get("mergeWith")),
                "caller_mos": mos(flow.get("callerMos")),
                "callee_mos": mos(flow.get("calleeMos")),
                "call_status": text(flow.get("callStatus")),
                "end_cause": text(flow.get("endCause")),
                "transcription_status": text(flow.get("transcriptionStatus")),
                "recordings": attached(flow, "recording"),
                "voicemails": attached(flow, "voicemail"),
                "faxes": attached(flow, "fax"),
            }
        )
    return rows


# --- §6 the other tables ----------------------------------------------------------------------------------------------


def extension_of(event: Event) -> str:
    given = text((event.data or {}).get("extension"))
    return given if given is not None else (event.name or "").rsplit("_", 1)[-1]


def presence(facts: Facts, events: list[Event]) -> None:
    lanes: dict[tuple[str | None, str, str], list[Event]] = {}
    for event in events:
        data = event.data or {}
        if event.type == "presence:conference":
            who = obj(data.get("participant")) or {}
            facts.add(
                "conference_events",
                [
                    {
                        "company": event.company,
                        "extension": extension_of(event),
                        "event_time": event.time_ms * 1000,
                        "is_joined": truth(data.get("isJoined")),
                        "is_left": truth(data.get("isLeaved")),
                        "participant_type": text(who.get("type")),
                        "participant_name": text(who.get("name")),
                        "participant_email": text(who.get("email")),
                    }
                ],
            )
        elif event.type in ("presence:user", "presence:telephony"):
            lanes.setdefault((event.company, extension_of(event), event.type.removeprefix("presence:")), []).append(event)
    for (company, extension, kind), lane in lanes.items():
        rows: list[Row] = []
        for event in sorted(lane, key=lambda e: (e.time_ms, e.uid)):
            data = event.data or {}
            place = obj(data.get("location")) or {}
            state = {
                "status": lower(text(data.get("status"))),
                "message": text(data.get("message")),
                "until": until(data.get("until")),
                "address": text(place.get("address")),
                "lat": real(place.get("lat")),
                "lng": real(place.get("lng")),
            }
            if rows and all(rows[-1][name] == value for name, value in state.items()):
                continue
            at = event.time_ms * 1000
            if rows:
                rows[-1] |= {"ended_at": at, "duration_ms": (at - rows[-1]["started_at"]) // 1000}
            person = {"company": company, "extension": extension, "kind": kind, "started_at": at}
            rows.append({**person, **state, "email": text(data.get("email")), "ended_at": None, "duration_ms": None})
        facts.add("presence_intervals", rows)


def people(facts: Facts, events: list[Event]) -> None:
    newest: dict[tuple[str, str], tuple[Any, Row]] = {}
    for event in events:
        if event.type in CALL or event.type in LIVE:
            sides = [(event.snapshot[name], rank, 0) for rank, name in enumerate(("caller", "callee"))]
        elif event.type == VENDOR:
            sides = [(obj(f.get(name)), rank, i) for i, f in flows(event.data) for rank, name in enumerate(("caller", "callee"))]
        else:
            continue
        for who, rank, place in sides:
            if who is None or text(who.get("type")) != "LOCAL" or (extension := text(who.get("userExtension"))) is None:
                continue
            order = (event.time_ms, KIND_RANK[event.kind], event.uid, rank, place)
            assert event.company is not None
            person = (event.company, extension)
            if person not in newest or order > newest[person][0]:
                fields = party("p", who, ("user_id", "name", "email", "department", "group_name"))
                row = {"company": person[0], "extension": person[1], **{k.removeprefix("p_"): v for k, v in fields.items()}}
                newest[person] = (order, {**row, "last_seen_at": event.time_ms * 1000})
    facts.add("people", [row for _, row in newest.values()])


TABLES = (
    "calls",
    "call_states",
    "call_legs",
    "queue_visits",
    "call_events",
    "presence_intervals",
    "conference_events",
    "vendor_calls",
    "people",
    "end_causes",
)


def facts_of(
    landed: Iterable[Landed], *, as_of_us: int, phases: dict[str, str], causes: dict[str, tuple[str, str]]
) -> dict[str, list[Row]]:
    """Every table that the events decide, as rows."""
    events = distinct(landed, phases)
    facts = Facts({name: [] for name in TABLES})
    calls: dict[tuple[str | None, str | None], dict[str, list[Event]]] = {}
    for event in events:
        family = "call" if event.type in CALL else "live" if event.type in LIVE else "vendor" if event.type == VENDOR else None
        if family:
            calls.setdefault((event.company, event.name), {}).setdefault(family, []).append(event)
    for (company, call_id), families in calls.items():
        key = {"company": company, "call_id": call_id}
        ended = [f for f in ("call", "live") if any(e.kind == "end" for e in families.get(f, []))]
        ended += ["vendor"] if "vendor" in families else []
        basis = (ended or [f for f in ("call", "live") if f in families])[0]
        if basis == "vendor":
            newest = max(families["vendor"], key=lambda e: (e.time_ms, e.uid))
            facts.add("calls", [vendor_row(key, newest, causes, as_of_us)])
        else:
            call_facts(facts, key, families[basis], basis, causes, as_of_us)
        if "vendor" in families:
            facts.add("vendor_calls", vendor_calls(key, max(families["vendor"], key=lambda e: (e.time_ms, e.uid))))
        for family in ("call", "live"):
            for event in families.get(family, []):
                received_at, source, writer, seq, integration_id = event.first
                shot = event.snapshot
                facts.add(
                    "call_events",
                    [
                        {
                            **key,
                            "event_uid": event.uid,
                            "family": family,
                            "event_type": event.type,
                            "kind": event.kind,
                            "event_time": event.time_ms * 1000,
                            "received_at": received_at,
                            "source": source,
                            "integration_id": integration_id,
                            "writer": writer,
                            "seq": seq,
                            "pbx": event.pbx,
                            "status": shot["status"],
                            "phase": event.phase,
                            "caller_phone": text((shot["caller"] or {}).get("phone")),
                            "callee_phone": text((shot["callee"] or {}).get("phone")),
                            "end_cause": shot["endCause"],
                            "ended_by": lower(shot["endBy"]),
                        }
                    ],
                )
    presence(facts, events)
    people(facts, events)
    facts.add("end_causes", [{"code": code, "name": name, "category": category} for code, (name, category) in causes.items()])
    return facts.tables
