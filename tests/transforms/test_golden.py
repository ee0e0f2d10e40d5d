"""Calls that a supervisor can check: tests/golden/*.txt, a story, its events above, the facts below the arrow."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.builders import Call, Event, agent, customer, facts, rows, voicebot

GOLDEN = Path(__file__).parent.parent / "golden"
CASES = sorted(GOLDEN.glob("*.txt"))


def party(name: str) -> Event | None:
    if name == "-":
        return None
    if name == "bot":
        return voicebot("bot")
    return customer(name) if name.startswith("+") else agent(name)


def call_of(lines: list[str]) -> Call:
    built, before = Call(caller=party(lines[0].removeprefix("caller ").strip())), 0
    for line in lines[1:]:
        at, kind, status, callee, *words = line.split()
        minutes, seconds = at.split(":")
        now = round((int(minutes) * 60 + float(seconds)) * 1000)
        said = dict(zip(words[::2], words[1::2], strict=True))
        built = built.then(
            kind,
            status,
            after=now - before,
            callee=party(callee),
            queueName=said.get("queue"),
            endCause=said.get("cause"),
            endBy=said.get("by"),
        )
        before = now
    return built


def told(row: dict[str, Any], *figures: str) -> str:
    return "  ".join(f"{figure} {row[f'{figure}_ms']}" for figure in figures)


def story(events: list[Event]) -> list[str]:
    """The facts in the words of the golden files."""
    tables = facts(events)
    lines = [
        f"call {row['outcome']} {row['direction']} {told(row, 'wait', 'ring', 'talk', 'hold', 'other')} "
        f"legs {row['leg_count']} transfers {row['transfer_count']} answered by {row['answered_by_extension'] or '-'}"
        for row in rows(tables["calls"])
    ]
    lines += [
        f"leg {row['callee_phone'] or '-'} {told(row, 'ring', 'talk', 'hold', 'other')} {'answered' if row['answered'] else 'missed'}"
        for row in rows(tables["call_legs"].sort("leg"))
    ]
    lines += [
        f"visit {row['queue_name']} {row['result']} wait {row['wait_ms']} next {row['next_queue'] or '-'}"
        for row in rows(tables["queue_visits"].sort("visit"))
    ]
    return [" ".join(line.split()) for line in lines]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_golden(case: Path) -> None:
    text = re.sub(r"\A.*?\n\n", "", case.read_text(), count=1, flags=re.DOTALL)
    above, below = text.split("=>\n")
    assert story(call_of(above.strip().splitlines()).events()) == [" ".join(line.split()) for line in below.strip().splitlines()]


def test_the_vendors_own_three_events() -> None:
    events = [json.loads(line) for line in (GOLDEN / "vendor_guide.ndjson").read_text().splitlines()]
    tables = facts(events)
    [row] = rows(tables["calls"])
    assert {name: row[name] for name in ("direction", "ring_ms", "duration_ms", "talk_ms", "outcome", "ended_by")} == {
        "direction": "internal",
        "ring_ms": 2801,
        "duration_ms": 2801,
        "talk_ms": 0,
        "outcome": "rejected",
        "ended_by": "caller",
    }
    assert (row["end_cause"], row["end_cause_name"], row["end_cause_text"]) == ("21", "Call rejected", "Call Rejected")
    assert (row["caller_extension"], row["callee_extension"], row["event_count"]) == ("1001", "10020", 3)
    assert row["ended_at"] - row["started_at"] == timedelta(milliseconds=2801)
