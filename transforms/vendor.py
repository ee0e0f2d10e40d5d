"""The vendor's own account: flows of call:completed, and the row of a call whose basis they are. (CONTRACT §6)

Flows come from the parser in order of flowIndex, equal indexes settled. Durations in ms, as sent: figures that are
negative or exceed the call change nothing but themselves.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from transforms.events import PERSON, in_case, texts_by
from transforms.runs import ROW, Runs, opens
from transforms.states import number_in
from transforms.tables import PARTY, VENDOR_CALLS

BEST_MOS: Final = 5.0
_TALKED: Final = pl.col("talk_ms") > 0
_BEFORE_ANSWER: Final = ("connect_ms", "wait_ms", "queue_ms")
_LAST_KNOWN: Final = ("destination", "service", "trunk_name", "queue_name", "queue_id")
_END: Final = ("end_cause", "end_cause_text", "ended_by")


def flows(vendor_events: pl.DataFrame) -> pl.DataFrame:
    """One row a flow, in order. From events.ordered_vendor_events or newest.

    Columns of a flow, and event (row number of its event), place (from 0), k, company, call_id, event_uid, event_time.
    """
    return (
        vendor_events.select(
            pl.int_range(pl.len(), dtype=ROW).alias("event"),
            *("k", "company", "call_id", "event_uid", "event_time", "flows"),
        )
        .filter(pl.col("flows").list.len() > 0)
        .explode("flows")
        .unnest("flows")
        .with_columns(place=number_in("event"))
    )


def vendor_calls(flows: pl.DataFrame) -> pl.DataFrame:
    """The table. From the flows of each call's newest call:completed. Key: company, call_id, flow_index."""

    def measured(name: str) -> pl.Expr:
        return pl.when((pl.col(name) > 0) & (pl.col(name) <= BEST_MOS)).then(pl.col(name)).alias(name)

    return flows.with_columns(measured("caller_mos"), measured("callee_mos")).select(VENDOR_CALLS.names)


def vendor_rows(vendor_events: pl.DataFrame) -> pl.DataFrame:
    """Rows for calls.with_rules, of calls whose basis is vendor. From events.newest. Key: company, call_id."""
    sent = vendor_events.with_row_index("event").rename({name: f"data_{name}" for name in (*_LAST_KNOWN, *_END)})
    rows = sent.join(_by_event(flows(vendor_events)), on="event", how="left").join(
        _texts(vendor_events), on="event", how="left", suffix="_all"
    )
    rows = rows.with_columns(
        pl.coalesce("started_at", "event_time").alias("started_at"),
        pl.coalesce("ended_at", "event_time").alias("ended_at"),
        *(pl.coalesce(name, f"data_{name}").alias(name) for name in _LAST_KNOWN),
        *(pl.coalesce(f"data_{name}", name).alias(name) for name in _END),
        *(pl.col(name).fill_null(0) for name in ("ring_ms", "talk_ms", "hold_ms", "leg_count", "transfer_count")),
        *(pl.col(f"{side}_present").fill_null(False) for side in ("caller", "callee")),
        pl.col("tags_all").alias("tags"),
        pl.col("flags_all").alias("flags"),
    ).with_columns(
        basis=pl.lit("vendor"),
        duration_ms=(pl.col("ended_at") - pl.col("started_at")).dt.total_milliseconds(),
        hold_count=pl.lit(0, pl.Int64),
        late_events=pl.lit(0, pl.Int64),
        event_count=pl.lit(1, pl.Int64),
        has_start=pl.lit(True),
        has_end=pl.lit(True),
        first_received_at=pl.col("received_at"),
        last_event_at=pl.col("event_time"),
    )
    parts = pl.col("ring_ms") + pl.col("talk_ms") + pl.col("hold_ms")
    return rows.with_columns(
        other_ms=(pl.col("duration_ms") - parts).clip(0),
        ended_by=in_case(rows["ended_by"], str.lower),
        said_direction=in_case(rows["said_direction"], str.lower),
    )


def _by_event(flows: pl.DataFrame) -> pl.DataFrame:
    """What the flows say of their call, one row an event that has any. Key: event."""
    runs = Runs.of(flows.select(opens("event")).to_series())
    waits = pl.sum_horizontal(pl.col(name).fill_null(0) for name in _BEFORE_ANSWER)
    flows = flows.with_columns(talked_at=pl.coalesce("started_at", "event_time") + pl.duration(milliseconds=waits), waits=waits)
    answered = runs.row_of_first(flows, _TALKED)
    by_person = runs.row_of_first(flows, _TALKED & PERSON)
    directed = runs.row_of_first(flows, pl.col("direction").is_not_null())
    caller = runs.row_of_first(flows, pl.col("caller_present"))
    callee = runs.row_of_last(flows, pl.col("callee_present"))
    times = flows.group_by("event").agg(pl.col("started_at").min(), pl.col("ended_at").max()).sort("event")
    fields = ("present", *PARTY)
    return times.with_columns(
        *runs.sums(flows, {"ring_ms": pl.col("waits"), "talk_ms": pl.col("talk_ms"), "hold_ms": pl.col("hold_ms")}),
        *runs.last_known(flows, (*_LAST_KNOWN, *_END)),
        *runs.at(flows, [f"caller_{field}" for field in fields], caller),
        *runs.at(flows, [f"callee_{field}" for field in fields], callee),
        (runs.last - runs.first + 1).cast(pl.Int64).alias("leg_count"),
        (runs.sums(flows, {"people": _TALKED & PERSON})["people"] - 1).clip(0).alias("transfer_count"),
        flows["talked_at"].gather(answered).alias("answered_at"),
        flows["talked_at"].gather(by_person).alias("answered_by_at"),
        *(
            flows[f"callee_{field}"].gather(by_person).alias(f"answered_by_{field}")
            for field in ("user_id", "extension", "name", "department")
        ),
        flows["direction"].gather(directed).alias("said_direction"),
    )


def _texts(vendor_events: pl.DataFrame) -> pl.DataFrame:
    """tags and flags of data and of all flows. Key: event."""
    names = ("tags", "flags")
    own = vendor_events.select(pl.int_range(pl.len(), dtype=ROW).alias("event"), *names)
    return texts_by(pl.concat([own, flows(vendor_events).select("event", *names)]), "event", *names)
