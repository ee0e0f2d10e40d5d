"""Events made to be awkward: few values, so that they meet, and among them what a reader would not expect there."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from tests.builders import COMPANY, MONDAY, Event, epoch_ms
from tests.transforms.reference_model import Delivery

Pick = Callable[[random.Random], Any]
ODD = (None, "", 5, True, 1.5, {"a": 1}, [1], "\u0000", "x", -3, 10**17, "İΣ", False, 10**30, -0.0, "null", "[1]", "{}")


def one(*values: Any) -> Pick:
    return lambda rng: rng.choice(values)


def mostly(*values: Any) -> Pick:
    return lambda rng: rng.choice(values) if rng.random() < 0.85 else rng.choice(ODD)


def some(fields: dict[str, Pick]) -> Pick:
    """An object with most of these fields."""
    return lambda rng: {name: pick(rng) for name, pick in fields.items() if rng.random() < 0.8}


def many(pick: Pick, most: int) -> Pick:
    return lambda rng: [pick(rng) for _ in range(rng.randint(0, most))]


def either(usual: Pick, rare: Pick, chance: float = 0.1) -> Pick:
    return lambda rng: rare(rng) if rng.random() < chance else usual(rng)


odd = one(*ODD)
party = either(
    some(
        {
            "type": mostly("LOCAL", "LOCAL", "REMOTE", "local"),
            "phone": mostly("201", "202", "+44 1632 960123", "12345", "٣٣٣٣٣٣٣٣", "1-2-3-4-5-6"),
            "name": mostly("Anna", "Bruno"),
            "email": mostly("anna@example.com"),
            "userId": mostly("1", "2", "1", "2", None),
            "userExtension": mostly("201", "202"),
            "userDepartment": mostly("Sales"),
            "groupName": mostly("Default"),
            "userDevice": mostly("VOICEBOT", "voicebot", None, None),
        }
    ),
    one(None, None, None, {}, {}, 5, "x", []),
    0.3,
)
words = either(many(mostly("vip", "b", "B", "é", "𐀀", "\uffff"), 3), odd)
FIELDS = {
    "status": mostly("RINGING", "ringing", "TALKING", "TALKING", "HOLD", "HOLD", "up", None),
    "caller": party,
    "callee": party,
    "service": mostly("s1", None),
    "destination": mostly("0044 1632 960 456", "10020", None),
    "trunkName": mostly("trunk", None),
    "queueName": mostly("Sales", "Support", "Sales", None, None),
    "queueId": mostly("1", "2", None),
    "tags": words,
    "flags": words,
    "endCause": mostly("16", "17", "21", "3", "19", "34", 16, "999", None),
    "endCauseStr": mostly("Normal", None),
    "endBy": mostly("CALLER", "caller", "CALLEE", None),
}
figure = mostly(0, 0, 100, "250", 1000, 5000, -50, None, "1e3", 999_999_999_999_999, -999_999_999_999_999)
moment = one(*(epoch_ms(MONDAY) + n * 500 for n in range(6)), None, None, 0, "1772442001000", "x", 1.5)
flow = either(
    some(
        FIELDS
        | {
            "flowIndex": one(0, 1, 2, "1", None, "x", -1),
            "startTime": moment,
            "endTime": moment,
            "duration": figure,
            "connectTime": figure,
            "waitTime": figure,
            "queueTime": figure,
            "talkTime": figure,
            "holdTime": figure,
            "direction": mostly("INBOUND", "outbound", "Internal", None),
            "callStatus": mostly("COMPLETED", "MISSED"),
            "trunkDirection": mostly("in"),
            "serviceNumber": mostly("100"),
            "remotePhone": mostly("+441632960123"),
            "remotePhoneCountryCodeStr": mostly("GB"),
            "splitReason": mostly("TRANSFER"),
            "splitTransferType": mostly("BLIND"),
            "mergeWith": mostly("c_1.2"),
            "transcriptionStatus": mostly("DONE"),
            "callerMos": mostly(4.2, 0, 5, 5.01, "3.5", 0.01),
            "calleeMos": mostly(4.2, None),
            "attachments": either(
                many(one({"recording": {}}, {"recording": None, "fax": 1}, {"voicemail": "v", "fax": ""}, 3, None), 3), odd
            ),
        }
    ),
    one(None, 5, []),
)
flows = either(many(flow, 4), odd)
data = some(FIELDS)
live_data = some(
    {
        "flows": flows,
        "id": one("c_1", "c_1", "c_2", "", 5, None),
        "eventTrigger": mostly("call.start", "call.update", "call.end"),
        "direction": mostly("INBOUND", "OUTBOUND", None),
    }
)
TYPES = (
    *("call:start", *["call:update"] * 5, "call:end") * 2,
    *("call:live:progress", "call:live:progress", "call:live:completed", "call:live:interrupted"),
    *("call:completed", "call:live:transcription", "other"),
)
presence_data = some(
    {
        "extension": mostly("201", 201, "202", None),
        "email": mostly("anna@example.com", "b@example.com"),
        "status": mostly("DND", "dnd", "away", "registered"),
        "message": mostly("lunch", None),
        "until": one("2026-03-02T10:00:00Z", "2026-03-02", "2026-03-02 10:00+01", "2026-03-02T10:00:00,12345", "soon", 5),
        "location": one(None, {}, 5, {"address": "1 High St", "lat": 51.5, "lng": "-0.1"}, {"lat": 51.5, "lng": True}),
        "isJoined": one(True, False, None, "true"),
        "isLeaved": one(True, False, None, 1),
        "participant": one(None, {"type": "LOCAL", "name": 7}, "x", {"email": "a@example.com"}),
    }
)


def instant(rng: random.Random) -> int | str:
    at = epoch_ms(MONDAY) + rng.randint(0, 7) * 500
    return at if rng.random() < 0.95 else str(at)


def envelope(rng: random.Random, event_id: str, event_type: str) -> Event:
    sent = {"id": event_id, "type": event_type, "time": instant(rng), "company": rng.choice([COMPANY, COMPANY, "other"])}
    return sent | {"pbx": rng.choice(["1", "2", None, 7]), "integrationId": rng.choice(["abc123", "def456", None])}


def call_event(rng: random.Random, call_id: str, types: Sequence[str]) -> Event:
    sent = envelope(rng, call_id, rng.choice(types))
    own = data(rng)
    if sent["type"].startswith(("call:live", "call:completed")):
        own |= live_data(rng)
        if isinstance(own.get("id"), str) and own["id"]:
            own["id"] = call_id  # the envelope's id is another one's then
            sent["id"] = rng.choice([call_id, "elsewhere"])
    return sent | {"data": own if rng.random() < 0.95 else odd(rng)}


def call_events(rng: random.Random, call_id: str) -> list[Event]:
    """Events of one call: of one family, or of any."""
    some_types = [TYPES, ("call:start", *["call:update"] * 6, "call:end"), ("call:completed",)]
    some_types += [tuple(name for name in TYPES if "live" in name), TYPES, ("call:start", "call:update", "call:completed")]
    types = rng.choice(some_types)
    return [call_event(rng, call_id, types) for _ in range(rng.randint(1, 8))]


def presence_event(rng: random.Random) -> Event:
    kind = rng.choice(["user", "user", "user", "telephony", "conference"])
    sent = envelope(rng, rng.choice([f"{COMPANY}_201", "201", f"{COMPANY}_", "a_b_202"]), f"presence:{kind}")
    return sent | {"data": presence_data(rng) if rng.random() < 0.95 else odd(rng)}


def deliveries(rng: random.Random, events: Sequence[Event]) -> list[Delivery]:
    """Some delivered again: through another source, by another integration, or the same row twice; in any order."""
    found: list[Delivery] = []
    for seq, sent in enumerate(events, 1):
        for again in range(rng.choice([1, 1, 1, 2, 3])):
            body = json.dumps(sent | ({"integrationId": "again"} if again == 2 else {}), ensure_ascii=False).encode()
            at = MONDAY + timedelta(hours=1, seconds=rng.randint(0, 2), microseconds=rng.randint(0, 1))
            found.append(Delivery(f"{again}" * 32, seq, at, rng.choice(["acme", "backfill"]), body))
    found += rng.choices(found, k=len(found) // 10)
    rng.shuffle(found)
    return found
