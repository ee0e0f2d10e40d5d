"""What a call's figures mean: direction, the party outside, causes, outcome, abandoned. Rules as expressions. (CONTRACT §6)"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import polars as pl

LOST_AFTER: Final = timedelta(hours=4)
"""A call without an end whose last event is this old is lost."""

KEY_DIGITS: Final = 9
LEAST_KEY_DIGITS: Final = 6

CATEGORY_OUTCOMES: Final = {
    "rejected": "rejected",
    "busy": "busy",
    "no_answer": "no_answer",
    "unreachable": "failed",
    "invalid_number": "failed",
    "congestion": "failed",
    "network_failure": "failed",
    "not_permitted": "failed",
    "protocol_error": "failed",
}

_caller, _callee = pl.col("caller_type"), pl.col("callee_type")

DIRECTION: Final = pl.coalesce(
    "said_direction",
    pl.when(_caller == "REMOTE")
    .then(pl.lit("inbound"))
    .when((_caller == "LOCAL") & (_callee == "REMOTE"))
    .then(pl.lit("outbound"))
    .when((_caller == "LOCAL") & ~pl.col("callee_present") & pl.col("trunk_name").is_not_null())
    .then(pl.lit("outbound"))
    .when((_caller == "LOCAL") & (_callee == "LOCAL"))
    .then(pl.lit("internal"))
    .otherwise(pl.lit("unknown")),
)
"""What the events say of the direction, else the rule by the participants' types, compared exactly."""

EXTERNAL_PHONE: Final = (
    pl.when(pl.col("direction") == "inbound")
    .then(pl.col("caller_phone"))
    .when(pl.col("direction") == "outbound")
    .then(pl.coalesce("callee_phone", "destination"))
)

_digits = pl.col("external_phone").str.replace_all(r"[^0-9]", "")
EXTERNAL_KEY: Final = pl.when(_digits.str.len_bytes() >= LEAST_KEY_DIGITS).then(_digits.str.tail(KEY_DIGITS))

ENDED: Final = pl.col("ended_at").is_not_null()
ABANDONED: Final = pl.when(ENDED).then(pl.col("answered_at").is_null() & pl.col("ended_by").eq_missing(pl.lit("caller")))


def outcome(as_of: datetime) -> pl.Expr:
    """The first rule that holds. `as_of` decides between in_progress and lost, and nothing else."""
    return (
        pl.when(~ENDED & (pl.col("last_event_at") > as_of - LOST_AFTER))
        .then(pl.lit("in_progress"))
        .when(~ENDED)
        .then(pl.lit("lost"))
        .when(pl.col("answered_at").is_not_null())
        .then(pl.lit("answered"))
        .when(pl.col("end_cause_category").is_in(list(CATEGORY_OUTCOMES)))
        .then(pl.col("end_cause_category").replace_strict(CATEGORY_OUTCOMES, default=None, return_dtype=pl.String))
        .when(pl.col("ended_by") == "caller")
        .then(pl.lit("abandoned"))
        .otherwise(pl.lit("no_answer"))
    )


def with_end_cause(calls: pl.DataFrame, end_causes: pl.DataFrame) -> pl.DataFrame:
    """Adds end_cause_name and end_cause_category: `unknown` if the code is null or not in the table, null while open."""
    codes = end_causes["code"].to_list()

    def looked_up(column: str) -> pl.Expr:
        found = pl.col("end_cause").replace_strict(codes, end_causes[column].to_list(), default="unknown", return_dtype=pl.String)
        return pl.when(ENDED).then(found.fill_null("unknown"))

    return calls.with_columns(end_cause_name=looked_up("name"), end_cause_category=looked_up("category"))


def with_outcome(calls: pl.DataFrame, *, as_of: datetime, end_causes: pl.DataFrame) -> pl.DataFrame:
    """Adds direction, external_phone, external_key, end_cause_name, end_cause_category, outcome, abandoned.

    Needs said_direction, callee_present and last_event_at beside the columns of calls.
    """
    return (
        calls.with_columns(direction=DIRECTION)
        .with_columns(external_phone=EXTERNAL_PHONE)
        .with_columns(external_key=EXTERNAL_KEY)
        .pipe(with_end_cause, end_causes)
        .with_columns(outcome=outcome(as_of), abandoned=ABANDONED)
    )
