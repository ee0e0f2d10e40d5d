"""Can I trust these numbers?"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import polars as pl
import streamlit as st

from app.charts import age, call_of, count, flow, interval_labels, percent, plain, scatter
from app.page import ROWS_IN_GRID, Cell, say, to_call
from app.shell import heading, not_subscribed, nothing, open_page, since_build


def kept_of(row: Mapping[str, Any]) -> str:
    """A row of the quarantine in the URL, as the report quarantined compares it."""
    return f"{row['source']} {row['transport']} {row['reason']}"


page = open_page("Data quality", "Can I trust these numbers?", uses=frozenset({"companies"}), needs_calls=False)
now = page.one("quality")
statuses = page.ask("quality_statuses")

with st.grid(4, min_column_width=165, gap="small"):
    page.tile(
        "Age of the build",
        age(since_build(page).total_seconds()),
        report="as_of",
        note=f"as of {page.instant(page.as_of)}",
    )
    page.tile(
        "Events", count(now["events"]), report="quality", note=f"{count(now['duplicates'])} more deliveries were repeats, counted once"
    )
    page.tile(
        "Ends that never came",
        count(now["lost"]),
        report="quality",
        metric="is_lost",
        link=("calls", {"figure": "lost"}),
        link_text=f"{count(now['lost'])} lost calls",
        more=[(("calls", {"figure": "in_progress"}), f"{count(now['in_progress'])} still open")],
        note="in no rate, never summed as talk",
    )
    page.tile(
        "Starts that never came",
        count(now["without_start"]),
        report="quality",
        link=("calls", {"part": "flaw:without_start"}),
        link_text=f"{count(now['without_start'])} of {count(now['calls'])} calls",
    )
    page.tile(
        "Late events",
        count(now["late_events"]),
        report="quality",
        link=("calls", {"part": "flaw:late_events"}),
        link_text=f"in {count(now['with_late_events'])} calls",
        note="after the end: they change nothing",
    )
    page.tile(
        "Picked up by no person",
        count(now["picked_up"]),
        report="quality",
        metric="is_picked_up",
        link=("calls", {"figure": "picked_up"}),
        link_text=f"{count(now['picked_up'])} calls",
        note="a queue or a machine: not answered",
    )
    page.tile(
        "Caller left, outcome differs",
        count(now["otherwise_abandoned"]),
        report="quality",
        metric="is_otherwise_abandoned",
        link=("calls", {"figure": "otherwise_abandoned"}),
        link_text=f"{count(now['otherwise_abandoned'])} calls",
        note="counted as abandoned all the same",
    )
    page.tile(
        "Unknown values",
        count(now["unknown_causes"]),
        report="quality",
        link=("calls", {"part": "flaw:unknown_cause"}),
        link_text=f"{count(now['unknown_causes'])} with an unknown end cause",
        more=[(("calls", {"part": "flaw:unknown_side"}), f"{count(now['unknown_ended_by'])} ended by somebody unknown")],
    )
    page.tile(
        "Unknown statuses",
        count(int(statuses["events"].sum())),
        report="quality_statuses",
        note="events whose status the list of phases lacks; listed below",
    )
    page.tile(
        "Kept, but unusable",
        count(now["quarantined"]),
        report="quality",
        note=f"in quarantine, of all time; {count(now['rejected'])} requests were refused, of all time",
    )

heading(
    "The flow of events",
    note="Beside the usual: the median of the same weekday and hour of the eight weeks before. "
    "A hole in business hours is a feed that stood still. Click a bar for its calls.",
)
stream = page.ask("quality_flow")
labels = interval_labels(stream["interval_at"], time_zone=page.time_zone, grain=page.filters.flow_grain)
if stream["events"].sum():
    told = stream.with_columns(label=pl.Series(labels), odd=pl.when(pl.col("alert")).then(pl.lit("far from usual")))
    picked = page.chart(
        flow(told, x="label", now="events", usual="usual_events", marked="odd", name="bar"),
        report="quality_flow",
        key="flow",
        alt="Events over the period beside the usual",
        chosen="bar",
    )
    odd = stream.filter(pl.col("alert"))["interval_at"]
    if len(odd):
        st.warning(
            f"Far from the usual within business hours, beyond noise: {count(len(odd))} of {count(stream.height)} intervals, "
            f"the last from {page.instant(odd[-1])}."
        )
    if picked:
        page.go(("calls", page.interval(stream, picked["x"], labels=labels)))
else:
    nothing("No events in this period.")

left, right = st.columns(2, gap="medium")
with left:
    heading("Sources", note="Events received within seven days before the build.")
    sources = page.ask("quality_sources")
    if sources.height:
        page.table(
            "quality_sources",
            sources,
            {"source": "Source", "events": "Events", "last_at": "Last", "delay_p50_ms": "Median delay", "delay_p90_ms": "90 % delay"},
            name="sources",
        )
    else:
        nothing("Nothing was received in the seven days before the build.")
    heading(
        "In quarantine",
        note="Of all time. Verified but unusable, or unsigned in SQS: kept, and looked at with `ingest quarantine show ID`.",
    )
    kept = page.ask("quality_quarantine")
    wanted = st.query_params.get("kept", "")
    if kept.height:
        page.table(
            "quality_quarantine",
            kept,
            {
                "source": "Source",
                "transport": "Transport",
                "reason": "Reason",
                "deliveries": Cell("Deliveries", lambda row: {"kept": kept_of(row)}),
                "last_at": "Last",
                "last_id": "Last id",
                "detail": "Detail",
            },
            name="quarantine",
            opened=wanted,
        )
        of_these = next((row for row in kept.iter_rows(named=True) if kept_of(row) == wanted), None)
        if of_these is not None:
            with st.container(border=True, key="quarantined"):
                asked = replace(page.blank, part=f"quarantine:{wanted}")
                if st.button(f"{plain(wanted)} ✕", key="without-kept"):
                    say({"kept": None})
                    st.rerun()
                page.table(
                    "quarantined",
                    page.ask("quarantined", replace(asked, limit=ROWS_IN_GRID)),
                    {"received_at": "Received", "id": "Id", "detail": "Detail"},
                    name="deliveries in quarantine",
                    whole=lambda: page.every("quarantined", asked),
                    filters=asked,
                    rows=of_these["deliveries"],
                )
    else:
        nothing("Nothing is in quarantine.")
    heading("Refused", note="Of all time. Webhook requests without a right signature, or too large: counted, never stored.")
    refused = page.ask("quality_rejections")
    if refused.height:
        page.table(
            "quality_rejections",
            refused,
            {"source": "Source", "reason": "Reason", "day": "Day (UTC)", "requests": "Requests"},
            name="refused",
        )
    else:
        nothing("No request was refused.")
with right:
    heading("Statuses that the list of phases lacks", note="They count as other time. Give them a phase with `[transforms] call_phases`.")
    if statuses.height:
        page.table(
            "quality_statuses",
            statuses,
            {
                "status": "Status",
                "events": "Events",
                "calls": Cell("Calls", lambda row: ("calls", {"part": f"status:{row['status']}"})),
                "last_at": "Last",
            },
            name="statuses",
        )
    else:
        nothing("Every status is known.")
    heading("Unknown sides", note="Values of endBy beside caller, callee and system; empty: none was sent.")
    sides = page.ask("quality_sides")
    if sides.height:
        page.table(
            "quality_sides",
            sides,
            {
                "ended_by": "Ended by",
                "calls": Cell("Calls", lambda row: ("calls", {"ended_by": row["ended_by"], "figure": "ended"})),
            },
            name="sides",
        )
    else:
        nothing("Every call that has ended says who ended it.")
    heading("Types that no table is made of", note="Kept in the landing zone.")
    types = page.ask("quality_types")
    if types.height:
        page.table("quality_types", types, {"event_type": "Type", "events": "Events"}, name="types")
    else:
        nothing("Every type of event is used.")

heading("The vendor's figures beside ours", note="Calls that have both: ours from the call's events, theirs from call:completed.")
if "vendor" not in page.feeds:
    not_subscribed("The vendor's own account", "A check of our figures against theirs", "call:completed")
else:
    both = page.one("reconciliation")
    differing = page.ask("reconciliation_calls")
    if differing.height:
        st.markdown(
            f"**{percent(both['agreement'])}** of {count(both['calls'])} calls agree in length, talk, hold and wait within a second."
        )
        st.caption("Each point is a call; on the dashed line both agree. Click a point for its journey.")
        picked = page.chart(
            scatter(differing, x="vendor_talk_ms", y="talk_ms", x_title="their talk, seconds", y_title="our talk, seconds", name="point"),
            report="reconciliation_calls",
            key="vendor",
            alt="Our talk against the vendor's",
            chosen="point",
        )
        if picked and (call := call_of(str(picked.get("key")))):
            page.go(("call", {"of": call[0], "call": call[1]}))
        page.table(
            "reconciliation_calls",
            differing,
            {
                name: Cell(label, to_call)
                for name, label in {
                    "started_at": "Start",
                    "talk_ms": "Our talk",
                    "vendor_talk_ms": "Their talk",
                    "talk_difference_ms": "Difference",
                    "wait_ms": "Our wait",
                    "vendor_wait_ms": "Their wait",
                    "hold_ms": "Our hold",
                    "vendor_hold_ms": "Their hold",
                    "duration_ms": "Our length",
                    "vendor_duration_ms": "Their length",
                    "agrees": "Agree",
                    "call_id": "Call id",
                }.items()
            },
            name="vendor",
        )
    else:
        nothing("No call of this period has both.")

heading("Builds")
page.table(
    "quality_builds",
    page.ask("quality_builds"),
    {
        "started_at": "Began",
        "finished_at": "Complete",
        "as_of": "As of",
        "mode": "Mode",
        "engine": "Engine",
        "files": "Parts",
        "events": "Deliveries",
        "calls_changed": "Calls",
        "build_id": "Build",
    },
    name="builds",
)
