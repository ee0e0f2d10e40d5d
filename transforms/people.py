"""People, one row an extension: who had it last. Key: company, extension. (CONTRACT §6)

What was seen is kept with what decides which is newest (PEOPLE_SEEN), so newest can be asked of any parts of it, again
and again: newest(newest(a) + b) = newest(a + b).
"""

from __future__ import annotations

from typing import Final

import polars as pl

from transforms.events import KINDS
from transforms.runs import Runs, opens
from transforms.tables import PEOPLE, PEOPLE_SEEN

_KEPT: Final = ("user_id", "name", "email", "department", "group_name")
_ORDER: Final = ("last_seen_at", "rank", "event_uid", "side", "place")
_SIDES: Final = ("caller", "callee")


def people_seen(events: pl.DataFrame, flows: pl.DataFrame) -> pl.DataFrame:
    """PEOPLE_SEEN of these events: from ordered_events, and the flows of all ordered_vendor_events."""
    rank = pl.col("kind").replace_strict(KINDS, range(len(KINDS)), return_dtype=pl.Int64)
    seen = [
        frame.select(
            "company",
            pl.col(f"{side}_type").alias("type"),
            pl.col(f"{side}_extension").alias("extension"),
            *(pl.col(f"{side}_{field}").alias(field) for field in _KEPT),
            pl.col("event_time").alias("last_seen_at"),
            order.alias("rank"),
            "event_uid",
            pl.lit(_SIDES.index(side), pl.Int64).alias("side"),
            place.alias("place"),
        )
        .filter((pl.col("type") == "LOCAL") & pl.col("extension").is_not_null())
        .drop("type")
        for side in _SIDES
        for frame, order, place in (
            (events, rank, pl.lit(0, pl.Int64)),
            (flows, pl.lit(len(KINDS), pl.Int64), pl.col("place")),
        )
    ]
    return newest(pl.concat(seen))


def newest(seen: pl.DataFrame) -> pl.DataFrame:
    """The newest sight of each person. From PEOPLE_SEEN, in any number of rows a person; PEOPLE_SEEN, one a person."""
    last = seen.filter(pl.col("last_seen_at") == pl.col("last_seen_at").max().over("company", "extension"))
    ordered = last.sort("company", "extension", *_ORDER)
    runs = Runs.of(ordered.select(opens("company", "extension")).to_series())
    return ordered[runs.last].select(PEOPLE_SEEN.names)


def people(seen: pl.DataFrame) -> pl.DataFrame:
    """The table. From PEOPLE_SEEN, in any number of rows a person."""
    return newest(seen).select(PEOPLE.names)
