"""Why do calls fail or end, and who hangs up?"""

from collections.abc import Callable, Mapping
from typing import Any

import polars as pl
import streamlit as st

from app.charts import OUTCOMES, bars, lines, stacked_bars, words
from app.page import Cell, Link
from app.shell import heading, nothing, open_page


def outbound(part: str, column: str, figure: str, outcomes: tuple[str, ...]) -> Callable[[Mapping[str, Any]], Link]:
    return lambda row: ("calls", {"part": f"{part}:{row[column]}", "going": "outbound", "figure": figure, "outcome": outcomes})


def of_trunk(figure: str, *outcomes: str) -> Callable[[Mapping[str, Any]], Link]:
    return outbound("trunk", "trunk_name", figure, outcomes)


def of_prefix(figure: str, *outcomes: str) -> Callable[[Mapping[str, Any]], Link]:
    return outbound("prefix", "prefix", figure, outcomes)


page = open_page("Outcomes", "Why do calls fail or end, and who hangs up?")

left, right = st.columns(2, gap="medium")
with left:
    heading("Outcomes", note="All calls of the period. Click a bar for its calls.")
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
        bars(page.ask("ended_by"), label="ended_by", value="calls", share="share", name="bar"),
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

heading(
    "End causes",
    note="A code that is not in the table keeps its own row and the phone system's text. Click a figure for its calls.",
)
causes = page.ask("causes")
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

heading("Which causes grow", note="The five most frequent causes; all others as one.")
trend = page.ask("cause_trend")
if trend.height:
    page.chart(
        lines(
            trend.with_columns(label=pl.Series(page.labels(trend)), cause=trend["cause"].map_elements(words, return_dtype=pl.String)),
            x="label",
            y="calls",
            series="cause",
            y_title="calls",
            y_format="~s",
        ),
        report="cause_trend",
        key="cause-trend",
        alt="The most frequent end causes over the period",
    )
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
