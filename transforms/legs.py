"""Legs, one row a run of states with one callee. Key: company, call_id, leg. Durations in ms. (CONTRACT §6)"""

from __future__ import annotations

from typing import Final

import polars as pl

from transforms.events import CONNECTED, PERSON
from transforms.runs import Runs, opens
from transforms.states import SUMS_MS, number_in
from transforms.tables import CALL_LEGS

_PARTY: Final = (
    pl.when(~pl.col("callee_present"))
    .then(0)
    .when(pl.col("callee_user_id").is_not_null())
    .then(1)
    .when(pl.col("callee_phone").is_not_null())
    .then(2)
    .otherwise(3)
)
"""By what a callee is known: not at all (null), user id, phone, or neither: all of these are one party."""


def legs(states: pl.DataFrame) -> pl.DataFrame:
    """The legs, in order. From states.states. Columns of call_legs, and call, is_person."""
    known = states.select("call", by=_PARTY, name=pl.coalesce("callee_user_id", "callee_phone"))
    runs = Runs.of(known.select(opens("call", "by", "name")).to_series())
    callee = ("present", "type", "phone", "name", "user_id", "extension", "department", "device")
    last = runs.at(states, ("call", "company", "call_id", "ended_at", *(f"callee_{field}" for field in callee)), runs.last)
    answered = runs.row_of_first(states, pl.col("phase").is_in(CONNECTED))
    every = last.with_columns(
        *runs.last_known(states, ["queue_name"]),
        *runs.sums(states, SUMS_MS),
        states["started_at"].gather(runs.first),
        states["started_at"].gather(answered).alias("answered_at"),
        answered.is_not_null().alias("answered"),
        PERSON.alias("is_person"),
    )
    # A null callee for 0 ms is the gap between two snapshots of one instant; its neighbours stay two legs all the same.
    listed = every.filter(pl.col("callee_present") | pl.col("ended_at").ne_missing(pl.col("started_at")))
    return listed.with_columns(leg=number_in("call"))


def call_legs(legs: pl.DataFrame) -> pl.DataFrame:
    """The table. From legs."""
    return legs.select(CALL_LEGS.names)


def answers(legs: pl.DataFrame) -> pl.DataFrame:
    """Of each call with a leg: leg_count, transfer_count, answered_by_*. From legs. Key: call."""
    runs = Runs.of(legs.select(opens("call")).to_series())
    by_person = pl.col("answered") & pl.col("is_person")
    first = runs.row_of_first(legs, by_person)
    fields = ("user_id", "extension", "name", "department")
    return pl.DataFrame(
        [
            legs["call"].gather(runs.first),
            (runs.last - runs.first + 1).cast(pl.Int64).alias("leg_count"),
            (runs.sums(legs, {"people": by_person})["people"] - 1).clip(0).alias("transfer_count"),
            legs["answered_at"].gather(first).alias("answered_by_at"),
            *(legs[f"callee_{field}"].gather(first).alias(f"answered_by_{field}") for field in fields),
        ]
    )
