"""Who called in vain and still waits for us?"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import polars as pl
import streamlit as st

from app.charts import BLUE, OCHRE, TEAL, bars, change, count, long_duration, percent, stacked_rows, unpivoted, with_rest, within_step
from app.filters import of_who_waits
from app.page import ROWS_IN_GRID, Cell, Link, say, tabs, to_call
from app.shell import heading, nothing, open_page, stop_without_any_calls

HOW = {"we_called": "we called", "they_rang": "they rang again", "not_reached": "not reached"}
REACHED = ("we called", "they rang again")


def to_number(row: Mapping[str, Any]) -> tuple[str, dict[str, str | None]]:
    return "calls", {"number_of": (row["company"], row["last_call_id"]), "of_company": row["company"], "ever": "1"}


def to_misses(row: Mapping[str, Any]) -> Link:
    end = row["last_miss_at"] + timedelta(milliseconds=1)
    return "calls", to_number(row)[1] | {
        "list": "missed",
        "figure": "misses",
        "short": st.query_params.get("short"),
        "at": row["first_miss_at"].isoformat(),
        "until": end.isoformat(),
    }


def to_tries(row: Mapping[str, Any]) -> Link:
    end = row["recovered_at"]
    return "calls", to_number(row)[1] | {
        "figure": "tries",
        "at": row["first_miss_at"].isoformat(),
        "until": end.isoformat() if end is not None else None,
    }


def to_last_call(row: Mapping[str, Any]) -> Link:
    return "call", {"of": row["company"], "call": row["last_call_id"]}


def to_recovery(row: Mapping[str, Any]) -> Link | None:
    return ("call", {"of": row["company"], "call": row["recovered_call_id"]}) if row["recovered_call_id"] else None


page = open_page(
    "Missed callers",
    "Who called in vain and still waits for us?",
    uses=frozenset({"companies", "queues", "trunks", "in_hours_only"}),
    needs_calls=False,
)
# who waits is to be seen on a morning without a call, too
stop_without_any_calls(page)
with_short = st.toggle(
    "Also callers who left at once",
    value=st.query_params.get("short") == "1",
    help="Short abandons: a wait of less than S (page Definitions).",
)
say({"short": "1" if with_short else None})
filters = replace(page.filters, include_short=with_short)
page = replace(page, filters=filters)
open_ones = of_who_waits(filters, as_of=page.as_of)
open_now = page.one("missed_summary", open_ones)["open"]
open_callers = page.ask("missed_callers", open_ones)
now, before = page.one("missed_summary", filters), page.usual("missed_summary", filters)
days = page.filters.settings.callback_days

with st.grid(5, min_column_width=165, gap="small"):
    page.tile(
        "Open callers",
        count(open_now),
        report="missed_summary",
        metric="episode_state",
        filters=open_ones,
        note=f"now, of all who called in vain in the last {days} days: whatever the period",
    )
    page.tile(
        "Waits longest",
        long_duration(max(open_callers["age_ms"].to_list(), default=None)),
        report="missed_callers",
        metric="waits_since",
        filters=open_ones,
        note="since the first call in vain" if open_now else None,
    )
    page.tile(
        "Missed calls",
        count(now["misses"]),
        report="missed_summary",
        metric="is_missed",
        better="less",
        change=change(now["misses"], before.get("misses"), "count"),
        link=("calls", {"list": "missed", "figure": "misses", "short": "1" if with_short else None}),
        link_text=f"{count(now['misses'])} missed calls",
        note=f"in the period, by {count(now['episodes'])} callers",
    )
    page.tile(
        "Recovered",
        percent(now["recovery_rate"]),
        report="missed_summary",
        metric="recovery_rate",
        note=f"of {count(now['episodes'])} of the period: {count(now['recovered'])} within {days} days, {count(now['late'])} later",
    )
    page.tile(
        "Median time to recovery",
        long_duration(now["median_recovery_ms"]),
        report="missed_summary",
        metric="time_to_recovery",
        note=f"{count(now['tries'])} of our tries reached nobody",
    )

recovery = page.ask("missed_recovery", filters)
step, how = st.query_params.get("step", ""), st.query_params.get("how", "")
# of a bar below, whose callers alone are then in the list
bar = f"{how}, bar “{step}”" if step in recovery.drop_nulls("above_ms")["within"] and how in REACHED else None
all_not_reached = how == HOW["not_reached"]

COLUMNS: dict[str, Cell | str] = {
    "external_phone": Cell("Number", to_number),
    "caller_name": Cell("Name", to_number),
    "misses": Cell("Calls in vain", to_misses),
    "tries": Cell("Our tries", to_tries),
    "age_ms": "Waits since",
    "reason": "Why",
    "last_queue": "Last queue",
    "last_miss_at": Cell("Last call", to_last_call),
    "first_miss_at": "First call",
    "priority": "Priority",
    "company": "Company",
}
GONE: dict[str, Cell | str] = {name: look for name, look in COLUMNS.items() if name != "priority"} | {"state": "State"}
CLOSED: dict[str, Cell | str] = {
    "external_phone": Cell("Number", to_number),
    "caller_name": Cell("Name", to_number),
    "state": "State",
    "misses": Cell("Calls in vain", to_misses),
    "tries": Cell("Our tries", to_tries),
    "recovered_how": Cell("How", to_recovery),
    "recovered_by": Cell("Who", to_recovery),
    "recovered_at": Cell("Reached", to_recovery),
    "age_ms": "After",
    "first_miss_at": "First call",
    "reason": "Why",
    "company": "Company",
}

waiting, closed, expired, withheld = tabs(
    {
        "waiting": f"Waiting ({count(open_now)})",
        "reached": f"Reached ({count(now['recovered'] + now['late'])})",
        "given_up": f"Given up ({count(now['expired'])})",
        "no_number": f"No number ({count(now['withheld'])})",
    }
)
with waiting:
    st.caption(
        f"All who wait for us now, whatever the period: not reached since a first call in vain of the last {days} days. "
        "Sorted by priority: calls in vain × hours since the first. Click a number for all its calls, the last call for its journey."
    )
    if open_callers.height:
        page.table("missed_callers", open_callers, COLUMNS, name="callers to call back", filters=open_ones)
    else:
        nothing("Nobody waits for us. Everyone who called in vain has been reached, or the window for it is over.")
with closed:
    st.caption("Of those who called in vain in the period.")
    of_reached = replace(filters, states=("recovered", "late"))
    # a bar's callers are picked out of all; without one no more are read than are shown
    reached = page.ask("missed_callers", of_reached if bar is not None else replace(of_reached, limit=ROWS_IN_GRID))
    if bar is not None and st.button(f"{bar} ✕", key="without-step"):
        say({"step": None, "how": None})
        st.rerun()
    if bar is not None:
        reached = within_step(reached, recovery, step).filter(pl.col("recovered_how") == how)
    if reached.height:
        page.table(
            "missed_callers",
            reached,
            CLOSED,
            name="callers reached",
            whole=None if bar is not None else lambda: page.every("missed_callers", of_reached),
            rows=None if bar is not None else now["recovered"] + now["late"],
            filters=of_reached,
            also=[bar] if bar else [],
        )
    else:
        nothing("Nobody has been reached again yet.")
with expired:
    of_gone = replace(filters, states=("open", "expired") if all_not_reached else ("expired",))
    gone = page.ask("missed_callers", replace(of_gone, limit=ROWS_IN_GRID))
    if all_not_reached:
        st.caption("Of the period: not reached, whether the window is over or not.")
        if st.button(f"{how} ✕", key="without-not-reached"):
            say({"how": None})
            st.rerun()
    else:
        st.caption(f"Of the period: not reached within {days} days of the first call in vain.")
    if gone.height:
        page.table(
            "missed_callers",
            gone,
            GONE,
            name="callers given up",
            whole=lambda: page.every("missed_callers", of_gone),
            rows=now["expired"] + (now["open"] if all_not_reached else 0),
            filters=of_gone,
        )
    else:
        nothing("Nobody.")
with withheld:
    of_withheld = replace(filters, figure="withheld")
    misses = page.ask("missed_calls", of_withheld)
    st.caption("Of the period. Withheld or too short numbers cannot be called back, nor told apart.")
    if misses.height:
        page.table(
            "missed_calls",
            misses,
            {
                "started_at": Cell("When", to_call),
                "external_phone": "Number",
                "caller_name": "Name",
                "reason": "Why",
                "wait_ms": "Wait",
                "last_queue": "Last queue",
                "users_rung": "Phones rung",
            },
            name="calls without a number",
            filters=of_withheld,
        )
    else:
        nothing("Every missed call had a number.")

left, right = st.columns(2, gap="medium")
with left:
    heading("Why calls are missed", note="Each missed call once, by the first reason that holds. Click a bar for its calls.")
    reasons = page.ask("missed_reasons", filters)
    if reasons.height:
        picked = page.chart(
            bars(
                reasons,
                label="reason",
                value="misses",
                share="share",
                x_title="missed calls",
                name="bar",
            ),
            report="missed_reasons",
            key="reasons",
            alt="Missed calls by reason",
            chosen="bar",
        )
        if picked:
            page.go(("calls", {"list": "missed", "reason": picked["key"]}))
    else:
        nothing("No call was missed.")
with right:
    heading(
        "Within what time we reach them",
        note="Of those who called in vain in the period: who rang again, whom we called, whom nobody has reached. Click a bar.",
    )
    if recovery.height:
        picked = page.chart(
            stacked_rows(
                unpivoted(
                    with_rest(recovery, whole="episodes", parts=["we_called", "they_rang"], name="not_reached"),
                    index=["within"],
                    names=["we_called", "they_rang", "not_reached"],
                    labels=HOW,
                ),
                label="within",
                value="value",
                series="series",
                colours={"we called": BLUE, "they rang again": TEAL, "not reached": OCHRE},
                x_title="callers",
                name="bar",
            ),
            report="missed_recovery",
            # another picture once a bar is chosen, or its choice would be made again on each run
            key=f"recovery-{step}-{how}",
            alt="Callers reached, by time since their first call in vain",
            chosen="bar",
        )
        if picked:
            reached_so = picked["series"] in REACHED
            say({"tab": "reached" if reached_so else "given_up", "step": picked["key"] if reached_so else None, "how": picked["series"]})
            st.rerun()
    else:
        nothing("Nobody has been reached again yet.")
