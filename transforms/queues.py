"""Queue visits, one row a run of states in one queue. Key: company, call_id, visit. Durations in ms. (CONTRACT §6)"""

from __future__ import annotations

import polars as pl

from transforms.events import CONNECTED, PERSON
from transforms.runs import Runs, opens
from transforms.states import number_in
from transforms.tables import QUEUE_VISITS


def queue_visits(states: pl.DataFrame, ends: pl.DataFrame) -> pl.DataFrame:
    """The table. From states.states, and ended_at, ended_by of each call, in order of its number."""
    # A state without a queue stays in the queue before it; before the first queue there is no visit.
    filled = pl.col("queue_name").forward_fill()
    start = pl.when(opens("call")).then(pl.int_range(pl.len(), dtype=pl.Int64)).forward_fill()
    known = pl.when(pl.col("queue_name").is_not_null()).then(pl.int_range(pl.len(), dtype=pl.Int64)).forward_fill()
    queued = states.with_columns(queue_name=pl.when(known >= start).then(filled)).filter(pl.col("queue_name").is_not_null())
    runs = Runs.of(queued.select(opens("call", "queue_name")).to_series())
    answered = runs.row_of_first(queued, pl.col("phase").is_in(CONNECTED) & PERSON)
    visits = runs.at(queued, ("call", "company", "call_id", "queue_name"), runs.first).with_columns(
        *runs.last_known(queued, ["queue_id"]),
        queued["started_at"].gather(runs.first).alias("entered_at"),
        queued["started_at"].gather(answered).alias("answered_at"),
        queued["callee_user_id"].gather(answered).alias("answered_by_user_id"),
    )
    call_ended_at = pl.lit(ends["ended_at"]).gather("call")
    call_ended_by = pl.lit(ends["ended_by"]).gather("call")
    has_next = pl.col("call").shift(-1).eq_missing(pl.col("call"))
    return (
        visits.with_columns(
            visit=number_in("call"),
            left_at=pl.when(has_next).then(pl.col("entered_at").shift(-1)).otherwise(call_ended_at),
            next_queue=pl.when(has_next).then(pl.col("queue_name").shift(-1)),
            result=pl.when(pl.col("answered_at").is_not_null())
            .then(pl.lit("answered"))
            .when(has_next)
            .then(pl.lit("overflowed"))
            .when(call_ended_at.is_null())
            .then(pl.lit("open"))
            .when(call_ended_by == "caller")
            .then(pl.lit("caller_left"))
            .otherwise(pl.lit("unanswered")),
        )
        .with_columns(
            wait_ms=(pl.coalesce("answered_at", "left_at") - pl.col("entered_at")).dt.total_milliseconds(),
        )
        .select(QUEUE_VISITS.names)
    )
