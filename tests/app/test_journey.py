"""A call as a story."""

from datetime import timedelta

import polars as pl

from app.journey import LANES, lanes, party, people, sentence
from tests.app.conftest import NOW, call_row


def ms(milliseconds):
    return NOW + timedelta(milliseconds=milliseconds)


def state(start, end, phase, name=None, number=None):
    return {
        "phase": phase,
        "started_at": ms(start),
        "ended_at": None if end is None else ms(end),
        "callee_name": name,
        "callee_phone": number,
        "callee_extension": number,
    }


def leg(start, name, *, ring=0, talk=0, hold=0):
    return {
        "started_at": ms(start),
        "callee_name": name,
        "callee_phone": None,
        "callee_extension": None,
        "ring_ms": ring,
        "talk_ms": talk,
        "hold_ms": hold,
        "other_ms": 0,
        "answered": talk > 0,
    }


def visit(start, queue, result, wait, *, next_queue=None, answered=None, left=None):
    return {
        "entered_at": ms(start),
        "queue_name": queue,
        "result": result,
        "wait_ms": wait,
        "next_queue": next_queue,
        "answered_at": None if answered is None else ms(answered),
        "left_at": None if left is None else ms(left),
    }


def test_a_transfer_is_told_in_the_order_of_time():
    call = call_row("Anna", NOW, destination="Support", ended_by="caller", end_cause_text=None)
    told = sentence(
        call,
        [leg(0, None), leg(4000, "Bo", ring=3000), leg(7000, "Cleo", ring=5000, talk=60_000, hold=4000), leg(76_000, "Dag", talk=30_000)],
        [visit(3500, "Support", "answered", 8500, answered=12_000, left=107_000)],
    )
    assert told == (
        "Anna (+15550100) called in on Support, waited 9s in queue Support, Bo was rung for 3s, "
        "Cleo answered after 5s (1m 04s, 4s of it on hold), "
        "Dag answered at once (30s). The caller hung up after 1m 47s (Normal call clearing)."
    )


def test_a_call_in_progress_and_a_lost_one_say_so():
    bare = dict.fromkeys(
        ("caller_name", "caller_phone", "caller_extension", "callee_name", "callee_phone", "callee_extension", "destination", "service")
    )
    going = call_row("x", NOW, **bare, outcome="in_progress", answered_at=None, ended_at=None, duration_ms=None, ended_by=None)
    assert (
        sentence(going, [], [visit(0, "Support", "open", None)]) == "Somebody called in, is in queue Support. The call is still going on."
    )
    assert sentence(going | {"outcome": "lost"}, [], []).endswith("Its end never came, so its length is not known.")


def test_a_party_without_a_name_is_its_number_and_without_both_unknown():
    assert party({"caller_name": None, "caller_phone": "+15550100"}, "caller") == "+15550100"
    assert party({"caller_name": "Anna", "caller_phone": "201", "caller_extension": None}, "caller") == "Anna (201)"
    assert party({}, "caller") == "unknown"


def test_lanes_join_neighbours_and_run_on_to_now_in_an_open_call():
    call = call_row("Anna", NOW)
    states = [
        state(0, 1000, "ringing", "Bo", "201"),
        state(1000, 3000, "ringing", "Bo", "201"),
        state(3000, 5000, "talking", "Bo", "201"),
        state(5000, None, "held", "Bo", "201"),
    ]
    drawn = lanes(call, states, [visit(0, "Support", "answered", 3000, answered=3000)], as_of=ms(9000))
    assert drawn.schema == pl.Schema(LANES)
    assert drawn.select("lane", "kind", "from_ms", "until_ms").rows() == [
        ("The call", "ringing", 0, 3000),
        ("The call", "talking", 3000, 5000),
        ("The call", "held", 5000, 9000),
        ("Queue Support", "waiting", 0, 3000),
        ("Bo (201)", "ringing", 0, 3000),
        ("Bo (201)", "talking", 3000, 5000),
        ("Bo (201)", "held", 5000, 9000),
    ]
    assert drawn["tip"][1] == "00:03.000 – 00:05.000 (2s)"


def test_a_call_without_states_has_no_lanes():
    assert lanes(call_row("Anna", NOW), [], [], as_of=NOW).height == 0


def test_people_of_ours_are_each_there_once_the_caller_first_then_who_answered():
    def of(extension, name, *, answered, user="u"):
        return {"callee_extension": extension, "callee_user_id": user, "callee_name": name, "answered": answered}

    call = call_row("Anna", NOW, caller_user_id=None)
    rung, first, second = of("201", "Bo", answered=False), of("202", "Cleo", answered=True), of("203", None, answered=True)
    outside, again = of(None, "Eve", answered=True, user=None), of("202", "Cleo", answered=False)
    assert people(call, [rung, first, outside, second, again]) == [("acme_202", "Cleo"), ("acme_203", "acme_203"), ("acme_201", "Bo")]
    ours = call | {"caller_user_id": "u7", "caller_extension": None, "caller_name": "Dag"}
    assert people(ours, [first]) == [("acme_u7", "Dag"), ("acme_202", "Cleo")]
