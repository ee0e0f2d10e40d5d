"""What holds of every call, whatever its events."""

from __future__ import annotations

import random

import polars as pl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.builders import LATER, facts_of, typed_frames
from tests.transforms import awkward
from tests.transforms.reference_model import Delivery
from transforms.tables import TABLES

FEW = settings(max_examples=6, deadline=None, phases=[Phase.explicit, Phase.generate])
seeds = st.integers(0, 10**6)
RECEIPT = ("received_at", "source", "integration_id", "writer", "seq", "delivery_count", "first_received_at", "last_received_at")
"""What deliveries say, and events do not."""


def some_calls(seed: int, calls: int = 12) -> list[Delivery]:
    rng = random.Random(seed)
    events = [event for number in range(calls) for event in awkward.call_events(rng, f"c_{number}")]
    events += [awkward.presence_event(rng) for _ in range(12)]
    return awkward.deliveries(rng, events)


def facts(deliveries: list[Delivery]) -> dict[str, pl.DataFrame]:
    return facts_of(typed_frames(deliveries), as_of=LATER)


def of_events(tables: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """Only the calls that have states: of basis call or live."""
    calls = tables["calls"].filter(pl.col("basis") != "vendor")
    return tables | {"calls": calls}


def milliseconds(end: str, start: str) -> pl.Expr:
    return (pl.col(end) - pl.col(start)).dt.total_milliseconds()


@FEW
@given(seeds)
def test_phases_add_up_to_duration(seed: int) -> None:
    calls = of_events(facts(some_calls(seed)))["calls"].filter(pl.col("ended_at").is_not_null())
    sums = calls["ring_ms"] + calls["talk_ms"] + calls["hold_ms"] + calls["other_ms"]
    assert sums.to_list() == calls["duration_ms"].to_list()


@FEW
@given(seeds)
def test_states_tile_the_call(seed: int) -> None:
    tables = of_events(facts(some_calls(seed)))
    states = tables["call_states"].sort("company", "call_id", "seq")
    follows = pl.struct("company", "call_id").eq(pl.struct("company", "call_id").shift(-1))
    gaps = states.filter(follows & pl.col("ended_at").ne_missing(pl.col("started_at").shift(-1)))
    assert gaps.is_empty()
    ends = states.group_by("company", "call_id").agg(first=pl.col("started_at").min(), last=pl.col("ended_at").last(), seq=pl.col("seq"))
    both = tables["calls"].join(ends, on=["company", "call_id"])
    assert both["first"].to_list() == both["started_at"].to_list()
    assert both["last"].to_list() == both["ended_at"].to_list()
    assert all(seq == list(range(len(seq))) for seq in both["seq"].to_list())


@FEW
@given(seeds)
def test_legs_tile_the_states(seed: int) -> None:
    tables = facts(some_calls(seed))
    figures = ("ring_ms", "talk_ms", "hold_ms", "other_ms")
    legs = (
        tables["call_legs"]
        .group_by("company", "call_id")
        .agg(*(pl.col(name).sum() for name in figures), numbers=pl.col("leg").sort(), leg_count=pl.len().cast(pl.Int64))
    )
    both = of_events(tables)["calls"].join(legs, on=["company", "call_id"], suffix="_of_legs")
    for name in (*figures, "leg_count"):
        assert both[name].to_list() == both[f"{name}_of_legs"].to_list()
    assert all(numbers == list(range(len(numbers))) for numbers in both["numbers"].to_list())


@FEW
@given(seeds)
def test_legs_and_visits_begin_while_their_call_is_open(seed: int) -> None:
    """What reports rely on when they look for the calls of a period's offers and visits: macro calls_open."""
    tables = facts(some_calls(seed))
    open_ms = pl.sum_horizontal("ring_ms", "talk_ms", "hold_ms", "other_ms")
    calls = tables["calls"].select(
        "company",
        "call_id",
        from_at="started_at",
        until_at=pl.coalesce("ended_at", pl.col("started_at") + pl.duration(milliseconds=open_ms)),
    )
    for name, at in (("call_legs", "started_at"), ("queue_visits", "entered_at")):
        both = tables[name].join(calls, on=["company", "call_id"])
        assert both.height == tables[name].height
        assert both.filter(pl.col(at).is_between("from_at", "until_at")).height == both.height, name


@FEW
@given(seeds)
def test_visits_follow_one_another(seed: int) -> None:
    visits = facts(some_calls(seed))["queue_visits"].sort("company", "call_id", "visit")
    follows = pl.struct("company", "call_id").eq(pl.struct("company", "call_id").shift(-1))
    following = visits.filter(follows.fill_null(False))
    after = visits.filter(pl.col("visit") > 0)
    assert following["left_at"].to_list() == after["entered_at"].to_list()
    assert following["next_queue"].to_list() == after["queue_name"].to_list()
    assert (following["queue_name"] != after["queue_name"]).all()


@FEW
@given(seeds)
def test_any_order_and_any_repetition_give_the_same_facts(seed: int) -> None:
    deliveries = some_calls(seed)
    rng = random.Random(seed + 1)
    again = deliveries + [
        Delivery("f" * 32, number, delivery.received_at, "elsewhere", delivery.body)
        for number, delivery in enumerate(rng.sample(deliveries, len(deliveries) // 2), 1)
    ]
    rng.shuffle(again)
    once, twice = facts(deliveries), facts(again)
    for name, table in TABLES.items():
        if name in once:
            kept = [column for column in table.names if column not in RECEIPT]
            assert same(once[name].select(kept), twice[name].select(kept)), name


@FEW
@given(seeds)
def test_order_of_deliveries_changes_nothing_at_all(seed: int) -> None:
    deliveries = some_calls(seed)
    shuffled = random.Random(seed).sample(deliveries, len(deliveries))
    one, other = facts(deliveries), facts(shuffled)
    for name in one:
        assert same(one[name], other[name]), name


def same(one: pl.DataFrame, other: pl.DataFrame) -> bool:
    """Whether two frames have equal rows, in any order."""
    return plain(one) == plain(other)


def plain(frame: pl.DataFrame) -> list[str]:
    return sorted(map(repr, frame.with_columns(pl.selectors.datetime().dt.epoch("us")).rows()))


@pytest.mark.parametrize("keys", [1, 3])
def test_calls_that_share_a_key_stay_apart(keys: int) -> None:
    frames = typed_frames(some_calls(7, calls=40))
    shared = frames._replace(call=frames.call.with_columns(k=pl.col("call_id").str.len_bytes().cast(pl.Int64) % keys))
    shared = shared._replace(vendor=frames.vendor.with_columns(k=pl.lit(0, pl.Int64)))
    usual, mixed = facts_of(frames), facts_of(shared)
    for name in usual:
        drop = [column for column in ("k",) if column in usual[name].columns]
        assert same(usual[name].drop(drop), mixed[name].drop(drop)), name


def test_a_call_does_not_bend_its_neighbours() -> None:
    deliveries = some_calls(11, calls=20)
    alone = [d for d in deliveries if b'"c_3"' in d.body]
    whole, part = facts(deliveries), facts(alone)
    for name in ("calls", "call_states", "call_legs", "queue_visits", "call_events", "vendor_calls"):
        mine = whole[name].filter(pl.col("call_id") == "c_3")
        assert same(mine, part[name].filter(pl.col("call_id") == "c_3")), name
