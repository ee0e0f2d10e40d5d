"""The landing zone's words: names, folders, and which parts count."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import layout
from ingest.layout import Counted, PartName, PartRef, Superseded

A = "a" * 32
B = "b" * 32
DAY = date(2026, 11, 24)
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def part(writer: str, first: int, last: int, *, day: date = DAY) -> PartRef:
    name = PartName(writer, first, last)
    return PartRef(name, day, layout.part_key(day, name), 100, NOON)


def test_a_part_name_says_writer_first_and_last_in_twelve_digits() -> None:
    assert str(PartName(A, 1, 30_000)) == f"{A}-000000000001-000000030000.parquet"
    assert layout.parse_part_name(f"{A}-000000000001-000000030000.parquet") == PartName(A, 1, 30_000)


@pytest.mark.parametrize(
    "name",
    [
        f"{A}-1-2.parquet",
        f"{A.upper()}-000000000001-000000000002.parquet",
        f"{A[1:]}-000000000001-000000000002.parquet",
        f"{A}-000000000002-000000000001.parquet",
        f"{A}-000000000000-000000000001.parquet",
        f"{A}-000000000001-000000000002.parquet.bak",
        f"{A}-000000000001-000000000002.parquet\n",
        f"{A}-00000000000١-000000000002.parquet",
        f".{A}-000000000001-000000000002.parquet",
        "",
    ],
)
def test_any_other_name_is_no_part(name: str) -> None:
    assert layout.parse_part_name(name) is None


@pytest.mark.parametrize(("first", "last"), [(0, 1), (2, 1), (1, 10**12)])
def test_a_range_that_no_name_can_say_is_refused(first: int, last: int) -> None:
    with pytest.raises(ValueError, match="range"):
        PartName(A, first, last)


def test_a_key_is_a_part_only_in_a_days_folder() -> None:
    name = PartName(A, 1, 2)
    assert layout.parse_part_key(f"received_date=2026-11-24/{name}") == (DAY, name)
    for key in [
        str(name),
        f"received_date=2026-11-31/{name}",
        f"received_date=20261124/{name}",
        f"date=2026-11-24/{name}",
        f"x/received_date=2026-11-24/{name}",
        f"received_date=2026-11-24/x/{name}",
        f"received_date=2026-11-24/.{name}",
    ]:
        assert layout.parse_part_key(key) is None


def test_temporary_names_are_told_from_others() -> None:
    assert layout.is_temporary("received_date=2026-11-24/.0af3.tmp")
    assert not layout.is_temporary("received_date=2026-11-24/0af3.tmp")
    assert not layout.is_temporary("received_date=2026-11-24/.hidden")


def test_a_part_within_a_wider_one_is_superseded() -> None:
    wide, first, second = part(A, 1, 20), part(A, 1, 10), part(A, 11, 20)
    assert layout.counting([first, wide, second]) == Counted((wide,), (Superseded(first, wide), Superseded(second, wide)))


def test_parts_that_overlap_without_containment_both_count() -> None:
    one, two = part(A, 1, 10), part(A, 5, 15)
    assert layout.counting([two, one]) == Counted((one, two), ())


def test_parts_of_two_writers_do_not_touch_each_other() -> None:
    one, two = part(A, 1, 20), part(B, 5, 15)
    assert layout.counting([two, one]) == Counted((one, two), ())


def test_of_equal_names_the_earlier_date_counts() -> None:
    early, late = part(A, 1, 10, day=date(2026, 11, 23)), part(A, 1, 10)
    assert layout.counting([late, early]) == Counted((early,), (Superseded(late, early),))


def test_a_wider_part_supersedes_across_folders_even_when_it_is_later() -> None:
    narrow, wide = part(A, 5, 10, day=date(2026, 11, 23)), part(A, 1, 10)
    assert layout.counting([narrow, wide]) == Counted((wide,), (Superseded(narrow, wide),))


RANGES = st.builds(
    lambda writer, first, length, day: part(writer, first, first + length, day=date(2026, 11, day)),
    st.sampled_from([A, B]),
    st.integers(1, 12),
    st.integers(0, 8),
    st.integers(1, 3),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(RANGES, max_size=12, unique=True))
def test_counting_says_what_the_contract_says_of_each_pair(parts: list[PartRef]) -> None:
    def beaten(one: PartRef, other: PartRef) -> bool:
        if one.name == other.name:
            return other.date < one.date
        return other.name.covers(one.name)

    counted = layout.counting(parts)
    assert set(counted.parts) == {p for p in parts if not any(beaten(p, q) for q in parts if q is not p)}
    assert len(counted.parts) + len(counted.superseded) == len(parts)
    for superseded in counted.superseded:
        assert superseded.by in counted.parts
        assert beaten(superseded.part, superseded.by)


def test_ranges_join_where_they_touch_or_overlap() -> None:
    names = [PartName(A, 11, 20), PartName(A, 1, 10), PartName(A, 22, 30), PartName(A, 25, 40), PartName(B, 7, 7)]
    assert layout.joined_ranges(names) == {A: [(1, 20), (22, 40)], B: [(7, 7)]}


def test_a_writer_id_is_its_random_bytes_in_hex() -> None:
    assert layout.new_writer_id(bytes(range(16))) == "000102030405060708090a0b0c0d0e0f"
    with pytest.raises(ValueError, match="16"):
        layout.new_writer_id(b"short")
