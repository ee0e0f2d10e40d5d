"""Are we answering, better or worse than usual?"""

from collections.abc import Mapping
from typing import Any

import polars as pl
import streamlit as st

from app.charts import (
    OUTCOMES,
    RESULTS,
    bars,
    beside_usual,
    change,
    count,
    duration,
    heatmap,
    largest_changes,
    line_in_band,
    percent,
    stacked_bars,
    unpivoted,
    week_labels,
)
from app.filters import of_who_waits
from app.page import Cell, Link
from app.shell import heading, nothing, open_page


def to_part(row: Mapping[str, Any]) -> Link:
    return "calls", {"part": f"{row['dimension']}:{row['value']}"}


def of_the_last(weeks: int) -> str:
    return {0: "of earlier weeks, of which none is known yet", 1: "of the last week"}.get(weeks, f"of the last {weeks} weeks")


page = open_page("Overview", "Are we answering, better or worse than usual?")
now, before = page.one("overview"), page.usual("overview")
course = page.ask("call_volume")
queues, queues_before, queue_course = page.one("queues_total"), page.usual("queues_total"), page.ask("queue_series")
who_waits = of_who_waits(page.filters, as_of=page.as_of)
missed = page.one("missed_summary", who_waits)

formula, explained = page.formula

with st.grid(4, min_column_width=165, gap="small"):
    page.tile(
        "Calls",
        count(now["calls"]),
        report="overview",
        trend=course["calls"],
        change=change(now["calls"], before.get("calls"), "count"),
        link=("calls", {}),
        link_text=f"all {count(now['calls'])}",
        more=[
            (("calls", {"figure": "inbound"}), f"{count(now['inbound'])} in"),
            (("calls", {"figure": "outbound"}), f"{count(now['outbound'])} out"),
            (("calls", {"figure": "internal"}), f"{count(now['internal'])} internal"),
        ],
    )
    page.tile(
        "Answered",
        percent(now["answer_rate"]),
        report="overview",
        metric="answer_rate",
        better="more",
        trend=course["answer_rate"],
        change=change(now["answer_rate"], before.get("answer_rate"), "share"),
        link=("calls", {"figure": "answered"}),
        link_text=f"{count(now['answered'])} of {count(now['offered'])} offered",
    )
    page.tile(
        "Abandoned",
        percent(now["abandonment_rate"]),
        report="overview",
        metric="abandonment_rate",
        better="less",
        trend=course["abandonment_rate"],
        change=change(now["abandonment_rate"], before.get("abandonment_rate"), "share"),
        link=("calls", {"figure": "abandoned"}),
        link_text=f"{count(now['abandoned'])} callers left",
        more=[(("calls", {"figure": "short_abandoned"}), f"and {count(now['short_abandoned'])} at once")],
    )
    page.tile(
        "Service level",
        percent(queues["service_level"]),
        report="queues_total",
        metric=explained,
        better="more",
        trend=queue_course["service_level"],
        change=change(queues["service_level"], queues_before.get("service_level"), "share"),
        link=("calls", {"list": "visits", "figure": "offered"}),
        link_text=f"of {count(queues['offered'])} visits of queues",
        more=[(("queues", {}), "each queue")],
        note=formula,
    )
    page.tile(
        "Average speed of answer",
        duration(queues["asa_ms"]),
        report="queues_total",
        metric="average_speed_of_answer",
        better="less",
        trend=queue_course["asa_ms"],
        change=change(queues["asa_ms"], queues_before.get("asa_ms"), "duration"),
        link=("calls", {"list": "visits", "figure": "answered"}),
        link_text=f"of {count(queues['answered'])} answered visits",
        note="from the entry into a queue: announcements before it are not waiting",
    )
    page.tile(
        "Reached",
        percent(now["reach_rate"]),
        report="overview",
        metric="is_reached",
        better="more",
        change=change(now["reach_rate"], before.get("reach_rate"), "share"),
        link=("calls", {"figure": "reached"}),
        link_text=f"{count(now['reached'])} of {count(now['attempts'])} calls out",
    )
    page.tile(
        "Average talk",
        duration(now["average_talk_ms"]),
        report="overview",
        metric="average_talk",
        trend=course["average_talk_ms"],
        change=change(now["average_talk_ms"], before.get("average_talk_ms"), "duration"),
        link=("calls", {"figure": "talked", "order": "talk_ms"}),
        link_text=f"{duration(now['talk_ms'])} in {count(now['talked'])} calls",
    )
    page.tile(
        "Open missed callers",
        count(missed["open"]),
        report="missed_summary",
        metric="episode_state",
        filters=who_waits,
        link=("missed", {}),
        link_text=f"{count(missed['open'])} to call back",
        note=f"now, of the last {page.filters.settings.callback_days} days: whatever the period",
    )

heading("Inbound calls by result", note="A call counts where it began. Click a bar for its calls.")
labelled = course.with_columns(label=pl.Series(page.labels(course)))
picked = page.chart(
    stacked_bars(
        unpivoted(labelled, index=["label"], names=list(RESULTS)), x="label", y="value", series="series", colours=RESULTS, name="bar"
    ),
    report="call_volume",
    key="volume",
    alt="Inbound calls by result over the period",
    chosen="bar",
)
if picked:
    page.go(("calls", {"figure": picked["key"], **page.interval(course, picked["x"])}))

left, right = st.columns(2, gap="medium")
with left:
    weeks = page.same_weekdays("call_volume")
    heading("Now and usual", note=f"All calls, against the median and the range of the same weekdays {of_the_last(len(weeks))}.")
    usual = beside_usual(course, weeks, value="calls").with_columns(label=pl.Series(page.labels(course)))
    page.chart(
        line_in_band(usual, x="label", now="now", usual="usual", low="low", high="high", now_title="this period", usual_title="usual"),
        report="call_volume",
        key="usual",
        alt="Calls of this period beside the usual ones",
    )
with right:
    heading("How calls went", note="All calls by outcome. Click a bar for its calls.")
    picked = page.chart(
        bars(page.ask("outcomes"), label="outcome", value="calls", share="share", coloured=OUTCOMES, name="bar"),
        report="outcomes",
        key="outcomes",
        alt="Calls by outcome",
        chosen="bar",
    )
    if picked:
        page.go(("calls", {"outcome": picked["key"]}))

left, right = st.columns(2, gap="medium")
with left:
    heading("When calls come", note="Calls in each hour of the week, on average over the period. Click a cell for all its calls.")
    week = week_labels(page.ask("heatmap"))
    picked = page.chart(
        heatmap(week, x="at", y="day", value="calls_an_hour", x_title="hour", value_title="calls an hour", name="cell"),
        report="heatmap",
        key="heatmap",
        alt="Calls an hour by weekday and hour",
        chosen="cell",
    )
    if picked:
        cell = week.row(by_predicate=(pl.col("at") == picked["x"]) & (pl.col("day") == picked["y"]), named=True)
        page.go(("calls", {"part": f"hour:{(cell['weekday'] - 1) * 24 + cell['hour']}"}))
with right:
    heading("What changed most", note="Calls of this period against those that the filters compare with. Click a row for its calls.")
    breakdown_before = page.usual_rows("breakdown")
    if breakdown_before is None:
        nothing("There is nothing to compare with: no comparison is chosen, or the calls do not go back that far.")
    else:
        changes = largest_changes(page.ask("breakdown"), breakdown_before, value="calls", most=5)
        if changes.height:
            page.made_table(
                changes,
                {
                    "dimension": "Of",
                    "value": Cell("Which", to_part),
                    "now": Cell("Calls", to_part),
                    "before": "Before",
                    "difference": "Difference",
                },
                name="changes",
                report="breakdown",
            )
        else:
            nothing("Nothing changed.")
