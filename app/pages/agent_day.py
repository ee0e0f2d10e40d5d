"""What was this person doing, and when?"""

from dataclasses import replace
from datetime import date

import streamlit as st

from app.charts import DAY, NOTHING, call_of, count, day_lanes, duration, lanes, short
from app.filters import span_of
from app.page import Cell, to_call
from app.shell import heading, not_subscribed, nothing, open_page, stop_without_people

page = open_page("Agent day", "What was this person doing, and when?", uses=None, needs_calls=False)
stop_without_people(page)
if not page.names:
    nothing("No person is known yet: people become known by the calls that they take or make.")
    st.stop()

agents = sorted(page.names, key=lambda agent: page.names[agent].casefold())
asked = st.query_params.get("who") or (page.choice.agents[0] if page.choice.agents else agents[0])
if asked not in agents:
    agents = [asked, *agents]
said = st.query_params.get("day", "")
today = page.as_of.astimezone(page.filters.zone).date()
try:
    wanted = date.fromisoformat(said)
except ValueError:
    wanted = today
with st.container(horizontal=True, vertical_alignment="bottom", key="which"):
    agent = st.selectbox(
        "Person",
        agents,
        index=agents.index(asked),
        format_func=lambda key: short(page.names.get(key, key), limit=60),
        width=320,
        key=f"who-{asked}",
    )
    day = st.date_input("Day", value=wanted, width=170, format="YYYY-MM-DD", key=f"day-{wanted}")
if (agent, day) != (asked, wanted) or "day" not in st.query_params:
    st.query_params["who"], st.query_params["day"] = agent, day.isoformat()

span = span_of(day, zone=page.filters.zone, as_of=page.as_of)
filters = replace(page.blank, start=span[0], end=span[1], agents=(agent,))
page = replace(page, filters=filters)
presence, calls, phases = (page.ask(report, filters) for report in ("agent_presence", "agent_calls", "agent_phases"))
times = page.one("agent_day_total", filters)
seen = presence.filter(kind="user").height > 0
with st.grid(3, min_column_width=165, gap="small"):
    page.tile(
        "In calls",
        duration(times["in_calls_ms"]),
        report="agent_day_total",
        metric="time_in_calls",
        note=f"talk {duration(times['talk_ms'])}, hold {duration(times['hold_ms'])}, ring {duration(times['ring_ms'])}",
    )
    page.tile(
        "Calls",
        count(times["calls"]),
        report="agent_day_total",
        note="with a part in this day; listed below",
    )
    page.tile("Available", duration(times["available_ms"]) if seen else NOTHING, report="agent_day_total", metric="is_available")
    page.tile("Busy", duration(times["busy_ms"]) if seen else NOTHING, report="agent_day_total", metric="is_busy", note="or do not disturb")
    page.tile(
        "Away",
        duration(times["away_ms"]) if seen else NOTHING,
        report="agent_day_total",
        metric="is_away",
        note="any other status, offline too",
    )
    page.tile("Unknown", duration(times["unknown_ms"]), report="agent_day_total", note="no status known: not idle, not away")

heading(
    "The day",
    note=f"Status above, phone and calls below it, on the wall clock of {page.time_zone}. Click a block of a call for its journey; "
    "the wheel with Shift zooms, a double click shows the whole day again.",
)
blocks = day_lanes(presence, calls, phases, time_zone=page.time_zone)
if blocks.height:
    picked = page.chart(
        lanes(
            blocks,
            colours=DAY,
            time_zone=page.time_zone,
            lane_order=["Status", "Phone", "Calls"],
            height_of_lane=60,
            span=span,
            name="block",
            zoom=True,
        ),
        report="agent_phases",
        key="day",
        alt="Status, phone and calls of the day",
        chosen="block",
    )
    if picked and (call := call_of(str(picked.get("key")))):
        page.go(("call", {"of": call[0], "call": call[1]}))
else:
    nothing("Nothing is known of this person on this day.")
if "presence" not in page.feeds:
    not_subscribed("Presence", "Status and phone", "presence:user and presence:telephony")

heading(
    "Calls",
    note="Each part of a call that rang here, and each call made; of a call over midnight ring, talk and hold of this day alone. "
    "Click one for its journey.",
)
if calls.height:
    page.table(
        "agent_calls",
        calls,
        {
            name: Cell(label, to_call)
            for name, label in {
                "started_at": "Began",
                "role": "Role",
                "direction": "Direction",
                "other_name": "With",
                "other_phone": "Number",
                "queue_name": "Queue",
                "answered": "Answered",
                "ring_ms": "Ring",
                "talk_ms": "Talk",
                "hold_ms": "Hold",
                "ended_at": "Ended",
            }.items()
        },
        name="calls of the day",
    )
else:
    nothing("No calls on this day.")
if presence.height:
    with st.expander(f"All {count(presence.height)} intervals of presence"):
        page.table(
            "agent_presence",
            presence,
            {
                "kind": "Kind",
                "status": "Status",
                "started_at": "From",
                "ended_at": "Until",
                "duration_ms": "Length",
                "message": "Message",
                "goes_on": "Goes on",
            },
            name="presence",
        )
