"""Sentences of CONTRACT §6 that are easily missed, one by one."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.builders import COMPANY, MONDAY, Call, agent, call, customer, event, facts, rows, voicebot
from transforms.facts import people
from transforms.outcome import LOST_AFTER

CALL_ID = f"{COMPANY}_1772442000.1"


def only(tables, name="calls"):
    [row] = rows(tables[name])
    return row


@pytest.mark.parametrize(("since", "outcome"), [(-1, "in_progress"), (0, "lost"), (1, "lost")])
def test_an_open_call_is_lost_at_exactly_four_hours(since: int, outcome: str) -> None:
    events = call(ring=5_000, talk=1_000, ended=False).events()
    last = MONDAY + timedelta(seconds=5)
    tables = facts(events, as_of=last + LOST_AFTER + timedelta(microseconds=since))
    assert only(tables)["outcome"] == outcome
    assert only(tables, "open_calls") | {"k": 0} == {
        "k": 0,
        "company": COMPANY,
        "call_id": CALL_ID,
        "turns_lost_at": last + LOST_AFTER,
        "outcome": outcome,
    }


def test_an_open_call_waits_until_its_answer_and_is_neither_abandoned_nor_ended() -> None:
    never = only(facts(call(ring=5_000, ended=False).then("update", "RINGING", after=3_000).events()))
    assert (never["wait_ms"], never["duration_ms"], never["ring_ms"], never["abandoned"]) == (None, None, 3_000, None)
    assert [never[f"end_cause{part}"] for part in ("", "_text", "_name", "_category")] == [None] * 4
    answered = only(facts(call(ring=5_000, talk=1, ended=False).events()))
    assert (answered["wait_ms"], answered["ring_ms"], answered["talk_ms"]) == (5_000, 5_000, 0)


def test_an_end_alone_is_a_call_without_states() -> None:
    tables = facts([event("end", MONDAY, call_id=CALL_ID, status="TALKING", endBy="Caller", endCause=None)])
    row = only(tables)
    assert (row["duration_ms"], row["wait_ms"], row["has_start"], row["answered_at"]) == (0, 0, False, None)
    assert (row["end_cause_name"], row["end_cause_category"]) == ("unknown", "unknown")
    assert (row["outcome"], row["abandoned"], row["ended_by"]) == ("abandoned", True, "caller")
    assert tables["call_states"].is_empty() and tables["call_legs"].is_empty()


def test_abandoned_whatever_the_cause() -> None:
    row = only(facts(call(cause="17", ended_by="CALLER").events()))
    assert (row["outcome"], row["abandoned"]) == ("busy", True)


def test_late_events_change_five_columns_alone() -> None:
    usual = call(ring=5_000, talk=10_000)
    late = usual.then("start", "HOLD", after=1_000, callee=agent("999"), tags=["late"], queueName="Late", destination="1")
    late = late.then("end", "HOLD", after=1_000, endCause="17", endBy="CALLER")
    changed = {name for name, value in only(facts(late.events())).items() if value != only(facts(usual.events()))[name]}
    assert changed == {"late_events", "event_count", "delivery_count", "last_received_at"}


def test_has_start_looks_no_further_than_the_first_end() -> None:
    built = Call().then("update", "RINGING").then("end", "RINGING", after=5).then("start", "RINGING", after=5)
    assert only(facts(built.events()))["has_start"] is False


def test_a_voicebot_answers_but_is_no_person() -> None:
    row = only(facts(call(ring=1_000, talk=5_000, callee=voicebot()).events()))
    assert row["outcome"] == "answered"
    assert (row["answered_by_at"], row["answered_by_user_id"], row["transfer_count"]) == (None, None, 0)


@pytest.mark.parametrize(
    ("caller", "callee", "trunk", "direction"),
    [
        (customer(), agent(), None, "inbound"),
        (customer(), None, None, "inbound"),
        (agent(), customer(), None, "outbound"),
        (agent(), None, "trunk", "outbound"),
        (agent(), None, "", "outbound"),
        (agent(), None, None, "unknown"),
        (agent(), {}, "trunk", "unknown"),
        (agent(), agent("202"), "trunk", "internal"),
        (agent(type="local"), agent("202"), None, "unknown"),
        (None, agent(), None, "unknown"),
    ],
)
def test_direction(caller, callee, trunk, direction) -> None:
    built = Call(caller=caller, callee=callee, data={"trunkName": trunk}).then("start", "RINGING")
    assert only(facts(built.events()))["direction"] == direction


@pytest.mark.parametrize(
    ("phone", "key"),
    [
        ("+44 1632 960123", "632960123"),
        ("123456", "123456"),
        ("12345", None),
        ("", None),
        (None, None),
        ("٣٣٣٣٣٣٣٣٣", None),
        ("sip:12-34 56@x", "123456"),
    ],
)
def test_external_key(phone, key) -> None:
    row = only(facts(call(caller=customer(phone)).events()))
    assert (row["external_phone"], row["external_key"]) == (phone, key)


def test_callees_without_user_id_and_phone_are_one_party_and_null_another() -> None:
    built = Call(callee={"name": "a"}).then("start", "RINGING").then("update", "RINGING", after=5, callee={"name": "b"})
    built = built.then("update", "RINGING", after=5, callee=None).then("update", "RINGING", after=5, callee={"phone": "1"})
    built = built.then("update", "RINGING", after=5, callee={"phone": "9", "userId": "1"}).then("end", None, after=5)
    legs = rows(facts(built.events())["call_legs"])
    assert [leg["callee_name"] for leg in legs] == ["b", None, None, None]
    assert [leg["ring_ms"] for leg in legs] == [10, 5, 5, 5]


def test_a_queue_lasts_through_states_that_name_none() -> None:
    built = Call(callee=None).then("start", "RINGING").then("update", "QUEUED", after=5, queueName="A", queueId="1")
    built = built.then("update", "QUEUED", after=5, queueName=None, queueId="2").then(
        "update", "QUEUED", after=5, queueName="A", queueId=None
    )
    built = built.then("end", None, after=5, endBy="CALLEE")
    row = only(facts(built.events()), "queue_visits")
    assert (row["queue_name"], row["queue_id"], row["wait_ms"], row["result"]) == ("A", "2", 15, "unanswered")


def test_people_take_the_callee_before_the_caller_then_the_last_flow() -> None:
    def flow(caller: str, callee: str) -> dict:
        return {"caller": agent("201", name=caller), "callee": agent("201", name=callee)}

    done = event("call:completed", MONDAY, call_id=CALL_ID, flows=[flow("a", "b"), flow("c", "d")])
    assert only(facts([done]), "people")["name"] == "d"
    done["data"]["flows"][1]["callee"] = None
    tables = facts([done])
    assert only(tables, "people")["name"] == "b"
    assert rows(people(tables["people_seen"].vstack(tables["people_seen"]))) == rows(tables["people"])


def test_vendor_row_without_flows_stands_at_its_event() -> None:
    row = only(facts([event("call:completed", MONDAY, call_id=CALL_ID, endBy="CALLER", tags=["b", "a", "b"])]))
    assert (row["basis"], row["started_at"], row["ended_at"], row["duration_ms"]) == ("vendor", MONDAY, MONDAY, 0)
    assert (row["leg_count"], row["tags"], row["outcome"], row["has_end"]) == (0, ["a", "b"], "abandoned", True)


def test_statuses_that_the_list_lacks_are_named() -> None:
    built = Call().then("start", "ringing").then("update", "PARKED", after=1).then("update", "PARKED", after=1)
    tables = facts([*built.events(), *built.events()])
    assert rows(tables["unlisted_statuses"]) == [{"status": "PARKED", "events": 2}]


def test_a_call_of_ten_thousand_events_and_a_week() -> None:
    step = 7 * 24 * 3_600_000 // 10_000
    built = [
        event("update", MONDAY + timedelta(milliseconds=step * n), call_id=CALL_ID, status="HOLD" if n % 2 else "TALKING")
        for n in range(10_000)
    ]
    end = event("end", MONDAY + timedelta(days=7), call_id=CALL_ID, status=None)
    row = only(facts([*built, end]))
    assert (row["hold_count"], row["talk_ms"], row["hold_ms"]) == (5_000, 5_000 * step, 5_000 * step)
    assert row["duration_ms"] == 7 * 24 * 3_600_000
