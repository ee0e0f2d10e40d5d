"""Who takes the calls, whose phone rings out?"""

from collections.abc import Callable, Mapping
from typing import Any

import polars as pl
import streamlit as st

from app.charts import BLUE, OCHRE, SLATE, VERMILION, change, count, duration, percent, ranges, share_of_sums, stacked_rows, unpivoted
from app.page import Cell, Link, say
from app.shell import heading, not_subscribed, nothing, open_page, stop_without_people

RESULTS = {"answered": BLUE, "taken by another": SLATE, "caller left": OCHRE, "lost": VERMILION}
MOST = 15


def to_offers(figure: str) -> Callable[[Mapping[str, Any]], Link]:
    return lambda row: ("calls", {"list": "offers", "of_agent": row["agent"], "figure": figure})


def to_calls_out(figure: str) -> Callable[[Mapping[str, Any]], Link]:
    return lambda row: ("calls", {"part": f"caller:{row['agent']}", "figure": figure})


def to_day(row: Mapping[str, Any]) -> Link:
    return "agent_day", {"who": row["agent"]}


page = open_page("Agents", "Who takes the calls, whose phone rings out?")
stop_without_people(page)
total, before = page.one("agents_total"), page.usual("agents_total")
agents = page.ask("agents")
if not agents.height:
    nothing("Nobody's phone rang in this period, and nobody called out.")
    st.stop()

occupied = page.ask("agent_occupancy")

with st.grid(4, min_column_width=165, gap="small"):
    page.tile(
        "Offers",
        count(total["offers"]),
        report="agents_total",
        metric="offer_result",
        change=change(total["offers"], before.get("offers"), "count"),
        link=("calls", {"list": "offers", "figure": "offers"}),
        link_text=f"{count(total['offers'])} offers",
        note=f"to {count(total['agents'])} people; a call that rings several phones is several offers",
    )
    page.tile(
        "Answered",
        percent(total["answer_rate"]),
        report="agents_total",
        metric="agent_answer_rate",
        better="more",
        change=change(total["answer_rate"], before.get("answer_rate"), "share"),
        link=("calls", {"list": "offers", "figure": "answered"}),
        link_text=f"{count(total['answered'])} offers",
        more=[(("calls", {"list": "offers", "figure": "taken"}), f"{count(total['taken'])} taken by another")],
    )
    page.tile(
        "Lost",
        count(total["lost"]),
        report="agents_total",
        metric="offer_result",
        better="less",
        change=change(total["lost"], before.get("lost"), "count"),
        link=("calls", {"list": "offers", "figure": "lost"}),
        link_text=f"{count(total['lost'])} rang out",
        more=[(("calls", {"list": "offers", "figure": "caller_left"}), f"{count(total['caller_left'])} whose caller hung up")],
        note="a caller who hangs up is nobody's fault",
    )
    page.tile(
        "Average talk",
        duration(total["average_talk_ms"]),
        report="agents_total",
        metric="average_talk",
        change=change(total["average_talk_ms"], before.get("average_talk_ms"), "duration"),
        link=("calls", {"list": "offers", "figure": "answered"}),
        link_text=f"of {count(total['answered'])} answered offers",
    )
    page.tile(
        "Average handling without wrap-up",
        duration(total["handling_ms"]),
        report="agents_total",
        metric="average_handling_time",
        change=change(total["handling_ms"], before.get("handling_ms"), "duration"),
        note="talk and hold; work after a call is not in the phone system's events",
    )
    page.tile(
        "Hold",
        duration(total["hold_ms"]),
        report="agents_total",
        metric="hold_time",
        change=change(total["hold_ms"], before.get("hold_ms"), "duration"),
        note="of answered offers, all together",
    )
    page.tile(
        "Transferred",
        count(total["transferred"]),
        report="agents_total",
        change=change(total["transferred"], before.get("transferred"), "count"),
        link=("calls", {"list": "offers", "figure": "transferred"}),
        link_text=f"{count(total['transferred'])} answered offers",
        note="answered, and later by another in the same call",
    )
    page.tile(
        "Occupancy",
        percent(share_of_sums(occupied, "busy_ms", "ready_ms")),
        report="agent_occupancy",
        metric="occupancy",
        note="talking, of the time on duty" if "presence" in page.feeds else "presence is not subscribed",
    )

said = st.query_params.get("least", "1")
least = st.slider(
    "Only people with at least so many offers",
    0,
    50,
    min(int(said), 50) if said.isascii() and said.isdigit() and len(said) < 10 else 1,
    help="A rate of two calls says nothing: leave such people out before you compare.",
    width=360,
)
say({"least": None if least == 1 else str(least)})
ranked = agents.filter((pl.col("offers") >= least) | ((least == 0) & (pl.col("outbound") > 0)))
if not ranked.height:
    nothing("Nobody has that many offers in this period.")
    st.stop()

heading("What became of the offers", note=f"The {MOST} people with the most offers. Click a bar for its offers.")
named = ranked.head(MOST).with_columns(who=pl.col("agent").replace_strict(page.names, default=pl.col("agent")))
picked = page.chart(
    stacked_rows(
        unpivoted(
            named,
            index=["who", "agent"],
            names=["answered", "taken", "caller_left", "lost"],
            labels={"taken": "taken by another", "caller_left": "caller left"},
        ),
        label="who",
        value="value",
        series="series",
        colours=RESULTS,
        x_title="offers",
        name="bar",
        key="agent",
    ),
    report="agents",
    key="offers",
    alt="Offers of each person by what became of them",
    chosen="bar",
)
if picked:
    figure = {"taken by another": "taken", "caller left": "caller_left"}.get(picked["series"], picked["series"])
    page.go(("calls", {"list": "offers", "of_agent": picked["key"], "figure": figure}))

heading(
    "Each person",
    note="One row a person; figures of offers in the period. One call can be several offers, so offers do not add up to calls. "
    "Click a figure for its offers, the name for the day.",
)
page.table(
    ("agents", "agent_occupancy"),
    ranked.join(occupied.select("agent", "ready_ms", "busy_ms", "occupancy"), on="agent", how="left", maintain_order="left"),
    {
        "name": Cell("Name", to_day),
        "extension": Cell("Extension", to_day),
        "department": "Department",
        "offers": Cell("Offers", to_offers("offers")),
        "answered": Cell("Answered", to_offers("answered")),
        "answer_rate": "Answered %",
        "taken": Cell("Taken by another", to_offers("taken")),
        "caller_left": Cell("Caller left", to_offers("caller_left")),
        "lost": Cell("Lost", to_offers("lost")),
        "talk_ms": "Talk",
        "average_talk_ms": "Average talk",
        "hold_ms": "Hold",
        "handling_ms": "Handling without wrap-up",
        "transferred": Cell("Transferred", to_offers("transferred")),
        "outbound": Cell("Calls out", to_calls_out("attempts")),
        "outbound_reached": Cell("Reached", to_calls_out("reached")),
        "outbound_talk_ms": "Talk out",
        "occupancy": "Occupancy",
        "ready_ms": "On duty",
        "company": "Company",
    },
    name="people",
    also=[f"people with at least {least} offers"] if least else [],
)
if "presence" not in page.feeds:
    not_subscribed("Presence", "Occupancy and time on duty", "presence:telephony and presence:user")

heading(
    "How long they talk",
    note="Of answered offers: the middle half of all talks as a bar, the median as a line in it, 90 % below the end of the thin line.",
)
talks = page.ask("agent_talk").filter(pl.col("answered") >= least).head(MOST)
if talks.height:
    page.chart(
        ranges(
            talks.with_columns(who=pl.col("agent").replace_strict(page.names, default=pl.col("agent"))),
            label="who",
            low="p25_ms",
            middle="p50_ms",
            high="p75_ms",
            end="p90_ms",
        ),
        report="agent_talk",
        key="talks",
        alt="Talk time of each person",
    )
else:
    nothing("Nobody with that many answered offers.")
