"""Presence: unbroken times in one status, and who joined and left conferences. Durations in ms. (CONTRACT §6)"""

from __future__ import annotations

from typing import Final

import polars as pl

from transforms.events import with_case
from transforms.runs import Runs, opens
from transforms.tables import CONFERENCE_EVENTS, PRESENCE_INTERVALS

_WHOSE: Final = ("company", "extension", "kind")
_WHAT: Final = ("status", "message", "until", "address", "lat", "lng")
"""An event equal to its predecessor in these extends its interval."""


def presence_intervals(typed: pl.DataFrame) -> pl.DataFrame:
    """The table. From TYPED_PRESENCE of whole persons. Key: company, extension, kind, started_at."""
    events = typed.filter(pl.col("kind") != "conference").pipe(with_case, str.lower, "status").sort(*_WHOSE, "event_time", "event_uid")
    runs = Runs.of(events.select(opens(*_WHOSE, *_WHAT)).to_series())
    intervals = events[runs.first].with_columns(started_at=pl.col("event_time"))
    goes_on = ~opens(*_WHOSE).shift(-1, fill_value=True)
    return intervals.with_columns(
        ended_at=pl.when(goes_on).then(pl.col("started_at").shift(-1)),
    ).select(
        *(pl.col(name) for name in PRESENCE_INTERVALS.names if name != "duration_ms"),
        (pl.col("ended_at") - pl.col("started_at")).dt.total_milliseconds().alias("duration_ms"),
    )


def conference_events(typed: pl.DataFrame) -> pl.DataFrame:
    """The table, one row a distinct event. From TYPED_PRESENCE."""
    events = typed.filter(pl.col("kind") == "conference").filter(pl.col("event_uid").is_first_distinct())
    return events.select(CONFERENCE_EVENTS.names).sort(CONFERENCE_EVENTS.order_by)
