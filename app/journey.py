"""A call as a story: its states, legs and visits → blocks to draw, and a sentence to read. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import polars as pl

from app.charts import NOTHING, clock, duration, short

LANES: Final = {
    "lane": pl.String(),
    "kind": pl.String(),
    "from_ms": pl.Int64(),
    "until_ms": pl.Int64(),
    "text": pl.String(),
    "tip": pl.String(),
    "key": pl.String(),
}
LEGS: Final = {
    "leg": "Leg",
    "callee_name": "Who",
    "callee_phone": "Number",
    "callee_extension": "Extension",
    "callee_department": "Department",
    "queue_name": "Queue",
    "started_at": "From",
    "answered_at": "Answered",
    "ended_at": "Until",
    "ring_ms": "Ring",
    "talk_ms": "Talk",
    "hold_ms": "Hold",
    "answered": "Did answer",
}
"""Headings of a table of legs."""
Row = Mapping[str, Any]
_ENDINGS: Final[Mapping[str, str]] = {
    "caller": "The caller hung up",
    "callee": "The called side hung up",
    "system": "The phone system ended it",
}


def party(row: Row, side: str) -> str:
    """Who that is: name and extension or number; what is missing is left out."""
    name, number = row.get(f"{side}_name"), row.get(f"{side}_extension") or row.get(f"{side}_phone")
    if name and number:
        return f"{short(name, limit=28)} ({short(number, limit=16)})"
    return short(name or number or "", limit=40) or "unknown"


def people(call: Row, legs: Sequence[Row]) -> list[tuple[str, str]]:
    """The persons of ours in the call, each once, as (agent, name): who called, who answered in turn, whose phone rang in vain."""
    found: dict[str, str] = {}
    ours = [(call, "caller")] if call.get("caller_user_id") else []
    ours += [(leg, "callee") for leg in sorted(legs, key=lambda leg: not leg["answered"]) if leg.get("callee_user_id")]
    for row, side in ours:
        agent = f"{call['company']}_{row.get(f'{side}_extension') or row[f'{side}_user_id']}"
        found.setdefault(agent, row.get(f"{side}_name") or agent)
    return list(found.items())


def lanes(call: Row, states: Sequence[Row], visits: Sequence[Row], *, as_of: datetime) -> pl.DataFrame:
    """Blocks on lanes, ms since the call began: the call as a whole, the queues it waited in, and each party with its phases.

    What an open call does goes on until the as-of time.
    """
    began: datetime = call["started_at"]

    def since(at: datetime | None) -> int:
        return round(((at or max(as_of, began)) - began).total_seconds() * 1000)

    blocks = [_block("The call", state["phase"], since(state["started_at"]), since(state["ended_at"])) for state in states]
    for visit in visits:
        until = visit["answered_at"] or visit["left_at"]
        blocks.append(_block(f"Queue {short(visit['queue_name'] or '', limit=30)}", "waiting", since(visit["entered_at"]), since(until)))
    for state in states:
        who = party(state, "callee")
        if who != "unknown":
            blocks.append(_block(who, state["phase"], since(state["started_at"]), since(state["ended_at"])))
    return pl.DataFrame(_joined(blocks), schema=LANES)


def sentence(call: Row, legs: Sequence[Row], visits: Sequence[Row]) -> str:
    """The call in words, in the order of time: who called, where it waited, who was rung, who answered, how it ended."""
    # of one instant the queue comes first: its phones ring within the visit
    told = [(visit["entered_at"], 0, _visit(visit)) for visit in visits] + [(leg["started_at"], 1, _leg(leg)) for leg in legs]
    said = [_opening(call)] + [words for _, _, words in sorted(told, key=lambda part: part[:2]) if words]
    if call["answered_at"] is not None and not any(leg["answered"] for leg in legs):
        said.append(f"it was picked up after {duration(call['wait_ms'])}")
    return f"{', '.join(said)}. {_end(call)}"


def _opening(call: Row) -> str:
    caller, callee = party(call, "caller"), party(call, "callee")
    caller = "Somebody" if caller == "unknown" else caller
    match call["direction"]:
        case "inbound":
            to = call["destination"] or call["service"]
            return f"{caller} called in{f' on {short(to, limit=30)}' if to else ''}"
        case "outbound":
            return f"{caller} called out to {callee}"
        case "internal":
            return f"{caller} called {callee} inside the house"
        case _:
            return f"{caller} called {callee}"


def _visit(visit: Row) -> str:
    queue, wait = short(visit["queue_name"] or NOTHING, limit=40), duration(visit["wait_ms"])
    match visit["result"]:
        case "answered":
            return f"waited {wait} in queue {queue}"
        case "overflowed":
            return f"went on from queue {queue} to {short(visit['next_queue'] or NOTHING, limit=40)} after {wait}"
        case "caller_left":
            return f"waited {wait} in queue {queue} and left"
        case "open":
            return f"is in queue {queue}"
        case _:
            return f"waited {wait} in queue {queue} in vain"


def _leg(leg: Row) -> str:
    who = party(leg, "callee")
    rang = leg["ring_ms"] or leg["other_ms"] or 0
    if leg["answered"]:
        after = f" after {duration(rang)}" if rang >= 500 else " at once"
        held = f", {duration(leg['hold_ms'])} of it on hold" if leg["hold_ms"] else ""
        return f"{who if who != 'unknown' else 'somebody'} answered{after} ({duration(leg['talk_ms'] + leg['hold_ms'])}{held})"
    return f"{who} was rung for {duration(rang)}" if who != "unknown" and rang >= 500 else ""


def _end(call: Row) -> str:
    match call["outcome"]:
        case "in_progress":
            return "The call is still going on."
        case "lost":
            return "Its end never came, so its length is not known."
    ended_by = call["ended_by"]
    ending = _ENDINGS.get(ended_by or "", f"It was ended by {short(ended_by, limit=30)}" if ended_by else "It is not known who ended it,")
    cause = call["end_cause_text"] or call["end_cause_name"]
    because = f" ({short(cause, limit=60)})" if cause and cause != "unknown" else ""
    return f"{ending} after {duration(call['duration_ms'])}{because}."


def _block(lane: str, kind: str, start: int, end: int) -> dict[str, Any]:
    return {"lane": lane, "kind": kind, "from_ms": start, "until_ms": end}


def _joined(blocks: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Neighbours of one lane and kind become one block; each gets its text and its tip."""
    joined: list[dict[str, Any]] = []
    newest: dict[str, dict[str, Any]] = {}
    for block in blocks:
        before = newest.get(block["lane"])
        if before is not None and before["kind"] == block["kind"] and before["until_ms"] == block["from_ms"]:
            before["until_ms"] = block["until_ms"]
            continue
        newest[block["lane"]] = dict(block)
        joined.append(newest[block["lane"]])
    whole = max((block["until_ms"] for block in joined), default=0)
    for place, block in enumerate(joined):
        length = block["until_ms"] - block["from_ms"]
        block["text"] = duration(length) if whole and length / whole > 0.07 else ""
        block["tip"] = f"{clock(block['from_ms'])} – {clock(block['until_ms'])} ({duration(length)})"
        block["key"] = str(place)
    return joined
