"""CONTRACT §1 "Reading a body" and §6 once more, in loops and dicts, sentence by sentence: slow, plain, and the judge.

Shares no code with the transforms. Instants are whole microseconds since 1970, so that a vendor's figure may carry one
beyond the year 9999. `facts(deliveries, …)` gives every table made of events, as rows (dicts) by table name.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import orjson

Row = dict[str, Any]
HOUR_US = 3_600_000_000
PARTICIPANT = {
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
SCALARS = {
    "status": "status",
    "destination": "destination",
    "service": "service",
    "trunk_name": "trunkName",
    "queue_name": "queueName",
    "queue_id": "queueId",
    "end_cause": "endCause",
    "end_cause_text": "endCauseStr",
    "ended_by": "endBy",
}
KIND_RANK = {"start": 0, "update": 1, "end": 2}
PHASE_RANK = {"other": 0, "ringing": 1, "talking": 2, "held": 3}


@dataclass(frozen=True)
class Delivery:
    """One row of the landing zone."""

    writer: str
    seq: int
    received_at: datetime
    source: str
    body: bytes

    @cached_property
    def event(self) -> Any:
        return orjson.loads(self.body)

    @cached_property
    def event_uid(self) -> str:
        kept = {key: value for key, value in self.event.items() if key != "integrationId"}
        return hashlib.sha256(orjson.dumps(kept, option=orjson.OPT_SORT_KEYS)).hexdigest()

    @property
    def integration_id(self) -> str | None:
        return text(self.event.get("integrationId"))


# --- §1 Reading a body -----------------------------------------------------------------------------------------------


def text(value: Any) -> str | None:
    if value is None or isinstance(value, dict | list):
        return None
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def whole(value: Any) -> int | None:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,15}", value):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**15:
        return value
    return None


def usable_time(value: Any) -> int | None:
    """In microseconds."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    if isinstance(value, str) and not re.fullmatch(r"[0-9]{1,15}", value):
        return None
    ms = int(value)
    return ms * 1000 if 946684800000 <= ms < 4102444800000 else None


def real(value: Any) -> float | None:
    if isinstance(value, str) and re.fullmatch(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?", value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(float(value)) != float("inf") else None


def truth(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def until(value: Any) -> int | None:
    found = re.fullmatch(
        r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?(Z|[+-]\d\d(?::?\d\d)?)?)?",
        value if isinstance(value, str) else "",
        re.ASCII,
    )
    if not found:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    ms = int(((found[7] or "") + "000")[:3])
    offset = timedelta()
    if found[8] and found[8] != "Z":
        digits = found[8][1:].replace(":", "").ljust(4, "0")
        offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:])) * (-1 if found[8][0] == "-" else 1)
    try:
        instant = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    seconds = (instant - datetime(1970, 1, 1, tzinfo=UTC) - offset) // timedelta(seconds=1)
    return usable_time(seconds * 1000 + ms)


def participant(value: Any) -> Row | None:
    if not isinstance(value, dict):
        return None
    return {name: text(value.get(key)) for name, key in PARTICIPANT.items()}


def texts(value: Any) -> list[str] | None:
    """None where it is no list."""
    if not isinstance(value, list):
        return None
    return [found for item in value if (found := text(item)) is not None]


def obj(value: Any) -> Row:
    return value if isinstance(value, dict) else {}


def flows_of(data: Row) -> list[tuple[int, Row]]:
    """(flow_index, flow) in order."""
    if not isinstance(data.get("flows"), list):
        return []
    by_index: dict[int, Row] = {}
    for place, flow in enumerate(data["flows"]):
        if isinstance(flow, dict):
            index = whole(flow.get("flowIndex"))
            by_index[place if index is None else index] = flow
    return sorted(by_index.items(), key=lambda item: item[0])


def snapshot(*sources: Row) -> Row:
    """Each field of the first source in which it is neither null nor missing."""
    got: Row = {}
    for name, key in SCALARS.items():
        got[name] = next((found for source in sources if (found := text(source.get(key))) is not None), None)
    for side in ("caller", "callee"):
        got[side] = next((found for source in sources if (found := participant(source.get(side))) is not None), None)
    for name in ("tags", "flags"):
        got[name] = next((found for source in sources if (found := texts(source.get(name))) is not None), [])
    return got


# --- §6 Identity and families ----------------------------------------------------------------------------------------


def distinct_events(deliveries: list[Delivery]) -> list[Row]:
    """One row an event: its JSON, and what its deliveries say."""
    by_coordinate = {(delivery.writer, delivery.seq): delivery for delivery in deliveries}
    by_event: dict[str, list[Delivery]] = defaultdict(list)
    for delivery in by_coordinate.values():
        by_event[delivery.event_uid].append(delivery)
    events = []
    for event_uid, group in by_event.items():
        least = min(group, key=lambda d: (d.received_at, d.source, d.writer, d.seq))
        events.append(
            {
                "event_uid": event_uid,
                "json": least.event,
                "received_at": us(least.received_at),
                "source": least.source,
                "integration_id": least.integration_id,
                "writer": least.writer,
                "seq": least.seq,
                "delivery_count": len(group),
                "last_received_at": max(us(delivery.received_at) for delivery in group),
            }
        )
    return events


def us(instant: datetime) -> int:
    return (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def typed(event: Row, phases: dict[str, str]) -> Row | None:
    """The event with its typed fields, or None where its type belongs to no table."""
    sent, event_type = event["json"], event["json"]["type"]
    data = obj(sent.get("data"))
    row = {
        **event,
        "company": sent["company"],
        "pbx": text(sent.get("pbx")),
        "event_type": event_type,
        "event_time": usable_time(sent["time"]),
        "data": data,
        "subject_id": sent.get("id"),
    }
    own_id = data.get("id")
    inner_id = own_id if isinstance(own_id, str) and own_id else sent.get("id")
    if event_type in ("call:start", "call:update", "call:end"):
        row |= {"family": "call", "call_id": sent["id"], "kind": event_type.removeprefix("call:"), "said": None}
        row |= snapshot(data)
    elif event_type in ("call:live:progress", "call:live:completed", "call:live:interrupted"):
        trigger = "start" if data.get("eventTrigger") == "call.start" else "update"
        last = [flow for _, flow in flows_of(data)][-1:]
        row |= {"family": "live", "call_id": inner_id, **snapshot(*last, data)}
        row["kind"] = trigger if event_type == "call:live:progress" else "end"
        row["said"] = next((found for source in (*last, data) if (found := text(source.get("direction"))) is not None), None)
    elif event_type == "call:completed":
        row |= {"family": "vendor", "call_id": inner_id, "flows": [vendor_flow(*flow) for flow in flows_of(data)]}
        row |= snapshot(data)
    elif event_type in ("presence:user", "presence:telephony", "presence:conference"):
        extension = text(data.get("extension"))
        row |= {"family": "presence", "kind": event_type.removeprefix("presence:")}
        row["extension"] = sent["id"].rsplit("_", 1)[-1] if extension is None else extension
        return row
    else:
        return None
    row["phase"] = "other" if row["status"] is None else phases.get(row["status"].upper(), "other")
    return row


def vendor_flow(index: int, flow: Row) -> Row:
    row = snapshot(flow)
    row |= {"flow_index": index, "direction": text(flow.get("direction"))}
    for name, key in (("started_at", "startTime"), ("ended_at", "endTime")):
        row[name] = usable_time(flow.get(key))
    for name in ("duration", "connectTime", "waitTime", "queueTime", "talkTime", "holdTime"):
        row[name] = whole(flow.get(name))
    for name in ("caller_mos", "callee_mos"):
        mos = real(flow.get({"caller_mos": "callerMos", "callee_mos": "calleeMos"}[name]))
        row[name] = mos if mos is not None and 0 < mos <= 5 else None
    attachments = flow.get("attachments")
    listed = [item for item in attachments if isinstance(item, dict)] if isinstance(attachments, list) else []
    for name in ("recording", "voicemail", "fax"):
        row[name] = sum(item.get(name) is not None for item in listed)
    for name, key in {
        "trunk_direction": "trunkDirection",
        "service_number": "serviceNumber",
        "remote_phone": "remotePhone",
        "remote_country": "remotePhoneCountryCodeStr",
        "split_reason": "splitReason",
        "split_transfer_type": "splitTransferType",
        "merge_with": "mergeWith",
        "call_status": "callStatus",
        "transcription_status": "transcriptionStatus",
    }.items():
        row[name] = text(flow.get(key))
    return row


# --- §6 Tables -------------------------------------------------------------------------------------------------------


def facts(
    deliveries: list[Delivery], *, as_of: datetime, phases: dict[str, str], causes: dict[str, tuple[str, str]]
) -> dict[str, list[Row]]:
    events = [row for event in distinct_events(deliveries) if (row := typed(event, phases)) is not None]
    tables: dict[str, list[Row]] = {
        name: []
        for name in (
            "calls",
            "call_states",
            "call_legs",
            "queue_visits",
            "call_events",
            "vendor_calls",
            "presence_intervals",
            "conference_events",
            "people",
        )
    }
    of_call: dict[tuple[str, str], list[Row]] = defaultdict(list)
    of_person: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for event in events:
        if event["family"] == "presence":
            of_person[event["company"], event["extension"], event["kind"]].append(event)
        else:
            of_call[event["company"], event["call_id"]].append(event)
    for group in of_call.values():
        one_call(group, tables, us(as_of), causes)
    for (company, extension, kind), group in of_person.items():
        group.sort(key=lambda e: (e["event_time"], e["event_uid"]))
        if kind == "conference":
            tables["conference_events"] += [conference_event(event) for event in group]
        else:
            tables["presence_intervals"] += intervals(company, extension, kind, group)
    tables["people"] = people(events)
    return tables


def one_call(group: list[Row], tables: dict[str, list[Row]], as_of: int, causes: dict[str, tuple[str, str]]) -> None:
    def order(event: Row) -> tuple[int, int, int, str]:
        return (event["event_time"], KIND_RANK[event["kind"]], PHASE_RANK[event["phase"]], event["event_uid"])

    families = {
        "call": sorted((event for event in group if event["family"] == "call"), key=order),
        "live": sorted((event for event in group if event["family"] == "live"), key=order),
        "vendor": sorted((event for event in group if event["family"] == "vendor"), key=lambda e: (e["event_time"], e["event_uid"])),
    }
    tables["call_events"] += [call_event(event) for name in ("call", "live") for event in families[name]]
    if families["vendor"]:
        tables["vendor_calls"] += [vendor_call(families["vendor"][-1], flow) for flow in families["vendor"][-1]["flows"]]
    with_end = [
        name for name, events in families.items() if (name == "vendor" and events) or any(event.get("kind") == "end" for event in events)
    ]
    basis = with_end[0] if with_end else next(name for name, events in families.items() if events)
    row = vendor_row(families["vendor"][-1]) if basis == "vendor" else event_row(basis, families[basis], tables)
    finish(row, as_of, causes)
    tables["calls"].append(row)


def event_row(basis: str, events: list[Row], tables: dict[str, list[Row]]) -> Row:
    first_end = next((number for number, event in enumerate(events) if event["kind"] == "end"), None)
    heard = events if first_end is None else events[: first_end + 1]
    end = None if first_end is None else events[first_end]
    key = {"company": events[0]["company"], "call_id": events[0]["call_id"]}

    states = []
    for number, event in enumerate(heard):
        if event is end:
            break
        following = heard[number + 1] if number + 1 < len(heard) else None
        ended_at = None if following is None else following["event_time"]
        states.append({"event": event, "started_at": event["event_time"], "ended_at": ended_at})
    for number, state in enumerate(states):
        tables["call_states"].append(key | {"seq": number} | call_state(state))

    legs = legs_of(states)
    tables["call_legs"] += [key | {"leg": number} | public(leg) for number, leg in enumerate(legs)]
    visits = visits_of(states, end)
    tables["queue_visits"] += [key | {"visit": number} | visit for number, visit in enumerate(visits)]

    answered = next((s["started_at"] for s in states if s["event"]["phase"] in ("talking", "held")), None)
    by_people = [leg for leg in legs if leg["answered"] and is_person(leg["callee"])]
    row = key | {
        "pbx": events[0]["pbx"],
        "basis": basis,
        "started_at": events[0]["event_time"],
        "answered_at": answered,
        "ended_at": None if end is None else end["event_time"],
        "hold_count": 0,
        "leg_count": len(legs),
        "transfer_count": max(len(by_people) - 1, 0),
        "said": next((event["said"].lower() for event in reversed(heard) if event["said"] is not None), None),
        "caller": next((event["caller"] for event in reversed(heard) if event["caller"] is not None), None),
        "callee": next((event["callee"] for event in reversed(heard) if event["callee"] is not None), None),
        "answered_by": by_people[0]["callee"] if by_people else None,
        "answered_by_at": by_people[0]["answered_at"] if by_people else None,
        "tags": sorted({tag for event in heard for tag in event["tags"]}),
        "flags": sorted({flag for event in heard for flag in event["flags"]}),
        "end_cause": end and end["end_cause"],
        "end_cause_text": end and end["end_cause_text"],
        "ended_by": end and end["ended_by"],
        "event_count": len(events),
        "delivery_count": sum(event["delivery_count"] for event in events),
        "late_events": len(events) - len(heard),
        "has_start": any(event["kind"] == "start" for event in heard),
        "has_end": end is not None,
        "first_received_at": min(event["received_at"] for event in events),
        "last_received_at": max(event["last_received_at"] for event in events),
        "last_event_at": events[-1]["event_time"],
    }
    row |= sums(states)
    for name in ("destination", "service", "trunk_name", "queue_name", "queue_id"):
        row[name] = next((event[name] for event in reversed(heard) if event[name] is not None), None)
    before = None
    for state in states:
        if state["event"]["phase"] == "held" and before != "held":
            row["hold_count"] += 1
        before = state["event"]["phase"]
    return row


def sums(states: list[Row]) -> Row:
    got = {"ring_ms": 0, "talk_ms": 0, "hold_ms": 0, "other_ms": 0}
    columns = {"ringing": "ring_ms", "talking": "talk_ms", "held": "hold_ms", "other": "other_ms"}
    for state in states:
        if state["ended_at"] is not None:
            got[columns[state["event"]["phase"]]] += (state["ended_at"] - state["started_at"]) // 1000
    return got


def is_person(callee: Row | None) -> bool:
    return callee is not None and callee["user_id"] is not None and callee["device"] != "VOICEBOT"


def party_key(callee: Row | None) -> tuple[str, str | None]:
    if callee is None:
        return ("null", None)
    if callee["user_id"] is not None:
        return ("user", callee["user_id"])
    return ("phone", callee["phone"]) if callee["phone"] is not None else ("neither", None)


def legs_of(states: list[Row]) -> list[Row]:
    runs: list[list[Row]] = []
    for state in states:
        if runs and party_key(runs[-1][-1]["event"]["callee"]) == party_key(state["event"]["callee"]):
            runs[-1].append(state)
        else:
            runs.append([state])
    legs = []
    for run in runs:
        started_at, ended_at = run[0]["started_at"], run[-1]["ended_at"]
        callee = run[-1]["event"]["callee"]
        if callee is None and ended_at == started_at:
            continue
        answered = next((s["started_at"] for s in run if s["event"]["phase"] in ("talking", "held")), None)
        queue = next((s["event"]["queue_name"] for s in reversed(run) if s["event"]["queue_name"] is not None), None)
        leg = {"callee": callee, "queue_name": queue, "started_at": started_at, "answered_at": answered}
        legs.append(leg | {"ended_at": ended_at, "answered": answered is not None, **sums(run)})
    return legs


def public(leg: Row) -> Row:
    row = {name: value for name, value in leg.items() if name != "callee"}
    for name in ("type", "phone", "name", "user_id", "extension", "department"):
        row[f"callee_{name}"] = (leg["callee"] or {}).get(name)
    return row


def visits_of(states: list[Row], end: Row | None) -> list[Row]:
    runs: list[tuple[str, list[Row]]] = []
    for state in states:
        queue = state["event"]["queue_name"]
        if runs and (queue is None or queue == runs[-1][0]):
            runs[-1][1].append(state)
        elif queue is not None:
            runs.append((queue, [state]))
    visits = []
    for number, (queue, run) in enumerate(runs):
        following = runs[number + 1] if number + 1 < len(runs) else None
        left_at = following[1][0]["started_at"] if following else end and end["event_time"]
        by = next((s for s in run if s["event"]["phase"] in ("talking", "held") and is_person(s["event"]["callee"])), None)
        if by:
            result = "answered"
        elif following:
            result = "overflowed"
        elif end is None:
            result = "open"
        else:
            result = "caller_left" if (end["ended_by"] or "").lower() == "caller" else "unanswered"
        answered_at = by and by["started_at"]
        until_at = left_at if answered_at is None else answered_at
        ids = [s["event"]["queue_id"] for s in run if s["event"]["queue_id"] is not None]
        visits.append(
            {
                "queue_name": queue,
                "queue_id": ids[-1] if ids else None,
                "entered_at": run[0]["started_at"],
                "left_at": left_at,
                "answered_at": answered_at,
                "answered_by_user_id": by and by["event"]["callee"]["user_id"],
                "wait_ms": None if until_at is None else (until_at - run[0]["started_at"]) // 1000,
                "next_queue": following[0] if following else None,
                "result": result,
            }
        )
    return visits


def vendor_row(event: Row) -> Row:
    flows = event["flows"]

    def number(flow: Row, *names: str) -> int:
        return sum(flow[name] or 0 for name in names)

    def answer(flow: Row) -> int:
        began = event["event_time"] if flow["started_at"] is None else flow["started_at"]
        return began + 1000 * number(flow, "connectTime", "waitTime", "queueTime")

    def last(name: str) -> Any:
        return next((flow[name] for flow in reversed(flows) if flow[name] is not None), None)

    def of_data_first(name: str) -> Any:
        return last(name) if event[name] is None else event[name]

    def of_flows_first(name: str) -> Any:
        return event[name] if last(name) is None else last(name)

    talked = [flow for flow in flows if number(flow, "talkTime") > 0]
    by_people = [flow for flow in talked if is_person(flow["callee"])]
    started_at = min((f["started_at"] for f in flows if f["started_at"] is not None), default=event["event_time"])
    ended_at = max((f["ended_at"] for f in flows if f["ended_at"] is not None), default=event["event_time"])
    ring = sum(number(flow, "connectTime", "waitTime", "queueTime") for flow in flows)
    talk, hold = sum(number(flow, "talkTime") for flow in flows), sum(number(flow, "holdTime") for flow in flows)
    said = next((flow["direction"] for flow in flows if flow["direction"] is not None), None)
    return {
        "company": event["company"],
        "call_id": event["call_id"],
        "pbx": event["pbx"],
        "basis": "vendor",
        "started_at": started_at,
        "answered_at": answer(talked[0]) if talked else None,
        "ended_at": ended_at,
        "ring_ms": ring,
        "talk_ms": talk,
        "hold_ms": hold,
        "other_ms": max((ended_at - started_at) // 1000 - ring - talk - hold, 0),
        "hold_count": 0,
        "leg_count": len(flows),
        "transfer_count": max(len(by_people) - 1, 0),
        "said": None if said is None else said.lower(),
        "caller": next((flow["caller"] for flow in flows if flow["caller"] is not None), None),
        "callee": last("callee"),
        "answered_by": by_people[0]["callee"] if by_people else None,
        "answered_by_at": answer(by_people[0]) if by_people else None,
        **{name: of_flows_first(name) for name in ("destination", "service", "trunk_name", "queue_name", "queue_id")},
        **{name: of_data_first(name) for name in ("end_cause", "end_cause_text", "ended_by")},
        "tags": sorted({*event["tags"], *(tag for flow in flows for tag in flow["tags"])}),
        "flags": sorted({*event["flags"], *(flag for flow in flows for flag in flow["flags"])}),
        "event_count": 1,
        "delivery_count": event["delivery_count"],
        "late_events": 0,
        "has_start": True,
        "has_end": True,
        "first_received_at": event["received_at"],
        "last_received_at": event["last_received_at"],
        "last_event_at": event["event_time"],
    }


def finish(row: Row, as_of: int, causes: dict[str, tuple[str, str]]) -> None:
    """What follows from the row's other columns, in place; the row's own words go."""
    caller, callee, said = row.pop("caller"), row.pop("callee"), row.pop("said")
    for side, found in (("caller", caller), ("callee", callee)):
        for name in PARTICIPANT:
            row[f"{side}_{name}"] = None if found is None else found[name]
    answered_by, last_event_at = row.pop("answered_by"), row.pop("last_event_at")
    for name in ("user_id", "extension", "name", "department"):
        row[f"answered_by_{name}"] = None if answered_by is None else answered_by[name]

    ended, answered = row["ended_at"] is not None, row["answered_at"] is not None
    row["duration_ms"] = (row["ended_at"] - row["started_at"]) // 1000 if ended else None
    row["wait_ms"] = (row["answered_at"] - row["started_at"]) // 1000 if answered else row["duration_ms"]

    caller_type, callee_type = row["caller_type"], row["callee_type"]
    if said is not None:
        row["direction"] = said
    elif caller_type == "REMOTE":
        row["direction"] = "inbound"
    elif caller_type == "LOCAL" and (callee_type == "REMOTE" or (callee is None and row["trunk_name"] is not None)):
        row["direction"] = "outbound"
    elif caller_type == callee_type == "LOCAL":
        row["direction"] = "internal"
    else:
        row["direction"] = "unknown"

    row["external_phone"] = None
    if row["direction"] == "inbound":
        row["external_phone"] = row["caller_phone"]
    elif row["direction"] == "outbound":
        row["external_phone"] = row["destination"] if row["callee_phone"] is None else row["callee_phone"]
    digits = [character for character in row["external_phone"] or "" if character in "0123456789"]
    row["external_key"] = "".join(digits[-9:]) if len(digits) >= 6 else None

    row["end_cause_name"], row["end_cause_category"] = causes.get(row["end_cause"], ("unknown", "unknown"))
    if not ended:
        row["end_cause_name"] = row["end_cause_category"] = None
    row["ended_by"] = None if row["ended_by"] is None else row["ended_by"].lower()

    category = row["end_cause_category"]
    if not ended:
        row["outcome"] = "in_progress" if as_of - last_event_at < 4 * HOUR_US else "lost"
    elif answered:
        row["outcome"] = "answered"
    elif category in ("rejected", "busy", "no_answer"):
        row["outcome"] = category
    elif category in (
        "unreachable",
        "invalid_number",
        "congestion",
        "network_failure",
        "not_permitted",
        "protocol_error",
    ):
        row["outcome"] = "failed"
    elif row["ended_by"] == "caller":
        row["outcome"] = "abandoned"
    else:
        row["outcome"] = "no_answer"
    row["abandoned"] = (not answered and row["ended_by"] == "caller") if ended else None


def call_state(state: Row) -> Row:
    event, callee = state["event"], state["event"]["callee"] or {}
    ended_at = state["ended_at"]
    return {
        "status": event["status"],
        "phase": event["phase"],
        "started_at": state["started_at"],
        "ended_at": ended_at,
        "duration_ms": None if ended_at is None else (ended_at - state["started_at"]) // 1000,
        "caller_phone": (event["caller"] or {}).get("phone"),
        **{f"callee_{name}": callee.get(name) for name in ("type", "phone", "name", "user_id", "extension")},
        "queue_name": event["queue_name"],
    }


def call_event(event: Row) -> Row:
    row = {
        name: event[name]
        for name in (
            "company",
            "call_id",
            "event_uid",
            "family",
            "event_type",
            "kind",
            "event_time",
            "received_at",
            "source",
            "integration_id",
            "writer",
            "seq",
            "pbx",
            "status",
            "phase",
            "end_cause",
        )
    }
    row["caller_phone"] = (event["caller"] or {}).get("phone")
    row["callee_phone"] = (event["callee"] or {}).get("phone")
    row["ended_by"] = None if event["ended_by"] is None else event["ended_by"].lower()
    return row


def vendor_call(event: Row, flow: Row) -> Row:
    names = {
        "duration_ms": "duration",
        "connect_ms": "connectTime",
        "wait_ms": "waitTime",
        "queue_ms": "queueTime",
        "talk_ms": "talkTime",
        "hold_ms": "holdTime",
        "recordings": "recording",
        "voicemails": "voicemail",
        "faxes": "fax",
    }
    same = (
        "flow_index",
        "started_at",
        "ended_at",
        "direction",
        "trunk_name",
        "trunk_direction",
        "service_number",
        "remote_phone",
        "remote_country",
        "split_reason",
        "split_transfer_type",
        "merge_with",
        "caller_mos",
        "callee_mos",
        "call_status",
        "end_cause",
        "transcription_status",
    )
    row = {"company": event["company"], "call_id": event["call_id"], **{name: flow[name] for name in same}}
    row |= {name: flow[key] for name, key in names.items()}
    row["caller_phone"] = (flow["caller"] or {}).get("phone")
    row["callee_phone"] = (flow["callee"] or {}).get("phone")
    row["callee_name"] = (flow["callee"] or {}).get("name")
    return row


def intervals(company: str, extension: str, kind: str, events: list[Row]) -> list[Row]:
    rows: list[Row] = []
    for event in events:
        data = event["data"]
        location = obj(data.get("location"))
        status = text(data.get("status"))
        what = {
            "status": None if status is None else status.lower(),
            "message": text(data.get("message")),
            "until": until(data.get("until")),
            "address": text(location.get("address")),
            "lat": real(location.get("lat")),
            "lng": real(location.get("lng")),
        }
        if rows and all(rows[-1][name] == value for name, value in what.items()):
            continue
        if rows:
            rows[-1]["ended_at"] = event["event_time"]
            rows[-1]["duration_ms"] = (event["event_time"] - rows[-1]["started_at"]) // 1000
        rows.append(
            {"company": company, "extension": extension, "kind": kind, "started_at": event["event_time"], **what}
            | {"email": text(data.get("email")), "ended_at": None, "duration_ms": None}
        )
    return rows


def conference_event(event: Row) -> Row:
    data, who = event["data"], obj(event["data"].get("participant"))
    return {
        "company": event["company"],
        "extension": event["extension"],
        "event_time": event["event_time"],
        "is_joined": truth(data.get("isJoined")),
        "is_left": truth(data.get("isLeaved")),
        "participant_type": text(who.get("type")),
        "participant_name": text(who.get("name")),
        "participant_email": text(who.get("email")),
    }


def people(events: list[Row]) -> list[Row]:
    newest: dict[tuple[str, str], tuple[tuple[int, int, str, int, int], Row]] = {}
    for event in events:
        if event["family"] == "presence":
            continue
        rank = 3 if event["family"] == "vendor" else KIND_RANK[event["kind"]]
        for place, source in enumerate(event["flows"] if event["family"] == "vendor" else [event]):
            for side, who in enumerate((source["caller"], source["callee"])):
                if who is None or who["type"] != "LOCAL" or who["extension"] is None:
                    continue
                order = (event["event_time"], rank, event["event_uid"], side, place)
                key = (event["company"], who["extension"])
                if key not in newest or order > newest[key][0]:
                    newest[key] = (order, who)
    return [
        {"company": company, "extension": extension, "last_seen_at": order[0]}
        | {name: who[name] for name in ("user_id", "name", "email", "department", "group_name")}
        for (company, extension), (order, who) in newest.items()
    ]
