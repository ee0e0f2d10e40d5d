"""Which table comes of which: the graph on one screen. Pure, for one bucket of whole calls, or of whole persons.

    typed_call ─▶ ordered_events ─┬─▶ timeline ─▶ states ─▶ legs ─┬─▶ call_rows ─┐
                                  │                  └─▶ visits ◀─┘              ├─▶ calls, open_calls
    typed_vendor ─▶ newest ─▶ vendor_calls ─▶ vendor_rows ───────────────────────┘
    both ─▶ people_seen ─▶ people      typed_presence ─▶ presence_intervals, conference_events

Typed frames may hold an event more than once and deliveries a coordinate more than once, in any order.
"""

from __future__ import annotations

from datetime import datetime

import polars as pl

from transforms.calls import call_rows, calls
from transforms.events import (
    basis_of_calls,
    newest,
    ordered_events,
    ordered_vendor_events,
    timeline,
    unlisted_statuses,
)
from transforms.legs import call_legs, legs
from transforms.people import people, people_seen
from transforms.presence import conference_events, presence_intervals
from transforms.queues import queue_visits
from transforms.states import call_states, states
from transforms.tables import CALL_EVENTS
from transforms.vendor import flows, vendor_calls, vendor_rows

__all__ = ["call_facts", "people", "presence_facts"]


def call_facts(
    typed_call: pl.DataFrame,
    typed_vendor: pl.DataFrame,
    deliveries: pl.DataFrame,
    *,
    as_of: datetime,
    phases: pl.DataFrame,
    end_causes: pl.DataFrame,
) -> dict[str, pl.DataFrame]:
    """Tables of these calls, by name, as declared in tables.py, each in the order of its key.

    calls, call_states, call_legs, queue_visits, call_events, vendor_calls; and for the build: open_calls (when a call
    turns from in_progress to lost), people_seen (see people), unlisted_statuses (status, events).
    `deliveries` holds all deliveries of these events, and may hold others.
    """
    events = ordered_events(typed_call, deliveries, phases)
    vendor_events = ordered_vendor_events(typed_vendor, deliveries)
    latest = newest(vendor_events)
    own_events, vendor_basis = basis_of_calls(events, latest)

    line = timeline(own_events)
    call_states_wide = states(line)
    call_legs_wide = legs(call_states_wide)
    rows = call_rows(line, call_legs_wide)
    table, open_calls = calls(rows, vendor_rows(vendor_basis), as_of=as_of, end_causes=end_causes)
    return {
        "calls": table,
        "call_states": call_states(call_states_wide),
        "call_legs": call_legs(call_legs_wide),
        "queue_visits": queue_visits(call_states_wide, rows.select("ended_at", "ended_by")),
        "call_events": events.select(CALL_EVENTS.names),
        "vendor_calls": vendor_calls(flows(latest)),
        "open_calls": open_calls,
        "people_seen": people_seen(events, flows(vendor_events)),
        "unlisted_statuses": unlisted_statuses(events, phases),
    }


def presence_facts(typed_presence: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """presence_intervals and conference_events of these persons, from all their events."""
    return {
        "presence_intervals": presence_intervals(typed_presence),
        "conference_events": conference_events(typed_presence),
    }
