"""Calls, one row a call, whatever its basis. Key: company, call_id. Durations in ms. (CONTRACT §6)"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import polars as pl

from transforms.events import CONNECTED, texts_by
from transforms.legs import answers
from transforms.outcome import LOST_AFTER, with_outcome
from transforms.runs import Runs, opens
from transforms.states import SUMS_MS
from transforms.tables import CALLS, OPEN_CALLS, PARTY

_COUNTED: Final = ("hold_count", "leg_count", "transfer_count")
_LAST_KNOWN: Final = ("destination", "service", "trunk_name", "queue_name", "queue_id")


def call_rows(timeline: pl.DataFrame, legs: pl.DataFrame) -> pl.DataFrame:
    """Rows for calls, of calls whose basis is call or live, in order of their number. From events.timeline and legs."""
    every = Runs.of(timeline.select(opens("call")).to_series())
    # Late events count, and are heard no more: from here to `close` lies what the call's other figures come from.
    close = every.row_of_last(timeline, ~pl.col("is_late"))
    runs = Runs(every.first, close)
    states = pl.col("is_state")
    answered = runs.row_of_first(timeline, states & pl.col("phase").is_in(CONNECTED))
    ends = runs.row_of_first(timeline, pl.col("kind") == "end")
    caller = runs.row_of_last(timeline, pl.col("caller_present"))
    callee = runs.row_of_last(timeline, pl.col("callee_present"))
    held = states & (pl.col("phase") == "held")
    lasting = timeline.select(
        "call",
        "phase",
        duration_ms=(pl.col("next_at") - pl.col("event_time")).dt.total_milliseconds(),
        hold_count=held & ~(held.shift(1, fill_value=False) & ~opens("call")),
        has_start=pl.col("kind") == "start",
    )
    counted = every.sums(timeline, {"delivery_count": pl.col("delivery_count"), "late_events": pl.col("is_late")})
    received = (
        timeline.group_by("call")
        .agg(first_received_at=pl.col("received_at").min(), last_received_at=pl.col("last_received_at").max())
        .sort("call")
    )
    fields = ("present", *PARTY)
    rows = every.at(timeline, ("call", "k", "company", "call_id", "pbx", "family", "event_time"), every.first).rename(
        {"family": "basis", "event_time": "started_at"}
    )
    rows = rows.with_columns(
        timeline["event_time"].gather(answered).alias("answered_at"),
        timeline["event_time"].gather(ends).alias("ended_at"),
        timeline["event_time"].gather(close).alias("last_event_at"),
        *runs.sums(lasting, {**SUMS_MS, "hold_count": pl.col("hold_count")}),
        *runs.last_known(timeline, (*_LAST_KNOWN, "direction")).rename({"direction": "said_direction"}),
        *runs.at(timeline, [f"caller_{field}" for field in fields], caller),
        *runs.at(timeline, [f"callee_{field}" for field in fields], callee),
        *runs.at(timeline, ("end_cause", "end_cause_text", "ended_by"), ends),
        (every.last - every.first + 1).cast(pl.Int64).alias("event_count"),
        *counted,
        runs.row_of_first(lasting, pl.col("has_start")).is_not_null().alias("has_start"),
        ends.is_not_null().alias("has_end"),
        received["first_received_at"],
        received["last_received_at"],
    ).with_columns(
        pl.col("caller_present").fill_null(False),
        pl.col("callee_present").fill_null(False),
        duration_ms=(pl.col("ended_at") - pl.col("started_at")).dt.total_milliseconds(),
    )
    texts = texts_by(timeline.select("call", "tags", "flags", "is_late").filter(~pl.col("is_late")), "call", "tags", "flags")
    return rows.join(texts, on="call", how="left").join(answers(legs), on="call", how="left").sort("call")


def calls(
    call_rows: pl.DataFrame, vendor_rows: pl.DataFrame, *, as_of: datetime, end_causes: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The table, and the open calls among it (OPEN_CALLS). From call_rows and vendor.vendor_rows."""
    needed = [name for name in call_rows.columns if name in vendor_rows.columns]
    rows = pl.concat([call_rows.select(needed), vendor_rows.select(needed)]).with_columns(
        *(pl.col(name).fill_null(0) for name in _COUNTED),
        *(pl.col(name).fill_null([]) for name in ("tags", "flags")),
        wait_ms=pl.coalesce((pl.col("answered_at") - pl.col("started_at")).dt.total_milliseconds(), "duration_ms"),
    )
    known = with_outcome(rows, as_of=as_of, end_causes=end_causes)
    open_calls = known.filter(~pl.col("has_end")).select(
        "k", "company", "call_id", turns_lost_at=pl.col("last_event_at") + LOST_AFTER, outcome="outcome"
    )
    return known.select(CALLS.names), open_calls.select(OPEN_CALLS.names)
