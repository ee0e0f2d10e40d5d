"""Which calls are these? The list behind every figure: of calls, of visits to queues, of offers to agents, of missed calls."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from app.charts import count, duration, plain, short, words
from app.filters import EVER, FIELDS, NARROWINGS, SERVICE_LEVEL
from app.journey import LEGS, party
from app.page import ROWS_ON_SCREEN, Cell, say, to_call
from app.said import heeded, instant_words, part_words
from app.shell import nothing, offer_to_clear, open_page, stop_without_calls, stop_without_people

ORDERS = {
    "started_at": "newest first",
    "wait_ms": "longest wait",
    "talk_ms": "longest talk",
    "hold_ms": "longest hold",
    "duration_ms": "longest",
}


@dataclass(frozen=True)
class Listing:
    """A list: the reports of its rows and of its total, the total's column, what rows are and one is, its columns and their headings."""

    rows: str
    total: str
    counted: str
    noun: str
    one: str
    headings: Mapping[str, str]


LISTS = {
    "calls": Listing(
        "calls",
        "calls_total",
        "calls",
        "calls",
        "call",
        {
            "started_at": "Start",
            "direction": "Direction",
            "caller_phone": "From",
            "caller_name": "Caller",
            "callee_phone": "To",
            "callee_name": "Callee",
            "answered_by_name": "Answered by",
            "queue_name": "Queue",
            "outcome": "Outcome",
            "leg_count": "Legs",
            "wait_ms": "Wait",
            "talk_ms": "Talk",
            "hold_ms": "Hold",
            "duration_ms": "Length",
            "ended_by": "Ended by",
            "end_cause_name": "Why it ended",
            "abandoned": "Abandoned",
            "transfer_count": "Transfers",
            "trunk_name": "Trunk",
            "company": "Company",
            "call_id": "Call id",
        },
    ),
    "visits": Listing(
        "visits",
        "visits_total",
        "visits",
        "visits of queues",
        "visit of a queue",
        {
            "entered_at": "Entered",
            "queue_name": "Queue",
            "result": "Result",
            "wait_ms": "Wait",
            "answered_at": "Answered",
            "left_at": "Left",
            "next_queue": "Next queue",
            "visit": "Visit of the call",
            "company": "Company",
            "call_id": "Call id",
        },
    ),
    "missed": Listing(
        "missed_calls",
        "missed_total",
        "misses",
        "missed calls",
        "missed call",
        {
            "started_at": "When",
            "external_phone": "Number",
            "caller_name": "Name",
            "reason": "Why",
            "outcome": "Outcome",
            "wait_ms": "Wait",
            "last_queue": "Last queue",
            "users_rung": "Phones rung",
            "company": "Company",
            "call_id": "Call id",
        },
    ),
    "repeats": Listing(
        "repeat_calls",
        "repeat_callers",
        "repeated",
        "calls whose caller called again",
        "call whose caller called again",
        {
            "started_at": "Start",
            "external_phone": "From",
            "caller_name": "Caller",
            "answered_by_name": "Answered by",
            "queue_name": "Queue",
            "talk_ms": "Talk",
            "again_at": "Called again",
            "after_ms": "After",
            "company": "Company",
            "call_id": "Call id",
        },
    ),
    "offers": Listing(
        "offers",
        "offers_total",
        "offers",
        "offers to agents",
        "offer to an agent",
        {
            "offered_at": "Offered",
            "name": "Agent",
            "extension": "Extension",
            "department": "Department",
            "queue_name": "Queue",
            "result": "Result",
            "ring_ms": "Ring",
            "talk_ms": "Talk",
            "hold_ms": "Hold",
            "transferred": "Transferred",
            "company": "Company",
            "call_id": "Call id",
        },
    ),
}


# narrowings whose values are words of ours; the others are names and numbers of calls, and stay as they are
OUR_WORDS = {"list", "figure", "outcome", "category", "ended_by", "reason", "state", "going", "formula"}
TITLES = {"within": "T", "at": "from", "number_of": "number", "formula": "service level"}


def said_of(name: str, value: str) -> str:
    """A narrowing's value for its button."""
    if name == "part":
        text = part_words(value, page.time_zone)
    elif name in ("at", "until"):
        text = instant_words(value, page.time_zone)
    elif name == "within":
        text = f"{value} s"
    elif name == "of_agent":
        text = page.names.get(value, value)
    else:
        text = words(value) if name in OUR_WORDS else value
    return short(text, limit=40)


def said_values(name: str) -> list[str]:
    """What a narrowing says; the call that stands for its number says that number."""
    values = st.query_params.get_all(name)
    return list(page.number_named(filters).values()) or values[-1:] if name == "number_of" else values


def to_legs(row: Mapping[str, Any]) -> dict[str, str | None]:
    return {"legs": row["call_id"], "legs_of": row["company"]}


def show_legs(company: str, call_id: str) -> None:
    """The legs of one of the calls, beside the list."""
    asked = replace(page.blank, call=(company, call_id))
    found = page.ask("call", asked)
    if found.is_empty():
        return
    call = found.row(0, named=True)
    with st.container(border=True, key="legs"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            who = f"{plain(party(call, 'caller'))} → {plain(party(call, 'callee'))}"
            st.markdown(f"**Legs of {plain(page.instant(call['started_at']))}** · {who}", width="content")
            page.link(to_call(call), "Open the call")
            if st.button("✕ close", type="tertiary", key="without-legs"):
                say({"legs": None, "legs_of": None})
                st.rerun()
        legs = page.ask("call_legs", asked)
        if legs.height:
            page.table(
                "call_legs",
                legs,
                {name: label for name, label in LEGS.items() if name not in ("callee_department", "answered_at", "ended_at")},
                name="legs",
                filters=asked,
            )
        else:
            nothing("Nobody was called in this call.")


listing = LISTS.get(st.query_params.get("list", ""), LISTS["calls"])
narrowed = {field for name, field in NARROWINGS.items() if name in st.query_params}
page = open_page(
    "Calls",
    "Which calls are these, and what happened in them?",
    uses=heeded((listing.rows, listing.total)) & FIELDS - narrowed,
    needs_calls=False,
    ever=EVER in st.query_params,
)
if listing is LISTS["offers"]:
    stop_without_people(page)
filters = page.narrowed()
if filters.order not in ORDERS:
    filters = replace(filters, order="started_at")

if listing is LISTS["calls"]:
    with (
        st.form(f"search-{filters.text}-{filters.order}", border=False),
        st.container(horizontal=True, vertical_alignment="bottom", key="search-bar"),
    ):
        text = st.text_input(
            "Search", value=filters.text or "", placeholder="part of a number, a name, a destination or a call id", width=420
        )
        order = st.selectbox("Order", list(ORDERS), index=list(ORDERS).index(filters.order), format_func=lambda key: ORDERS[key], width=170)
        if st.form_submit_button("Search", icon=":material/search:"):
            narrowing = {"text": text.strip() or None, "order": None if order == "started_at" else order}
            say(narrowing | {"page": None})
            st.rerun()

named = [name for name in ("list", EVER, *NARROWINGS, *SERVICE_LEVEL) if name in st.query_params and name not in ("text", "order")]
if named:
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", key="narrowings"):
        st.caption("Only:", width="content")
        for name in named:
            values = ", ".join(said_of(name, value) for value in said_values(name))
            if st.button(
                "Of all time ✕" if name == EVER else f"{plain(words(TITLES.get(name, name)))}: {plain(values)} ✕", key=f"without-{name}"
            ):
                say({name: None, "page": None})
                st.rerun()

total = page.one(listing.total, filters)
rows = total[listing.counted]
with st.container(horizontal=True, vertical_alignment="center", key="totals"):
    said = f"**{count(rows)} {listing.one if rows == 1 else listing.noun}**"
    if "talk_ms" in total:
        said += f" · talk {duration(total['talk_ms'])} · hold {duration(total['hold_ms'])}"
    st.markdown(said, width="content")
    pages = max(1, -(-rows // ROWS_ON_SCREEN))
    said_page = st.query_params.get("page", "")
    at = min(int(said_page), pages) if said_page.isascii() and said_page.isdigit() and len(said_page) < 10 and int(said_page) else 1
    if pages > 1:
        at = st.pagination(pages, default=at, key=f"pages-{listing.rows}-{hash((repr(filters), rows))}-{at}")
    say({"page": None if at == 1 else str(at)})

if rows == 0:
    if not page.ever:
        stop_without_calls(page)
    if filters.text:
        how = (
            "Numbers are masked here, and found whole alone" if page.config.reports.masked_digits else "A number is found by any part of it"
        )
        nothing(f"Nothing matches the search. {how}; a name by any part, whatever the case.")
    elif page.ever:
        nothing("There are none at any time.")
    else:
        nothing("No calls here. Widen the period or the filters above.")
    with st.container(horizontal=True, gap="small", key="ways-out"):
        if not page.ever and page.heeded.narrowed:
            offer_to_clear(page)
        if not page.ever and st.button("Look at all times", key="look-ever", help="Whatever the period and the filters say"):
            say({EVER: "1"})
            st.rerun()
    st.stop()

found = tuple(total["instants"]) if total.get("instants") else None
shown = page.ask(listing.rows, replace(filters, instants=found, limit=ROWS_ON_SCREEN, offset=(at - 1) * ROWS_ON_SCREEN))
opened = st.query_params.get("legs", "")
if listing is LISTS["calls"]:
    st.caption("Click a row's cell to open its call, the number of its legs to see them here.")
    if opened:
        show_legs(st.query_params.get("legs_of", ""), opened)
else:
    st.caption("Click a row's cell to open its call.")
page.table(
    listing.rows,
    shown,
    {name: Cell(label, to_legs if name == "leg_count" else to_call) for name, label in listing.headings.items()},
    opened=opened,
    name=f"list of {listing.noun}",
    whole=lambda: page.every(listing.rows, filters),
    filters=filters,
    rows=rows,
)
