"""The simulated phone system: repeatable, shaped as the vendor's guide, and believable."""

import re
import tracemalloc
from collections import Counter, defaultdict
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest

from ingest.envelope import Envelope, read_envelope
from ingest.simulate.scenario import MS_PER_DAY, Scenario, events

END_MS = int(datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp() * 1000)
DATA_KEYS = [
    "status", "caller", "callee", "service", "destination", "trunkName", "queueName", "queueId", "tags", "flags", "endCause",
    "endCauseStr", "endBy",
]  # fmt: skip
PARTY_KEYS = [
    "type", "phone", "name", "company", "email", "userId", "userExtension", "userDepartment", "groupId", "groupName",
    "userAgent", "userDevice",
]  # fmt: skip

Call = list[dict[str, Any]]


def scenario(**changes: Any) -> Scenario:
    return Scenario(**({"seed": 7, "calls": 300, "end_ms": END_MS, "days": 14} | changes))


@pytest.fixture(scope="module")
def bodies() -> list[bytes]:
    return [event.body for event in events(scenario(calls=4000, companies=2, live_share=0.05))]


@pytest.fixture(scope="module")
def messages(bodies: list[bytes]) -> list[dict[str, Any]]:
    return [orjson.loads(body) for body in bodies]


@pytest.fixture(scope="module")
def calls(messages: list[dict[str, Any]]) -> dict[str, Call]:
    """The call:* events of each call that is told by them."""
    told: dict[str, Call] = defaultdict(list)
    for message in messages:
        if message["type"] in ("call:start", "call:update", "call:end"):
            told[message["id"]].append(message)
    return dict(told)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    first = list(events(scenario()))
    assert first == list(events(scenario()))
    assert first != list(events(scenario(seed=8)))


def test_events_come_in_order_of_time_and_within_the_period() -> None:
    times = [event.time_ms for event in events(scenario())]
    assert times == sorted(times)
    assert times[0] >= END_MS - 14 * MS_PER_DAY
    assert times[-1] <= END_MS


@pytest.mark.parametrize("calls", [0, 1, 17, 300])
def test_exactly_so_many_calls_begin(calls: int) -> None:
    ids = {message["id"] for event in events(scenario(calls=calls)) if (message := orjson.loads(event.body))["type"].startswith("call:")}
    assert len(ids) == calls


def test_every_body_is_usable_and_its_time_is_the_events() -> None:
    for event in events(scenario(companies=2)):
        envelope = read_envelope(event.body)
        assert isinstance(envelope, Envelope), event.body
        assert envelope.event_time_ms == event.time_ms


def test_bodies_have_the_keys_of_the_vendors_guide_in_its_order(calls: dict[str, Call]) -> None:
    for call in calls.values():
        for message in call:
            assert list(message) == ["id", "pbx", "time", "company", "type", "integrationId", "data"]
            assert list(message["data"]) == DATA_KEYS
            for party in (message["data"]["caller"], message["data"]["callee"]):
                if party is not None:
                    assert [key for key in party if key not in ("role", "license")] == PARTY_KEYS


def test_nobody_real_is_in_it(bodies: list[bytes]) -> None:
    text = b"".join(bodies).decode()
    assert set(re.findall(r"@([\w.]+)", text)) == {"example.com", "pbx.example.com"}
    external = set(re.findall(r'"(\+[^"]*)"', text))
    assert len(external) > 300
    assert all(re.fullmatch(r"\+155501\d\d|\+441632960\d\d\d", phone) for phone in external)


def test_calls_come_in_business_hours_with_a_lunch_dip(calls: dict[str, Call]) -> None:
    starts = [datetime.fromtimestamp(call[0]["time"] / 1000, ZoneInfo("Europe/Rome")) for call in calls.values()]
    hours = Counter(start.hour for start in starts if start.weekday() < 5)
    days = Counter(start.weekday() for start in starts)
    assert hours[13] < 0.75 * hours[10]
    assert hours[15] > 1.2 * hours[13]
    assert sum(hours[hour] for hour in range(8, 19)) > 0.9 * hours.total()
    assert days[0] > days[4] > 3 * days[5] > 3 * days[6]


def test_every_call_starts_once_ends_at_most_once_and_moves_forward(calls: dict[str, Call]) -> None:
    for call in calls.values():
        kinds = [message["type"] for message in call]
        assert kinds[0] == "call:start"
        assert kinds.count("call:start") == 1
        assert kinds.count("call:end") <= 1
        assert "call:end" not in kinds[:-1]


def statuses(call: Call) -> list[str]:
    return [message["data"]["status"] for message in call if message["type"] != "call:end"]


def rung_people(call: Call) -> list[str]:
    return [
        message["data"]["callee"]["userId"]
        for message in call
        if message["data"]["status"] == "RINGING" and (message["data"]["callee"] or {}).get("userId")
    ]


FEATURES = {
    "start and update in one millisecond": lambda call: call[0]["time"] == call[1]["time"],
    "a queue that rings several people": lambda call: len(set(rung_people(call))) > 2,
    "overflow from queue to queue": lambda call: len({m["data"]["queueName"] for m in call} - {None}) > 1,
    "a hold": lambda call: "HOLD" in statuses(call),
    "a hold told twice in a row": lambda call: ("HOLD", "HOLD") in pairwise(statuses(call)),
    "a transfer": lambda call: ("TALKING", "RINGING") in pairwise(statuses(call)) or "HOLD,RINGING" in ",".join(statuses(call)),
    "a status no list knows": lambda call: "PARKED" in statuses(call),
    "a caller who gives up": lambda call: "TALKING" not in statuses(call) and call[-1]["data"]["endBy"] == "CALLER",
    "cause 21 by the caller, as in the guide": lambda call: (
        (call[-1]["data"]["endCause"], call[-1]["data"]["endCauseStr"], call[-1]["data"]["endBy"]) == ("21", "Call Rejected", "CALLER")
    ),
    "a rejection": lambda call: (call[-1]["data"]["endCause"], call[-1]["data"]["endBy"]) == ("21", "CALLEE"),
    "busy": lambda call: call[-1]["data"]["endCause"] == "17",
    "a dead number": lambda call: call[-1]["data"]["endCause"] == "1",
    "a cause no list knows": lambda call: call[-1]["data"]["endCause"] == "487",
    "an end by nobody": lambda call: call[-1]["type"] == "call:end" and call[-1]["data"]["endBy"] is None,
    "voicemail": lambda call: "voicemail" in call[-1]["data"]["flags"],
    "a menu without a user that answers": lambda call: any(
        m["data"]["status"] == "TALKING" and m["data"]["callee"]["userId"] is None for m in call if m["data"]["callee"]
    ),
    "a voice bot that answers": lambda call: any((m["data"]["callee"] or {}).get("userDevice") == "VOICEBOT" for m in call),
    "a call without an end": lambda call: call[-1]["type"] != "call:end",
    "a withheld number": lambda call: call[0]["data"]["caller"]["phone"] is None,
    "tags": lambda call: "vip" in call[-1]["data"]["tags"],
    "internal": lambda call: call[0]["data"]["trunkName"] is None,
    "outbound": lambda call: call[0]["data"]["trunkName"] and call[0]["data"]["caller"]["type"] == "LOCAL",
    "inbound": lambda call: call[0]["data"]["caller"]["type"] == "REMOTE",
}


@pytest.mark.parametrize("feature", FEATURES)
def test_the_traffic_has(feature: str, calls: dict[str, Call]) -> None:
    found = sum(1 for call in calls.values() if FEATURES[feature](call))
    assert 0 < found < len(calls)


def test_phones_of_a_ring_all_queue_ring_together(calls: dict[str, Call]) -> None:
    together = 0
    for call in calls.values():
        ringing = [m["time"] for m in call if m["data"]["queueName"] == "Sales" and m["data"]["status"] == "RINGING"]
        together += any(later - sooner <= 2 for sooner, later in pairwise(ringing))
    assert together > 10


def test_missed_callers_ring_again_or_are_called_back(calls: dict[str, Call]) -> None:
    missed: dict[str, int] = {}
    again = back = 0
    for call in calls.values():
        first, last = call[0], call[-1]["data"]
        inbound = first["data"]["caller"]["type"] == "REMOTE"
        phone = first["data"]["caller"]["phone"] if inbound else first["data"]["destination"]
        if phone in missed and first["time"] - missed[phone] < 3 * 3_600_000:
            again += inbound
            back += not inbound
            del missed[phone]
        if inbound and last["endBy"] == "CALLER" and "TALKING" not in statuses(call):
            missed[phone] = call[-1]["time"]
    assert again > 20
    assert back > 10


def test_phones_tell_a_possible_story(messages: list[dict[str, Any]]) -> None:
    possible = {
        ("registered", "registered"), ("registered", "ringing"), ("ringing", "registered"), ("ringing", "talking"),
        ("talking", "registered"), ("talking", "rt"), ("rt", "talking"),
    }  # fmt: skip
    told: dict[str, list[str]] = defaultdict(lambda: ["registered"])
    for message in messages:
        if message["type"] == "presence:telephony":
            told[message["id"]].append(message["data"]["status"])
    steps = Counter(step for story in told.values() for step in pairwise(story))
    assert set(steps) == possible


def test_who_talks_in_a_call_has_a_phone_that_says_so(messages: list[dict[str, Any]]) -> None:
    phone: dict[tuple[str, str], str] = {}
    checked = 0
    for message in messages:
        data = message["data"]
        if message["type"] == "presence:telephony":
            phone[message["company"], data["extension"]] = data["status"]
        elif message["type"] == "call:end" and data["status"] == "TALKING" and (data["callee"] or {}).get("userAgent"):
            assert phone[message["company"], data["callee"]["userExtension"]] in ("talking", "rt")
            checked += 1
    assert checked > 500


def test_people_are_away_until_a_time_and_say_why(messages: list[dict[str, Any]]) -> None:
    said = [message["data"] for message in messages if message["type"] == "presence:user"]
    assert {data["status"] for data in said} == {"available", "away", "dnd"}
    assert {data["message"] for data in said} >= {None, "Lunch", "In a meeting"}
    lunches = [data for data in said if data["message"] == "Lunch"]
    assert all(datetime.fromisoformat(data["until"]).tzinfo is not None for data in lunches)
    assert any(data["location"] and data["location"]["address"] for data in said)


def test_conferences_are_joined_and_left(messages: list[dict[str, Any]]) -> None:
    said = [message["data"] for message in messages if message["type"] == "presence:conference"]
    joined = sum(data["isJoined"] for data in said)
    assert 0 < sum(data["isLeaved"] for data in said) <= joined < len(said)


def test_the_vendors_account_adds_up(messages: list[dict[str, Any]]) -> None:
    accounts = [message for message in messages if message["type"] == "call:completed"]
    assert len(accounts) > 500
    for account in accounts:
        flows = account["data"]["flows"]
        assert [flow["flowIndex"] for flow in flows] == list(range(len(flows)))
        for flow in flows:
            figures = [flow[name] for name in ("connectTime", "waitTime", "queueTime", "talkTime", "holdTime")]
            assert flow["duration"] == sum(figures) == flow["endTime"] - flow["startTime"]
        assert all(sooner["endTime"] == later["startTime"] for sooner, later in pairwise(flows))
    assert any(len(account["data"]["flows"]) > 1 for account in accounts)


def test_live_calls_are_told_as_snapshots_of_a_flow(messages: list[dict[str, Any]]) -> None:
    live = [message for message in messages if message["type"].startswith("call:live:")]
    kinds = Counter((message["type"], message["data"]["eventTrigger"]) for message in live)
    assert set(kinds) == {
        ("call:live:progress", "call.start"),
        ("call:live:progress", "call.update"),
        ("call:live:completed", "call.end"),
        ("call:live:interrupted", "call.end"),
    }
    assert all(set(DATA_KEYS) <= set(message["data"]["flows"][-1]) for message in live)


def test_what_is_not_asked_for_does_not_come() -> None:
    plain = scenario(presence=False, completed_share=0, live_share=0, lost_share=0, integration_id="only-this")
    types: Counter[str] = Counter()
    for event in events(plain):
        message = orjson.loads(event.body)
        types[message["type"]] += 1
        assert message["integrationId"] == "only-this"
    assert set(types) == {"call:start", "call:update", "call:end"}
    # those still going on have no end yet
    assert 295 <= types["call:end"] <= types["call:start"] == 300


def test_memory_follows_the_calls_in_flight_not_their_number() -> None:
    def peak(days: int) -> int:
        tracemalloc.start()
        for _ in events(scenario(calls=days * 150, days=days)):
            pass
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(28) < 1.5 * peak(7)
