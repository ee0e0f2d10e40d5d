"""States, one row an event before the call's first end. Key: company, call_id, seq. Durations in ms. (CONTRACT §6)"""

from __future__ import annotations

from typing import Final

import polars as pl

from transforms.events import PHASES
from transforms.runs import Runs, opens
from transforms.tables import CALL_STATES

DURATION_MS: Final = (pl.col("ended_at") - pl.col("started_at")).dt.total_milliseconds()

SUMS_MS: Final = {
    column: pl.when(pl.col("phase") == phase).then("duration_ms")
    for column, phase in zip(("other_ms", "ring_ms", "talk_ms", "hold_ms"), PHASES, strict=True)
}
"""Time by phase: what to sum over the states of a call or of a leg."""


def states(timeline: pl.DataFrame) -> pl.DataFrame:
    """The states, in order, with all of the event that legs and queue visits ask for. From events.timeline.

    Columns of call_states, and call, callee_present, callee_department, callee_device, queue_id.
    """
    callee = ("present", "type", "phone", "name", "user_id", "extension", "department", "device")
    opened = timeline.select(
        "is_state",
        "call",
        "company",
        "call_id",
        "status",
        "phase",
        pl.col("event_time").alias("started_at"),
        pl.col("next_at").alias("ended_at"),
        "caller_phone",
        *(f"callee_{field}" for field in callee),
        "queue_name",
        "queue_id",
    ).filter("is_state")
    return opened.with_columns(seq=number_in("call"), duration_ms=DURATION_MS)


def call_states(states: pl.DataFrame) -> pl.DataFrame:
    """The table. From states."""
    return states.select(CALL_STATES.names)


def number_in(group: str) -> pl.Expr:
    """Number of each row within its run of equal values of `group`, from 0."""
    row = pl.int_range(pl.len(), dtype=pl.Int64)
    return row - pl.when(opens(group)).then(row).forward_fill()


def runs_of(frame: pl.DataFrame, *columns: str) -> Runs:
    """Runs of rows that are equal in the columns."""
    return Runs.of(frame.select(opens(*columns)).to_series())
