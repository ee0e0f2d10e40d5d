"""Why do calls fail or end, and who hangs up?"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import polars as pl
import streamlit as st

from app.charts import (
    NOTHING,
    OTHERS,
    OUTCOMES,
    bars,
    branches,
    change,
    columns,
    count,
    duration,
    lines,
    number,
    percent,
    stacked_bars,
    worded,
    words,
)
from app.page import Cell, Link, to_call
from app.shell import heading, nothing, open_page


def outbound(part: str, column: str, figure: str, outcomes: tuple[str, ...]) -> Callable[[Mapping[str, Any]], Link]:
    return lambda row: ("calls", {"part": f"{part}:{row[column]}", "going": "outbound", "figure": figure, "outcome": outcomes})


def of_trunk(figure: str, *outcomes: str) -> Callable[[Mapping[str, Any]], Link]:
    return outbound("trunk", "trunk_name", figure, outcomes)


def of_prefix(figure: str, *outcomes: str) -> Callable[[Mapping[str, Any]], Link]:
    return outbound("prefix", "prefix", figure, outcomes)


def during(row: Mapping[str, Any]) -> Link:
    at = row["peak_at"]
    until = at + timedelta(milliseconds=1)
    return "calls", {"part": f"instant:{at.isoformat()}", "of_company": row["company"], "ever": "1", "until": until.isoformat()}


page = open_page("Outcomes", "Why do calls fail or end, and who hangs up?")

again, again_before = page.one("repeat_callers"), page.usual("repeat_callers")
held = page.ask("abandoned_on_hold")
ended = page.ask("ended_by")
all_ended = sum(ended["calls"].to_list())
at_once = page.ask("concurrency")
talk, waits, waits_before = page.one("overview"), page.one("call_waits"), page.usual("call_waits")
talk_before = page.usual("overview")
voice = page.one("voice_quality")
most = at_once.sort("peak", "peak_at", descending=[True, False]).head(1).to_dicts()
days = page.filters.settings.repeat_days
with st.grid(4, min_column_width=165, gap="small"):
    page.tile(
        "Ended",
        count(all_ended),
        report="ended_by",
        metric="has_ended",
        link=("calls", {"figure": "ended"}),
        link_text=f"{count(all_ended)} calls",
    )
    page.tile(
        f"Called again in {days} days",
        percent(again["repeat_rate"]),
        report="repeat_callers",
        metric="repeat_rate",
        better="less",
        change=change(again["repeat_rate"], again_before.get("repeat_rate"), "share"),
        link=("calls", {"list": "repeats"}) if again["repeated"] else None,
        link_text=f"{count(again['repeated'])} of {count(again['answered'])} answered calls",
        note=f"{count(again['censored'])} are younger than {days} days, and in neither",
    )
    page.tile(
        f"No repeat in {days} days",
        percent(again["no_repeat_rate"]),
        report="repeat_callers",
        metric="no_repeat_rate",
        better="more",
        change=change(again["no_repeat_rate"], again_before.get("no_repeat_rate"), "share"),
        note="not “settled at once”: a number is no person, and who is content may call again",
    )
    page.tile(
        "Hung up on hold",
        count(held.height),
        report="abandoned_on_hold",
        metric="is_abandoned_on_hold",
        better="less",
        note="put on hold, and gone: listed below",
    )
    page.tile(
        "Most calls at once",
        count(most[0]["peak"] if most else None),
        report="concurrency",
        metric="peak_of",
        link=during(most[0]) if most else None,
        link_text=f"the {count(most[0]['peak'])} calls open then" if most else "",
        note=page.instant(most[0]["peak_at"]) if most else "no call in this period",
    )
    page.tile(
        "Median talk",
        duration(waits["talk_p50_ms"]),
        report="call_waits",
        metric="median_of",
        change=change(waits["talk_p50_ms"], waits_before.get("talk_p50_ms"), "duration"),
        link=("calls", {"figure": "talked", "order": "talk_ms"}),
        link_text=f"of {count(talk['talked'])} answered calls",
        note=f"90 % talk at most {duration(waits['talk_p90_ms'])}, 95 % {duration(waits['talk_p95_ms'])}; "
        f"on average {duration(talk['average_talk_ms'])}",
    )
    page.tile(
        "On hold",
        duration(talk["hold_ms"]),
        report="overview",
        metric="hold_time",
        change=change(talk["hold_ms"], talk_before.get("hold_ms"), "duration"),
        link=("calls", {"figure": "talked", "order": "hold_ms"}),
        link_text=f"of {count(talk['talked'])} answered calls",
        note=f"{count(talk['holds'])} holds",
    )
    page.tile(
        "Transfers",
        count(talk["transfers"]),
        report="overview",
        metric="transfers",
        change=change(talk["transfers"], talk_before.get("transfers"), "count"),
        note="within one call id; a consultation has its own",
    )
    page.tile(
        "Voicemail",
        count(talk["voicemails"]),
        report="overview",
        metric="is_voicemail",
        link=("calls", {"figure": "voicemail"}) if talk["voicemails"] else None,
        link_text=f"{count(talk['voicemails'])} calls",
        note="as far as the phone system flags it" if talk["voicemails"] else "no call of this period has the flag",
    )
    page.tile(
        "Poor voice",
        percent(voice["poor_share"]) if "vendor" in page.feeds else NOTHING,
        report="voice_quality",
        metric="is_poor_voice",
        link=("call", {"of": voice["worst_company"], "call": voice["worst_call_id"]}) if voice["poor"] else None,
        link_text=f"the worst: {number(voice['worst'])}",
        note=f"{count(voice['poor'])} of {count(voice['rated'])} flows have a MOS below 3.5"
        if "vendor" in page.feeds
        else "call:completed is not subscribed",
    )

left, right = st.columns(2, gap="medium")
with left:
    heading(
        "Outcomes",
        note="All calls of the period; shares are of those that have ended, so calls in progress and lost ones have none. "
        "Click a bar for its calls.",
    )
    picked = page.chart(
        bars(page.ask("outcomes"), label="outcome", value="calls", share="share", coloured=OUTCOMES, name="bar"),
        report="outcomes",
        key="outcomes",
        alt="Calls by outcome",
        chosen="bar",
    )
    if picked:
        page.go(("calls", {"outcome": picked["key"]}))
with right:
    heading("Who hangs up", note="Of calls that have ended. Click a bar for its calls.")
    picked = page.chart(
        bars(ended, label="ended_by", value="calls", share="share", name="bar"),
        report="ended_by",
        key="ended-by",
        alt="Calls by who ended them",
        chosen="bar",
    )
    if picked:
        page.go(("calls", {"ended_by": picked["key"], "figure": "ended"}))

heading("Outcomes over the period", note="Click a bar for its calls.")
volume = page.ask("outcome_volume")
picked = page.chart(
    stacked_bars(volume.with_columns(label=pl.Series(page.labels(volume))), x="label", y="calls", series="outcome", name="bar"),
    report="outcome_volume",
    key="outcome-volume",
    alt="Calls by outcome over the period",
    chosen="bar",
)
if picked:
    page.go(("calls", {"outcome": picked["key"], **page.interval(volume, picked["x"])}))

causes = page.ask("causes")
heading("Why calls end", note="Each category, and under it its causes. Click a bar for its calls.")
if causes.height:
    picked = page.chart(
        branches(causes, branch="category", leaf="name", value="calls", name="bar"),
        report="causes",
        key="causes",
        alt="Calls by category of their end cause, and by cause",
        chosen="bar",
    )
    if picked and picked["leaf"] != OTHERS:
        page.go(("calls", {"category": picked["branch"], "figure": "ended", "part": f"cause:{picked['leaf']}" if picked["leaf"] else None}))
else:
    nothing("No call has ended in this period.")

heading(
    "End causes",
    note="A code that is not in the table keeps its own row and the phone system's text. Click a figure for its calls.",
)
by = st.segmented_control("By", ["Code", "Trunk", "Destination"], default="Code", key="causes-by", label_visibility="collapsed")
cause = {"category": "Category", "name": "Cause", "code": "Code"}
if by == "Trunk":
    page.table(
        "trunk_causes",
        page.ask("trunk_causes"),
        {
            "trunk_name": "Trunk",
            **cause,
            "calls": Cell("Calls", lambda row: ("calls", {"on_trunk": row["trunk_name"], "cause": row["code"], "figure": "ended"})),
            "share": "Share",
        },
        name="end causes by trunk",
    )
elif by == "Destination":
    page.table(
        "prefix_causes",
        page.ask("prefix_causes"),
        {
            "prefix": "Begins with",
            **cause,
            "calls": Cell(
                "Calls",
                lambda row: (
                    "calls",
                    {"part": f"prefix:{row['prefix']}", "going": "outbound", "figure": "attempts", "cause": row["code"]},
                ),
            ),
            "share": "Share",
        },
        name="end causes by destination",
    )
else:
    page.table(
        "causes",
        causes,
        {
            "category": Cell("Category", lambda row: ("calls", {"category": row["category"], "figure": "ended"})),
            "name": "Cause",
            "code": "Code",
            "text": "Text of the phone system",
            "calls": Cell("Calls", lambda row: ("calls", {"cause": row["code"], "figure": "ended"})),
            "share": "Share",
            "inbound": Cell("Inbound", lambda row: ("calls", {"cause": row["code"], "figure": "ended", "going": "inbound"})),
            "outbound": Cell("Outbound", lambda row: ("calls", {"cause": row["code"], "figure": "ended", "going": "outbound"})),
            "internal": Cell("Internal", lambda row: ("calls", {"cause": row["code"], "figure": "ended", "going": "internal"})),
        },
        name="end causes",
    )

heading("Which causes grow", note="The five most frequent causes; all others as one. Click a point of one cause for its calls.")
trend = page.ask("cause_trend")
if trend.height:
    causes_of = {words(cause): cause for cause in trend["cause"].unique()}
    picked = page.chart(
        lines(
            trend.with_columns(label=pl.Series(page.labels(trend)), cause=worded(trend["cause"], words)),
            x="label",
            y="calls",
            series="cause",
            y_title="calls",
            y_format="~s",
            name="point",
        ),
        report="cause_trend",
        key="cause-trend",
        alt="The most frequent end causes over the period",
        chosen="point",
    )
    # the others have no name that a list could be asked for
    if picked and causes_of[picked["key"]] != "other":
        page.go(("calls", {"part": f"cause:{causes_of[picked['key']]}", "figure": "ended", **page.interval(trend, picked["x"])}))
else:
    nothing("No call has ended in this period.")

heading(
    "Abandoned, and what the outcome says",
    note="Abandoned is: unanswered and ended by the caller, whatever the cause; the outcome follows the cause first.",
)
differing = page.ask("outcome_abandoned")
if differing.height:
    page.table(
        "outcome_abandoned",
        differing,
        {
            "outcome": "Outcome",
            "missed": Cell("Missed", lambda row: ("calls", {"outcome": row["outcome"], "figure": "missed"})),
            "abandoned": Cell("Abandoned", lambda row: ("calls", {"outcome": row["outcome"], "figure": "abandoned"})),
            "short_abandoned": Cell("Short abandons", lambda row: ("calls", {"outcome": row["outcome"], "figure": "short_abandoned"})),
            "not_abandoned": Cell("Not abandoned", lambda row: ("calls", {"outcome": row["outcome"], "figure": "unanswered"})),
        },
        name="outcome against abandoned",
    )
else:
    nothing("No inbound call was missed.")

heading("Hung up on hold", note="Calls whose last state was held, ended by the side outside. Click a row for its call.")
if held.height:
    page.table(
        "abandoned_on_hold",
        held,
        {
            name: Cell(label, to_call)
            for name, label in {
                "started_at": "Start",
                "direction": "Direction",
                "external_phone": "Number",
                "answered_by_name": "Answered by",
                "queue_name": "Queue",
                "held_ms": "Last hold",
                "company": "Company",
                "call_id": "Call id",
            }.items()
        },
        name="hung up on hold",
    )
else:
    nothing("Nobody hung up while on hold.")

heading(
    "Enough lines?",
    note="The most calls open at one instant of each interval, of all calls of a company: other filters do not count here. "
    "Calls in progress count as long as their events tell. Click a bar or a point for the calls of its busiest instant.",
)
if at_once.height:
    together = at_once.with_columns(label=pl.Series(page.labels(at_once)))
    several = at_once["company"].n_unique() > 1
    picked = page.chart(
        lines(together, x="label", y="peak", series="company", y_title="calls at once", name="peak")
        if several
        else columns(together, x="label", y="peak", y_title="calls at once", name="peak"),
        report="concurrency",
        key="concurrency",
        alt="The most calls at once by interval",
        chosen="peak",
    )
    if picked:
        of = (pl.col("label") == picked["x"]) & (pl.col("company") == picked.get("key", at_once["company"][0]))
        page.go(during(together.row(by_predicate=of, named=True)))
    with st.expander("Each interval, with its calls"):
        page.table(
            "concurrency",
            at_once,
            {
                "interval_at": "From",
                "peak": Cell("At once", during),
                "peak_at": Cell("First at", during),
                "busy_ms": "Time in calls",
                "erlangs": "Erlangs",
                "company": "Company",
            },
            name="calls at once",
        )
else:
    nothing("No call was open in this period.")

heading("Trunks", note="Outbound calls: how many attempts are answered (ASR), how many the network delivers (NER).")
trunks = page.ask("trunks")
if trunks.height:
    page.table(
        "trunks",
        trunks,
        {
            "trunk_name": Cell("Trunk", of_trunk("attempts")),
            "attempts": Cell("Attempts", of_trunk("attempts")),
            "reached": Cell("Answered", of_trunk("reached")),
            "busy": Cell("Busy", of_trunk("attempts", "busy")),
            "no_answer": Cell("No answer", of_trunk("attempts", "no_answer", "abandoned")),
            "rejected": Cell("Rejected", of_trunk("attempts", "rejected")),
            "failed": Cell("Failed", of_trunk("attempts", "failed")),
            "answer_seizure_ratio": "ASR",
            "network_effectiveness_ratio": "NER",
            "average_talk_ms": "Average talk",
            "short_calls": Cell("Below 10 s", of_trunk("short_calls")),
        },
        name="trunks",
    )
    heading("Destinations", note="The first five characters of the number outside.")
    page.table(
        "prefixes",
        page.ask("prefixes"),
        {
            "prefix": Cell("Begins with", of_prefix("attempts")),
            "attempts": Cell("Attempts", of_prefix("attempts")),
            "reached": Cell("Answered", of_prefix("reached")),
            "failed": Cell("Failed", of_prefix("attempts", "failed")),
            "answer_seizure_ratio": "ASR",
        },
        name="destinations",
    )
else:
    nothing("No outbound calls in this period.")
