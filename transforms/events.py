"""Typed events → distinct, ordered events: the one place of identity and order. (CONTRACT §6)

Identity: rows with one event_uid are one event, deliveries with one (writer, seq) one delivery; the event's received_at,
source, integration_id, writer and seq are those of its delivery with the least (received_at, source, writer, seq).
Order within a call: event_time, start < update < end, other < ringing < talking < held, event_uid. Never by arrival.
The first end closes the call; what is ordered after it is late.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import polars as pl

from transforms.runs import ROW, Runs, opens

FAMILIES: Final = ("call", "live", "vendor")
KINDS: Final = ("start", "update", "end")
PHASES: Final = ("other", "ringing", "talking", "held")
CONNECTED: Final = ("talking", "held")
"""The phases of an answered call."""

PERSON: Final = pl.col("callee_user_id").is_not_null() & (pl.col("callee_device").ne_missing("VOICEBOT"))
"""The callee is a person: has a user id, and is no voice bot."""


def in_case(values: pl.Series, case: Callable[[str], str]) -> pl.Series:
    """The texts through Python's str.lower or str.upper: polars' own differ in rare letters."""
    known = values.unique().drop_nulls().to_list()
    changed = {text: case(text) for text in known if case(text) != text}
    return values.replace(list(changed), list(changed.values())) if changed else values


def with_case(frame: pl.DataFrame, case: Callable[[str], str], *names: str) -> pl.DataFrame:
    """The named columns through `case`."""
    return frame.with_columns(in_case(frame[name], case).alias(name) for name in names)


def deliveries_by_event(deliveries: pl.DataFrame) -> pl.DataFrame:
    """One row an event_uid: the delivery that stands for it, delivery_count, last_received_at. From DELIVERIES."""
    # By hash: a row too many among the repeated does no harm, and hashes compare three times as fast.
    repeated = deliveries.select(pl.col("event_uid").hash().is_duplicated()).to_series()
    single = deliveries.filter(~repeated).with_columns(delivery_count=pl.lit(1, pl.Int64), last_received_at=pl.col("received_at"))
    several = deliveries.filter(repeated).sort("event_uid", "received_at", "source", "writer", "seq")
    several = several.filter(opens("event_uid", "writer", "seq"))  # a delivery that is there twice is its own neighbour
    runs = Runs.of(several.select(opens("event_uid")).to_series())
    standing = several[runs.first].with_columns(
        delivery_count=(runs.last - runs.first + 1).cast(pl.Int64), last_received_at=several["received_at"][runs.last]
    )
    return pl.concat([single, standing]).drop("k")


def with_deliveries(events: pl.DataFrame, deliveries: pl.DataFrame) -> pl.DataFrame:
    """Adds to distinct events what deliveries_by_event has of them. Order stays."""
    row = pl.int_range(pl.len(), dtype=ROW)
    by_event = deliveries_by_event(deliveries).rechunk()
    found = events.select("event_uid", row=row).join(by_event.select("event_uid", delivery=row), on="event_uid", how="left")
    rows = found.select("row", "delivery").sort("row")["delivery"]  # narrow, as the join may change the order
    return events.with_columns(by_event.drop("event_uid").select(pl.all().gather(rows.rechunk())))


def with_phase(events: pl.DataFrame, phases: pl.DataFrame) -> pl.DataFrame:
    """Adds phase: the list's word for the status in upper case, else other."""
    known = dict(zip(phases["status"], phases["phase"], strict=True))
    sent = events["status"].unique().drop_nulls().to_list()
    return events.with_columns(
        phase=pl.col("status").replace_strict(
            sent, [known.get(status.upper(), "other") for status in sent], default="other", return_dtype=pl.String
        )
    )


def unlisted_statuses(events: pl.DataFrame, phases: pl.DataFrame) -> pl.DataFrame:
    """status (as sent), events: how often each status came that the list of phases lacks. Key: status."""
    counts = events.filter(pl.col("status").is_not_null()).group_by("status").agg(events=pl.len().cast(pl.Int64))
    return counts.filter(~in_case(counts["status"], str.upper).is_in(phases["status"].implode())).sort("status")


def in_call_order(events: pl.DataFrame) -> pl.DataFrame:
    """Distinct events, sorted by call, family and the order within a call. Needs phase; adds call. Key: event_uid.

    call numbers the calls from 0: comparing it is a fraction of comparing two texts. Family, instant, kind and phase
    are one number, and the wide rows are moved once: that halves the time.
    """
    rank = (
        _rank("family", FAMILIES) * 2**60
        + pl.col("event_time").dt.epoch("ms") * 2**6
        + _rank("kind", KINDS) * 2**3
        + _rank("phase", PHASES)
    )
    order = ("k", "rank", "event_uid")
    ranked = events.with_columns(rank=rank).rechunk()  # rows gathered from many chunks take eight times as long
    ordered = ranked[_distinct_rows(ranked, order)]
    # k is a digest: should two calls ever share one, a build must neither fail nor mix them.
    starts = ordered.select(opens("company", "call_id")).to_series()
    if (starts & ~ordered.select(opens("k")).to_series()).any():
        ordered = ranked[_distinct_rows(ranked, ("company", "call_id", *order))]
        starts = ordered.select(opens("company", "call_id")).to_series()
    return ordered.drop("rank").with_columns(call=starts.cum_sum().cast(ROW) - 1)


def ordered_events(typed: pl.DataFrame, deliveries: pl.DataFrame, phases: pl.DataFrame) -> pl.DataFrame:
    """Distinct events of the families call and live, in order.

    From TYPED_CALL and DELIVERIES; adds call, phase, received_at, source, integration_id, writer, seq, delivery_count and
    last_received_at; ended_by and direction in lower case. Key: event_uid.
    """
    return (
        typed.pipe(with_phase, phases)
        .pipe(with_case, str.lower, "ended_by", "direction")
        .pipe(in_call_order)
        .pipe(with_deliveries, deliveries)
    )


def ordered_vendor_events(typed: pl.DataFrame, deliveries: pl.DataFrame) -> pl.DataFrame:
    """Distinct events of the family vendor by call, event_time, event_uid, with their deliveries. From TYPED_VENDOR."""
    events = typed.rechunk()
    rows = _distinct_rows(events, ("k", "company", "call_id", "event_time", "event_uid"))
    return events[rows].pipe(with_case, str.lower, "ended_by").pipe(with_deliveries, deliveries)


def newest(vendor_events: pl.DataFrame) -> pl.DataFrame:
    """The newest call:completed of each call, by event_time, event_uid. From ordered_vendor_events."""
    runs = Runs.of(vendor_events.select(opens("k", "company", "call_id")).to_series())
    return vendor_events[runs.last]


def basis_of_calls(events: pl.DataFrame, vendor: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The events of each call's basis: of the families call and live, and of vendor.

    The basis is the first of call, live, vendor that has an end, or if none has one the first that has events. From
    ordered_events and newest, in their order.
    """
    starts = events.select(opens("call", "family")).to_series()
    runs = Runs.of(starts)
    candidates = pl.concat(
        [
            events.select("company", "call_id", "family")[runs.first].with_columns(
                has_end=runs.row_of_first(events, pl.col("kind") == "end").is_not_null(),
                row=pl.int_range(pl.len(), dtype=ROW),
            ),
            vendor.select("company", "call_id", family=pl.lit("vendor"), has_end=True, row=pl.int_range(pl.len(), dtype=ROW)),
        ]
    )
    preference = pl.when("has_end").then(0).otherwise(len(FAMILIES)) + _rank("family", FAMILIES)
    basis = candidates.filter(preference == preference.min().over("company", "call_id"))
    is_vendor = pl.col("family") == "vendor"
    own, from_vendor = basis.filter(~is_vendor)["row"], basis.filter(is_vendor)["row"]
    if len(own) < len(runs):
        is_basis = pl.repeat(False, len(runs), eager=True).scatter(own, True)
        events = events.filter(is_basis.gather(starts.cum_sum() - 1))
    return events, vendor[from_vendor.sort()]


def timeline(events: pl.DataFrame) -> pl.DataFrame:
    """Adds what each event is to its call: is_state, is_late, next_at; numbers the calls anew, from 0.

    From ordered_events of one family a call. An event before the first end opens a state, which lasts to next_at, the
    next event's time (null for the last state of an open call); the first end opens none; what follows it is late.
    """
    first = opens("call")
    is_end = pl.col("kind") == "end"
    ends_before = is_end.cum_sum() - is_end.cast(pl.UInt32)
    numbered = events.with_columns(
        call=first.cum_sum().cast(ROW) - 1,
        is_late=ends_before > pl.when(first).then(ends_before).forward_fill(),
    ).with_columns(is_state=~pl.col("is_late") & ~is_end)
    follows = pl.col("call") == pl.col("call").shift(-1)
    return numbered.with_columns(
        next_at=pl.when(pl.col("is_state") & follows).then(pl.col("event_time").shift(-1)),
    )


def texts_by(frame: pl.DataFrame, by: str, *names: str) -> pl.DataFrame:
    """The sorted distinct texts of each list column, by group; null where a group has none. Key: `by`."""
    groups = frame.select(pl.col(by).unique())
    for name in names:
        texts = frame.select(by, name).filter(pl.col(name).list.len() > 0).explode(name).group_by(by).agg(pl.col(name).unique().sort())
        groups = groups.join(texts, on=by, how="left")
    return groups


def _rank(name: str, order: tuple[str, ...]) -> pl.Expr:
    return pl.col(name).replace_strict(order, range(len(order)), return_dtype=pl.Int64)


def _distinct_rows(events: pl.DataFrame, order: tuple[str, ...]) -> pl.Series:
    """Row numbers in this order, which ends in event_uid and follows from the event alone: equal events are neighbours."""
    rows = events.select(pl.arg_sort_by(*order)).to_series()
    uids = events["event_uid"].gather(rows)
    # One chunk: what is gathered takes its chunks from the row numbers, and each later step on a frame of several copies it.
    return rows.filter(uids.ne_missing(uids.shift(1))).rechunk()
