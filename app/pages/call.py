"""What happened in this call?"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import streamlit as st

from app.charts import PHASES, clock, duration, lanes, plain, short, words
from app.journey import LEGS, party, people, sentence
from app.journey import lanes as journey_lanes
from app.page import Cell, Link, tabs
from app.shell import heading, not_subscribed, nothing, open_page
from transforms.reports.catalog import REPORTS

MOST_NAMED = 6

page = open_page("Call", "What happened in this call?", uses=None, needs_calls=False)
company, call_id = st.query_params.get("of"), st.query_params.get("call")
if not company or not call_id:
    nothing("Choose a call in the list of calls, or look for its number, its name or its id there.")
    page.link(("calls", {}), "Open the list of calls", icon=":material/call:")
    st.stop()

asked = replace(page.blank, call=(company, call_id))
page = replace(page, filters=asked)
found = page.ask("call", asked)
if not found.height:
    nothing("There is no such call in this warehouse. It may be of another company, or older than what is kept.")
    page.link(("calls", {}), "Open the list of calls", icon=":material/call:")
    st.stop()

call = found.row(0, named=True)
day = call["started_at"].astimezone(page.filters.zone).date().isoformat()
states, legs, visits = (page.ask(report, asked).to_dicts() for report in ("call_states", "call_legs", "call_visits"))

heading(f"{plain(party(call, 'caller'))} → {plain(party(call, 'callee'))}")
said = [page.instant(call["started_at"]), words(call["direction"]), words(call["outcome"])]
said += [f"ended by {short(call['ended_by'], limit=30)}"] if call["ended_by"] else []
said += [short(cause, limit=60)] if (cause := call["end_cause_text"] or call["end_cause_name"]) else []
st.caption(" · ".join(plain(part) for part in said))
st.markdown(plain(sentence(call, legs, visits)))
with st.container(horizontal=True, gap="small", key="around"):
    if call["external_key"]:
        page.link(
            ("calls", {"number_of": (company, call["call_id"]), "of_company": company, "ever": "1"}),
            "All calls of this number",
            icon=":material/call:",
        )
    known = people(call, legs)
    for agent, name in known[:MOST_NAMED] if page.per_person else ():
        page.link(("agent_day", {"who": agent, "day": day}), f"The day of {plain(short(name, limit=30))}", icon=":material/calendar_month:")
    if page.per_person and len(known) > MOST_NAMED:
        st.caption(f"and {len(known) - MOST_NAMED} more, under Parties", width="content")

with st.grid(4, min_column_width=140, gap="small"):
    for label, value in (
        ("Wait", duration(call["wait_ms"])),
        ("Talk", duration(call["talk_ms"])),
        ("Hold", duration(call["hold_ms"])),
        ("Length", duration(call["duration_ms"])),
    ):
        page.tile(label, value, report="call")

heading("The journey", note="Each party on a line: when their phone rang, when they talked and were on hold.")
if states:
    blocks = journey_lanes(call, states, visits, as_of=page.as_of)
    page.chart(lanes(blocks, colours=PHASES), report="call_states", key="journey", alt=sentence(call, legs, visits))
else:
    nothing("This call is known only from the vendor's own account: it has figures, and no states to draw.")

heading("Events", note="In the order in which they count; each may be looked at as it was signed.")
received = page.ask("call_events", asked)
if received.height:
    page.table(
        "call_events",
        received,
        {
            "event_time": "Happened",
            "kind": "Kind",
            "event_type": "Type",
            "status": "Status",
            "phase": "Phase",
            "callee_phone": "Callee",
            "received_at": "Received",
            "source": "Source",
            "ended_by": "Ended by",
            "end_cause": "End cause",
            "writer": "Writer",
            "seq": "Number",
            "event_uid": "Event",
        },
        name="events",
    )
    heading("The signed payload", note="Byte for byte as it was received and verified, from the landing zone.")
    events_by_name = {
        f"{place + 1}. {clock(round((row['event_time'] - call['started_at']).total_seconds() * 1000))} {row['event_type']}": row
        for place, row in enumerate(received.to_dicts())
    }
    chosen = st.selectbox("Event", list(events_by_name), index=None, placeholder="choose an event", width=380)
    if chosen is not None:
        body = page.payload(events_by_name[chosen]["writer"], events_by_name[chosen]["seq"])
        if isinstance(body, str):
            nothing(plain(body))
        else:
            st.caption(
                f"Received {plain(page.instant(body.received_at))} from {plain(body.source)} by {plain(body.transport)};"
                f" part {plain(body.part)}"
            )
            st.code(body.body, language="json", wrap_lines=True)
else:
    nothing("No events of the families call and live.")


def to_day(row: Mapping[str, Any]) -> Link | None:
    if row["callee_user_id"] is None:
        return None
    return "agent_day", {"who": f"{company}_{row['callee_extension'] or row['callee_user_id']}", "day": day}


parties, queues, vendor, everything = tabs(
    {"parties": "Parties", "queues": "Queues", "vendor": "The vendor's figures", "everything": "Every column"}
)
with parties:
    if legs:
        page.table(
            "call_legs",
            page.ask("call_legs", asked),
            LEGS | ({name: Cell(LEGS[name], to_day) for name in ("callee_name", "callee_extension")} if page.per_person else {}),
            name="parties",
        )
    else:
        nothing("Nobody was called in this call.")
    if states:
        page.table(
            "call_states",
            page.ask("call_states", asked),
            {
                "seq": "State",
                "status": "Status",
                "phase": "Phase",
                "started_at": "From",
                "ended_at": "Until",
                "duration_ms": "Length",
                "callee_name": "With",
                "callee_phone": "Number",
                "queue_name": "Queue",
            },
            name="states",
        )
with queues:
    if visits:
        page.table(
            "call_visits",
            page.ask("call_visits", asked),
            {
                "visit": "Visit",
                "queue_name": "Queue",
                "entered_at": "Entered",
                "answered_at": "Answered",
                "left_at": "Left",
                "wait_ms": "Wait",
                "result": "Result",
                "next_queue": "Next queue",
            },
            name="queues",
        )
    else:
        nothing("The call was in no queue.")
with vendor:
    if "vendor" not in page.feeds:
        not_subscribed("The vendor's own account", "Its figures beside ours, voice quality and recordings", "call:completed")
    else:
        theirs = page.ask("call_vendor", asked)
        for both in page.ask("call_reconciliation", asked).to_dicts():
            st.markdown("**Both agree within a second.**" if both["agrees"] else "**Ours and theirs differ.**")
            page.table(
                "call_reconciliation",
                page.ask("call_reconciliation", asked),
                {
                    "duration_ms": "Our length",
                    "vendor_duration_ms": "Their length",
                    "talk_ms": "Our talk",
                    "vendor_talk_ms": "Their talk",
                    "hold_ms": "Our hold",
                    "vendor_hold_ms": "Their hold",
                    "wait_ms": "Our wait",
                    "vendor_wait_ms": "Their wait",
                },
                name="comparison",
            )
        if theirs.height:
            page.table(
                "call_vendor",
                theirs,
                {
                    "flow_index": "Flow",
                    "started_at": "From",
                    "ended_at": "Until",
                    "duration_ms": "Length",
                    "connect_ms": "Ringing",
                    "wait_ms": "Dial plan",
                    "queue_ms": "Queue",
                    "talk_ms": "Talk",
                    "hold_ms": "Hold",
                    "callee_name": "Callee",
                    "callee_phone": "Number",
                    "call_status": "Status",
                    "split_transfer_type": "Transfer",
                    "remote_country": "Country",
                    "caller_mos": "MOS caller",
                    "callee_mos": "MOS callee",
                    "recordings": "Recordings",
                    "voicemails": "Voicemails",
                },
                name="vendor",
            )
        else:
            nothing("The vendor has sent no account of this call.")
with everything:
    columns = REPORTS["call"].columns
    page.facts(call, {column.name: column.meaning for column in columns}, name="every column", report="call")
