"""The transforms against CONTRACT §6 once more in plain loops (reference_model.py), over events made to be awkward."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from tests.builders import MONDAY, facts_of, typed_frames
from tests.transforms import awkward, reference_model
from tests.transforms.reference_model import Delivery, Row
from transforms.reference import call_phases, end_causes
from transforms.tables import TABLES

PHASES = dict(call_phases().iter_rows())
CAUSES = {code: (name, category) for code, name, category in end_causes().iter_rows()}
AS_OFS = (
    MONDAY,
    MONDAY + timedelta(hours=4),
    MONDAY + timedelta(hours=4, seconds=1),
    MONDAY + timedelta(hours=4, seconds=1, microseconds=-1),
    datetime(2027, 1, 1, tzinfo=UTC),
)


def plain(frame: pl.DataFrame) -> list[Row]:
    """Rows with instants as whole microseconds."""
    return frame.with_columns(pl.selectors.datetime().dt.epoch("us")).to_dicts()


def difference(deliveries: Sequence[Delivery], as_of: datetime) -> str | None:
    """The first table and rows in which transforms and model differ."""
    expected = reference_model.facts(list(deliveries), as_of=as_of, phases=PHASES, causes=CAUSES)
    got = facts_of(typed_frames(deliveries), as_of=as_of)
    for name, rows in expected.items():
        assert list(got[name].schema.items()) == list(TABLES[name].polars.items())
        found = sorted(repr(row) for row in plain(got[name]))
        wanted = sorted(repr({column: row[column] for column in TABLES[name].names}) for row in rows)
        if found != wanted:
            ours = "\n".join(row for row in found if row not in wanted)
            theirs = "\n".join(row for row in wanted if row not in found)
            return f"{name}\ntransforms:\n{ours}\nmodel:\n{theirs}"
    return None


def least(deliveries: list[Delivery], as_of: datetime) -> list[Delivery]:
    """As few of these deliveries as still differ."""
    step = len(deliveries)
    while step:
        kept = 0
        while kept < len(deliveries):
            fewer = deliveries[:kept] + deliveries[kept + step :]
            if difference(fewer, as_of):
                deliveries = fewer
            else:
                kept += step
        step //= 2
    return deliveries


def assert_same_facts(deliveries: list[Delivery], as_of: datetime) -> None:
    if difference(deliveries, as_of):
        few = least(deliveries, as_of)
        bodies = "\n".join(f"{delivery.writer[:1]} {delivery.seq} {delivery.body.decode()}" for delivery in few)
        pytest.fail(f"{difference(few, as_of)}\nof the deliveries\n{bodies}", pytrace=False)


@pytest.mark.parametrize("seed", range(len(AS_OFS)))
def test_calls_are_what_the_contract_says(seed: int) -> None:
    rng = random.Random(seed)
    events = [event for number in range(400) for event in awkward.call_events(rng, f"c_{number}")]
    assert_same_facts(awkward.deliveries(rng, events), AS_OFS[seed])


def test_presence_is_what_the_contract_says() -> None:
    rng = random.Random(1)
    for _ in range(10):
        assert_same_facts(awkward.deliveries(rng, [awkward.presence_event(rng) for _ in range(40)]), MONDAY)


def test_no_events_give_empty_tables() -> None:
    assert difference([], MONDAY) is None
