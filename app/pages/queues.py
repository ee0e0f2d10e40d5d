"""Which queue misses its target, and when?"""

from collections.abc import Callable, Mapping
from typing import Any

import polars as pl
import streamlit as st

from app.charts import (
    BLUE,
    OCHRE,
    SLATE,
    VERMILION,
    bullets,
    change,
    count,
    duration,
    goals_of,
    heatmap,
    lines,
    minute_labels,
    percent,
    stacked_bars,
    unpivoted,
    until_last,
)
from app.filters import FORMULAS, LONGEST_T_S, service_level_of
from app.page import Cell, Link, query_of_page, say
from app.shell import heading, not_subscribed, nothing, open_page

MOST = 15
WAITS = {"answered": BLUE, "caller_left": VERMILION, "overflowed": SLATE, "unanswered": OCHRE}


def to_visits(figure: str) -> Callable[[Mapping[str, Any]], Link]:
    return lambda row: ("calls", {"list": "visits", "in_queue": row["queue_name"], "figure": figure})


page = open_page("Queues", "Which queue misses its target, and when?")
if "visits" not in page.feeds:
    not_subscribed("A queue", "Visits, service level and waits", "call events that name a queue")
    st.stop()

asked = service_level_of(query_of_page())
with st.container(horizontal=True, vertical_alignment="bottom", key="service-level"):
    formula = st.selectbox(
        "Service level",
        ["", *FORMULAS],
        index=["", *FORMULAS].index(asked.get("service_level_formula", "")),
        format_func=lambda name: FORMULAS.get(name, "as set for each queue"),
        width=380,
        help="Many formulas go by this name, and the same visits give very different figures: the one in force stands under each number.",
    )
    within = st.number_input(
        "T, seconds",
        min_value=0,
        max_value=LONGEST_T_S,
        step=5,
        width=150,
        value=asked.get("service_level_s"),
        placeholder="as set",
    )
say({"formula": formula or None, "within": None if within is None else str(within)})
page = page.counted_by(query_of_page())
filters = page.filters
said, explained = page.formula

total, before = page.one("queues_total", filters), page.usual("queues_total", filters)
series = page.ask("queue_series", filters)
queues = page.ask("queues", filters)
goals = goals_of(queues)
if not total["visits"]:
    nothing("No call visited a queue in this period.")
    st.stop()

with st.grid(4, min_column_width=165, gap="small"):
    page.tile(
        "Service level",
        percent(total["service_level"]),
        report="queues_total",
        metric=explained,
        better="more",
        change=change(total["service_level"], before.get("service_level"), "share"),
        trend=series["service_level"],
        link=("calls", {"list": "visits", "figure": "in_time"}),
        link_text=f"{count(total['in_time'])} answered in time",
        note=said,
    )
    page.tile(
        "Offered",
        count(total["offered"]),
        report="queues_total",
        metric="is_visit_offered",
        change=change(total["offered"], before.get("offered"), "count"),
        trend=series["offered"],
        link=("calls", {"list": "visits", "figure": "offered"}),
        link_text=f"{count(total['offered'])} visits",
        more=[
            (("calls", {"list": "visits", "figure": "answered"}), f"{count(total['answered'])} answered"),
            (("calls", {"list": "visits", "figure": "overflowed"}), f"{count(total['overflowed'])} went on"),
        ],
        note="who goes on to another queue is offered there again",
    )
    page.tile(
        "Abandoned",
        percent(total["abandonment_rate"]),
        report="queues_total",
        metric="abandonment_rate",
        better="less",
        change=change(total["abandonment_rate"], before.get("abandonment_rate"), "share"),
        trend=series["abandonment_rate"],
        link=("calls", {"list": "visits", "figure": "abandoned"}),
        link_text=f"{count(total['abandoned'])} callers left",
        more=[(("calls", {"list": "visits", "figure": "short_abandoned"}), f"and {count(total['short_abandoned'])} at once")],
    )
    page.tile(
        "Average speed of answer",
        duration(total["asa_ms"]),
        report="queues_total",
        metric="average_speed_of_answer",
        better="less",
        change=change(total["asa_ms"], before.get("asa_ms"), "duration"),
        trend=series["asa_ms"],
        link=("calls", {"list": "visits", "figure": "answered"}),
        link_text=f"of {count(total['answered'])} answered visits",
        note="from the entry into the queue",
    )

heading(
    "Each queue against its goal",
    note="The bar is the service level, the mark across it the queue's own goal. Click a bar for its visits."
    + (f" The {MOST} queues with the most visits." if queues.height > MOST else ""),
)
picked = page.chart(
    bullets(
        queues.filter(pl.col("service_level").is_not_null()).head(MOST),
        label="queue_name",
        value="service_level",
        goal="goal",
        x_title="service level",
        name="bar",
    ),
    report="queues",
    key="goals",
    alt="Service level of each queue against its goal",
    chosen="bar",
)
if picked:
    page.go(("calls", {"list": "visits", "in_queue": picked["key"], "figure": "offered"}))

heading("Each queue", note="One row a queue; its figures are of visits. Click a figure for its visits, the longest wait for its call.")
page.table(
    ("queues", "queue_percentiles"),
    queues.join(page.ask("queue_percentiles", filters), on="queue_name", how="left", maintain_order="left"),
    {
        "queue_name": Cell("Queue", to_visits("offered")),
        "service_level": Cell("Service level", to_visits("in_time")),
        "goal": "Goal",
        "offered": Cell("Offered", to_visits("offered")),
        "answered": Cell("Answered", to_visits("answered")),
        "abandoned": Cell("Abandoned", to_visits("abandoned")),
        "short_abandoned": Cell("At once", to_visits("short_abandoned")),
        "overflowed": Cell("Went on", to_visits("overflowed")),
        "unanswered": Cell("Unanswered", to_visits("unanswered")),
        "abandonment_rate": "Abandoned %",
        "wait_p50_ms": "Median wait",
        "wait_p90_ms": "90 % wait",
        "average_wait_ms": "Average wait",
        "answered_p90_ms": "90 % answered after",
        "asa_ms": "ASA",
        "left_p50_ms": "Median until left",
        "time_to_abandon_ms": "Average until abandoned",
        "longest_wait_ms": Cell(
            "Longest wait",
            lambda row: ("call", {"of": row["longest_company"], "call": row["longest_call_id"]}) if row["longest_call_id"] else None,
        ),
        "within_ms": "T",
        "short_ms": "S",
        "formula": "Formula",
    },
    name="queues",
    reaches={"service_level": "goal"},
)

heading("Six formulas, one queue", note="All go by the name of service level. Compare, then say which you mean.")
page.table(
    "queues",
    queues,
    {
        "queue_name": "Queue",
        "sl_default": "Default",
        "sl_abandons_negative": "Abandons negative",
        "sl_abandons_ignored": "Abandons ignored",
        "sl_abandons_positive": "Abandons positive",
        "sl_of_answered_only": "Of answered only",
        "sl_overflow_ignored": "Overflow ignored",
    },
    name="formulas",
)

left, right = st.columns(2, gap="medium")
with left:
    heading(
        "Service level by time of day",
        note="Half hours of the local day over the period; a visit belongs to that of its entry. Click a point for its visits.",
    )
    day = page.ask("queue_half_hours", filters).filter(pl.col("service_level").is_not_null())
    picked = page.chart(
        lines(
            day.with_columns(label=minute_labels(day["minute_of_day"])),
            x="label",
            y="service_level",
            goals=goals,
            y_title="service level",
            y_format=".0%",
            share=True,
            name="point",
        ),
        report="queue_half_hours",
        key="half-hours",
        alt="Service level by half hour of the day against the goal",
        chosen="point",
    )
    if picked:
        page.go(("calls", {"list": "visits", "figure": "offered", "part": f"half_hour:{picked['x']}"}))
with right:
    heading(
        "Service level over the period",
        note="A visit belongs to the interval of its entry; one without visits is left out. Click a point for its visits.",
    )
    course = series.with_columns(label=pl.Series(page.labels(series))).filter(pl.col("service_level").is_not_null())
    picked = page.chart(
        lines(course, x="label", y="service_level", goals=goals, y_title="service level", y_format=".0%", share=True, name="point"),
        report="queue_series",
        key="series",
        alt="Service level over the period against the goal",
        chosen="point",
    )
    if picked:
        page.go(("calls", {"list": "visits", "figure": "offered", **page.interval(series, picked["x"])}))

left, right = st.columns(2, gap="medium")
with left:
    heading("How long people wait", note="Visits by their wait, in steps of 5 s; the last is 10 min and more. Click a bar for its visits.")
    waits = until_last(page.ask("queue_waits", filters), list(WAITS))
    picked = page.chart(
        stacked_bars(
            unpivoted(waits, index=["from_s"], names=list(WAITS)),
            x="from_s",
            y="value",
            series="series",
            colours=WAITS,
            x_title="seconds",
            y_title="visits",
            name="bar",
        ),
        report="queue_waits",
        key="waits",
        alt="Visits by their wait",
        chosen="bar",
    )
    if picked:
        page.go(("calls", {"list": "visits", "figure": picked["key"], "part": f"wait:{picked['x']}"}))
with right:
    heading(
        "When they give up",
        note="Of those still waiting at a moment, the share that hangs up within the next 5 s; steps with at least 10 waiting.",
    )
    patience = page.ask("queue_patience", filters).filter(pl.col("still_waiting") >= 10)
    if patience.height:
        page.chart(
            lines(patience, x="from_s", y="left_share", y_title="hang up within 5 s", y_format=".0%", x_title="seconds"),
            report="queue_patience",
            key="patience",
            alt="Share of waiting callers that hang up, by wait",
        )
    else:
        nothing("Too few visits to tell.")

heading("Where callers go on to", note="Visits that left one queue for another. Click a cell for its visits.")
overflow = page.ask("queue_overflow", filters)
if overflow.height:
    picked = page.chart(
        heatmap(
            overflow,
            x="next_queue",
            y="queue_name",
            value="visits",
            x_title="to",
            y_title="from",
            value_title="visits",
            figures=True,
            height=220,
            name="cell",
        ),
        report="queue_overflow",
        key="overflow",
        alt="Visits that went on, from queue to queue",
        chosen="cell",
    )
    if picked:
        page.go(("calls", {"list": "visits", "in_queue": picked["y"], "figure": "overflowed", "part": f"next_queue:{picked['x']}"}))
else:
    nothing("No visit went on to another queue.")
